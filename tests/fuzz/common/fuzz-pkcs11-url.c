/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of keys on tokens, of anybody's making. One that passes names a token, and has nothing in it that loads a
 * library or reads a file. */

#include "services/common/pkcs11-url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = calloc(size + 1, 1);
        const char *problem = NULL;
        Pkcs11Url url = {};

        require(text);
        if (size > 0)
                memcpy(text, data, size);
        if (pkcs11_url_parse(text, &url, &problem) < 0) {
                require(problem && url.token[0] == '\0');
                return 0;
        }

        require(startswith(text, PKCS11_URL_PREFIX) && url.token[0] != '\0');
        require(utf8_is_valid(url.token, strlen(url.token)));
        require(!strpbrk(text, "?/|\n\\\"") && !strstr(text, ";pin") && !strstr(text, ";module") &&
                !strstr(text, ":pin-") && !strstr(text, ":module-"));
        return 0;
}
