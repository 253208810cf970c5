/* skip.h - a test that cannot run here says why, once, where tools/check finds it. */
#pragma once

#define skip_because(why)                                                                          \
        do {                                                                                       \
                print_message("skip   %s: %s\n", __func__, why);                                   \
                skip();                                                                            \
        } while (0)
