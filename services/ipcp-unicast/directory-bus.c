/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directory on the bus: who serves a name, what we keep for others, whom we know. */

#include "libo7s/bus-names.h"
#include "services/common/bus-error.h"
#include "services/ipcp-unicast/bus-call.h"

#define LIST_MAX 10000U                 /* rows of one answer */

/* -- looking up -- */

static int append_addresses(sd_bus_message *reply, const BusCall *call, const uint64_t *addresses, size_t n_addresses) {
        const Unicast *u = &call->service->unicast;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "t");

        /* The directory leaves us out, as a layer does not ask itself. */
        if (r >= 0 && directory_is_registered(u->directory, call->key, call->hash_size))
                r = sd_bus_message_append(reply, "t", u->address);
        for (size_t i = 0; r >= 0 && i < n_addresses; i++)
                r = sd_bus_message_append(reply, "t", addresses[i]);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* For each address, in the same order: the neighbour that packets to it take now, and the round trip to that one. */
static int append_way(sd_bus_message *reply, const Service *s, uint64_t address) {
        const Pci pci = { .destination = address, .eid = EID_FLOW_ALLOCATOR };
        const Neighbour *n;
        Cube cube;
        int r;

        n = unicast_next_hop(&s->unicast, &pci, NULL, &cube);
        if (!n)
                return 0;

        r = sd_bus_message_open_container(reply, 'r', "tsx");
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", n->address);
        if (r >= 0)
                r = bus_append_member(reply, s, n->address);
        if (r >= 0)
                r = sd_bus_message_append(reply, "x", n->rtt_usec > 0 ? (int64_t) n->rtt_usec : INT64_C(-1));

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_found(const BusCall *call, const uint64_t *addresses, size_t n_addresses) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = append_addresses(reply, call, addresses, n_addresses);
        if (r >= 0 && !call->hash) {
                r = sd_bus_message_open_container(reply, 'a', "(tsx)");
                for (size_t i = 0; r >= 0 && i < n_addresses; i++)
                        r = append_way(reply, call->service, addresses[i]);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void found(BusCall *call, int error, const uint64_t *addresses, size_t n_addresses) {
        const Unicast *u = &call->service->unicast;
        int r;

        if (n_addresses == 0 && !directory_is_registered(u->directory, call->key, call->hash_size)) {
                if (error == -ENETUNREACH)
                        return bus_call_fail(call, error, "No member of the directory answered");
                if (error == -EBUSY)
                        return bus_call_fail(call, error, "The directory is looking up too many names already");
                return bus_call_fail(call, -ENOENT, "No member of the layer serves this name");
        }

        r = reply_found(call, addresses, n_addresses);
        if (r < 0)
                return bus_call_fail(call, r, "The answer could not be built");

        bus_call_free(call);
}

void service_bus_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses) {
        Service *s = userdata;
        BusCall *call;

        list_for_each(call, &s->bus_calls, by_service)
                if (call->lookup == lookup)
                        return found(call, error, addresses, n_addresses);
}

static int begin_lookup(sd_bus_message *message, Service *s, const uint8_t *hash, size_t size, bool is_hash,
                        sd_bus_error *error) {
        uint64_t lookup;
        BusCall *call;
        int r;

        r = bus_call_new(s, message, error, &call);
        if (r < 0)
                return r;

        lookup = UNICAST_LOOKUP_OPERATOR | ++s->last_bus_lookup;
        call->lookup = lookup;
        call->hash = is_hash;
        call->hash_size = size;
        memcpy(call->key, hash, size);

        directory_lookup(s->unicast.directory, lookup, hash, size, time_now());
        return 1;
}

static int method_lookup(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        uint8_t hash[HASH_BYTES_MAX];
        Service *s = userdata;
        const char *name;
        ssize_t size;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        if (sd_bus_message_at_end(message, false) == 0)
                return bus_error_set(error, -EINVAL, "A lookup knows no options");
        if (!flow_name_is_valid_on_wire(name))
                return bus_error_set(error, -EINVAL, "'%s' cannot be a name", name);

        r = bus_check_member(s, error);
        if (r < 0)
                return r;

        size = hash_compute(s->unicast.layer.hash, name, strlen(name), hash);
        return size < 0 ? (int) size : begin_lookup(message, s, hash, (size_t) size, false, error);
}

static int method_lookup_hash(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Service *s = userdata;
        const void *hash;
        size_t size;
        int r;

        r = sd_bus_message_read_array(message, 'y', &hash, &size);
        if (r >= 0)
                r = bus_check_member(s, error);
        if (r < 0)
                return r;
        if (size != s->unicast.hash_size)
                return bus_error_set(error, -EINVAL, "A hash of this layer has %zu bytes, not %zu",
                                     s->unicast.hash_size, size);

        return begin_lookup(message, s, hash, size, true, error);
}

/* -- what is there -- */

static int append_entry(sd_bus_message *reply, const Service *s, const DirectoryEntry *entry) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ayatt");
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', entry->hash, s->unicast.hash_size);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 't', entry->addresses, entry->n_addresses * sizeof(uint64_t));
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", entry->expires * USEC_PER_SEC);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_list_entries(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Service *s = userdata;
        usec_t now = time_now();
        DirectoryEntry entry;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(message, "u", &limit);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ayatt)");

        limit = limit > 0 ? MIN(limit, LIST_MAX) : LIST_MAX;
        for (size_t i = 0; r >= 0 && i < limit && s->unicast.is_member &&
                           directory_entry(s->unicast.directory, i, now, &entry); i++)
                r = append_entry(reply, s, &entry);

        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_contact(sd_bus_message *reply, const Service *s, const DirectoryContact *contact) {
        const char *state = contact->spare ? "spare" : contact->n_failures > 0 ? "doubtful" : "good";
        uint64_t seen = usec_sub(time_realtime_nsec() / NSEC_PER_USEC, contact->seen_usec);
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ayttts");
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', contact->id, s->unicast.hash_size);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ttts", contact->address, seen, (uint64_t) contact->n_failures, state);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_list_contacts(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Service *s = userdata;
        usec_t now = time_now();
        DirectoryContact contact;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ayttts)");

        for (size_t i = 0; r >= 0 && i < LIST_MAX && s->unicast.is_member &&
                           directory_contact(s->unicast.directory, i, now, &contact); i++)
                r = append_contact(reply, s, &contact);

        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Service *s = userdata;
        int r;

        r = bus_check_member(s, error);
        if (r < 0)
                return r;

        directory_refresh(s->unicast.directory, time_now());
        return sd_bus_reply_method_return(message, NULL);
}

