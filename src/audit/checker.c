/* checker.c - the chain, verified once after a start, while everybody works. */
#include <errno.h>

#include "audit/audit_private.h"
#include "audit/chain.h"
#include "base/log.h"
#include "latch/thread.h"

void *audit_checker(void *audit) {
        struct audit *a = audit;
        struct chain_verdict v;

        latch_thread_begin("audit-check");
        int r = chain_verify(a->store, &a->stopping, &v);
        if (r < 0 && r != -EINTR)
                log_event(LOG_ERROR, "audit.verify", LOG_E(r),
                          LOG_S("advice", "latchctl audit verify; latchctl restore"));
        else if (r == 0 && !v.whole)
                log_event(LOG_ERROR, "audit.broken", LOG_I("seq", v.broken),
                          LOG_S("advice", "latchctl audit verify; latchctl restore"));
        else if (r == 0)
                audit_log_link("audit.whole", &v.last);
        latch_thread_end();
        return NULL;
}
