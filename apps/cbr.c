/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-cbr: messages at a constant rate, and what becomes of them. The roles are in cbr-client.c and cbr-server.c. */

#include "apps/cbr.h"
#include "apps/complain.h"

int main(int argc, char *argv[]) {
        _cleanup_(fd_closep) int signal_fd = -1;
        CbrOptions options = {};
        int r;

        r = cbr_options_parse(argc, argv, &options);
        if (r <= 0)
                return -r;

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        return options.serve ? cbr_server(&options, signal_fd) : cbr_client(&options, signal_fd);
}
