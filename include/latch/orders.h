/* orders.h - the orders that a program was seen to take its locks in, beside those that its table declares.
 *
 * As text, a record for each program that ran, which the tool latch-order reads, draws and judges:
 *
 *     table bank_classes.h bank 31487            the table's header, the program, its process
 *     class ledger
 *     class account
 *     order account ledger                       account is declared to be under ledger
 *     twins account                              two of it may be held (LATCH_BY_ADDRESS)
 *     no_malloc account                          nothing is allocated under it (LATCH_NO_MALLOC)
 *     seen account ledger bank.c:26 (deposit) under bank.c:24 (deposit), by teller
 *
 * Where the environment variable LATCH_ORDERS names a folder, a program that made a lock and ends normally (exit(3))
 * appends its record to DIR/PID.orders. Not where it was given rights by the way it was started (secure_getenv(3)).
 *
 * Threads: any.
 */
#pragma once

#pragma GCC visibility push(default)

/* 0 or -errno. The file is written as it is, from where it stands. */
int latch_orders_write(int fd);

/* What a normal end does by itself, for a program that ends by _exit(2). What cannot be written is said on stderr. */
void latch_orders_save(void);

#pragma GCC visibility pop
