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

static bool names_whom_to_believe(const SecurityPolicy *policy) {
        return policy->trust_anchors.n > 0 || policy->pins.n > 0;
}

/* What holds between members where neither file says Authentication=. Trust anchors in the layer's file are there to
 * know members by, and which of two members calls is chance: both prove who they are. Anchors of the host are for the
 * names of programs, so that somebody who adds one does not end his layers; a member that has a certificate still
 * shows it. */
static void settle_members(SecuritySide side, const SecurityPolicy *of_layer, SecurityPolicy *policy) {
        if (policy->authentication != AUTHENTICATION_DEFAULT)
                return;

        if (names_whom_to_believe(of_layer))
                policy->authentication = AUTHENTICATION_MUTUAL;
        else if (side == SECURITY_CLIENT && !names_whom_to_believe(policy) && policy->allow.n == 0 &&
                 policy->deny.n == 0)
                policy->authentication = AUTHENTICATION_NONE;
}

/* name may be NULL: no file says anything. layer likewise. */
static int policy_of(const Name *n, SecuritySide side, const Layer *layer, SecurityPolicy *ret,
                     char text[IRM_TEXT_BYTES_MAX]) {
        static const SecurityPolicy none = {};
        const SecurityPolicy *of_name = n ? &n->security[side].current : &none;
        const SecurityPolicy *of_layer = layer && layer->file ? &layer->file->security : &none;
        int r;

        if (n && n->security[side].broken)
                return refuse(text,
                              "The security policy of '%.150s' cannot be put together; see the journal of o7s-irm",
                              n->name);
        if (layer && layer->file_is_bad)
                return refuse(text,
                              "%s" LAYER_FILE_SUFFIX " has errors, so how its flows are to be protected is not known; "
                              "see: o7sctl verify %s",
                              layer->name, layer->name);

        r = security_policy_merge(of_name, of_layer, ret);
        if (r == -ENOTUNIQ || r == -E2BIG)
                return refuse(text, "The security policies of '%.150s' and of layer %s have nothing in common: "
                              "compare the files of both", n ? n->name : "", layer ? layer->name : "");
        if (r == 0 && layer)
                settle_members(side, of_layer, ret);

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

int policy_of_call(Manager *m, const char *name, const Process *caller, SecurityPolicy *ret,
                   char text[IRM_TEXT_BYTES_MAX]) {
        int r;

        r = check_file(m, name, text);
        return r < 0 ? r : policy_of(name_find(m, name), SECURITY_CLIENT, layer_of_process(caller), ret, text);
}

int policy_of_service(const Name *n, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]) {
        int r;

        r = check_file(n->manager, n->name, text);
        return r < 0 ? r : policy_of(n, SECURITY_SERVER, layer_of_name(n), ret, text);
}

/* Returns: 0: it is as before; -EKEYREJECTED; -ENOMEM. */
static int compare(const char *name, const SecurityPolicy *policy, uint64_t before, char text[IRM_TEXT_BYTES_MAX]) {
        uint64_t now = 0;
        int r;

        r = security_policy_digest(policy, &now);
        if (r < 0)
                return r;

        return now == before ? 0 : refuse(text, "The policy of %s was changed meanwhile: try again", name);
}

int policy_check_call(Manager *m, const char *name, const Process *caller, const SecurityPolicy *before,
                      char text[IRM_TEXT_BYTES_MAX]) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        uint64_t digest = 0;
        int r;

        r = policy_of_call(m, name, caller, &policy, text);
        if (r >= 0)
                r = security_policy_digest(before, &digest);

        return r < 0 ? r : compare(name, &policy, digest, text);
}

int policy_check_service(const Name *n, uint64_t digest, char text[IRM_TEXT_BYTES_MAX]) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        int r;

        if (!n)
                return refuse(text, "The name went away while the flow was asked for");

        r = policy_of_service(n, &policy, text);
        return r < 0 ? r : compare(n->name, &policy, digest, text);
}

int policy_of_name(Manager *m, const char *name, SecuritySide side, SecurityPolicy *ret,
                   char text[IRM_TEXT_BYTES_MAX]) {
        const Name *n = name_find(m, name);
        int r;

        r = check_file(m, name, text);
        return r < 0 ? r : policy_of(n, side, layer_of_name(n), ret, text);
}
