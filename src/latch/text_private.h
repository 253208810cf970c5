/* text_private.h - text for a descriptor that is the caller's: nothing but its offset is changed. */
#pragma once

#include <stdio.h>

/* What print makes, by one write(2) where that takes it all: who is killed meanwhile leaves no half of it. No point of
 * cancellation. 0, -ENOMEM, or what write(2) says, negative. */
int latch_text_write(int fd, void (*print)(FILE *to));
