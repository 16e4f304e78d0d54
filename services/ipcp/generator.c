/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-generator NORMAL-DIR EARLY-DIR LATE-DIR: run by systemd at boot and at daemon-reload. It never fails: what is
 * wrong with a layer is that layer's problem, not the boot's.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "basic/string.h"
#include "services/ipcp/generate.h"

/* At boot there is no journal yet; lines for the kernel's buffer carry their level in front, as those to a pipe do. */
static void open_kernel_log(void) {
        const char *target = secure_getenv("SYSTEMD_LOG_TARGET");
        _cleanup_close_ int fd = -1;

        if (isatty(STDERR_FILENO) ||
            (target && !startswith(target, "journal") && !streq(target, "kmsg") && !streq(target, "auto")))
                return;

        fd = open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
                (void) dup2(fd, STDERR_FILENO);
}

int main(int argc, char *argv[]) {
        int r;

        if (argc != 2 && argc != 4) {
                fprintf(stderr, "%s NORMAL-DIR [EARLY-DIR LATE-DIR]\n", argv[0]);
                return EXIT_FAILURE;
        }

        log_open();
        open_kernel_log();
        (void) umask(0022);

        r = generate("", argv[1]);
        if (r < 0)
                (void) log_error_errno(r, "o7s-generator: failed to read the layer files: %m");
        else
                log_debug("o7s-generator: wrote %d drop-ins", r);

        return EXIT_SUCCESS;
}
