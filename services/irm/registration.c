/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In which layers a name is registered: that is what makes it reachable through them. */

#include "services/irm/layer.h"

Registration *registration_find(const Name *n, const char *layer) {
        Registration *r;

        list_for_each(r, &n->registrations, by_name)
                if (streq(r->layer, layer))
                        return r;

        return NULL;
}

static size_t count_registrations(const Name *n) {
        const Registration *r;
        size_t count = 0;

        list_for_each(r, &n->registrations, by_name)
                count++;

        return count;
}

static void registration_remember(Registration *r) {
        StateRegistration record = {};

        (void) copy_string(record.name, sizeof(record.name), r->name->name);
        (void) copy_string(record.layer, sizeof(record.layer), r->layer);
        r->state_slot = state_put(r->name->manager->state, STATE_REGISTRATION, &record);
}

int registration_new(Name *n, const char *layer, bool from_file, Registration **ret) {
        Registration *r;
        Layer *l;

        if (!layer_name_is_valid(layer))
                return -EINVAL;
        if (registration_find(n, layer))
                return -EEXIST;
        if (count_registrations(n) >= REGISTRATIONS_PER_NAME_MAX)
                return -E2BIG;

        r = malloc(sizeof(*r));
        if (!r)
                return -ENOMEM;

        *r = (Registration) { .name = n, .from_file = from_file, .state_slot = STATE_NO_SLOT };
        (void) copy_string(r->layer, sizeof(r->layer), layer);
        list_init(&r->by_name);
        list_append(&n->registrations, &r->by_name);
        if (!from_file)
                registration_remember(r);

        l = layer_find(n->manager, layer);
        if (l && !layer_lists_name(l, n->name))
                layer_send_registration(l, LAYER_REGISTER, n);

        *ret = r;
        return 0;
}

Registration *registration_free(Registration *r) {
        Name *n;
        Layer *l;

        if (!r)
                return NULL;

        n = r->name;
        list_unlink(&r->by_name);
        state_remove(n->manager->state, STATE_REGISTRATION, r->state_slot);

        l = layer_find(n->manager, r->layer);
        if (l && !layer_lists_name(l, n->name))
                layer_send_registration(l, LAYER_UNREGISTER, n);

        return mfree(r);
}
