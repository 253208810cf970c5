/* Through the server. The contract is in command.h; the messages are in store/datadir.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "store/datadir.h"

static int complain(int error, char **ret_error, const char *dir) {
        if (error == -ENOENT || error == -ECONNREFUSED || error == -ENOMEM)
                return error; /* there is nobody: not a failure yet */
        return COMPLAIN(ret_error, error, "%s: the server: %s", dir,
                        error == -EPIPE ? "it went away without an answer" : strerror(-error));
}

int command_request(const struct config *config, json_t *request, unsigned timeout_ms, json_t **ret,
                    char **ret_error) {
        char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
        _cleanup_(freep) char *answer = NULL;

        json_decref(request);
        if (!text)
                return -ENOMEM;
        int r = datadir_ask(config->data, text, timeout_ms, &answer);
        explicit_bzero(text, strlen(text)); /* there may be a password in it */
        free(text);
        if (r < 0)
                return complain(r, ret_error, config->data);

        json_auto_t *reply = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_true(json_object_get(reply, "ok"))) {
                *ret = TAKE_PTR(reply);
                return 0;
        }
        const char *words = json_string_value(json_object_get(reply, "error"));
        return COMPLAIN(ret_error, -ECANCELED, "%s", words ? words : "the server's answer is none");
}
