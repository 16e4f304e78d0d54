/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a member says, one line at a time: whoever drives it has the log. */

#include <stdarg.h>
#include <stdio.h>

#include "services/ipcp-unicast/unicast.h"

void unicast_log(Unicast *u, int level, const char *format, ...) {
        char text[512];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);

        u->events->log(u->userdata, level, text);
}
