/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the command line to a verb. */

#include <locale.h>

#include "o7sctl/verb.h"

int main(int argc, char *argv[]) {
        _cleanup_(ctl_done) Ctl ctl = { .options = OPTIONS_INIT };

        (void) setlocale(LC_CTYPE, "");         /* which glyphs can be shown, how wide they are */
        return verb_dispatch(&ctl, argc, argv);
}
