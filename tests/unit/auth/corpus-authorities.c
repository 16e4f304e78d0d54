/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The authorities of the corpus: who stands where. See corpus.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/auth/corpus.h"

typedef enum Place {
        NOWHERE,
        ANCHOR,
        INTERMEDIATE,
} Place;

typedef struct Office {
        Place place;
        Authority issuer;
        Recipe made;
} Office;

#define AUTHORITY(name_, place_, issuer_, ...)                                                                    \
        { .place = place_, .issuer = issuer_,                                                                     \
          .made = { .subject = "C:" name_, .constraints = CONSTRAINTS_AUTHORITY, __VA_ARGS__ } }

static const Office offices[_AUTHORITY_MAX] = {
        [ROOT] = AUTHORITY("Root", ANCHOR, ITSELF, .key_number = 1),
        [ROOT_ED25519] = AUTHORITY("Root 25519", ANCHOR, ITSELF, .key = MAKER_ED25519, .key_number = 1),
        [ROOT_ED448] = AUTHORITY("Root 448", ANCHOR, ITSELF, .key = MAKER_ED448, .key_number = 1),
        [ROOT_RSA] = AUTHORITY("Root RSA", ANCHOR, ITSELF, .key = MAKER_RSA_2048, .key_number = 1),
        [ROOT_P384] = AUTHORITY("Root 384", ANCHOR, ITSELF, .key = MAKER_P384, .key_number = 1),
        [ROOT_P521] = AUTHORITY("Root 521", ANCHOR, ITSELF, .key = MAKER_P521, .key_number = 1),
        [MIDDLE] = AUTHORITY("Middle", INTERMEDIATE, ROOT, .key_number = 2, .serial = 2),
        [LOWEST] = AUTHORITY("Lowest", INTERMEDIATE, MIDDLE, .key = MAKER_ED25519, .key_number = 2),
        [MISSING] = AUTHORITY("Missing", NOWHERE, ROOT, .key_number = 3),
        [STRANGER] = AUTHORITY("Stranger", NOWHERE, ITSELF, .key_number = 4),
        [SELF_SIGNED_MIDDLE] = AUTHORITY("Usurper", INTERMEDIATE, ITSELF, .key_number = 5),
        [FORGED_ROOT] = AUTHORITY("Root", INTERMEDIATE, ITSELF, .key_number = 6, .without_key_ids = true),
        [NO_AUTHORITY] = { .place = INTERMEDIATE, .issuer = ROOT,
                           .made = { .subject = "C:No authority", .key_number = 7,
                           .constraints = CONSTRAINTS_LEAF, .usage = USAGE_CERTIFICATES } },
        [NO_CONSTRAINTS] = { .place = INTERMEDIATE, .issuer = ROOT,
                             .made = { .subject = "C:No constraints", .key_number = 7,
                             .usage = USAGE_CERTIFICATES } },
        [NO_SIGNING] = AUTHORITY("No signing", INTERMEDIATE, ROOT, .key_number = 8, .usage = USAGE_SIGNATURE),
        [FOR_CODE] = AUTHORITY("For code", INTERMEDIATE, ROOT, .key_number = 9, .purposes = "code"),
        [FOR_SERVERS] = AUTHORITY("For servers", INTERMEDIATE, ROOT, .key_number = 9, .purposes = "server"),
        [SHORT] = AUTHORITY("Short", INTERMEDIATE, ROOT, .key_number = 10, .path_length = 1),
        [BELOW_SHORT] = AUTHORITY("Below short", INTERMEDIATE, SHORT, .key_number = 11),
        [EXPIRED_MIDDLE] = AUTHORITY("Expired middle", INTERMEDIATE, ROOT, .key_number = 12, .from = DAYS(-20),
                                     .until = -1),
        [FUTURE_MIDDLE] = AUTHORITY("Future middle", INTERMEDIATE, ROOT, .key_number = 12, .from = 1,
                                    .until = DAYS(20)),
        [EXPIRED_ROOT] = AUTHORITY("Expired root", ANCHOR, ITSELF, .key_number = 13, .from = DAYS(-20), .until = -1),
        [SHA1_MIDDLE] = AUTHORITY("Middle by SHA-1", INTERMEDIATE, ROOT_RSA, .key_number = 14,
                                  .signature = SIGNED_SHA1),
        [SHA1_ROOT] = AUTHORITY("Root by SHA-1", ANCHOR, ITSELF, .key = MAKER_RSA_2048, .key_number = 1,
                                .signature = SIGNED_SHA1),
        [WEAK_MIDDLE] = AUTHORITY("Weak middle", INTERMEDIATE, ROOT, .key = MAKER_RSA_1024),
        [WEAK_ROOT] = AUTHORITY("Weak root", ANCHOR, ITSELF, .key = MAKER_RSA_2047),
        [CRITICAL_MIDDLE] = AUTHORITY("Critical middle", INTERMEDIATE, ROOT, .key_number = 14, .extension = "1.2.3.4",
                                      .extension_critical = true),
        [OLD_ROOT] = { .place = ANCHOR, .issuer = ITSELF, .made = { .subject = "C:Old root", .key_number = 14,
                                                                    .version = 1 } },
        [REVOKED_MIDDLE] = AUTHORITY("Revoked middle", INTERMEDIATE, ROOT, .key_number = 14, .serial = 66),
        [STALE_ROOT] = AUTHORITY("Stale root", ANCHOR, ITSELF, .key_number = 14),
        [HASTY_ROOT] = AUTHORITY("Hasty root", ANCHOR, ITSELF, .key_number = 14),
        [ROBBED_ROOT] = AUTHORITY("Robbed root", ANCHOR, ITSELF, .key_number = 14),
        [WEAK_LIST_ROOT] = AUTHORITY("Weak list root", ANCHOR, ITSELF, .key = MAKER_RSA_2048, .key_number = 1),
        [PERMITTED] = AUTHORITY("Permitted", INTERMEDIATE, ROOT, .key_number = 15, .permitted = "D:example"),
        [EXCLUDED] = AUTHORITY("Excluded", INTERMEDIATE, ROOT, .key_number = 15, .excluded = "D:evil.example"),
        [URI_PERMITTED] = AUTHORITY("URI permitted", INTERMEDIATE, ROOT, .key_number = 15, .permitted = "U:.example"),
        [TWIN_ONE] = AUTHORITY("Twin", ANCHOR, ITSELF, .key = MAKER_P384, .key_number = 2),
        [TWIN_TWO] = AUTHORITY("Twin", ANCHOR, ITSELF, .key = MAKER_P384, .key_number = 3, .without_key_ids = true),
        [LOOP_ONE] = AUTHORITY("Loop one", INTERMEDIATE, LOOP_TWO, .key_number = 14),
        [LOOP_TWO] = AUTHORITY("Loop two", INTERMEDIATE, LOOP_ONE, .key_number = 13),
        [DEEP_1] = AUTHORITY("Deep 1", INTERMEDIATE, ROOT, .key_number = 14),
        [DEEP_2] = AUTHORITY("Deep 2", INTERMEDIATE, DEEP_1, .key_number = 14),
        [DEEP_3] = AUTHORITY("Deep 3", INTERMEDIATE, DEEP_2, .key_number = 14),
        [DEEP_4] = AUTHORITY("Deep 4", INTERMEDIATE, DEEP_3, .key_number = 14),
        [DEEP_5] = AUTHORITY("Deep 5", INTERMEDIATE, DEEP_4, .key_number = 14),
        [DEEP_6] = AUTHORITY("Deep 6", INTERMEDIATE, DEEP_5, .key_number = 14),
        [DEEP_7] = AUTHORITY("Deep 7", INTERMEDIATE, DEEP_6, .key_number = 14),
        [LEAF_ANCHOR] = { .place = ANCHOR, .issuer = ITSELF,
                          .made = { .subject = "C:Leaf anchor", .key = MAKER_ED25519,
                                    .names = "U:o7s:name:" CORPUS_NAME } },
        [CROSSED] = AUTHORITY("Crossed", INTERMEDIATE, STRANGER, .key_number = 12),
};

