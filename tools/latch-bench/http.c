/* The contract is in http.h. */
#include "http.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "client/ws.h"

#define ANSWER_MAX (1u << 20)

static int send_all(int fd, const struct buf *b, uint64_t deadline_ns) {
        size_t sent = 0;

        while (sent < b->n) {
                ssize_t k = send(fd, b->data + sent, b->n - sent, MSG_NOSIGNAL);
                int r = 0;
                if (k > 0)
                        sent += (size_t)k;
                else if (errno == EAGAIN)
                        r = fd_wait(fd, POLLOUT, deadline_ns);
                else if (errno != EINTR)
                        r = -errno;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* To the end of the stream: we asked the server to close. */
static int receive_all(int fd, struct buf *b, uint64_t deadline_ns) {
        for (;;) {
                int r = fd_wait(fd, POLLIN, deadline_ns);
                if (r == 0)
                        r = buf_reserve(b, 4096);
                if (r < 0)
                        return r;
                ssize_t k = recv(fd, b->data + b->n, 4096, 0);
                if (k == 0)
                        return 0;
                if (k < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (k > 0)
                        b->n += (size_t)k;
                b->data[b->n] = '\0';
        }
}

static int exchange(const struct site *site, const struct buf *request, uint64_t deadline_ns,
                    struct buf *answer) {
        _cleanup_(fd_closep) int fd = -1;
        int r = tcp_connect(site->host, site->port, deadline_ns, &fd);

        if (r == 0)
                r = send_all(fd, request, deadline_ns);
        return r < 0 ? r : receive_all(fd, answer, deadline_ns);
}

int http_post(const struct site *site, const char *path, const json_t *body, uint64_t deadline_ns,
              int *ret_status, json_t **ret) {
        _cleanup_(buf_done) struct buf request = BUF_INIT(ANSWER_MAX),
                                       answer = BUF_INIT(ANSWER_MAX);
        _cleanup_(freep) char *text = json_dumps(body, JSON_COMPACT);

        if (!text)
                return -ENOMEM;
        int r = buf_addf(&request,
                         "POST %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                         path, site->host, site->port, strlen(text), text);
        if (r == 0)
                r = exchange(site, &request, deadline_ns, &answer);
        if (r < 0)
                return r;
        const char *content = answer.data ? strstr(answer.data, "\r\n\r\n") : NULL;
        if (!content || sscanf(answer.data, "HTTP/1.%*c %d ", ret_status) != 1)
                return -EPROTO;
        *ret = json_loads(content + 4, 0, NULL);
        return 0;
}
