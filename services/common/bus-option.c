/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/bus-error.h"
#include "services/common/bus-option.h"

int bus_read_options(sd_bus_message *message, bus_read_option_t read_option, void *target, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r >= 0)
                        r = read_option(message, key, target, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int refuse_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        return bus_error_set(error, -EINVAL, "This call knows no option '%s'", key);
}

int bus_read_no_options(sd_bus_message *message, sd_bus_error *error) {
        return bus_read_options(message, refuse_option, NULL, error);
}
