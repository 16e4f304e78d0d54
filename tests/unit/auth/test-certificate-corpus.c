/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Odd certificates, one per row, each with its verdict: which certificates of a peer prove that it is who was called.
 * A refusal must also be for the right reason, so a row says a part of the sentence. The authorities above the leaves
 * are in corpus-authorities.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "tests/unit/auth/corpus.h"

static bool text_is_clean(const char *text) {
        for (const char *p = text; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;

        return true;
}

static int add_all(ConfStrings *to, const char *words) {
        _cleanup_free_ char *copy = strdup(strempty(words));
        char *state = NULL;

        for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
                int r = conf_strings_add(to, word);

                if (r < 0)
                        return r;
        }

        return 0;
}

/* "this" stands for the certificate's own key. */
static void add_pin(SecurityPolicy *policy, const char *pin, const CorpusRow *row) {
        _cleanup_(blob_done) Blob spki = {};
        char text[STRLEN("sha256:") + 65] = "sha256:";
        uint8_t digest[32];

        if (!pin)
                return;
        if (!streq(pin, "this")) {
                assert_int_equal(conf_strings_add(&policy->pins, pin), 0);
                return;
        }

        corpus_public_key(&row->made, &spki);
        assert_true(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, digest) >= 0);
        hex_encode(text + STRLEN("sha256:"), digest, sizeof(digest));
        assert_int_equal(conf_strings_add(&policy->pins, text), 0);
}

static int verdict_of(const Corpus *corpus, const CorpusRow *row, const Blob *der,
                      char identity[AUTH_IDENTITY_BYTES_MAX], char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        SecurityPolicy policy = { .common_name = row->common_name };
        Expectation expected = {
                .name = row->anybody ? NULL : row->called ? row->called : CORPUS_NAME,
                .policy = &policy,
                .server = !row->client,
                .now_realtime_nsec = (uint64_t) (MAKER_NOW + row->now) * 1000000000U,
        };
        int r;

        add_pin(&policy, row->pin, row);
        assert_int_equal(add_all(&policy.allow, row->allow), 0);
        assert_int_equal(add_all(&policy.deny, row->deny), 0);

        r = certificate_parse(der->data, der->size, &certificate);
        if (r == 0)
                r = trust_verify(row->without_trust ? NULL : corpus->trust, certificate, &expected, identity, text);

        security_policy_done(&policy);
        return r;
}

/* Returns: whether it is as the row says. */
static bool check_row(const Corpus *corpus, const CorpusRow *row) {
        static const int results[] = { [GOOD] = 0, [REFUSED] = -EKEYREJECTED, [UNREADABLE] = -EBADMSG };
        /* but not allowed: who it is is known then */
        bool proven = row->verdict == REFUSED && strstr(row->says, "Peer=");
        const char *identity_wanted = row->verdict != GOOD ? "untouched"
                                      : row->identity      ? row->identity
                                                           : "o7s:name:" CORPUS_NAME;
        char identity[AUTH_IDENTITY_BYTES_MAX] = "untouched", text[AUTH_TEXT_BYTES_MAX] = "";
        _cleanup_(blob_done) Blob der = {};
        int r;

        corpus_make(row, &der);
        r = verdict_of(corpus, row, &der, identity, text);
        if (r == results[row->verdict] && (row->verdict != REFUSED || strstr(text, row->says)) &&
            (proven ? !streq(identity, "untouched") : streq(identity, identity_wanted)) && text_is_clean(text))
                return true;

        print_error("%s: %d, \"%s\", \"%s\", not %d, \"%s\", \"%s\"\n", row->name, r, identity, text,
                    results[row->verdict], identity_wanted, strempty(row->says));
        return false;
}

static void check_rows(void **state, const CorpusRow *rows, size_t n) {
        size_t wrong = 0;

        for (size_t i = 0; i < n; i++)
                wrong += !check_row(*state, rows + i);

        print_message("%zu certificates\n", n);
        assert_int_equal(wrong, 0);
}

