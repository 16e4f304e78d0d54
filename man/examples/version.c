/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which library this is, and what it says of an error. */

#include <errno.h>
#include <stdio.h>

#include <o7s.h>

int main(void) {
        printf("o7s %s\n", o7s_version());
        printf("%s\n", o7s_strerror(-EHOSTDOWN));
        return 0;
}
