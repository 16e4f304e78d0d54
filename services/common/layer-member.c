/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values of layers with members. An empty value means the default, which a single value has already: what came before
 * it was never handed over.
 */

#include "services/common/file-check.h"
#include "services/common/layer-member.h"

#define RETRY_MIN_USEC (10 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (3600 * USEC_PER_SEC)

/* -- values -- */

int layer_member_parse_name(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (!isempty(a->value) && !flow_name_is_valid(a->value))
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is no good for %s=: names have 1 to 200 bytes of UTF-8, without '/' and "
                                     "control characters.",
                                     a->value, a->key);

        return conf_parse_string(file, a, field, key);
}

int layer_member_parse_number(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        const ConfRange *range = key->data;
        uint64_t value;

        if (isempty(a->value))
                return 0;
        if (parse_u64(a->value, range->max, &value) < 0 || value < range->min)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "%s=%s is out of range: write a number from %" PRIu64 " to %" PRIu64 ".", a->key,
                                     a->value, range->min, range->max);

        *(uint32_t *) field = (uint32_t) value;
        return 0;
}

int layer_member_parse_seconds(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        const ConfRange *range = key->data;
        char low[32], high[32];
        usec_t value;

        if (isempty(a->value))
                return 0;
        if (usec_parse(a->value, &value) < 0 || value % USEC_PER_SEC != 0 || value / USEC_PER_SEC < range->min ||
            value / USEC_PER_SEC > range->max)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "%s=%s is out of range: write whole seconds, from %s to %s.", a->key, a->value,
                                     usec_format(low, sizeof(low), range->min * USEC_PER_SEC),
                                     usec_format(high, sizeof(high), range->max * USEC_PER_SEC));

        *(uint32_t *) field = (uint32_t) (value / USEC_PER_SEC);
        return 0;
}

int layer_member_parse_choice(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        int choice = 0, r;

        if (isempty(a->value))
                return 0;

        r = conf_parse_enum(file, a, &choice, key);
        if (r >= 0)
                *(uint32_t *) field = (uint32_t) choice;
        return r;
}

/* "1s…1min", with two dots also good, or one value for both. */
int layer_member_parse_retry(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        _cleanup_free_ char *low = NULL;
        LayerMember *member = field;
        const char *high = NULL;
        usec_t min, max;

        if (isempty(a->value))
                return 0;

        for (const char *const *dots = (const char *const[]) { "…", "..", NULL }; *dots && !high; dots++) {
                const char *at = strstr(a->value, *dots);

                if (!at)
                        continue;
                low = strndup(a->value, (size_t) (at - a->value));
                if (!low)
                        return -ENOMEM;
                high = at + strlen(*dots);
        }

        if (usec_parse(low ? low : a->value, &min) < 0 || usec_parse(high ? high : a->value, &max) < 0 ||
            min < RETRY_MIN_USEC || max > RETRY_MAX_USEC || min > max)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "RetrySec=%s is no pause: write one such as 5s, or the shortest and the longest "
                                     "such as 1s…1min; from 10ms to 1h.",
                                     a->value);

        member->retry_min_usec = min;
        member->retry_max_usec = max;
        return 0;
}

int layer_member_parse_neighbour_name(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value))
                return 0;
        if (!flow_name_is_valid_on_wire(a->value))
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is too long for a name: write 1 to 255 bytes.", a->value);

        (void) copy_string(field, FLOW_NAME_WIRE_BYTES_MAX + 1, a->value);
        return 0;
}

int layer_member_parse_neighbour_over(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value))
                return 0;
        if (!layer_name_is_valid(a->value))
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is no name of a layer: write one of those in Over= of [Layer].", a->value);

        (void) copy_string(field, LAYER_NAME_BYTES_MAX + 1, a->value);
        return 0;
}

int layer_member_parse_components(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        LayerFileNeighbour *neighbour = field;
        ConfStrings words = {};
        int r;

        if (isempty(a->value))
                return 0;

        neighbour->management = neighbour->data = false;
        r = conf_parse_strings(file, a, &words, key);
        for (size_t i = 0; r >= 0 && i < words.n; i++) {
                if (streq(words.items[i], "mgmt"))
                        neighbour->management = true;
                else if (streq(words.items[i], "dt"))
                        neighbour->data = true;
                else
                        r = conf_complain(file, CONF_ERROR, a->value_place,
                                          "'%s' is no component: write mgmt, dt or both.", words.items[i]);
        }

        conf_strings_done(&words);
        return r;
}

int layer_member_parse_quality(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value) || streq(a->value, "auto"))
                return 0;

        return conf_complain(file, CONF_ERROR, a->value_place,
                             "QoS=%s: flows to neighbours have the quality of what they carry, and no other: write "
                             "QoS=auto or remove the line.",
                             a->value);
}

int layer_member_parse_cost(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value;

        if (isempty(a->value) || streq(a->value, "auto"))
                return 0;
        if (parse_u64(a->value, LAYER_COST_MAX, &value) < 0 || value == 0)
                return conf_complain(file, CONF_ERROR, a->value_place, "'%s' is no cost: write auto, or 1 to %u.",
                                     a->value, LAYER_COST_MAX);

        *(uint32_t *) field = (uint32_t) value;
        return 0;
}

/* -- checks across keys -- */

