/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of this host, see name.h. */

#include "basic/log.h"
#include "services/irm/admission.h"
#include "services/irm/flow.h"

static const HashAlgorithm directory_hashes[] = {
        HASH_SHA3_224, HASH_SHA3_256, HASH_SHA3_384, HASH_SHA3_512, HASH_MD5,
};

Name *name_find(Manager *m, const char *name) {
        return map_get_string(m->names, name);
}

Name *name_find_by_hash(Manager *m, HashAlgorithm algorithm, const uint8_t *hash, size_t size) {
        if (algorithm < 0 || algorithm >= _HASH_DIRECTORY_MAX || size == 0 || size != hash_size(algorithm))
                return NULL;

        return map_get(m->name_hashes[algorithm], hash, size);
}

static int name_index(Name *n) {
        for (size_t i = 0; i < ELEMENTSOF(directory_hashes); i++) {
                HashAlgorithm h = directory_hashes[i];
                ssize_t size;
                int r;

                size = hash_compute(h, n->name, strlen(n->name), n->hashes[h]);
                if (size == -EOPNOTSUPP)
                        continue;               /* then no layer here uses it either */
                if (size < 0)
                        return (int) size;

                r = map_put(n->manager->name_hashes[h], n->hashes[h], (size_t) size, n);
                if (r < 0)
                        return r;
        }

        return 0;
}

static void name_unindex(Name *n) {
        for (size_t i = 0; i < ELEMENTSOF(directory_hashes); i++) {
                HashAlgorithm h = directory_hashes[i];
                Map *map = n->manager->name_hashes[h];

                if (map_get(map, n->hashes[h], hash_size(h)) == n)
                        map_remove(map, n->hashes[h], hash_size(h));
        }

        if (map_get_string(n->manager->names, n->name) == n)
                map_remove_string(n->manager->names, n->name);
}

static void name_fill_record(const Name *n, StateName *ret) {
        *ret = (StateName) { .owner = n->owner, .balance = (uint32_t) n->balance, .local = n->local };
        (void) copy_string(ret->name, sizeof(ret->name), n->name);
}

/* Layers whose file lists the name register it without a registration of its own. */
static void name_tell_layers(Name *n, LayerMessageType type) {
        size_t position;
        Layer *l;

        map_for_each(l, n->manager->layers, position)
                if (layer_lists_name(l, n->name))
                        layer_send_registration(l, type, n);
}

/* Established flows outlive the name that they were made to. */
static void name_release_flows(Name *n) {
        size_t position;
        Flow *f;

        map_for_each(f, n->manager->flows, position)
                if (f->served == n) {
                        f->served = NULL;
                        f->counted = false;
                }
}

Name *name_free(Name *n) {
        if (!n)
                return NULL;

        name_unindex(n);
        name_tell_layers(n, LAYER_UNREGISTER);

        while (!list_is_empty(&n->registrations))
                registration_free(list_first(&n->registrations, Registration, by_name));
        while (!list_is_empty(&n->acceptors)) {
                Acceptor *a = list_first(&n->acceptors, Acceptor, by_name);

                /* It listens on this name alone: hung up on, it comes again, and hears that the name is gone. */
                if (!isempty(a->client->listen_name) && !n->manager->stopping)
                        client_hang_up(a->client);
                acceptor_free(a);
        }
        while (!list_is_empty(&n->waiting))
                flow_end(list_first(&n->waiting, Flow, by_name), CLOSE_REFUSED, -ENOENT,
                         "The name was removed meanwhile");
        while (!list_is_empty(&n->bindings))
                binding_free(list_first(&n->bindings, Binding, by_name));

        admissions_drop_name(n);
        name_release_flows(n);
        name_security_done(n);
        state_remove(n->manager->state, STATE_NAME, n->state_slot);
        if (!n->from_file)
                quota_return_name(&n->manager->quota, n->owner);

        free(n->allow_uids);
        return mfree(n);
}

int name_new(Manager *m, const char *name, uid_t owner, bool from_file, char *text, Name **ret) {
        Name *n;
        int r;

        if (!flow_name_is_valid(name))
                return -EINVAL;
        if (name_find(m, name))
                return -EEXIST;
        if (map_size(m->names) >= NAMES_MAX)
                return -E2BIG;
        if (!from_file) {
                r = quota_take_name(&m->quota, owner, text);
                if (r < 0)
                        return r;
        }

        n = calloc(1, sizeof(*n));
        if (!n) {
                if (!from_file)
                        quota_return_name(&m->quota, owner);
                return -ENOMEM;
        }

        n->manager = m;
        n->owner = owner;
        n->balance = BALANCE_ROUND_ROBIN;
        n->local = true;
        n->from_file = from_file;
        n->state_slot = STATE_NO_SLOT;
        (void) copy_string(n->name, sizeof(n->name), name);
        list_init(&n->bindings);
        list_init(&n->registrations);
        list_init(&n->acceptors);
        list_init(&n->waiting);
        list_init(&n->admissions);

        r = map_put_string(m->names, n->name, n);
        if (r == 0)
                r = name_index(n);
        if (r < 0) {
                name_free(n);
                return r;
        }

        if (!from_file) {
                StateName record;

                name_fill_record(n, &record);
                n->state_slot = state_put(m->state, STATE_NAME, &record);
        }

        name_tell_layers(n, LAYER_REGISTER);
        *ret = n;
        return 0;
}

