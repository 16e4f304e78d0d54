/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of keys on tokens: those that only find a key, and those that would do more. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/pkcs11-url.h"

#define X8(text) text text text text text text text text
#define LONG X8("0123456789abcdef0123456789abcdef")     /* 256 bytes */
#define KEY "pkcs11:token=a;object=b"

static const struct {
        const char *name;
        const char *url;
        const char *token;              /* NULL: refused */
        const char *problem;
} cases[] = {
        { "by label",            "pkcs11:token=a;object=b",               "a"           },
        { "by id",               "pkcs11:id=%01%ff%00;token=my%20token",  "my token"    },
        { "in full",             "pkcs11:token=a;object=b;type=private;serial=1;model=m;manufacturer=x;slot-id=1;"
                                 "slot-description=s;slot-manufacturer=t;library-description=l;library-version=1.2;"
                                 "library-manufacturer=u;id=%01",         "a"           },
        { "UTF-8",               "pkcs11:token=Stra%c3%9Fe;object=b",     "Stra\xc3\x9f" "e" },
        { "64 bytes of label",   "pkcs11:object=b;token=" X8("12345678"), X8("12345678") },
        { "65 bytes of label",   "pkcs11:object=b;token=1" X8("12345678"), NULL, "label"       },
        { "other scheme",        "file:/etc/shadow",                      NULL, "behind"      },
        { "scheme in capitals",  "PKCS11:token=a;object=b",               NULL, "behind"      },
        { "nothing",             "pkcs11:",                               NULL, "behind"      },
        { "token only",          "pkcs11:token=a",                        NULL, "\"object=\"" },
        { "object only",         "pkcs11:object=a",                       NULL, "\"token=\""  },
        { "trailing semicolon",  KEY ";",                                 NULL, "behind"      },
        { "two semicolons",      "pkcs11:token=a;;object=b",              NULL, "behind"      },
        { "no value",            "pkcs11:token=a;object",                 NULL, "behind"      },
        { "no name",             "pkcs11:token=a;=b",                     NULL, "only those"  },
        { "empty value",         "pkcs11:token=;object=b",                NULL, "empty"       },
        { "long value",          "pkcs11:token=a;object=" LONG,           NULL, "too long"    },
        { "long, encoded",       "pkcs11:token=a;object=" X8(X8("%61%62%63%64")), NULL, "too long" },
        { "twice",               KEY ";token=c",                          NULL, "twice"       },
        { "public key",          KEY ";type=public",                      NULL, "private"     },
        { "NUL in the label",    "pkcs11:token=a%00b;object=b",           NULL, "label"       },
        { "control in the label", "pkcs11:token=a%0ab;object=b",          NULL, "label"       },
        { "label is no UTF-8",   "pkcs11:token=%ff;object=b",             NULL, "label"       },
        { "half a code",         "pkcs11:token=a;object=%6",              NULL, "%XX"         },
        { "no code",             "pkcs11:token=a;object=%zz",             NULL, "%XX"         },
        { "code and semicolon",  "pkcs11:token=a;object=%;id=1",          NULL, "%XX"         },
        { "blank",               "pkcs11:token=a b;object=c",             NULL, "%XX"         },
        { "slash",               "pkcs11:token=a;object=b/c",             NULL, "%XX"         },
        { "fragment",            KEY "#x",                                NULL, "%XX"         },
        { "raw UTF-8",           "pkcs11:token=\xc3\x9f;object=b",        NULL, "%XX"         },
        /* What loads a library, reads a file, or has a secret in it. */
        { "module path",         KEY "?module-path=/tmp/evil.so",         NULL, "\"?\""       },
        { "module name",         KEY "?module-name=evil",                 NULL, "\"?\""       },
        { "PIN source",          KEY "?pin-source=file:/etc/shadow",      NULL, "\"?\""       },
        { "PIN source, command", KEY "?pin-source=|/bin/sh",              NULL, "\"?\""       },
        { "PIN",                 KEY "?pin-value=1234",                   NULL, "\"?\""       },
        { "empty query",         KEY "?",                                 NULL, "\"?\""       },
        { "module path, inside", KEY ";module-path=%2ftmp%2fevil.so",     NULL, "only those"  },
        { "PIN source, inside",  KEY ";pin-source=file%3a%2fetc%2fshadow", NULL, "only those" },
        { "PIN file, inside",    KEY ";pinfile=x",                        NULL, "only those"  },
        { "PIN, inside",         KEY ";pin-value=1234",                   NULL, "only those"  },
        { "name is encoded",     KEY ";%70in-value=1",                    NULL, "behind"      },
        { "vendor's own",        KEY ";x-vendor=1",                       NULL, "only those"  },
        { "in capitals",         "pkcs11:TOKEN=a;object=b",               NULL, "behind"      },
};

static void test_pkcs11_url(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *problem = "";
                Pkcs11Url url = { .token = "untouched" };
                int r;

                print_message("%s\n", cases[i].name);
                r = pkcs11_url_parse(cases[i].url, &url, &problem);
                assert_int_equal(r, cases[i].token ? 0 : -EINVAL);
                assert_string_equal(url.token, cases[i].token ? cases[i].token : "untouched");
                if (cases[i].problem && !strstr(problem, cases[i].problem))
                        fail_msg("%s", problem);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pkcs11_url),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
