/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ipcp LAYER: what o7s-ipcp@LAYER.service starts. Reads LAYER.layer, makes sure that the unit was made from this
 * very file, and becomes the IPCP of the layer's type. Otherwise it ends with 78, which systemd does not retry, and
 * says why.
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
#include "services/common/file-check.h"
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

/* All but the error that complain() says. */
static void log_messages(const Launch *launch) {
        const ConfMessage *messages, *said;
        size_t n;

        if (!launch->file)
                return;

        said = check_first_error(launch->file->conf);
        messages = conf_messages(launch->file->conf, &n);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;

                if (&messages[i] != said && check_message_text(&messages[i], &text) >= 0)
                        log_full(messages[i].severity == CONF_ERROR ? LOG_ERR : LOG_WARNING, "%s", text);
        }
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
        log_messages(&launch);
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