static bool is_listed(const ConfStrings *strings, const char *item) {
        for (size_t i = 0; i < strings->n; i++)
                if (streq(strings->items[i], item))
                        return true;

        return false;
}

/* Where something of this section stands; the key itself, if it is given. */
static ConfPlace neighbour_place(const ConfFile *conf, unsigned number, const char *key) {
        ConfPlace place = check_place(conf, "Neighbour", key);
        const ConfAssignment *assignments;
        bool found = false;
        size_t n;

        assignments = conf_assignments(conf, &n);
        for (size_t i = 0; i < n; i++) {
                const ConfAssignment *a = &assignments[i];

                if (!streq(a->section, "Neighbour") || a->instance != number)
                        continue;
                if (streq(a->key, key))
                        return a->value_place;
                if (!found)
                        place = a->key_place;
                found = true;
        }

        return place;
}

static void check_neighbours(LayerMember *m, ConfFile *conf, const ConfStrings *over) {
        for (size_t i = 0; i < m->n_neighbours; i++) {
                const LayerFileNeighbour *n = &m->neighbours[i];

                if (isempty(n->name))
                        (void) conf_complain(conf, CONF_ERROR, neighbour_place(conf, n->number, "Name"),
                                             "This [Neighbour] has no name: add Name=, such as that of another "
                                             "member's Member=.");
                if (!isempty(n->over) && !is_listed(over, n->over))
                        (void) conf_complain(conf, CONF_ERROR, neighbour_place(conf, n->number, "Over"),
                                             "The layer does not run over '%s': add it to Over= of [Layer].", n->over);
        }
}

/* Keys that only the first member's file decides: everybody else learns them. */
static void check_ignored(const LayerMember *m, ConfFile *conf) {
        static const char *const decided[] = { "Bootstrap", "Routing", "Directory", "Congestion" };
        const ConfAssignment *assignments;
        size_t n;

        assignments = conf_assignments(conf, &n);
        for (size_t i = 0; i < n; i++) {
                const ConfAssignment *a = &assignments[i];

                if (m->bootstrap && streq(a->section, "Enroll"))
                        (void) conf_complain(conf, CONF_WARNING, a->key_place,
                                             "[Enroll] %s= has no effect with Bootstrap=yes: the first member "
                                             "enrolls nowhere. Remove it.", a->key);

                for (size_t k = 0; !m->bootstrap && k < ELEMENTSOF(decided); k++)
                        if (streq(a->section, decided[k]) && !streq(a->key, "Bootstrap"))
                                (void) conf_complain(conf, CONF_WARNING, a->key_place,
                                                     "[%s] %s= has no effect without Bootstrap=yes: the first member "
                                                     "decides it for the layer. Remove it.",
                                                     a->section, a->key);
        }
}

void layer_member_check(LayerMember *m, ConfFile *conf, const ConfStrings *over) {
        if (over->n > LAYER_OVER_MAX)
                (void) conf_complain(conf, CONF_ERROR, check_place(conf, "Layer", "Over"),
                                     "A layer runs over at most %u others: remove some.", LAYER_OVER_MAX);
        if (m->via.n > LAYER_VIA_MAX)
                (void) conf_complain(conf, CONF_ERROR, check_place(conf, "Enroll", "Via"),
                                     "More than %u names in Via=: remove some.", LAYER_VIA_MAX);
        if (m->initial.timeout_sec <= m->initial.update_sec)
                (void) conf_complain(conf, CONF_ERROR, check_place(conf, "Routing", "TimeoutSec"),
                                     "Links would time out between two updates: make TimeoutSec= (%" PRIu32 " s) "
                                     "larger than UpdateSec= (%" PRIu32 " s).",
                                     m->initial.timeout_sec, m->initial.update_sec);

        check_neighbours(m, conf, over);
        check_ignored(m, conf);
}

/* -- the object -- */

void layer_member_init(LayerMember *m, const char *layer) {
        *m = (LayerMember) { .give_up_usec = USEC_INFINITY };
        layer_config_init(&m->initial, layer);
}

void layer_member_done(LayerMember *m) {
        m->name = mfree(m->name);
        conf_strings_done(&m->via);
        m->neighbours = mfree(m->neighbours);
        m->n_neighbours = 0;
}

LayerFileNeighbour *layer_member_neighbour(LayerMember *m, unsigned number) {
        LayerFileNeighbour *neighbours;

        for (size_t i = 0; i < m->n_neighbours; i++)
                if (m->neighbours[i].number == number)
                        return &m->neighbours[i];

        if (m->n_neighbours >= LAYER_FILE_NEIGHBOURS_MAX)
                return NULL;

        neighbours = realloc(m->neighbours, (m->n_neighbours + 1) * sizeof(*neighbours));
        if (!neighbours)
                return NULL;

        m->neighbours = neighbours;
        neighbours += m->n_neighbours++;
        *neighbours = (LayerFileNeighbour) { .number = number, .management = true, .data = true };
        return neighbours;
}

int layer_member_name(const LayerMember *m, const char *layer, const char *host, char **ret) {
        _cleanup_free_ char *name = NULL;
        int r;

        if (m->name)
                name = strdup(m->name);
        else {
                r = format_string(&name, "%s.%s", layer, host);
                if (r < 0)
                        return r;
        }
        if (!name)
                return -ENOMEM;
        if (!flow_name_is_valid(name))
                return -ENAMETOOLONG;

        *ret = TAKE_PTR(name);
        return 0;
}
