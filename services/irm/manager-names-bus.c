/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about names: unpack, look up, authorise, act, reply. */

#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"
#include "services/irm/resolve.h"

static size_t list_length(const List *list) {
        size_t n = 0;

        for (const ListNode *node = list->next; node != list; node = node->next)
                n++;

        return n;
}

int method_list_names(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *m = userdata;
        size_t position;
        Name *n;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssuuuo)");
        if (r < 0)
                return r;

        map_for_each(n, m->names, position) {
                _cleanup_free_ char *path = NULL;

                r = name_path(n, &path);
                if (r < 0)
                        return r;

                r = sd_bus_message_append(reply, "(ssuuuo)", n->name, load_balance_to_string(n->balance),
                                          (uint32_t) list_length(&n->bindings),
                                          (uint32_t) list_length(&n->registrations), n->n_flows, path);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_with_name(sd_bus_message *message, const Name *n) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = name_path(n, &path);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", path);
}

int method_get_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;

        r = bus_find_name(userdata, name, &n, error);
        return r < 0 ? r : reply_with_name(message, n);
}

/* -- making and removing -- */

typedef struct NameOptions {
        LoadBalance balance;
        int local;
} NameOptions;

static int read_name_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        NameOptions *options = target;
        const char *text;
        int r;

        if (streq(key, "LoadBalance")) {
                r = sd_bus_message_read(message, "v", "s", &text);
                if (r < 0)
                        return bus_error_set(error, -EINVAL, "LoadBalance is a string");

                options->balance = load_balance_from_string(text);
                if (options->balance < 0)
                        return bus_error_set(error, -EINVAL,
                                             "LoadBalance is round-robin, spill or least-flows, not '%s'", text);
                return 0;
        }
        if (streq(key, "Local")) {
                r = sd_bus_message_read(message, "v", "b", &options->local);
                return r < 0 ? bus_error_set(error, -EINVAL, "Local is a boolean") : 0;
        }

        return bus_error_set(error, -EINVAL, "CreateName knows no option '%s'", key);
}

/* A user may serve what he made; root may serve everything anyway. */
static int create_name(Manager *m, const char *name, uid_t uid, const NameOptions *options, Name **ret,
                       sd_bus_error *error) {
        char text[QUOTA_TEXT_MAX] = "", id[16];
        Binding *b;
        Name *n;
        int r;

        r = name_new(m, name, uid, false, text, &n);
        if (r == -E2BIG)
                return bus_error_set(error, -EDQUOT, "This host has as many names as it may: %u", NAMES_MAX);
        if (r < 0)
                return bus_error_set(error, r, "Cannot create the name '%s'%s%s", name, text[0] ? ": " : "", text);

        n->local = options->local;
        name_set_balance(n, options->balance);
        if (uid != 0) {
                (void) snprintf(id, sizeof(id), "%u", uid);
                r = binding_new(n, BINDING_USER, id, -1, false, &b);
                if (r < 0) {
                        name_free(n);
                        return bus_error_set(error, r, "Cannot bind the name '%s' to its owner", name);
                }
        }

        *ret = n;
        return 0;
}

int method_create_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        NameOptions options = { .balance = BALANCE_ROUND_ROBIN, .local = true };
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        uid_t uid;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_options(message, read_name_option, &options, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;
        if (!flow_name_is_valid(name))
                return bus_error_set(error, -EINVAL,
                                     "A name is UTF-8 without control characters and '/', of 1 to %u bytes",
                                     FLOW_NAME_BYTES_MAX);

        r = bus_authorize(m, message, POLKIT_CREATE_NAME, name, NULL, "create", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        n = name_find(m, name);
        if (n)
                return bus_error_set_named(error, "NameExists", "There is a name '%s' already; it belongs to user %u",
                                           name, n->owner);

        r = create_name(m, name, uid, &options, &n, error);
        if (r < 0)
                return r;

        announce_name_new(n);
        manager_changed(m);
        return reply_with_name(message, n);
}

int method_remove_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_CREATE_NAME, name, NULL, "remove", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (n->from_file)
                return bus_error_set_named(error, "WrongState",
                                           "The name '%s' is that of a file; remove %s" NAME_FILE_SUFFIX " and reload",
                                           name, name);

        announce_name_removed(n);
        name_free(n);
        manager_changed(m);
        return sd_bus_reply_method_return(message, NULL);
}

/* -- registering -- */

int method_register(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *layer;
        Registration *registration;
        Manager *m = userdata;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &layer);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;
        if (!layer_name_is_valid(layer))
                return bus_error_set(error, -EINVAL, "'%s' cannot be the name of a layer", layer);

        r = bus_authorize(m, message, POLKIT_REGISTER, name, layer, "register", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = registration_new(n, layer, false, &registration);
        if (r < 0 && r != -EEXIST)
                return bus_error_set(error, r, "Cannot register '%s' in layer %s: %s", name, layer, strerror(-r));

        announce_name_changed(n, "RegisteredIn");
        return sd_bus_reply_method_return(message, NULL);
}

int method_unregister(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *layer;
        Registration *registration;
        Manager *m = userdata;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &layer);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_REGISTER, name, layer, "unregister", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        registration = registration_find(n, layer);
        if (!registration)
                return bus_error_set_named(error, "NotRegistered", "The name '%s' is not registered in layer %s", name,
                                           layer);

        registration_free(registration);
        announce_name_changed(n, "RegisteredIn");
        return sd_bus_reply_method_return(message, NULL);
}

/* -- where a name is -- */

/* Changes nothing; what it makes other hosts do is bounded, see resolve.h. Columns: layer ("local": this host), state
 * (found, waiting, not-found, no-answer, skipped), RTT in microseconds (-1: none), Type, Hash and Reason. */
int method_resolve(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r < 0)
                return r;
        if (!flow_name_is_valid(name))
                return bus_error_set(error, -EINVAL,
                                     "A name is UTF-8 without control characters and '/', of 1 to %u bytes",
                                     FLOW_NAME_BYTES_MAX);

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        r = resolve_start(userdata, message, name, uid);
        if (r == -EDQUOT)
                return bus_error_set(error, r,
                                     "A user may have %u questions open, all together %u; wait for their answers",
                                     RESOLVES_PER_USER_MAX, RESOLVES_MAX);
        if (r < 0)
                return bus_error_set(error, r, "Cannot ask for '%s': %s", name, strerror(-r));

        return 1;                       /* answered, or it will be */
}