/* -- properties -- */

static int property_policy(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "dht");        /* of unicast layers there is no other */
}

static int property_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append_array(reply, 'y', s->unicast.directory_id,
                                           s->unicast.is_member ? s->unicast.hash_size : 0);
}

static int property_size(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Service *s = userdata;
        const LayerConfig *layer = s->unicast.is_member ? &s->unicast.layer : &s->unicast.config.initial;
        uint32_t value = 0;

        if (streq(property, "Replication"))
                value = layer->k;
        else if (streq(property, "Parallelism"))
                value = layer->alpha;
        else if (s->unicast.is_member) {
                const DirectoryStatistics *statistics = directory_statistics(s->unicast.directory);

                value = (uint32_t) (streq(property, "NEntries") ? statistics->n_entries : statistics->n_contacts);
        }

        return sd_bus_message_append(reply, "u", value);
}

static int property_total(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Service *s = userdata;
        uint64_t value = 0;

        if (s->unicast.is_member) {
                const DirectoryStatistics *statistics = directory_statistics(s->unicast.directory);

                value = streq(property, "LookupsTotal") ? statistics->lookups : statistics->lookups_failed;
        }

        return sd_bus_message_append(reply, "t", value);
}

const sd_bus_vtable directory_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Lookup", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("at", addresses, "a(tsx)", path), method_lookup,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("LookupHash", SD_BUS_ARGS("ay", hash), SD_BUS_RESULT("at", addresses),
                                method_lookup_hash,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListEntries", SD_BUS_ARGS("u", limit), SD_BUS_RESULT("a(ayatt)", entries),
                                method_list_entries, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListContacts", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ayttts)", contacts),
                                method_list_contacts,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refresh", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_refresh, 0),
        SD_BUS_PROPERTY("Policy", "s", property_policy, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Id", "ay", property_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NEntries", "u", property_size, 0, 0),
        SD_BUS_PROPERTY("NContacts", "u", property_size, 0, 0),
        SD_BUS_PROPERTY("Replication", "u", property_size, 0, 0),
        SD_BUS_PROPERTY("Parallelism", "u", property_size, 0, 0),
        SD_BUS_PROPERTY("LookupsTotal", "t", property_total, 0, 0),
        SD_BUS_PROPERTY("LookupFailuresTotal", "t", property_total, 0, 0),
        SD_BUS_VTABLE_END,
};
