/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two policies as text, apart by a NUL: read as a file, shown key by key, set again from what was shown, merged. What
 * is shown means the same when it is read back, and a merged policy is never weaker than one of its parts.
 */

#include "services/common/security-policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ConfSection sections[] = { { .name = "Security" } };
typedef struct Object {
        SecurityPolicy policy;
} Object;
static const ConfKey keys[] = { SECURITY_POLICY_KEYS("Security", Object, policy) };
static const ConfSchema schema = { sections, ELEMENTSOF(sections), keys, ELEMENTSOF(keys) };

static int read_policy(const uint8_t *data, size_t size, Object *ret) {
        _cleanup_(conf_freep) ConfFile *file = NULL;

        if (conf_new(&file) < 0 || conf_add_text(file, "fuzz.layer", (const char *) data, size) < 0)
                return -EINVAL;

        return conf_apply(file, &schema, ret, NULL);
}

static int set_key(void *userdata, const char *key, const char *value) {
        const char *problem = NULL;
        int r;

        r = security_policy_set(userdata, key, value, &problem);
        if (r < 0 && (r != -EINVAL || !problem))
                abort();
        return r;
}

static bool same_list(const ConfStrings *a, const ConfStrings *b) {
        for (size_t i = 0; i < a->n && i < b->n; i++)
                if (!streq(a->items[i], b->items[i]))
                        return false;

        return a->n == b->n;
}

static void check_shown(const SecurityPolicy *policy) {
        _cleanup_(security_policy_done) SecurityPolicy back = {};

        /* An entry with both kinds of quotes in it has no spelling. */
        if (security_policy_describe(policy, set_key, &back) < 0)
                return;

        if (back.authentication != policy->authentication || back.encryption != policy->encryption ||
            back.peer != policy->peer || back.common_name != policy->common_name ||
            !streq(strempty(back.certificate), strempty(policy->certificate)) ||
            !streq(strempty(back.private_key), strempty(policy->private_key)) ||
            !same_list(&back.ciphers, &policy->ciphers) || !same_list(&back.pins, &policy->pins))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(security_policy_done) SecurityPolicy merged = {};
        const uint8_t *cut = size > 0 ? memchr(data, '\0', size) : NULL;
        size_t first = cut ? (size_t) (cut - data) : size;
        Object a = {}, b = {};

        (void) read_policy(data, first, &a);
        if (cut)
                (void) read_policy(cut + 1, size - first - 1, &b);

        check_shown(&a.policy);
        if (security_policy_merge(&a.policy, &b.policy, &merged) >= 0 &&
            (merged.authentication < a.policy.authentication || merged.encryption < b.policy.encryption ||
             merged.peer < a.policy.peer || merged.deny.n < b.policy.deny.n ||
             (a.policy.allow.n > 0 && merged.allow.n == 0)))
                abort();

        security_policy_done(&a.policy);
        security_policy_done(&b.policy);
        return 0;
}
