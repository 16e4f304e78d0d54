/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The names in a certificate, read from its bytes: what a library makes of them (decoded international names, text
 * that ends at the first NUL) is not what was signed. One name with a byte in it that people cannot see makes the
 * whole certificate unreadable: such a name was made to be mistaken for another.
 *
 *   subjectAltName    SEQUENCE OF { [1] mail, [2] dNSName, [6] URI: IA5String; others: skipped }
 *
 * Flow names are UTF-8, and "o7s:name:" is followed by the very bytes of one; so a URI may hold UTF-8 here.
 */

#include "basic/string.h"
#include "services/auth/certificate-internal.h"
#include "services/common/der.h"

#define ALTERNATIVE_NAMES "2.5.29.17"
#define COMMON_NAME "2.5.4.3"
#define COMMON_NAME_PREFIX "CN="
#define DNS_NAME_BYTES_MAX 253U
#define DNS_LABEL_BYTES_MAX 63U
#define SUBJECT_PARTS_MAX 64

/* -- text -- */

/* Ranges of characters that are not there to be seen: they hide, join, or turn the direction of what follows. */
static const struct {
        uint32_t first, last;
} invisible[] = {
        { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x61c, 0x61c }, { 0x115f, 0x1160 },
        { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
        { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
        { 0xe0000, 0xe0fff },
};

static bool is_invisible(uint32_t character) {
        for (size_t i = 0; i < ELEMENTSOF(invisible); i++)
                if (character >= invisible[i].first && character <= invisible[i].last)
                        return true;

        return false;
}

/* The next character of valid UTF-8. */
static uint32_t next_character(const uint8_t **p) {
        uint8_t first = *(*p)++;
        unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        uint32_t character = more > 0 ? first & (0x3fU >> more) : first;

        for (; more > 0; more--)
                character = character << 6 | (*(*p)++ & 0x3fU);

        return character;
}

bool identity_text_is_clean(const void *text, size_t size) {
        const uint8_t *p = text, *end = p + size;

        if (size == 0 || !utf8_is_valid(text, size))
                return false;

        while (p < end)
                if (is_invisible(next_character(&p)))
                        return false;

        return true;
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* One label of a DNS name, up to the dot or the end; its length, 0: none. */
static size_t label_length(const char *p, bool *ret_numeric) {
        size_t n = 0;

        *ret_numeric = true;
        for (; p[n] != '\0' && p[n] != '.'; n++) {
                if (!is_letter(p[n]) && !is_digit(p[n]) && p[n] != '-')
                        return 0;
                *ret_numeric = *ret_numeric && is_digit(p[n]);
        }

        if (n == 0 || n > DNS_LABEL_BYTES_MAX || p[0] == '-' || p[n - 1] == '-')
                return 0;
        return n;
}

bool name_is_dns_like(const char *name) {
        unsigned labels = 1;

        if (strlen(name) > DNS_NAME_BYTES_MAX)
                return false;

        for (const char *p = name;; labels++) {
                bool numeric;
                size_t n = label_length(p, &numeric);

                if (n == 0)
                        return false;
                if (p[n] == '\0')
                        return labels > 1 && !numeric;          /* the last one of an IPv4 address is a number */
                p += n + 1;
        }
}

/* Whether it begins as a URI does: so none can be mistaken for a DNS name, or for a common name as we write it. */
static bool has_scheme(const char *text) {
        const char *p = text;

        if (!is_letter(*p))
                return false;

        while (is_letter(*p) || is_digit(*p) || *p == '+' || *p == '-' || *p == '.')
                p++;
        return *p == ':';
}

/* -- subjectAltName -- */

static int add_name(Certificate *certificate, IdentityKind kind, char *text) {
        Identity *names;

        if (certificate->n_names == CERTIFICATE_NAMES_MAX)
                return -EBADMSG;

        names = realloc(certificate->names, (certificate->n_names + 1) * sizeof(*names));
        if (!names)
                return -ENOMEM;

        certificate->names = names;
        names[certificate->n_names++] = (Identity) { .kind = kind, .text = text };
        return 0;
}

static void lower_case(char *text) {
        for (; *text != '\0'; text++)
                if (*text >= 'A' && *text <= 'Z')
                        *text = (char) (*text - 'A' + 'a');
}

/* What is clean, but no identity by our rules (a wildcard, an address), is passed over: it matches nothing. */
static int take_name(Certificate *certificate, uint8_t tag, const Cursor *content) {
        _cleanup_free_ char *text = NULL;
        IdentityKind kind = tag == DER_CONTEXT(2) ? IDENTITY_DNS : IDENTITY_URI;
        int r;

        if (!identity_text_is_clean(content->p, content->left))
                return -EBADMSG;
        if (tag == DER_CONTEXT(1))
                return 0;

        text = strndup((const char *) content->p, content->left);
        if (!text)
                return -ENOMEM;
        if (kind == IDENTITY_DNS ? !name_is_dns_like(text) : !has_scheme(text))
                return 0;
        if (kind == IDENTITY_DNS)
                lower_case(text);

        r = add_name(certificate, kind, text);
        if (r < 0)
                return r;

        text = NULL;            /* the certificate's now */
        return 0;
}

static int read_alternative(Certificate *certificate, const DerElement *name) {
        switch (name->tag) {
        case DER_CONTEXT(1):
        case DER_CONTEXT(2):
        case DER_CONTEXT(6):
                return take_name(certificate, name->tag, &name->content);
        case DER_CONTEXT_CONSTRUCTED(0):        /* names of other kinds, directory names, addresses, registered
                                                 * numbers */
        case DER_CONTEXT_CONSTRUCTED(3):
        case DER_CONTEXT_CONSTRUCTED(4):
        case DER_CONTEXT_CONSTRUCTED(5):
        case DER_CONTEXT(7):
        case DER_CONTEXT(8):
                return 0;
        default:
                return -EBADMSG;
        }
}

static int read_alternatives(Certificate *certificate) {
        gnutls_datum_t extension = {};
        unsigned critical;
        Cursor outer, names;
        int r;

        r = gnutls_x509_crt_get_extension_by_oid2(certificate->crt, ALTERNATIVE_NAMES, 0, &extension, &critical);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                return 0;
        if (r < 0)
                return certificate_error(r);

        certificate->has_alternatives = true;
        outer = cursor_from(extension.data, extension.size);
        names = der_enter(&outer, DER_SEQUENCE);
        r = outer.bad || outer.left > 0 || names.left == 0 ? -EBADMSG : 0;

        while (r == 0 && names.left > 0) {
                DerElement name = der_next(&names);

                r = names.bad ? -EBADMSG : read_alternative(certificate, &name);
        }

        gnutls_free(extension.data);
        return r;
}

/* -- the subject -- */

static int take_common_name(Certificate *certificate, const gnutls_x509_ava_st *value) {
        certificate->n_common_names++;
        if (certificate->common_name.text)
                return 0;

        /* Strings of other alphabets can say the same in several ways: not compared, and never shown. */
        if (value->value_tag != DER_UTF8_STRING && value->value_tag != DER_PRINTABLE_STRING &&
            value->value_tag != DER_IA5_STRING)
                return 0;
        if (!identity_text_is_clean(value->value.data, value->value.size))
                return -EBADMSG;

        certificate->common_name.kind = IDENTITY_COMMON_NAME;
        return format_string(&certificate->common_name.text, COMMON_NAME_PREFIX "%.*s", (int) value->value.size,
                             (const char *) value->value.data);
}

/* Counted with its end or without, as the library pleases. */
static bool is_common_name(const gnutls_datum_t *object) {
        return strnlen((const char *) object->data, object->size) == STRLEN(COMMON_NAME) &&
               memcmp(object->data, COMMON_NAME, STRLEN(COMMON_NAME)) == 0;
}

static int read_common_names(Certificate *certificate) {
        gnutls_x509_dn_t subject;
        int r;

        r = gnutls_x509_crt_get_subject(certificate->crt, &subject);
        if (r < 0)
                return certificate_error(r);

        for (int part = 0; part < SUBJECT_PARTS_MAX; part++)
                for (int i = 0;; i++) {
                        gnutls_x509_ava_st value;

                        r = gnutls_x509_dn_get_rdn_ava(subject, part, i, &value);
                        if (r == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND && i == 0)
                                return 0;
                        if (r == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND)
                                break;
                        if (r < 0 || i == SUBJECT_PARTS_MAX)
                                return certificate_error(r);
                        if (!is_common_name(&value.oid))
                                continue;

                        r = take_common_name(certificate, &value);
                        if (r < 0)
                                return r;
                }

        return -EBADMSG;        /* a subject without end */
}

int certificate_read_names(Certificate *certificate) {
        int r;

        r = read_alternatives(certificate);
        if (r < 0)
                return r;

        return read_common_names(certificate);
}
