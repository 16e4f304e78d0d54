/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-wait-online LAYER: ends with 0 when the layer is online. Asks the resource manager for the layer's state and
 * asks again whenever the layer, or the resource manager itself, announces something. How long it may take is the
 * unit's to say.
 */

#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/common/daemon.h"
#include "services/common/layer-state.h"

typedef struct Wait {
        Daemon daemon;
        const char *layer;
        char *path;             /* of the layer's object */
        sd_bus_slot *question;  /* the one on its way */
        bool again;             /* something was announced meanwhile */
} Wait;

static void wait_done(Wait *wait) {
        sd_bus_slot_unref(wait->question);
        free(wait->path);
        daemon_done(&wait->daemon);
}

static int wait_ask(Wait *wait);

static int properties_received(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Wait *wait = userdata;
        const char *state = NULL;
        int r;

        wait->question = sd_bus_slot_unref(wait->question);

        if (sd_bus_message_is_method_error(reply, NULL)) {
                daemon_status(&wait->daemon, "Waiting for layer %s: %s", wait->layer,
                              sd_bus_message_get_error(reply)->message);
        } else {
                r = sd_bus_message_read(reply, "v", "s", &state);
                if (r < 0)
                        return log_error_errno(r, "The resource manager's answer makes no sense: %m");
                if (layer_state_from_string(state) == LAYER_ONLINE) {
                        daemon_status(&wait->daemon, "Layer %s is online", wait->layer);
                        return sd_event_exit(wait->daemon.event, EXIT_SUCCESS);
                }

                daemon_status(&wait->daemon, "Waiting for layer %s, which is %s", wait->layer, state);
        }

        return wait->again ? wait_ask(wait) : 0;
}

static int wait_ask(Wait *wait) {
        wait->again = wait->question;
        if (wait->question)
                return 0;

        return sd_bus_call_method_async(wait->daemon.bus, &wait->question, BUS_NAME_IRM, wait->path,
                                        "org.freedesktop.DBus.Properties", "Get", properties_received, wait, "ss",
                                        BUS_INTERFACE_LAYER, "State");
}

static int announced(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return wait_ask(userdata);
}

static int wait_watch(Wait *wait) {
        int r;

        r = sd_bus_match_signal(wait->daemon.bus, NULL, BUS_NAME_IRM, wait->path, "org.freedesktop.DBus.Properties",
                                "PropertiesChanged", announced, wait);
        if (r < 0)
                return r;

        r = sd_bus_match_signal(wait->daemon.bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "LayerNew",
                                announced, wait);
        if (r < 0)
                return r;

        /* It restarts: what was asked is lost with it. */
        return sd_bus_add_match(wait->daemon.bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" BUS_NAME_IRM "'",
                                announced, wait);
}

static int run(Wait *wait) {
        int r;

        r = daemon_init(&wait->daemon, "o7s-wait-online");
        if (r < 0)
                return r;

        r = daemon_connect_bus(&wait->daemon, NULL);
        if (r < 0)
                return r;

        r = bus_object_path(BUS_PATH_LAYER, wait->layer, &wait->path);
        if (r >= 0)
                r = wait_watch(wait);
        if (r >= 0)
                r = wait_ask(wait);
        if (r < 0)
                return log_error_errno(r, "Failed to ask the resource manager: %m");

        return daemon_loop(&wait->daemon);
}

int main(int argc, char *argv[]) {
        _cleanup_(wait_done) Wait wait = {};

        if (argc != 2 || !layer_name_is_valid(argv[1])) {
                fprintf(stderr, "%s LAYER\nEnds when the layer is online; see o7s-wait-online@.service.\n", argv[0]);
                return 2;
        }

        wait.layer = argv[1];
        return run(&wait) == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
