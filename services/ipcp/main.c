/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ipcp LAYER: what o7s-ipcp@LAYER.service starts. Reads LAYER.layer, makes sure that the unit was made from this very
 * file, and becomes the IPCP of the layer's type. Otherwise it ends with 78, which systemd does not retry, and says why.
 *
 *   record.[ch]      what a drop-in was made from, and whether that is still so
 *   drop-in.[ch]     text of the drop-in; user and rights of each type
 *   generate.[ch]    from all layer files to all drop-ins;  generator.c: its program
 *   launch.[ch]      the checks of this program
 *   wait-online.c    o7s-wait-online LAYER: ends when the layer is online
 */

#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "services/common/daemon.h"
#include "services/ipcp/drop-in.h"
#include "services/ipcp/launch.h"

/* systemd matches a message to a unit while its process lives: wait until it has read ours. */
#define BARRIER_USEC (5 * UINT64_C(1000000))

static int complain(const char *problem) {
        log_error("%s", problem);
        (void) sd_notifyf(false, "STATUS=%s", problem);
        (void) sd_notify_barrier(false, BARRIER_USEC);

        return EXIT_CONFIGURATION;
}

static void log_warnings(const Launch *launch) {
        const ConfMessage *messages;
        size_t n;

        if (!launch->file)
                return;

        messages = conf_messages(launch->file->conf, &n);
        for (size_t i = 0; i < n; i++)
                if (!launch->problem || messages[i].severity == CONF_WARNING)
                        log_warning("%s:%u:%u: %s", messages[i].place.path, messages[i].place.line, messages[i].place.column,
                                    messages[i].text);
}

int main(int argc, char *argv[]) {
        _cleanup_(launch_done) Launch launch = {};
        int r;

        log_open();
        if (argc != 2) {
                fprintf(stderr, "%s LAYER\nStarted by o7s-ipcp@LAYER.service.\n", argv[0]);
                return 2;
        }

        r = launch_prepare(&launch, "", DROP_IN_DIRECTORY, PROGRAM_DIRECTORY, argv[1]);
        log_warnings(&launch);
        if (r == -EBADMSG)
                return complain(launch.problem);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to read the file of layer %s: %m", argv[1]);
                return EXIT_FAILURE;
        }

        (void) execv(launch.program, (char *[]) { launch.program, argv[1], NULL });
        (void) log_error_errno(errno, "Failed to execute %s: %m", launch.program);
        return EXIT_FAILURE;
}
