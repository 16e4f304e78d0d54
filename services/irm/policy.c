/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policy of a flow, see policy.h. */

#include <stdarg.h>
#include <stdio.h>

#include "services/irm/layer-names.h"
#include "services/irm/policy.h"

static int refuse(char text[IRM_TEXT_BYTES_MAX], const char *format, ...) _printf_(2, 3);
static int refuse(char text[IRM_TEXT_BYTES_MAX], const char *format, ...) {
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text, IRM_TEXT_BYTES_MAX, format, list);
        va_end(list);
        return -EKEYREJECTED;
}

static bool file_is_bad(const Manager *m, const char *name) {
        for (size_t i = 0; i < m->bad_name_files.n; i++)
                if (streq(m->bad_name_files.items[i], name))
                        return true;

        return false;
}

/* name may be NULL: no file says anything. layer likewise. */
static int policy_of(const Name *n, SecuritySide side, const Layer *layer, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]) {
        static const SecurityPolicy none = {};
        const SecurityPolicy *of_name = n ? &n->security[side].current : &none;
        int r;

        if (n && n->security[side].broken)
                return refuse(text, "The security policy of '%.150s' cannot be put together; see the journal of o7s-irm", n->name);
        if (layer && layer->file_is_bad)
                return refuse(text, "%s" LAYER_FILE_SUFFIX " has errors, so how its flows are to be protected is not known; "
                              "see: o7sctl verify %s", layer->name, layer->name);

        r = security_policy_merge(of_name, layer && layer->file ? &layer->file->security : &none, ret);
        if (r == -ENOTUNIQ || r == -E2BIG)
                return refuse(text, "The security policies of '%.150s' and of layer %s have nothing in common: "
                              "compare the files of both", n ? n->name : "", layer ? layer->name : "");

        return r;
}

static int check_file(const Manager *m, const char *name, char text[IRM_TEXT_BYTES_MAX]) {
        if (file_is_bad(m, name))
                return refuse(text, "%.150s.name has errors, so how its flows are to be protected is not known; "
                              "see: o7sctl verify %.150s.name", name, name);

        return 0;
}

/* Names of a layer are those of its members. */
static const Layer *layer_of_name(const Name *n) {
        return n && n->layer[0] ? layer_find(n->manager, n->layer) : NULL;
}

int policy_of_call(Manager *m, const char *name, const Process *caller, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]) {
        int r;

        r = check_file(m, name, text);
        return r < 0 ? r : policy_of(name_find(m, name), SECURITY_CLIENT, layer_of_process(caller), ret, text);
}

int policy_of_service(const Name *n, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]) {
        int r;

        r = check_file(n->manager, n->name, text);
        return r < 0 ? r : policy_of(n, SECURITY_SERVER, layer_of_name(n), ret, text);
}

int policy_of_name(Manager *m, const char *name, SecuritySide side, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]) {
        const Name *n = name_find(m, name);
        int r;

        r = check_file(m, name, text);
        return r < 0 ? r : policy_of(n, side, layer_of_name(n), ret, text);
}