/* The same authority as CROSSED, as the root has certified it. */
static const Recipe crossed_by_root = { .subject = "C:Crossed", .constraints = CONSTRAINTS_AUTHORITY,
                                        .key_number = 12 };

static const struct {
        Authority issuer;
        Authority signer;
        ListRecipe made;
} lists[] = {
        { ROOT, ROOT, { .revoked = { 66, 99 } } },
        { MIDDLE, MIDDLE, { .revoked = { 98 } } },
        { STALE_ROOT, STALE_ROOT, { .from = DAYS(-60), .until = DAYS(-30), .revoked = { 99 } } },
        { HASTY_ROOT, HASTY_ROOT, { .from = DAYS(1), .until = DAYS(2) } },
        { ROBBED_ROOT, STRANGER, { .revoked = { 99 } } },
        { WEAK_LIST_ROOT, WEAK_LIST_ROOT, { .signature = SIGNED_SHA1 } },
        { STRANGER, STRANGER, { .revoked = { 1 } } },
};

static const Recipe *issuer_of(Authority authority) {
        return authority == ITSELF ? NULL : &offices[authority].made;
}

static void add_authority(Trust *trust, const Recipe *made, Authority issuer, Place place) {
        _cleanup_(blob_done) Blob der = {};

        if (place == NOWHERE)
                return;

        maker_certificate(made, issuer_of(issuer), &der);
        assert_int_equal(place == ANCHOR ? trust_add_anchors(trust, der.data, der.size)
                                         : trust_add_intermediates(trust, der.data, der.size),
                         0);
}

