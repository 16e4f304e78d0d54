/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ends of a socket pair, a bus on each: one has the vtables, the other asks. See introspect.h. */

#include <sys/socket.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/irm/introspect.h"
#include "services/irm/manager-bus.h"

static const struct {
        const char *prefix;
        const char *interface;
        const sd_bus_vtable *vtable;
} kinds[] = {
        { BUS_PATH_LAYER "/", BUS_INTERFACE_LAYER, layer_vtable },
        { BUS_PATH_NAME "/", BUS_INTERFACE_NAME, name_vtable },
        { BUS_PATH_OPERATION "/", BUS_INTERFACE_OPERATION, operation_vtable },
        { BUS_PATH_IRM, BUS_INTERFACE_MANAGER, manager_vtable },
};

static int open_server(int fd, const char *path, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_set_anonymous(bus, true);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (startswith(path, kinds[i].prefix)) {
                        r = sd_bus_add_object_vtable(bus, NULL, path, kinds[i].interface, kinds[i].vtable, NULL);
                        break;
                }
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

static int open_client(int fd, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_set_anonymous(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

static int answered(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        sd_bus_message **ret = userdata;

        *ret = sd_bus_message_ref(reply);
        return 0;
}

/* Both ends are ours and in this thread: each gets its turn until the answer is there. */
static int ask(sd_bus *server, sd_bus *client, const char *path, sd_bus_message **ret) {
        int r;

        r = sd_bus_call_method_async(client, NULL, NULL, path, "org.freedesktop.DBus.Introspectable", "Introspect",
                                     answered, ret, NULL);
        while (r >= 0 && !*ret) {
                r = sd_bus_process(client, NULL);
                if (r >= 0)
                        r = sd_bus_process(server, NULL);
        }

        return r;
}

static bool path_is_known(const char *path) {
        return streq(path, BUS_PATH_IRM) || startswith(path, BUS_PATH_LAYER "/") ||
               startswith(path, BUS_PATH_NAME "/") || startswith(path, BUS_PATH_OPERATION "/");
}

int bus_introspect(const char *path, FILE *stream) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *server = NULL, *client = NULL;
        const char *xml;
        int fds[2], r;

        if (!sd_bus_object_path_is_valid(path) || !path_is_known(path)) {
                (void) fprintf(stderr, "There is nothing at '%s'.\n", path);
                return -ENOENT;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;

        r = open_server(fds[0], path, &server);
        if (r >= 0)
                r = open_client(fds[1], &client);
        if (r >= 0)
                r = ask(server, client, path, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &xml);
        if (r < 0)
                return r;

        (void) fputs(xml, stream);
        return 0;
}
