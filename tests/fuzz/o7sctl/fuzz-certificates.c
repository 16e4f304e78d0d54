/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A file that somebody hands to "o7sctl ca trust" or "name NAME import". Whatever is in it: what is shown of it is fit
 * for a terminal, and it is neither half of a pair nor a revocation list unless it is.
 */

#include "basic/string.h"
#include "o7sctl/ca.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static void check_text(const char *text) {
        require(utf8_is_valid(text, strlen(text)));
        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                require(*p >= 0x20 && *p != 0x7f && !(p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ CaCertificate *all = NULL;
        _cleanup_free_ char *text = calloc(1, size + 1);
        CaPair pair;
        int n;

        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);

        n = ca_read_certificates((const char *) data, size, &all);
        require(n != 0 && n <= (int) CA_CERTIFICATES_MAX);
        for (int i = 0; i < n; i++) {
                check_text(all[i].subject);
                check_text(all[i].issuer);
                check_text(all[i].key);
                require(strspn(all[i].serial, "0123456789abcdef") == strlen(all[i].serial));
                require(strlen(all[i].pin) == STRLEN("sha256:") + 64);
        }

        pair = (CaPair) { .certificate = text, .key = text };
        (void) ca_check_pair(&pair);
        require(ca_is_revoked(text, &pair, "00") != 1);
        return 0;
}
