/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NAME.layer. The table holds every key of the format, also those of layers that this build cannot run: a file for
 * another kind of layer is a good file, and the launcher says that its IPCP is missing. What concerns protection is
 * different, see file-check.h. After the table, checks across keys: what a kind of layer needs and what it cannot
 * use.
 */

#include <ctype.h>

#include "services/common/file-check.h"
#include "services/common/layer-file.h"

#define ETHERTYPE_MIN 0x0600U   /* below, the field is a length */
#define INTERFACE_NAME_BYTES_MAX 15U    /* as the kernel has it */

static const char *const layer_kind_table[_LAYER_KIND_MAX] = {
        [LAYER_KIND_UNICAST] = "unicast",
        [LAYER_KIND_BROADCAST] = "broadcast",
        [LAYER_KIND_UDP] = "udp",
        [LAYER_KIND_ETH] = "eth",
};

DEFINE_ENUM_NAMES(layer_kind, LayerKind);

static const char *const framing_table[_FRAMING_MAX] = {
        [FRAMING_DIX] = "dix",
        [FRAMING_LLC] = "llc",
};

DEFINE_ENUM_NAMES(framing, Framing);

static const char *const directory_hash_table[] = {
        [HASH_SHA3_224] = "sha3-224",
        [HASH_SHA3_256] = "sha3-256",
        [HASH_SHA3_384] = "sha3-384",
        [HASH_SHA3_512] = "sha3-512",
};

/* Numbers of the wire. */
static const char *const address_policy_table[] = { "flat-random" };
static const char *const routing_policy_table[] = { "link-state", "lfa", "ecmp" };
static const char *const congestion_policy_table[] = { "none", "mb-ecn" };

static const ConfEnum address_policies = { address_policy_table, ELEMENTSOF(address_policy_table) };
static const ConfEnum routing_policies = { routing_policy_table, ELEMENTSOF(routing_policy_table) };
static const ConfEnum congestion_policies = { congestion_policy_table, ELEMENTSOF(congestion_policy_table) };
static const ConfEnum framing_names = { framing_table, ELEMENTSOF(framing_table) };
static const ConfEnum hash_names = { directory_hash_table, ELEMENTSOF(directory_hash_table) };

/* As layer_config_check() has them: what this file may say, others accept. */
static const ConfRange address_size_range = { 4, 8 };
static const ConfRange eid_size_range = { 8, 8 };
static const ConfRange ttl_range = { 1, UINT8_MAX };
static const ConfRange recalculate_range = { 0, 86400 };
static const ConfRange update_range = { 1, 86400 };
static const ConfRange k_range = { 1, 20 };
static const ConfRange alpha_range = { 1, 10 };
static const ConfRange expire_range = { 10, 86400 };
static const ConfRange refresh_range = { 3, 3600 };
static const ConfRange give_up_range = { USEC_PER_SEC, USEC_INFINITY };

/* -- values -- */

static int parse_kind(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        int *kind = field;

        *kind = layer_kind_from_string(a->value);
        if (*kind >= 0 || isempty(a->value))
                return 0;
        if (streq(a->value, "local"))
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "There is no layer of type local: names are reachable on their own host without "
                                     "one. Remove this file.");

        return conf_complain(file, CONF_ERROR, a->value_place,
                             "'%s' is not a type of layer: write Type=eth, unicast, udp or broadcast.", a->value);
}

static int parse_hash(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value)) {
                *(int *) field = HASH_SHA3_256;
                return 0;
        }

        return conf_parse_enum(file, a, field, key);
}

static int parse_framing(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value)) {
                *(int *) field = FRAMING_DIX;
                return 0;
        }

        return conf_parse_enum(file, a, field, key);
}

static int parse_packet_size(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value;

        if (isempty(a->value) || streq(a->value, "auto")) {
                *(uint32_t *) field = 0;
                return 0;
        }
        if (parse_u64(a->value, PACKET_SIZE_MAX, &value) < 0 || value < PACKET_SIZE_MIN)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is no packet size: write "
                                     "auto, or %u to %u bytes.", a->value, PACKET_SIZE_MIN, PACKET_SIZE_MAX);

        *(uint32_t *) field = (uint32_t) value;
        return 0;
}

static bool interface_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > INTERFACE_NAME_BYTES_MAX || streq(name, ".") || streq(name, ".."))
                return false;

        for (const char *c = name; *c; c++)
                if (!isgraph((unsigned char) *c) || strchr("/:%", *c))
                        return false;

        return true;
}

