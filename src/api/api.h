/* api.h - the groups of methods; each file adds its own to the table. main calls these once. */
#pragma once

#include "base/macros.h"
#include "config/config.h"
#include "rpc/rpc.h"
#include "session/session.h"

_must_use_ int api_files_add(struct rpc *rpc, const struct config *config);
_must_use_ int api_sessions_add(struct rpc *rpc, struct sessions *sessions,
                                const struct config *config);
