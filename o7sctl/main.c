/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the command line to a verb. */

#include <locale.h>

#include "basic/string.h"
#include "o7sctl/verb.h"

/* "o7s-trace ..." is "o7sctl trace ...". */
static int run_as_trace(Ctl *ctl, int argc, char *argv[]) {
        static char verb[] = "trace";
        _cleanup_free_ char **words = calloc((size_t) argc + 2, sizeof(*words));

        if (!words)
                return EXIT_FAILED;

        words[0] = argv[0];
        words[1] = verb;
        memcpy(words + 2, argv + 1, (size_t) argc * sizeof(*words));    /* with the NULL at its end */
        return verb_dispatch(ctl, argc + 1, words);
}

int main(int argc, char *argv[]) {
        _cleanup_(ctl_done) Ctl ctl = { .options = OPTIONS_INIT };

        (void) setlocale(LC_CTYPE, "");         /* which glyphs can be shown, how wide they are */
        return argc > 0 && endswith(argv[0], "o7s-trace") ? run_as_trace(&ctl, argc, argv)
                                                          : verb_dispatch(&ctl, argc, argv);
}
