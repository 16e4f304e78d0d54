/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of a connection to ourselves, see bus-introspect.h. */

#include <stdio.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "basic/time.h"
#include "services/common/bus-introspect.h"

static int connect_to_ourselves(sd_bus **ret_server, sd_bus **ret_client) {
        _cleanup_(sd_bus_unrefp) sd_bus *server = NULL, *client = NULL;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;

        r = sd_bus_new(&server);
        if (r >= 0)
                r = sd_bus_set_fd(server, fds[0], fds[0]);
        if (r < 0) {
                (void) safe_close(fds[0]);
                (void) safe_close(fds[1]);
                return r;
        }

        r = sd_bus_new(&client);
        if (r >= 0)
                r = sd_bus_set_fd(client, fds[1], fds[1]);
        if (r < 0) {
                (void) safe_close(fds[1]);
                return r;
        }

        r = sd_bus_set_server(server, true, (sd_id128_t) { .bytes = { 1 } });
        if (r < 0)
                return r;

        r = sd_bus_set_anonymous(server, true);
        if (r < 0)
                return r;

        r = sd_bus_set_anonymous(client, true);
        if (r < 0)
                return r;

        r = sd_bus_start(server);
        if (r < 0)
                return r;

        r = sd_bus_start(client);
        if (r < 0)
                return r;

        *ret_server = TAKE_PTR(server);
        *ret_client = TAKE_PTR(client);
        return 0;
}

static int introspected(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        bool *done = userdata;
        const char *xml;
        int r;

        *done = true;

        r = -sd_bus_message_get_errno(reply);
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "s", &xml);
        if (r < 0)
                return r;

        (void) fputs(xml, stdout);
        return 0;
}

int bus_introspect_ourselves(const char *path, int (*export)(sd_bus *bus, void *userdata), void *userdata) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *server = NULL, *client = NULL;
        bool done = false;
        int r;

        r = connect_to_ourselves(&server, &client);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to ourselves: %m");

        r = export(server, userdata);
        if (r < 0)
                return log_error_errno(r, "Failed to export the layer: %m");

        r = sd_bus_call_method_async(client, NULL, NULL, path, "org.freedesktop.DBus.Introspectable", "Introspect",
                                     introspected, &done, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to ask ourselves: %m");

        /* Both ends live in this thread, so neither may wait for long. */
        while (!done) {
                int moved;

                moved = sd_bus_process(server, NULL);
                r = sd_bus_process(client, NULL);
                if (moved < 0 || r < 0)
                        return log_error_errno(moved < 0 ? moved : r, "Failed to talk to ourselves: %m");
                if (moved == 0 && r == 0)
                        (void) sd_bus_wait(client, USEC_PER_MSEC);
        }

        return 0;
}