static void test_names(void **state) {
        size_t n;
        const CorpusRow *rows = corpus_names(&n);

        check_rows(state, rows, n);
}

static void test_policies(void **state) {
        size_t n;
        const CorpusRow *rows = corpus_policies(&n);

        check_rows(state, rows, n);
}

static void test_chains(void **state) {
        size_t n;
        const CorpusRow *rows = corpus_chains(&n);

        check_rows(state, rows, n);
}

static void test_forms(void **state) {
        size_t n;
        const CorpusRow *rows = corpus_forms(&n);

        check_rows(state, rows, n);
}

/* The issue asks for two hundred. */
static void test_size(void **state) {
        size_t names, policies, chains, forms;

        (void) corpus_names(&names);
        (void) corpus_policies(&policies);
        (void) corpus_chains(&chains);
        (void) corpus_forms(&forms);
        print_message("%zu certificates in all\n", names + policies + chains + forms);
        assert_true(names + policies + chains + forms >= 200);
}

/* Whatever is cut off, no rest of a good certificate is one. */
static void test_truncated(void **state) {
        static const CorpusRow row = { .name = "truncated", .made.names = "U:o7s:name:" CORPUS_NAME };
        _cleanup_(blob_done) Blob der = {};

        corpus_make(&row, &der);
        for (size_t size = 0; size < der.size; size++) {
                _cleanup_free_ uint8_t *exact = malloc(MAX(size, (size_t) 1));
                Blob shorter = { .data = exact, .size = size };
                char identity[AUTH_IDENTITY_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX];

                memcpy(exact, der.data, size);
                assert_int_equal(verdict_of(*state, &row, &shorter, identity, text), -EBADMSG);
        }
}

/* Every bit of it is signed, or is the signature, or is its form. */
static void test_flipped(void **state) {
        static const CorpusRow row = { .name = "flipped", .made = { .names = "U:o7s:name:" CORPUS_NAME,
                                                                    .key = MAKER_ED25519 }, .issuer = ROOT_ED25519 };
        _cleanup_(blob_done) Blob der = {};
        char identity[AUTH_IDENTITY_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX];

        corpus_make(&row, &der);
        assert_int_equal(verdict_of(*state, &row, &der, identity, text), 0);

        for (size_t bit = 0; bit < der.size * 8; bit++) {
                int r;

                der.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
                r = verdict_of(*state, &row, &der, identity, text);
                if (r != -EBADMSG && r != -EKEYREJECTED)
                        fail_msg("bit %zu of %zu: %d", bit, der.size * 8, r);
                der.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
        }
}

/* Without certificates of its own every row but the pinned is refused: nothing counts by itself. */
static void test_empty_trust(void **state) {
        Corpus empty = {};
        size_t n;
        const CorpusRow *rows = corpus_names(&n);

        assert_int_equal(trust_new(&empty.trust), 0);
        for (size_t i = 0; i < n; i++) {
                char identity[AUTH_IDENTITY_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX] = "";
                _cleanup_(blob_done) Blob der = {};

                if (rows[i].pin)
                        continue;
                corpus_make(rows + i, &der);
                assert_int_not_equal(verdict_of(&empty, rows + i, &der, identity, text), 0);
        }
        trust_free(empty.trust);
}

static int setup(void **state) {
        Corpus *corpus = calloc(1, sizeof(*corpus));

        if (!corpus)
                return -1;
        corpus_init(corpus);
        *state = corpus;
        return 0;
}

static int teardown(void **state) {
        Corpus *corpus = *state;

        trust_free(corpus->trust);
        free(corpus);
        maker_done();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size),      cmocka_unit_test(test_names),   cmocka_unit_test(test_policies),
                cmocka_unit_test(test_chains),    cmocka_unit_test(test_forms),   cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_flipped),   cmocka_unit_test(test_empty_trust),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
