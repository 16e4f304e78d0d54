/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of the corpus about names: which of them say "web.example", and which only look like it. */

#include "tests/unit/auth/corpus.h"

#define URI "U:o7s:name:web.example"
#define FORTY "0123456789012345678901234567890123456789"
#define LONG_246 FORTY FORTY FORTY FORTY FORTY FORTY "012345"
#define LONG_247 LONG_246 "6"
#define LABEL_63 FORTY "01234567890123456789abc"

#define YES(name_, names_, ...)                                                                                           \
        { .name = name_, .verdict = GOOD, .made.names = names_, __VA_ARGS__ }
#define NO(name_, names_, says_, ...)                                                                                     \
        { .name = name_, .verdict = REFUSED, .says = says_, .made.names = names_, __VA_ARGS__ }
#define BAD(name_, names_, ...)                                                                                           \
        { .name = name_, .verdict = UNREADABLE, .made.names = names_, __VA_ARGS__ }

static const CorpusRow rows[] = {
        /* A URI matches byte by byte. */
        YES("the URI", URI),
        YES("the URI, critical", URI, .made.names_critical = true),
        YES("the URI beside others", "U:o7s:name:other|" URI "|D:other.example"),
        YES("the URI behind an address and a mail", "I:\x7f\\x00\\x00\\x01|E:a@b.example|" URI),
        YES("the URI behind names of other kinds", "N:|R:\\x2a\\x03\\x04|" URI),
        YES("the URI twice", URI "|" URI),
        NO("another name", "U:o7s:name:other.example", "not for the name"),
        NO("a prefix of the name", "U:o7s:name:web.exampl", "not for the name"),
        NO("the name and more", "U:o7s:name:web.example2", "not for the name"),
        NO("the name below another", "U:o7s:name:a.web.example", "not for the name"),
        NO("the name above", "U:o7s:name:example", "not for the name"),
        NO("the name in capitals", "U:o7s:name:WEB.example", "not for the name"),
        NO("the scheme in capitals", "U:O7S:name:web.example", "not for the name"),
        NO("a trailing dot", "U:o7s:name:web.example.", "not for the name"),
        NO("a trailing blank", "U:o7s:name:web.example ", "not for the name"),
        NO("a leading blank", "U:o7s:name: web.example", "not for the name"),
        NO("percent signs", "U:o7s:name:web%2eexample", "not for the name"),
        NO("a query", "U:o7s:name:web.example?", "not for the name"),
        NO("a fragment", "U:o7s:name:web.example#x", "not for the name"),
        NO("slashes", "U:o7s://name/web.example", "not for the name"),
        NO("https", "U:https://web.example", "not for the name"),
        NO("another kind of o7s name", "U:o7s:layer:web.example", "not for the name"),
        NO("no name behind the scheme", "U:o7s:name:", "not for the name"),
        NO("the bare name as URI", "U:web.example", "no alternative name"),
        NO("the scheme twice", "U:o7s:name:o7s:name:web.example", "not for the name"),
        NO("a member of a layer", "U:o7s:layer:web.example:member:1", "not for the name"),
        NO("spiffe", "U:spiffe://web.example/o7s:name:web.example", "not for the name"),
        NO("a wildcard in the URI", "U:o7s:name:*.example", "not for the name"),
        NO("only a wildcard in the URI", "U:o7s:name:*", "not for the name"),
        NO("two names in one URI", "U:o7s:name:web.example,o7s:name:other", "not for the name"),
        NO("a mail", "E:o7s:name:web.example", "no alternative name"),
        NO("a directory name", "N:", "no alternative name"),
        NO("an address", "I:\\x7f\\x00\\x00\\x01", "no alternative name"),
        NO("a registered number", "R:\\x2a\\x03\\x04", "no alternative name"),
        BAD("a name of another kind that is none", "O:o7s:name:web.example"),
        NO("the URI written as a DNS name", "D:o7s:name:web.example", "no alternative name"),

        /* UTF-8 in names is theirs, bytes that nobody can see are nobody's. */
        YES("UTF-8", "U:o7s:name:b\\xc3\\xbccher", .called = "b\xc3\xbc" "cher", .identity = "o7s:name:b\xc3\xbc" "cher"),
        NO("the same, composed otherwise", "U:o7s:name:bu\\xcc\\x88cher", "not for the name", .called = "b\xc3\xbc" "cher"),
        NO("a Cyrillic e", "U:o7s:name:w\\xd0\\xb5b.example", "not for the name"),
        NO("full width", "U:o7s:name:\\xef\\xbd\\x97eb.example", "not for the name"),
        BAD("NUL behind the name", URI "\\x00"),
        BAD("NUL and another name", URI "\\x00.evil.example"),
        BAD("NUL before the name", "U:\\x00o7s:name:web.example"),
        BAD("NUL in another name", URI "|D:a\\x00.example"),
        BAD("NUL in a mail", URI "|E:a\\x00@b.example"),
        BAD("a line feed", URI "\\x0a"),
        BAD("a carriage return", "U:o7s:name:web.example\\x0dX"),
        BAD("a tab", "U:o7s:name:web\\x09example"),
        BAD("an escape", "U:o7s:name:\\x1b[2Jweb.example"),
        BAD("a delete", "U:o7s:name:web.examplf\\x7fe"),
        BAD("an overlong slash", "U:o7s:name:web\\xc0\\xafexample"),
        BAD("an overlong NUL", URI "\\xc0\\x80"),
        BAD("a surrogate", URI "\\xed\\xa0\\x80"),
        BAD("Latin-1", "U:o7s:name:b\\xfccher"),
        BAD("a cut character", "U:o7s:name:web.example\\xc3"),
        BAD("beyond Unicode", "U:o7s:name:\\xf4\\x90\\x80\\x80"),
        BAD("a change of direction", "U:o7s:name:\\xe2\\x80\\xaeelpmaxe.bew"),
        BAD("an isolate", "U:o7s:name:\\xe2\\x81\\xa6web.example"),
        BAD("a blank of no width", "U:o7s:name:web\\xe2\\x80\\x8b.example"),
        BAD("a joiner", "U:o7s:name:web\\xe2\\x80\\x8d.example"),
        BAD("a soft hyphen", "U:o7s:name:web\\xc2\\xad.example"),
        BAD("a byte order mark", "U:\\xef\\xbb\\xbfo7s:name:web.example"),
        BAD("a control of the second row", "U:o7s:name:web\\xc2\\x85.example"),
        BAD("a tag character", "U:o7s:name:web.example\\xf3\\xa0\\x81\\x81"),
        BAD("a line separator", "U:o7s:name:web.example\\xe2\\x80\\xa8"),
        BAD("an empty URI", URI "|U:"),
        BAD("an empty DNS name", URI "|D:"),
        BAD("no names at all", ""),
        BAD("a kind of name that there is not", "X:web.example|" URI),

        /* DNS names, for names that look like one. */
        YES("DNS", "D:web.example", .identity = "web.example"),
        YES("DNS in capitals", "D:WEB.Example", .identity = "web.example"),
        YES("DNS, called in capitals", "D:web.example", .called = "Web.EXAMPLE", .identity = "web.example"),
        YES("DNS behind another", "D:a.example|D:web.example", .identity = "web.example"),
        YES("an international name as it is written", "D:xn--bcher-kva.example", .called = "xn--bcher-kva.example",
            .identity = "xn--bcher-kva.example"),
        NO("an international name, called in UTF-8", "D:xn--bcher-kva.example", "not for the name", .called = "b\xc3\xbc" "cher.example"),
        NO("DNS in UTF-8", "D:b\\xc3\\xbccher.example", "no alternative name", .called = "b\xc3\xbc" "cher.example"),
        NO("another DNS name", "D:other.example", "not for the name"),
        NO("DNS below", "D:a.web.example", "not for the name"),
        NO("DNS above", "D:example", "no alternative name"),
        NO("a wildcard", "D:*.example", "no alternative name"),
        NO("a wildcard for all", "D:*", "no alternative name"),
        NO("a wildcard in a label", "D:w*.example", "no alternative name"),
        NO("a wildcard that is called", "D:*.example", "no alternative name", .called = "*.example"),
        NO("a wildcard beside another", "D:*.example|D:other.example", "not for the name"),
        NO("DNS with a trailing dot", "D:web.example.", "no alternative name"),
        NO("DNS with a leading dot", "D:.web.example", "no alternative name"),
        NO("DNS with an empty label", "D:web..example", "no alternative name"),
        NO("DNS with a blank", "D:web.example ", "no alternative name"),
        NO("DNS with an underscore", "D:_web.example", "no alternative name"),
        NO("DNS with a hyphen before", "D:-web.example", "no alternative name"),
        NO("DNS with a hyphen behind", "D:web-.example", "no alternative name"),
        NO("DNS with a colon", "D:web.example:80", "no alternative name"),
        NO("DNS with a slash", "D:web.example/x", "no alternative name"),
        NO("an IPv4 address as DNS", "D:127.0.0.1", "no alternative name", .called = "127.0.0.1"),
        NO("an IPv6 address as DNS", "D:::1", "no alternative name", .called = "::1"),
        NO("a name without a dot as DNS", "D:web", "no alternative name", .called = "web"),
        NO("a label of 64", "D:" LABEL_63 "d.example", "no alternative name", .called = LABEL_63 "d.example"),
        YES("a label of 63", "D:" LABEL_63 ".example", .called = LABEL_63 ".example", .identity = LABEL_63 ".example"),
        NO("DNS for a name that is none", "D:web.example", "not for the name", .called = "web example"),
        BAD("DNS with NUL", "D:web.example\\x00.evil.example"),
        BAD("DNS with a line feed", "D:web.example\\x0a"),

        /* Long ones. */
        YES("246 bytes", "U:o7s:name:" LONG_246, .called = LONG_246, .identity = "o7s:name:" LONG_246),
        NO("247 bytes", "U:o7s:name:" LONG_247, "longer than 255", .called = LONG_247),
        NO("a long one that another begins with", "U:o7s:name:" LONG_247, "not for the name", .called = LONG_246),

        /* Common names count with the switch, alone, and where there is no SAN. */
        NO("a common name", NULL, "CommonName=yes", .nameless = true, .made.subject = "C:web.example"),
        YES("a common name, switched on", NULL, .nameless = true, .made.subject = "C:web.example", .common_name = true, .identity = "CN=web.example"),
        YES("a printable common name", NULL, .nameless = true, .made.subject = "P:web.example", .common_name = true, .identity = "CN=web.example"),
        YES("an IA5 common name", NULL, .nameless = true, .made.subject = "I:web.example", .common_name = true, .identity = "CN=web.example"),
        YES("a common name behind others", NULL, .nameless = true, .made.subject = "O:Example|C:web.example", .common_name = true, .identity = "CN=web.example"),
        NO("a common name in capitals", NULL, "not for the name", .nameless = true, .made.subject = "C:WEB.example", .common_name = true),
        NO("another common name", NULL, "not for the name", .nameless = true, .made.subject = "C:other.example", .common_name = true),
        NO("a common name with the scheme", NULL, "not for the name", .nameless = true, .made.subject = "C:o7s:name:web.example", .common_name = true),
        NO("two common names", NULL, "or several", .nameless = true, .made.subject = "C:web.example|C:web.example", .common_name = true),
        NO("two common names, the right one last", NULL, "or several", .nameless = true, .made.subject = "C:other|C:web.example", .common_name = true),
        NO("no common name", NULL, "no name", .nameless = true, .made.subject = "O:web.example", .common_name = true),
        NO("an empty subject", NULL, "no name", .nameless = true, .made.subject = "", .common_name = true),
        NO("a common name beside a SAN of others", "D:other.example", "not for the name", .made.subject = "C:web.example", .common_name = true),
        NO("a common name beside a SAN without names", "I:\\x7f\\x00\\x00\\x01", "no alternative name", .made.subject = "C:web.example",
           .common_name = true),
        NO("an organisation with a common name in it", NULL, "no name", .nameless = true, .made.subject = "O:x/CN=web.example", .common_name = true),
        NO("a common name with another behind a slash", NULL, "not for the name", .nameless = true, .made.subject = "C:web.example/CN=other", .common_name = true),
        NO("a common name with another behind a comma", NULL, "not for the name", .nameless = true, .made.subject = "C:web.example,CN=other", .common_name = true),
        NO("a wildcard as common name", NULL, "not for the name", .nameless = true, .made.subject = "C:*.example", .common_name = true),
        NO("a T61 common name", NULL, "no name", .nameless = true, .made.subject = "T:web.example", .common_name = true),
        NO("a BMP common name", NULL, "no name", .nameless = true, .made.subject = "B:\\x00w\\x00e\\x00b", .called = "web", .common_name = true),
        BAD("a common name with NUL", NULL, .nameless = true, .made.subject = "C:web.example\\x00.evil.example", .common_name = true),
        BAD("a common name with a line feed", NULL, .nameless = true, .made.subject = "C:web.example\\x0aX", .common_name = true),
        BAD("a common name that is no UTF-8", NULL, .nameless = true, .made.subject = "C:web.example\\xff", .common_name = true),
        BAD("an empty common name", NULL, .nameless = true, .made.subject = "C:", .common_name = true),
        BAD("a common name that hides something, beside a URI", URI, .made.subject = "C:x\\xe2\\x80\\xaey"),
        YES("a common name that does not count, beside a URI", URI, .made.subject = "C:other.example"),
        YES("an empty subject beside a URI", URI, .made.subject = ""),
        YES("two common names beside a URI", URI, .made.subject = "C:a|C:b"),
};

const CorpusRow *corpus_names(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}
