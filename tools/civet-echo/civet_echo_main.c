/* civet_echo_main.c - civet-echo: the least that civetweb needs to answer every WebSocket message with itself.
 *
 * What front is measured beside (latch-bench front): the same library with the same number of threads, its own
 * reading of frames, its own writing, and nothing of ours. It says its address, and ends when its stdin does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <civetweb.h>

#include "base/str.h"

#define THREADS_MAX 20000u

static int on_data(struct mg_connection *conn, int bits, char *data, size_t n, void *context) {
        int opcode = bits & 15;

        (void)context;
        if (opcode == MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE)
                return 0;
        return mg_websocket_write(conn, opcode, data, n) > 0;
}

static int on_connect(const struct mg_connection *conn, void *context) {
        (void)conn, (void)context;
        return 0;
}

static void on_ready(struct mg_connection *conn, void *context) {
        (void)conn, (void)context;
}

static void on_close(const struct mg_connection *conn, void *context) {
        (void)conn, (void)context;
}

static struct mg_context *start(const char *threads) {
        const char *options[] = {"listening_ports",
                                 "127.0.0.1:0",
                                 "num_threads",
                                 threads,
                                 "tcp_nodelay",
                                 "1",
                                 "enable_keep_alive",
                                 "no",
                                 "request_timeout_ms",
                                 "8000",
                                 "websocket_timeout_ms",
                                 "1000",
                                 "max_request_size",
                                 "32768",
                                 "listen_backlog",
                                 "1024",
                                 NULL};
        const struct mg_callbacks callbacks = {0};
        struct mg_context *http = mg_start(&callbacks, NULL, options);

        if (http)
                mg_set_websocket_handler(http, "/v1/echo", on_connect, on_ready, on_data, on_close,
                                         NULL);
        return http;
}

int main(int argc, char **argv) {
        struct mg_server_port port;
        uint64_t threads;
        char byte;

        if (argc != 2 || str_to_u64(argv[1], 1, THREADS_MAX, &threads) < 0) {
                fputs("usage: civet-echo THREADS\n", stderr);
                return 2;
        }
        struct mg_context *http = start(argv[1]);
        if (!http || mg_get_server_ports(http, 1, &port) != 1) {
                fputs("civet-echo: civetweb does not start\n", stderr);
                return EXIT_FAILURE;
        }
        printf("127.0.0.1:%d\n", port.port);
        (void)fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        mg_stop(http);
        return EXIT_SUCCESS;
}
