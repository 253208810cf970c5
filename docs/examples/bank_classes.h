/* bank_classes.h - the lock classes of bank.c: accounts may be locked while the ledger is, never the other way. */
#pragma once

#define LATCH_CLASSES(X)                                                                           \
        X(ledger, LATCH_ALONE)                                                                     \
        X(account, LATCH_UNDER(ledger) LATCH_NO_MALLOC)