static int parse_interface(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (!isempty(a->value) && !interface_name_is_valid(a->value))
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' cannot be the name of a network interface: write one as 'ip link' shows "
                                     "it, such as enp3s0.",
                                     a->value);

        return conf_parse_string(file, a, field, key);
}

static int parse_ethertype(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value;

        if (isempty(a->value)) {
                *(uint16_t *) field = LAYER_ETHERTYPE_DEFAULT;
                return 0;
        }
        if (parse_u64(a->value, UINT16_MAX, &value) < 0 || value < ETHERTYPE_MIN)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is no EtherType: write a number from 0x%04X to 0xFFFF, the same on every "
                                     "host of the layer.",
                                     a->value, ETHERTYPE_MIN);

        *(uint16_t *) field = (uint16_t) value;
        return 0;
}

static int parse_xdp(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value) || streq(a->value, "auto") || streq(a->value, "no"))
                return 0;

        return conf_complain(file, CONF_ERROR, a->value_place,
                             "Xdp=%s: this build has no AF_XDP: write Xdp=auto or Xdp=no.", a->value);
}

static int parse_directory(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value) || streq(a->value, "dht"))
                return 0;

        return conf_complain(file, CONF_ERROR, a->value_place, "'%s' is no kind of directory: write Policy=dht.",
                             a->value);
}

/* -- the table -- */

