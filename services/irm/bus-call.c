/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Helpers of the handlers, see bus-call.h. */

#include "libo7s/bus-names.h"
#include "services/irm/bus-call.h"

int bus_read_flags(sd_bus_message *message, uint64_t allowed, uint64_t *ret, sd_bus_error *error) {
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "t", &flags);
        if (r < 0)
                return r;
        if (flags & BUS_FLAG_PERSIST & ~allowed)
                return bus_error_set(error, -EINVAL,
                                     "Files below /etc are not written here; o7sctl does that for its caller");
        if (flags & ~allowed)
                return bus_error_set(error, -EINVAL, "Flags 0x%" PRIx64 " make no sense for this call",
                                     flags & ~allowed);

        *ret = flags;
        return 0;
}

int bus_caller_uid(sd_bus_message *message, uid_t *ret, sd_bus_error *error) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        int r;

        r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, ret);

        return r < 0 ? bus_error_set(error, r, "The bus does not say who calls: %s", strerror(-r)) : 0;
}

int bus_authorize(Manager *m, sd_bus_message *message, const char *action, const char *name, const char *layer,
                  const char *kind, sd_bus_error *error) {
        const char *details[7] = {};
        size_t n = 0;

        if (name) {
                details[n++] = "name";
                details[n++] = name;
        }
        if (layer) {
                details[n++] = "layer";
                details[n++] = layer;
        }
        if (kind) {
                details[n++] = "kind";
                details[n++] = kind;
        }

        return polkit_authorize(m->polkit, message, action, details, error);
}

int bus_may_inspect(Manager *m, sd_bus_message *message, uid_t uid) {
        _cleanup_(sd_bus_error_free) sd_bus_error refused = SD_BUS_ERROR_NULL;
        int r;

        if (uid == 0)
                return 1;

        r = bus_authorize(m, message, POLKIT_INSPECT_OTHERS, NULL, NULL, NULL, &refused);
        if (r == 0)
                return -EINPROGRESS;

        return r > 0;
}

/* The nearest of the keys of a map of strings. */
static const char *nearest(const Map *map, const char *word, const char *(*name_of)(const void *object)) {
        const char *best = NULL;
        size_t position;
        void *object;

        map_for_each(object, map, position) {
                const char *pair[] = { best, name_of(object) };

                best = nearest_word(word, best ? pair : pair + 1, best ? 2 : 1);
        }

        return best;
}

static const char *name_of_name(const void *object) {
        return ((const Name *) object)->name;
}

static const char *name_of_layer(const void *object) {
        return ((const Layer *) object)->name;
}

int bus_find_name(Manager *m, const char *name, Name **ret, sd_bus_error *error) {
        const char *near;
        Name *n;

        n = name_find(m, name);
        if (n) {
                *ret = n;
                return 0;
        }

        near = nearest(m->names, name, name_of_name);
        return bus_error_set_named(error, "NoSuchName", "There is no name '%s' on this host%s%s%s", name,
                                   near ? "; did you mean '" : "", strempty(near), near ? "'?" : "");
}

int bus_find_name_to_change(Manager *m, const char *name, Name **ret, sd_bus_error *error) {
        Name *n = NULL;
        int r;

        r = bus_find_name(m, name, &n, error);
        if (r < 0)
                return r;
        if (n->layer[0])
                return bus_error_set_named(
                        error, "WrongState",
                        "The name '%s' is that of layer %s, which alone serves it; it comes and goes "
                        "with %s.layer",
                        name, n->layer, n->layer);

        *ret = n;
        return 0;
}

int bus_find_layer(Manager *m, const char *name, Layer **ret, sd_bus_error *error) {
        const char *near;
        Layer *l;

        l = layer_find(m, name);
        if (l) {
                *ret = l;
                return 0;
        }

        near = nearest(m->layers, name, name_of_layer);
        return bus_error_set_named(error, "NoSuchLayer", "There is no layer '%s' on this host%s%s%s", name,
                                   near ? "; did you mean '" : "", strempty(near), near ? "'?" : "");
}
