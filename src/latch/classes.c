/* classes.c - the object of Latch's own table. No part of liblatch: every program has one of its own. */
#include "latch/lock.h"

LATCH_DEFINE_CLASSES;
