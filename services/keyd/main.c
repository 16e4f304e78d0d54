/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-keyd: holds the private keys of this host and signs handshakes with them. Where to read on: key.h. */

#include "basic/log.h"
#include "services/common/vault.h"
#include "services/keyd/service.h"

static int run(Daemon *daemon, const VaultOptions *options) {
        _cleanup_(key_store_freep) KeyStore *keys = NULL;
        _cleanup_(service_freep) Service *service = NULL;
        int r;

        r = key_store_new(getenv("CREDENTIALS_DIRECTORY"), &keys);
        if (r < 0) {
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        r = service_new(daemon, keys, options->uid, &service);
        if (r < 0) {
                log_error_errno(r, "Failed to listen on the socket that systemd passes (o7s-keyd.socket): %m");
                return EXIT_FAILURE;
        }

        daemon_ready(daemon);
        return daemon_loop(daemon);
}

int main(int argc, char *argv[]) {
        static const VaultProgram program = {
                .name = "o7s-keyd",
                .purpose = "The private keys of Ouroboros.",
                .run = run,
        };

        return vault_main(&program, argc, argv);
}