#define FIELD(member) offsetof(LayerFile, member)
#define KEY(section, key, parse, member) { section, key, parse, FIELD(member), NULL }
#define RANGE(section, key, unit, value, range)                                                                   \
        { section, key, layer_member_parse_##unit, FIELD(member.initial.value), &(range) }
#define CHOICE(section, key, value, names)                                                                        \
        { section, key, layer_member_parse_choice, FIELD(member.initial.value), &(names) }
#define NEIGHBOUR(key, parse, offset) { "Neighbour", key, parse, offset, NULL }
#define NAME_ONLY(section, key) { section, key, NULL, 0, NULL }

static const ConfSection layer_sections[] = {
        { "Layer", false }, { "Bootstrap", false }, { "Enroll", false }, { "Neighbour", true }, { "Routing", false },
        { "Directory", false }, { "Congestion", false }, { "Udp", false }, { "Ethernet", false },
        { "Security", false }, { "Access", false },
};

static const ConfKey layer_keys[] = {
        KEY("Layer", "Type", parse_kind, kind),
        KEY("Layer", "Description", check_parse_description, description),
        KEY("Layer", "Over", check_parse_layer_names, over),
        KEY("Layer", "Register", check_parse_flow_names, register_names),
        { "Layer", "Hash", parse_hash, FIELD(hash), &hash_names },
        KEY("Layer", "MaxPacketSize", parse_packet_size, max_packet_size),
        KEY("Layer", "LogLevel", check_parse_log_level, log_level),
        KEY("Layer", "Member", layer_member_parse_name, member.name),
        KEY("Ethernet", "Interface", parse_interface, interface),
        { "Ethernet", "Framing", parse_framing, FIELD(framing), &framing_names },
        KEY("Ethernet", "EtherType", parse_ethertype, ethertype),
        { "Ethernet", "Xdp", parse_xdp, 0, NULL },
        SECURITY_POLICY_KEYS("Security", LayerFile, security),
        { "Access", "AllowNeighbour", check_parse_later, 0, "the admission of neighbours" },
        { "Access", "DenyNeighbour", check_parse_later, 0, "the admission of neighbours" },
        { "Access", "AllowForwarding", check_parse_later, 0, "the admission of neighbours" },
        KEY("Bootstrap", "Bootstrap", conf_parse_bool, member.bootstrap),
        { "Bootstrap", "LayerId", check_parse_later, 0, "telling apart layers that were made with one name" },
        RANGE("Bootstrap", "AddressSize", number, address_bytes, address_size_range),
        RANGE("Bootstrap", "EidSize", number, eid_bytes, eid_size_range),
        RANGE("Bootstrap", "MaxTTL", number, ttl_max, ttl_range),
        CHOICE("Bootstrap", "AddressAuthority", address_policy, address_policies),
        KEY("Enroll", "Via", check_parse_flow_names, member.via),
        KEY("Enroll", "RetrySec", layer_member_parse_retry, member),
        { "Enroll", "TimeoutSec", conf_parse_usec, FIELD(member.give_up_usec), &give_up_range },
        { "Enroll", "JoinKey", check_parse_later, 0, "the admission of neighbours" },
        NEIGHBOUR("Name", layer_member_parse_neighbour_name, offsetof(LayerFileNeighbour, name)),
        NEIGHBOUR("Over", layer_member_parse_neighbour_over, offsetof(LayerFileNeighbour, over)),
        NEIGHBOUR("Components", layer_member_parse_components, 0),
        NEIGHBOUR("QoS", layer_member_parse_quality, 0),
        NEIGHBOUR("Cost", layer_member_parse_cost, offsetof(LayerFileNeighbour, cost)),
        CHOICE("Routing", "Policy", forwarding, routing_policies),
        RANGE("Routing", "RecalculateSec", seconds, recalculate_sec, recalculate_range),
        RANGE("Routing", "UpdateSec", seconds, update_sec, update_range),
        RANGE("Routing", "TimeoutSec", seconds, timeout_sec, update_range),
        { "Directory", "Policy", parse_directory, 0, NULL },
        RANGE("Directory", "Replication", number, k, k_range),
        RANGE("Directory", "Parallelism", number, alpha, alpha_range),
        RANGE("Directory", "ExpireSec", seconds, expire_sec, expire_range),
        RANGE("Directory", "RefreshSec", seconds, refresh_sec, refresh_range),
        CHOICE("Congestion", "Policy", congestion, congestion_policies),
        NAME_ONLY("Udp", "Address"),
        NAME_ONLY("Udp", "Port"),
        NAME_ONLY("Udp", "Peer"),
        NAME_ONLY("Udp", "Discover"),
        NAME_ONLY("Udp", "Offload"),
};

static const ConfSchema layer_schema = {
        .sections = layer_sections,
        .n_sections = ELEMENTSOF(layer_sections),
        .keys = layer_keys,
        .n_keys = ELEMENTSOF(layer_keys),
};

/* -- checks across keys -- */

static void check_over(LayerFile *f) {
        bool takes_lower = f->kind == LAYER_KIND_UNICAST || f->kind == LAYER_KIND_BROADCAST;

        if (f->over.n > 0 && !takes_lower)
                (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Layer", "Over"),
                                     "A layer of type %s runs over no "
                                     "other layer: remove Over=.", layer_kind_to_string(f->kind));
        if (f->over.n == 0 && takes_lower)
                (void) conf_complain(f->conf, CONF_WARNING, check_place(f->conf, "Layer", "Over"),
                                     "This layer runs over no other layer and reaches only this "
                                     "host: name one with Over=.");

        for (size_t i = 0; i < f->over.n; i++)
                if (streq(f->over.items[i], f->name))
                        (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Layer", "Over"),
                                             "Layer '%s' cannot run over itself: "
                                             "name another layer in Over=.", f->name);
}

static void check_ethernet(LayerFile *f) {
        if (!f->interface)
                (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Ethernet", "Interface"),
                                     "The interface is missing: add a section [Ethernet] with Interface=, such as "
                                     "Interface=enp3s0.");
        if (f->framing == FRAMING_LLC && check_find(f->conf, "Ethernet", "EtherType"))
                (void) conf_complain(f->conf, CONF_WARNING, check_place(f->conf, "Ethernet", "EtherType"),
                                     "EtherType= has no effect with Framing=llc: remove it.");
}

/* Its flows are those of the layers above and of programs; a host must not look protected where it is not. */
static void check_security(LayerFile *f) {
        static const char fix[] =
                "%s= protects what a layer says over the layers below, and one of type %s has none: "
                "remove it, and write it to [Server] and [Client] of names, or to the layer above.";

        if (f->security.authentication == AUTHENTICATION_SERVER || f->security.authentication == AUTHENTICATION_MUTUAL)
                (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Security", "Authentication"), fix,
                                     "Authentication", layer_kind_to_string(f->kind));
        if (f->security.encryption == ENCRYPTION_REQUIRED)
                (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Security", "Encryption"), fix,
                                     "Encryption", layer_kind_to_string(f->kind));
}

/* Whether what stands in a section has an effect on this kind of layer. */
static bool section_is_for(const char *section, LayerKind kind) {
        if (streq(section, "Ethernet"))
                return kind == LAYER_KIND_ETH;
        if (streq(section, "Udp"))
                return kind == LAYER_KIND_UDP;
        if (streq(section, "Layer") || streq(section, "Security") || streq(section, "Access"))
                return true;

        return kind == LAYER_KIND_UNICAST || kind == LAYER_KIND_BROADCAST;
}

static void check_sections(LayerFile *f) {
        const ConfAssignment *assignments;
        size_t n;

        assignments = conf_assignments(f->conf, &n);
        for (size_t i = 0; i < n; i++) {
                const ConfAssignment *a = &assignments[i];
                bool known = false;

                for (size_t k = 0; k < ELEMENTSOF(layer_sections); k++)
                        known = known || streq(layer_sections[k].name, a->section);

                if (known && !section_is_for(a->section, f->kind))
                        (void) conf_complain(f->conf, CONF_WARNING, a->key_place,
                                             "[%s] %s= has no effect on a "
                                             "layer of type %s: remove it.", a->section, a->key,
                                             layer_kind_to_string(f->kind));
        }
}

static void check_all(LayerFile *f) {
        if (f->kind < 0) {
                if (!check_find(f->conf, "Layer", "Type"))
                        (void) conf_complain(f->conf, CONF_ERROR, check_place(f->conf, "Layer", "Type"),
                                             "The type of the layer is missing: add Type=eth, unicast, udp or "
                                             "broadcast to [Layer].");
                return;
        }

        check_over(f);
        check_sections(f);
        if (f->kind == LAYER_KIND_ETH)
                check_ethernet(f);
        if (f->kind == LAYER_KIND_ETH || f->kind == LAYER_KIND_UDP)
                check_security(f);
        if (f->kind == LAYER_KIND_UNICAST || f->kind == LAYER_KIND_BROADCAST)
                layer_member_check(&f->member, f->conf, &f->over);
}

/* -- life -- */

LayerFile *layer_file_free(LayerFile *file) {
        if (!file)
                return NULL;

        conf_strings_done(&file->over);
        conf_strings_done(&file->register_names);
        layer_member_done(&file->member);
        free(file->description);
        free(file->log_level);
        free(file->interface);
        security_policy_done(&file->security);
        (void) conf_free(file->conf);
        return mfree(file);
}

static int layer_file_new(const char *name, LayerFile **ret) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        if (!layer_name_is_valid(name))
                return -EINVAL;

        file = malloc(sizeof(*file));
        if (!file)
                return -ENOMEM;

        *file = (LayerFile) {
                .kind = _LAYER_KIND_INVALID,
                .hash = HASH_SHA3_256,
                .framing = FRAMING_DIX,
                .ethertype = LAYER_ETHERTYPE_DEFAULT,
        };
        (void) copy_string(file->name, sizeof(file->name), name);
        layer_member_init(&file->member, name);

        r = conf_new(&file->conf);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(file);
        return 0;
}

