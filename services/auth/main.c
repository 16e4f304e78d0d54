/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-auth: verifies who is at the other end of a flow, and agrees its keys. Where to read on: service.h. */

#include "basic/log.h"
#include "services/auth/key-exchange.h"
#include "services/auth/server.h"
#include "services/common/vault.h"

/* Without it the service still works, and knows less after its next start. */
static void keep_mark(Service *service) {
        const char *directory = getenv("STATE_DIRECTORY");
        int r;

        if (!directory) {
                log_info("There is no state directory (StateDirectory=): what was seen ends with this process.");
                return;
        }

        r = service_keep_mark(service, directory, time_realtime_nsec());
        if (r < 0)
                log_warning_errno(r, "Failed to keep %s/" MARK_FILE ", requests from before now are refused: %m",
                                  directory);
}

static int run(Daemon *daemon, const VaultOptions *options) {
        _cleanup_(service_freep) Service *service = NULL;
        _cleanup_(server_done) Server server = SERVER_INIT(server);     /* goes before the service that it is for */
        int listen_fd, r;

        listen_fd = daemon_take_fd(daemon, "auth");
        if (listen_fd < 0) {
                log_error_errno(listen_fd, "There is no socket to listen on; o7s-auth.socket passes it: %m");
                return EXIT_FAILURE;
        }

        r = service_new(options->root, &service);
        if (r < 0) {
                (void) safe_close(listen_fd);
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        keep_mark(service);
        r = server_init(&server, daemon->event, service, listen_fd, options->uid);
        if (r < 0) {
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        daemon_status(daemon, "Ready");
        daemon_ready(daemon);
        return daemon_loop(daemon);
}

int main(int argc, char *argv[]) {
        static const VaultProgram program = {
                .name = "o7s-auth",
                .purpose = "The authentication service of Ouroboros.",
                .reads_below_root = true,
                .run = run,
        };

        key_exchange_wipe_memory();
        return vault_main(&program, argc, argv);
}
