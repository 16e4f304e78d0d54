/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A certificate of a stranger before trust that the input brings along, so that whole chains can be reached. What
 * must hold: nothing is read beyond the bytes, no sentence and no identity has anything in it that a terminal would
 * obey, and a verdict in favour names an identity that the policy allows.
 *
 *   options u8, name u8 + bytes, anchors u16 + bytes, intermediates u16 + bytes, revocation lists u16 + bytes,
 *   certificate: the rest
 */

#include <stdlib.h>

#include "basic/cursor.h"
#include "services/auth/trust.h"

#define NOW UINT64_C(1780272000000000000)
#define OPTION_CLIENT 1U
#define OPTION_COMMON_NAME 2U
#define OPTION_ANYBODY 4U
#define OPTION_DENY 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static bool is_clean(const char *text) {
        for (const char *p = text; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;

        return utf8_is_valid(text, strlen(text));
}

static const uint8_t *take(Cursor *c, size_t *ret_size) {
        *ret_size = cursor_be16(c);
        return cursor_bytes(c, *ret_size);
}

static void fill(Trust *trust, Cursor *c) {
        int (*const add[])(Trust *, const void *, size_t) = { trust_add_anchors, trust_add_intermediates,
                                                              trust_add_revocations };

        for (size_t i = 0; i < ELEMENTSOF(add); i++) {
                size_t size;
                const uint8_t *bytes = take(c, &size);

                if (bytes && size > 0)
                        (void) add[i](trust, bytes, size);
        }
}

static void verify(const Trust *trust, const Certificate *certificate, uint8_t options, const char *name) {
        char identity[AUTH_IDENTITY_BYTES_MAX] = "", text[AUTH_TEXT_BYTES_MAX] = "";
        SecurityPolicy policy = { .common_name = options & OPTION_COMMON_NAME };
        const Expectation expected = {
                .name = options & OPTION_ANYBODY ? NULL : name,
                .policy = &policy,
                .server = !(options & OPTION_CLIENT),
                .now_realtime_nsec = NOW,
        };
        int r;

        if (options & OPTION_DENY)
                require(conf_strings_add(&policy.deny, "*") == 0);

        r = trust_verify(trust, certificate, &expected, identity, text);
        require(r == 0 || r == -EKEYREJECTED);
        require(is_clean(text));
        require(is_clean(identity));
        if (r == 0) {
                require(identity[0] != '\0' && trust_n_anchors(trust) > 0 && !(options & OPTION_DENY));
                require(!startswith(identity, "o7s:name:") || !expected.name ||
                        streq(identity + STRLEN("o7s:name:"), name));
        } else                          /* who is proven, and denied, is told that */
                require(text[0] != '\0' && (options & OPTION_DENY || identity[0] == '\0'));

        security_policy_done(&policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        _cleanup_(trust_freep) Trust *trust = NULL;
        Cursor c = cursor_from(data, size);
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1] = "";
        uint8_t options, length;

        options = cursor_u8(&c);
        length = cursor_u8(&c);
        cursor_copy(&c, name, length);
        require(trust_new(&trust) == 0);
        fill(trust, &c);
        if (c.bad || certificate_parse(c.p, c.left, &certificate) < 0)
                return 0;

        verify(trust, certificate, options, name);
        (void) certificate_promises_o7s(certificate);
        (void) certificate_expiry_usec(certificate);
        (void) certificate_digest(certificate, 672);
        require(certificate_check_signature(certificate, 0, data, size, name, length) != 0);
        return 0;
}
