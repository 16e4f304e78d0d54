/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sentences about certificates. What they quote was written by strangers: it is cut, and cannot move a cursor or a
 * line. */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "services/auth/certificate-internal.h"

static void quote(char *to, size_t size, const gnutls_datum_t *name) {
        size_t n = MIN((size_t) name->size, size - 1);

        for (size_t i = 0; i < n; i++)
                to[i] = name->data[i] < ' ' || name->data[i] >= 0x7f ? '?' : (char) name->data[i];
        to[n] = '\0';
        if (name->size > n)
                memcpy(to + n - 3, "...", 3);
}

static const char *name_of(gnutls_x509_crt_t crt, int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned),
                           char ret[TRUST_SUBJECT_BYTES_MAX]) {
        gnutls_datum_t name = {};

        if (get(crt, &name, 0) < 0 || name.size == 0)
                (void) copy_string(ret, TRUST_SUBJECT_BYTES_MAX, "(nobody)");
        else
                quote(ret, TRUST_SUBJECT_BYTES_MAX, &name);

        gnutls_free(name.data);
        return ret;
}

const char *trust_subject(gnutls_x509_crt_t crt, char ret[TRUST_SUBJECT_BYTES_MAX]) {
        return name_of(crt, gnutls_x509_crt_get_dn3, ret);
}

const char *trust_issuer(gnutls_x509_crt_t crt, char ret[TRUST_SUBJECT_BYTES_MAX]) {
        return name_of(crt, gnutls_x509_crt_get_issuer_dn3, ret);
}

const char *trust_time(int64_t seconds, char ret[TRUST_TIME_BYTES_MAX]) {
        time_t time = (time_t) seconds;
        struct tm broken;

        if (!gmtime_r(&time, &broken) || strftime(ret, TRUST_TIME_BYTES_MAX, "%Y-%m-%d %H:%M:%S UTC", &broken) == 0)
                (void) copy_string(ret, TRUST_TIME_BYTES_MAX, "a day that no calendar has");

        return ret;
}

void trust_clean(char *text) {
        utf8_mend(text);
        for (; *text != '\0'; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = '?';
}

static void say(char text[AUTH_TEXT_BYTES_MAX], const char *format, va_list arguments) {
        (void) vsnprintf(text, AUTH_TEXT_BYTES_MAX, format, arguments);
        trust_clean(text);
}

void trust_say(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(text, format, arguments);
        va_end(arguments);
}

int trust_refuse(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(text, format, arguments);
        va_end(arguments);
        return -EKEYREJECTED;
}