void corpus_init(Corpus *corpus) {
        assert_int_equal(trust_new(&corpus->trust), 0);

        for (Authority a = 0; a < _AUTHORITY_MAX; a++)
                if (a != ITSELF)
                        add_authority(corpus->trust, &offices[a].made, offices[a].issuer, offices[a].place);
        add_authority(corpus->trust, &crossed_by_root, ROOT, INTERMEDIATE);

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                _cleanup_(blob_done) Blob der = {};

                maker_list(&lists[i].made, &offices[lists[i].issuer].made, &offices[lists[i].signer].made, &der);
                assert_int_equal(trust_add_revocations(corpus->trust, der.data, der.size), 0);
        }
}

void corpus_public_key(const Recipe *recipe, Blob *ret) {
        maker_public_key(recipe->key, recipe->key_number, ret);
}

static void operate(Surgery surgery, Blob *der) {
        _cleanup_(blob_done) Blob result = {};

        switch (surgery) {
        case SURGERY_NONE:
                return;
        case TRAILING_BYTE:
                blob_add(der, "", 1);
                return;
        case TRAILING_CERTIFICATE:
                blob_add(&result, der->data, der->size);
                blob_add(&result, der->data, der->size);
                break;
        case LEADING_BYTE:
                blob_add(&result, "", 1);
                blob_add(&result, der->data, der->size);
                break;
        case INDEFINITE_LENGTH:
                blob_add(&result, "\x30\x80", 2);
                blob_add(&result, der->data + 4, der->size - 4);
                blob_add(&result, "\0\0", 2);
                break;
        case LONG_LENGTH:
                blob_add(&result, "\x30\x83\0", 3);
                blob_add(&result, der->data + 2, der->size - 2);
                break;
        case EMPTY_BYTES:
                break;
        case AS_PEM:
                maker_pem("CERTIFICATE", der, &result);
                break;
        case WITHOUT_SIGNATURE:
                blob_add(&result, der->data + 4, (size_t) (der->data[6] << 8 | der->data[7]) + 4);
                blob_wrap(&result, 0x30);
                break;
        }

        blob_done(der);
        *der = result;
        result = (Blob) {};
}

void corpus_make(const CorpusRow *row, Blob *ret) {
        Recipe made = row->made;

        if (!made.names && !row->nameless)
                made.names = "U:o7s:name:" CORPUS_NAME;
        maker_certificate(&made, issuer_of(row->issuer), ret);
        operate(row->surgery, ret);
}
