/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* NAME.name: how a name is bound, where it is registered, who may use it. Policy: file-check.h. */

#include "services/common/file-check.h"
#include "services/common/name-file.h"

static const char *const load_balance_table[_BALANCE_MAX] = {
        [BALANCE_ROUND_ROBIN] = "round-robin",
        [BALANCE_SPILL] = "spill",
        [BALANCE_LEAST_FLOWS] = "least-flows",
};

DEFINE_ENUM_NAMES(load_balance, LoadBalance);

static const ConfEnum balance_names = { load_balance_table, ELEMENTSOF(load_balance_table) };

/* -- values: an empty one brings the default back -- */

static int parse_balance(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value)) {
                *(int *) field = BALANCE_ROUND_ROBIN;
                return 0;
        }

        return conf_parse_enum(file, a, field, key);
}

static int parse_max_flows(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value)) {
                *(uint32_t *) field = 0;
                return 0;
        }

        return conf_parse_u32(file, a, field, key);
}

static int parse_local(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value)) {
                *(bool *) field = true;
                return 0;
        }

        return conf_parse_bool(file, a, field, key);
}

/* -- the table -- */

#define FIELD(member) offsetof(NameFile, member)

static const ConfSection name_sections[] = {
        { "Name", false }, { "Bind", false }, { "Activate", false }, { "Server", false }, { "Client", false },
};

static const ConfKey name_keys[] = {
        { "Name", "LoadBalance", parse_balance, FIELD(balance), &balance_names },
        { "Name", "Layer", check_parse_layer_names, FIELD(layers), NULL },
        { "Name", "MaxFlows", parse_max_flows, FIELD(max_flows), NULL },
        { "Name", "AllowUser", check_parse_user_names, FIELD(allow_users), NULL },
        { "Name", "Local", parse_local, FIELD(local), NULL },
        { "Bind", "Unit", check_parse_unit_names, FIELD(units), NULL },
        { "Bind", "User", check_parse_user_names, FIELD(users), NULL },
        { "Bind", "Program", check_parse_programs, FIELD(programs), NULL },
        { "Activate", "Unit", check_parse_later, 0, "the start of servers on demand" },
        { "Activate", "Exec", check_parse_later, 0, "the start of servers on demand" },
        { "Activate", "Accept", check_parse_later, 0, "the start of servers on demand" },
        { "Activate", "MaxInstances", check_parse_later, 0, "the start of servers on demand" },
        SECURITY_POLICY_KEYS("Server", NameFile, server),
        SECURITY_POLICY_KEYS("Client", NameFile, client),
};

static const ConfSchema name_schema = {
        .sections = name_sections,
        .n_sections = ELEMENTSOF(name_sections),
        .keys = name_keys,
        .n_keys = ELEMENTSOF(name_keys),
};

/* A program alone authorises nobody: its path is what the client says of itself. */
static void check_bindings(NameFile *f) {
        if (f->programs.n > 0 && f->units.n == 0 && f->users.n == 0)
                (void) conf_complain(f->conf, CONF_WARNING, check_place(f->conf, "Bind", "Program"),
                                     "Program= only selects among those who may serve the name, and nobody may: add "
                                     "Unit= or User=.");
}

/* -- life -- */

NameFile *name_file_free(NameFile *file) {
        if (!file)
                return NULL;

        conf_strings_done(&file->layers);
        conf_strings_done(&file->allow_users);
        conf_strings_done(&file->units);
        conf_strings_done(&file->users);
        conf_strings_done(&file->programs);
        security_policy_done(&file->server);
        security_policy_done(&file->client);
        (void) conf_free(file->conf);
        return mfree(file);
}

static int name_file_new(const char *name, NameFile **ret) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        if (!flow_name_is_valid(name))
                return -EINVAL;

        file = malloc(sizeof(*file));
        if (!file)
                return -ENOMEM;

        *file = (NameFile) { .balance = BALANCE_ROUND_ROBIN, .local = true };
        (void) copy_string(file->name, sizeof(file->name), name);

        r = conf_new(&file->conf);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(file);
        return 0;
}

static int name_file_check(NameFile *file) {
        int r;

        r = conf_apply(file->conf, &name_schema, file, NULL);
        if (r < 0 && r != -EBADMSG)
                return r;

        check_bindings(file);
        return check_has_errors(file->conf) ? -EBADMSG : 0;
}

int name_file_parse(const char *name, const char *path, const char *text, size_t size, NameFile **ret) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        r = name_file_new(name, &file);
        if (r < 0)
                return r;

        r = conf_add_text(file->conf, path, text, size);
        if (r < 0)
                return r;

        r = name_file_check(file);
        if (r >= 0 || r == -EBADMSG)
                *ret = TAKE_PTR(file);
        return r;
}

int name_file_load(const char *root, const char *name, NameFile **ret) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        r = name_file_new(name, &file);
        if (r < 0)
                return r;

        r = check_load(file->conf, root, NAME_FILE_DIRECTORY, name, NAME_FILE_SUFFIX);
        if (r < 0)
                return r;

        r = name_file_check(file);
        if (r >= 0 || r == -EBADMSG)
                *ret = TAKE_PTR(file);
        return r;
}