void name_set_balance(Name *n, LoadBalance balance) {
        StateName record;

        n->balance = balance;
        name_fill_record(n, &record);
        state_update(n->manager->state, STATE_NAME, n->state_slot, &record);
}

/* -- what its file says -- */

static void name_forget_file(Name *n) {
        Binding *b, *following_binding;
        Registration *r, *following_registration;

        list_for_each_safe(b, following_binding, &n->bindings, by_name)
                if (b->from_file)
                        binding_free(b);
        list_for_each_safe(r, following_registration, &n->registrations, by_name)
                if (r->from_file)
                        registration_free(r);

        n->allow_uids = mfree(n->allow_uids);
        n->n_allow_uids = 0;
}

static void name_bind_all(Name *n, BindingKind kind, const ConfStrings *ids) {
        for (size_t i = 0; i < ids->n; i++) {
                Binding *b;
                int r;

                r = binding_new(n, kind, ids->items[i], -1, true, &b);
                if (r < 0 && r != -EEXIST)
                        log_warning_errno(r, "Cannot bind '%s' to %s %s, ignoring: %m", n->name,
                                          binding_kind_to_string(kind), ids->items[i]);
        }
}

static int name_allow_users(Name *n, const ConfStrings *users) {
        if (users->n == 0)
                return 0;

        n->allow_uids = calloc(users->n, sizeof(*n->allow_uids));
        if (!n->allow_uids)
                return -ENOMEM;

        for (size_t i = 0; i < users->n; i++) {
                uid_t uid = 0;          /* one who does not exist must not widen the list to everybody */

                if (user_from_string(users->items[i], &uid) < 0)
                        log_warning("%s%s: AllowUser=%s: there is no such user", n->name, NAME_FILE_SUFFIX,
                                    users->items[i]);
                n->allow_uids[n->n_allow_uids++] = uid;
        }

        return 0;
}

int name_apply_file(Name *n, const NameFile *file) {
        name_forget_file(n);

        n->balance = file->balance >= 0 && file->balance < _BALANCE_MAX ? (LoadBalance) file->balance
                                                                        : BALANCE_ROUND_ROBIN;
        n->local = file->local;
        n->max_flows = file->max_flows;
        name_security_apply_file(n, SECURITY_SERVER, &file->server);
        name_security_apply_file(n, SECURITY_CLIENT, &file->client);
        name_bind_all(n, BINDING_UNIT, &file->units);
        name_bind_all(n, BINDING_USER, &file->users);
        name_bind_all(n, BINDING_PROGRAM, &file->programs);

        for (size_t i = 0; i < file->layers.n; i++) {
                Registration *registration;
                int r;

                r = registration_new(n, file->layers.items[i], true, &registration);
                if (r < 0 && r != -EEXIST)
                        log_warning_errno(r, "Cannot register '%s' in layer %s, ignoring: %m", n->name,
                                          file->layers.items[i]);
        }

        name_bindings_changed(n);
        return name_allow_users(n, &file->allow_users);
}

/* -- who may -- */

bool name_authorises(const Name *n, const Process *p) {
        const Binding *b;

        if (n->layer[0]) {
                const Layer *l = layer_find(n->manager, n->layer);

                if (l && l->process == p)
                        return true;
        } else if (p->key.uid == 0)
                return true;

        list_for_each(b, &n->bindings, by_name)
                if (binding_authorises(b, p))
                        return true;

        return false;
}

bool name_selects(const Name *n, const char *program) {
        bool any = false;
        const Binding *b;

        list_for_each(b, &n->bindings, by_name) {
                if (b->kind != BINDING_PROGRAM)
                        continue;
                if (streq(strrchr(b->id, '/') + 1, program))    /* a full path; programs tell the last part of theirs */
                        return true;
                any = true;
        }

        return !any;
}

bool name_allows_user(const Name *n, uid_t uid) {
        if (n->n_allow_uids == 0 || uid == 0)
                return true;

        for (size_t i = 0; i < n->n_allow_uids; i++)
                if (n->allow_uids[i] == uid)
                        return true;

        return false;
}

bool name_is_full(const Name *n) {
        return n->max_flows > 0 && n->n_flows >= n->max_flows;
}

/* Whoever listens stays: losing a binding is not losing flows. Whoever serves "everything" may serve it now, too. */
void name_bindings_changed(Name *n) {
        Client *c;
        Acceptor *a;

        list_for_each(c, &n->manager->wildcard_listeners, by_wildcard)
                if (name_authorises(n, c->process) && name_selects(n, c->program))
                        (void) acceptor_new(n, c, &a);

        name_dispatch(n);
}