/* [Neighbour] is the one section that repeats. */
static void *make_neighbour(void *object, const char *section, unsigned number) {
        LayerFile *file = object;
        LayerFileNeighbour *neighbour;

        neighbour = layer_member_neighbour(&file->member, number);
        if (!neighbour)
                (void) conf_complain(file->conf, CONF_ERROR, check_place(file->conf, section, "Name"),
                                     "There are more than %u "
                                     "sections [%s]: remove some.", LAYER_FILE_NEIGHBOURS_MAX, section);
        return neighbour;
}

static int layer_file_check(LayerFile *file) {
        int r;

        r = conf_apply(file->conf, &layer_schema, file, make_neighbour);
        if (r < 0 && r != -EBADMSG)
                return r;

        file->member.initial.hash = (HashAlgorithm) file->hash;
        file->member.initial.replicate_sec = file->member.initial.refresh_sec;
        check_all(file);
        return check_has_errors(file->conf) ? -EBADMSG : 0;
}

int layer_file_parse(const char *name, const char *path, const char *text, size_t size, LayerFile **ret) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_new(name, &file);
        if (r < 0)
                return r;

        r = conf_add_text(file->conf, path, text, size);
        if (r < 0)
                return r;

        r = layer_file_check(file);
        if (r >= 0 || r == -EBADMSG)
                *ret = TAKE_PTR(file);
        return r;
}

int layer_file_load(const char *root, const char *name, LayerFile **ret) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_new(name, &file);
        if (r < 0)
                return r;

        r = check_load(file->conf, root, LAYER_FILE_DIRECTORY, name, LAYER_FILE_SUFFIX);
        if (r < 0)
                return r;

        r = layer_file_check(file);
        if (r >= 0 || r == -EBADMSG)
                *ret = TAKE_PTR(file);
        return r;
}
