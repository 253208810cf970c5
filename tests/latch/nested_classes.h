/* nested_classes.h - the table of classes of latch's own tests: an order to break, and a tall tower. */
#pragma once

#define LATCH_CLASSES(X)                                                                           \
        X(outer, LATCH_ALONE)                                                                      \
        X(middle, LATCH_UNDER(outer))                                                              \
        X(inner, LATCH_UNDER(middle)) /* and so under outer */                                     \
        X(beside, LATCH_UNDER(outer, middle))                                                      \
        X(twin, LATCH_UNDER(outer) LATCH_BY_ADDRESS)                                               \
        X(t1, LATCH_ALONE)                                                                         \
        X(t2, LATCH_UNDER(t1))                                                                     \
        X(t3, LATCH_UNDER(t2))                                                                     \
        X(t4, LATCH_UNDER(t3))                                                                     \
        X(t5, LATCH_UNDER(t4))                                                                     \
        X(t6, LATCH_UNDER(t5))                                                                     \
        X(t7, LATCH_UNDER(t6))                                                                     \
        X(t8, LATCH_UNDER(t7))                                                                     \
        X(t9, LATCH_UNDER(t8))                                                                     \
        X(t10, LATCH_UNDER(t9))                                                                    \
        X(t11, LATCH_UNDER(t10))                                                                   \
        X(t12, LATCH_UNDER(t11))                                                                   \
        X(t13, LATCH_UNDER(t12))                                                                   \
        X(t14, LATCH_UNDER(t13))                                                                   \
        X(t15, LATCH_UNDER(t14))                                                                   \
        X(t16, LATCH_UNDER(t15))                                                                   \
        X(t17, LATCH_UNDER(t16))                                                                   \
        X(lean, LATCH_ALONE LATCH_NO_MALLOC)
