/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A configuration file in which a key is to be changed: whatever the file is, as long as the daemons can read it, they
 * read the new values afterwards, and everything else as before, in the same order.
 */

#include "basic/conf.h"
#include "basic/string.h"
#include "o7sctl/conf-edit.h"

#define SECTION "Server"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const Setting settings[] = {
        { "AllowPeer", "a" }, { "Encryption", "required" }, { "AllowPeer", "b" }, { "Peer", "" },
};

static void require(bool condition) {
        if (!condition)
                abort();
}

static bool is_changed(const ConfAssignment *a) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (streq(a->section, SECTION) && streq(a->key, settings[i].key))
                        return true;

        return false;
}

/* Whether it can be read without a complaint. */
static bool read_text(const char *text, ConfFile **ret) {
        size_t n;

        if (conf_new(ret) < 0 || conf_add_text(*ret, "text", text, strlen(text)) < 0)
                return false;

        (void) conf_messages(*ret, &n);
        return n == 0;
}

/* The next assignment that is not to be changed. */
static const ConfAssignment *next_other(const ConfAssignment *all, size_t n, size_t *i) {
        while (*i < n && is_changed(&all[*i]))
                (*i)++;

        return *i < n ? &all[(*i)++] : NULL;
}

static void check_values(const ConfAssignment *all, size_t n) {
        unsigned n_allow = 0, n_encryption = 0;

        for (size_t i = 0; i < n; i++) {
                if (!streq(all[i].section, SECTION))
                        continue;
                require(!streq(all[i].key, "Peer"));
                if (streq(all[i].key, "AllowPeer"))
                        require(streq(all[i].value, n_allow++ == 0 ? "a" : "b"));
                if (streq(all[i].key, "Encryption")) {
                        require(streq(all[i].value, "required"));
                        n_encryption++;
                }
        }
        require(n_allow == 2 && n_encryption == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(conf_freep) ConfFile *before = NULL, *after = NULL;
        _cleanup_free_ char *text = calloc(1, size + 1), *edited = NULL, *again = NULL;
        const ConfAssignment *old, *new;
        size_t n_old, n_new, i = 0, k = 0;

        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);

        require(conf_edit(text, SECTION, settings, ELEMENTSOF(settings), &edited) == 0);
        if (!read_text(text, &before))
                return 0;
        require(read_text(edited, &after));

        old = conf_assignments(before, &n_old);
        new = conf_assignments(after, &n_new);
        check_values(new, n_new);
        for (;;) {
                const ConfAssignment *a = next_other(old, n_old, &i), *b = next_other(new, n_new, &k);

                require(!a == !b);
                if (!a)
                        break;
                require(streq(a->section, b->section) && streq(a->key, b->key) && streq(a->value, b->value));
        }

        require(conf_edit(edited, SECTION, settings, ELEMENTSOF(settings), &again) == 0);
        require(streq(again, edited));
        return 0;
}
