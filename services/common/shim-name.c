/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/shim-name.h"

static ShimName *name_free(ShimNames *names, ShimName *name) {
        if (!name)
                return NULL;

        (void) map_remove(names->by_hash, name->hash, name->hash_size);
        list_unlink(&name->by_use);
        expiry_remove(&names->expiries, &name->expiry);
        return mfree(name);
}

int shim_names_init(ShimNames *names) {
        *names = (ShimNames) {};
        list_init(&names->by_use);
        return map_new(&names->by_hash);
}

void shim_names_done(ShimNames *names) {
        ShimName *name, *following;

        if (!names->by_hash)
                return;

        list_for_each_safe(name, following, &names->by_use, by_use)
                name_free(names, name);

        names->by_hash = map_free(names->by_hash);
        expiry_done(&names->expiries);
}

/* The least recently used entry that nobody waits for makes room. */
static int make_room(ShimNames *names) {
        ShimName *name;

        if (map_size(names->by_hash) < SHIM_NAMES_MAX)
                return 0;

        list_for_each(name, &names->by_use, by_use)
                if (name->state != SHIM_NAME_ASKING) {
                        name_free(names, name);
                        return 0;
                }

        return -ENOSPC;
}

static int name_new(ShimNames *names, const uint8_t *hash, size_t hash_size, ShimName **ret) {
        _cleanup_free_ ShimName *name = NULL;
        int r;

        assert(hash_size <= SHIM_NAME_HASH_BYTES_MAX);

        r = make_room(names);
        if (r < 0)
                return r;

        name = calloc(1, sizeof(*name));
        if (!name)
                return -ENOMEM;

        memcpy(name->hash, hash, hash_size);
        name->hash_size = hash_size;
        name->state = SHIM_NAME_UNKNOWN;

        r = map_put(names->by_hash, name->hash, name->hash_size, name);
        if (r < 0)
                return r;

        list_append(&names->by_use, &name->by_use);
        *ret = TAKE_PTR(name);
        return 0;
}

static int start_asking(ShimNames *names, ShimName *name, usec_t now) {
        name->state = SHIM_NAME_ASKING;
        name->n_queries = 0;
        name->was_stopped = false;
        name->asked = now;
        return expiry_set(&names->expiries, &name->expiry, now);
}

int shim_name_look_up(ShimNames *names, const uint8_t *hash, size_t hash_size, usec_t now, const ShimName **ret) {
        ShimName *name = map_get(names->by_hash, hash, hash_size);
        int r;

        if (!name) {
                r = name_new(names, hash, hash_size, &name);
                if (r < 0)
                        return r;
        }

        list_unlink(&name->by_use);
        list_append(&names->by_use, &name->by_use);

        /* An entry whose time is over counts as gone, also where its expiry has not been worked off yet. */
        if (name->state == SHIM_NAME_KNOWN && name->expiry.when > now) {
                *ret = name;
                return 1;
        }
        if (name->state == SHIM_NAME_ASKING)
                return 0;

        r = start_asking(names, name, now);
        if (r < 0)
                name_free(names, name);
        return r;
}

static bool same_address(const ShimName *name, const void *address, size_t address_size) {
        return name->address_size == address_size && memcmp(name->address, address, address_size) == 0;
}

int shim_name_answer(ShimNames *names, const uint8_t *hash, size_t hash_size, const void *address, size_t address_size,
                     usec_t now, const ShimName **ret) {
        ShimName *name = map_get(names->by_hash, hash, hash_size);

        assert(address_size <= SHIM_NAME_ADDRESS_BYTES_MAX);

        if (!name || name->state == SHIM_NAME_UNKNOWN)
                return -ENOENT;

        if (name->state == SHIM_NAME_KNOWN) {
                if (!same_address(name, address, address_size))
                        return -EEXIST;

                shim_name_confirm(names, hash, hash_size, address, address_size, now);
                return 0;
        }

        if (name->n_queries == 0)
                return -ENOENT;         /* none has been sent: this cannot be the answer to it */

        memcpy(name->address, address, address_size);
        name->address_size = address_size;
        name->state = SHIM_NAME_KNOWN;
        (void) expiry_set(&names->expiries, &name->expiry, usec_add(now, SHIM_NAME_KEEP_USEC));

        *ret = name;
        return 1;
}

void shim_name_confirm(ShimNames *names, const uint8_t *hash, size_t hash_size, const void *address,
                       size_t address_size, usec_t now) {
        ShimName *name = map_get(names->by_hash, hash, hash_size);

        if (!name || name->state != SHIM_NAME_KNOWN || !same_address(name, address, address_size))
                return;

        (void) expiry_set(&names->expiries, &name->expiry, usec_add(now, SHIM_NAME_KEEP_USEC));
}

void shim_name_doubt(ShimNames *names, const uint8_t *hash, size_t hash_size) {
        ShimName *name = map_get(names->by_hash, hash, hash_size);

        if (name && name->state == SHIM_NAME_KNOWN)
                name_free(names, name);
}

void shim_names_forget(ShimNames *names) {
        ShimName *name, *following;

        list_for_each_safe(name, following, &names->by_use, by_use)
                if (name->state != SHIM_NAME_ASKING)
                        name_free(names, name);
}

ShimNameEvent shim_names_expire(ShimNames *names, usec_t now, const ShimName **ret) {
        Expiry *expiry;

        while ((expiry = expiry_pop(&names->expiries, now))) {
                ShimName *name = container_of(expiry, ShimName, expiry);
                bool was_stopped = now - expiry->when >= SHIM_NAME_STOPPED_USEC;

                if (name->state != SHIM_NAME_ASKING) {
                        name_free(names, name);
                        continue;
                }

                /* Putting back what was just taken out needs no memory, so setting it cannot fail. */
                if (name->n_queries < SHIM_NAME_QUERIES) {
                        name->n_queries++;
                        (void) expiry_set(&names->expiries, expiry, usec_add(now, SHIM_NAME_INTERVAL_USEC));
                        *ret = name;
                        return SHIM_NAME_SEND;
                }

                /* Once, or a host that is always late would never say it. */
                if (was_stopped && !name->was_stopped) {
                        name->was_stopped = true;
                        (void) expiry_set(&names->expiries, expiry, usec_add(now, SHIM_NAME_INTERVAL_USEC));
                        continue;
                }

                name->state = SHIM_NAME_UNKNOWN;
                (void) expiry_set(&names->expiries, expiry, now);
                *ret = name;
                return SHIM_NAME_GAVE_UP;
        }

        return SHIM_NAME_NOTHING;
}

usec_t shim_names_next(const ShimNames *names) {
        return expiry_next(&names->expiries);
}
