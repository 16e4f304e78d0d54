/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names and paths on the bus. Escaping is sd-bus's (_2d for "-"), which yields elements that are good in both. */

#include <systemd/sd-bus.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/bus.h"

int bus_object_path(const char *prefix, const char *name, char **ret) {
        char *path = NULL;
        int r;

        if (isempty(name)) {
                path = strdup(prefix);
                if (!path)
                        return -ENOMEM;
        } else {
                r = sd_bus_path_encode(prefix, name, &path);
                if (r < 0)
                        return r;
        }

        *ret = path;
        return 0;
}

int bus_layer_service(const char *layer, char **ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode("/", layer, &path);
        if (r < 0)
                return r;

        return format_string(ret, BUS_NAME_IPCP_PREFIX ".%s", path + 1);
}

int bus_layer_unit(const char *layer, char **ret) {
        return format_string(ret, O7S_UNIT_PREFIX "%s" O7S_UNIT_SUFFIX, layer);
}

int bus_layer_from_unit(const char *unit, char **ret) {
        _cleanup_free_ char *layer = NULL;

        if (!startswith(unit, O7S_UNIT_PREFIX) || !endswith(unit, O7S_UNIT_SUFFIX) ||
            strlen(unit) <= STRLEN(O7S_UNIT_PREFIX) + STRLEN(O7S_UNIT_SUFFIX))
                return -ENXIO;

        unit += STRLEN(O7S_UNIT_PREFIX);
        layer = strndup(unit, strlen(unit) - STRLEN(O7S_UNIT_SUFFIX));
        if (!layer)
                return -ENOMEM;
        if (!layer_name_is_valid(layer))
                return -ENXIO;

        *ret = TAKE_PTR(layer);
        return 0;
}
