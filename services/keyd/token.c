/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keys on tokens. The name only finds the key (pkcs11-url.h); the library comes from p11-kit's configuration, and the
 * PIN from the service's credentials: "pkcs11-pin.LABEL" for the token of this label, where each byte that does not
 * belong into a file's name is "_", else "pkcs11-pin".
 *
 * A PIN that was wrong is shown to a token once, and not again before its credential has changed or people say so
 * (SIGHUP): handshakes of strangers would otherwise use up the token's tries within a second. The last try before a
 * token locks itself is never ours.
 *
 * A library may hang: a card that was half pulled out, a module whose network is gone. Nothing gets us out of a call
 * into it, so there is an alarm clock: after TOKEN_PATIENCE_SEC the process ends with a sentence, and the service
 * manager starts it anew. All other keys are then there again within a moment.
 */

#include <gnutls/pkcs11.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "libo7s/seal-memory.h"
#include "services/common/pkcs11-url.h"
#include "services/keyd/key.h"

#define PIN_CREDENTIAL "pkcs11-pin"
#define STUCK "A token does not answer: o7s-keyd starts anew.\n"

/* -- the alarm clock -- */

static void token_is_stuck(int number) {
        (void) !write(STDERR_FILENO, STUCK, STRLEN(STUCK));
        _exit(EXIT_FAILURE);
}

void token_begin(const Key *key) {
        struct sigaction action = { .sa_handler = token_is_stuck };
        sigset_t alarm_only;

        if (!key_is_on_token(key))
                return;

        (void) sigemptyset(&alarm_only);
        (void) sigaddset(&alarm_only, SIGALRM);
        (void) sigaction(SIGALRM, &action, NULL);
        (void) sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
        (void) alarm(TOKEN_PATIENCE_SEC);
}

void token_end(const Key *key) {
        if (key_is_on_token(key))
                (void) alarm(0);
}

/* -- PINs -- */

static WrongPin *find_wrong(KeyStore *store, const char *label) {
        for (unsigned i = 0; i < ELEMENTSOF(store->wrong_pins); i++)
                if (streq(store->wrong_pins[i].label, label))
                        return store->wrong_pins + i;

        return NULL;
}

/* With more wrong tokens than there is room for the oldest one's is forgotten, and tried once more. */
static void remember_wrong(KeyStore *store, const TokenPin *pin) {
        WrongPin *wrong = find_wrong(store, pin->label);

        if (!wrong)
                wrong = store->wrong_pins + store->n_wrong_pins++ % ELEMENTSOF(store->wrong_pins);

        (void) copy_string(wrong->label, sizeof(wrong->label), pin->label);
        wrong->stamp = pin->stamp;
}

void token_forget_pins(KeyStore *store) {
        memset(store->wrong_pins, 0, sizeof(store->wrong_pins));
}

/* The credential's path. own: that of this token alone. */
static int pin_path(const TokenPin *pin, bool own, char **ret) {
        char label[PKCS11_LABEL_BYTES_MAX + 1];

        if (!own)
                return format_string(ret, "%s/" PIN_CREDENTIAL, pin->store->credentials);

        (void) copy_string(label, sizeof(label), pin->label);
        for (char *p = label; *p != '\0'; p++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", *p))
                        *p = '_';

        return format_string(ret, "%s/" PIN_CREDENTIAL ".%s", pin->store->credentials, label);
}

/* The first line of the credential. Returns: 0; -EBADMSG: that is no PIN. */
static int take_pin(const char *memory, size_t size, char *ret, size_t ret_size) {
        const char *end = memchr(memory, '\n', size);
        size_t n = end ? (size_t) (end - memory) : size;

        if (n == 0 || n >= ret_size || memchr(memory, '\0', n) || (end && end + 1 != memory + size))
                return -EBADMSG;

        memcpy(ret, memory, n);
        ret[n] = '\0';
        return 0;
}

static int read_pin(TokenPin *pin, char *ret, size_t size) {
        _cleanup_free_ char *path = NULL;
        void *memory = NULL;
        size_t n = 0;
        int r;

        if (!pin->store->credentials)
                return key_fail(pin->text, -ENOENT,
                                "The token \"%s\" wants a PIN, and o7s-keyd.service has no credentials "
                                "(LoadCredentialEncrypted=" PIN_CREDENTIAL ":PATH)", pin->label);

        r = pin_path(pin, true, &path);
        if (r >= 0 && access(path, F_OK) < 0) {
                path = mfree(path);
                r = pin_path(pin, false, &path);
        }
        if (r < 0)
                return r;
        if (access(path, F_OK) < 0)
                return key_fail(pin->text, -ENOENT,
                                "The token \"%s\" wants a PIN, and o7s-keyd.service has no credential with one "
                                "(LoadCredentialEncrypted=" PIN_CREDENTIAL ":PATH)", pin->label);

        r = key_file_read(path, true, &memory, &n, &pin->stamp, pin->text);
        if (r < 0)
                return r;

        r = take_pin(memory, n, ret, size);
        (void) seal_memory_free(memory, KEY_FILE_BYTES_MAX);
        return r < 0 ? key_fail(pin->text, r, "The credential %s is no PIN: one line", path) : 0;
}

static int refuse_pin(TokenPin *pin, const char *why) {
        return key_fail(pin->text, -EACCES, "The token \"%s\" %s", pin->label, why);
}

static int choose_pin(TokenPin *pin, int attempt, unsigned flags, char *ret, size_t size) {
        const WrongPin *wrong;
        int r;

        if (flags & GNUTLS_PIN_SO)
                return refuse_pin(pin, "wants the PIN of its security officer, who is not here");
        if (attempt > 0 || flags & GNUTLS_PIN_WRONG) {
                remember_wrong(pin->store, pin);
                return refuse_pin(pin, "does not accept the PIN that is the credential of o7s-keyd.service; it is not "
                                       "tried again before that changes");
        }
        if (flags & GNUTLS_PIN_FINAL_TRY)
                return refuse_pin(pin, "locks itself at the next wrong PIN: unlock it once by hand");

        r = read_pin(pin, ret, size);
        if (r < 0)
                return r;

        wrong = find_wrong(pin->store, pin->label);
        if (!wrong || !key_stamp_is_equal(&wrong->stamp, &pin->stamp))
                return 0;

        explicit_bzero(ret, size);
        return refuse_pin(pin, "did not accept the PIN that is the credential of o7s-keyd.service; it is not tried "
                               "again before that changes");
}

/* GnuTLS asks, again and again until the PIN is right or this refuses. */
static int pin_wanted(void *userdata, int attempt, const char *url, const char *label, unsigned flags, char *ret,
                      size_t size) {
        TokenPin *pin = userdata;

        return choose_pin(pin, attempt, flags, ret, size) < 0 ? GNUTLS_E_PKCS11_PIN_ERROR : 0;
}

/* -- keys -- */

int token_fail(const Key *key, int result, char text[KEY_TEXT_BYTES_MAX]) {
        const char *label = key->pin.label;

        if (result == GNUTLS_E_MEMORY_ERROR)
                return -ENOMEM;
        if (!isempty(key->pin.text))
                return key_fail(text, -EACCES, "%s", key->pin.text);
        if (result == GNUTLS_E_PKCS11_PIN_LOCKED)
                return key_fail(text, -EACCES, "The token \"%s\" has locked itself after wrong PINs", label);
        if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE || result == GNUTLS_E_PKCS11_REQUESTED_OBJECT_NOT_AVAILBLE)
                return key_fail(text, -ENOENT, "The token \"%s\" has no private key of the name %s", label, key->name);

        return key_fail(text, -EIO, "The token \"%s\" cannot be used: %s", label, gnutls_strerror(result));
}

static int find_key(Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        unsigned flags = 0;
        int r;

        r = gnutls_pkcs11_token_get_flags(key->name, &flags);
        if (r < 0)
                return key_fail(text, -ENOENT,
                                "There is no token \"%s\" for the private key %s; \"p11-kit list-modules\" "
                                "shows which there are",
                                key->pin.label, key->name);
        if (flags & GNUTLS_PKCS11_TOKEN_USER_PIN_LOCKED)
                return token_fail(key, GNUTLS_E_PKCS11_PIN_LOCKED, text);

        gnutls_privkey_set_pin_function(key->private_key, pin_wanted, &key->pin);
        r = gnutls_privkey_import_url(key->private_key, key->name, 0);
        return r < 0 ? token_fail(key, r, text) : 0;
}

int token_import(KeyStore *store, Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        const char *problem = NULL;
        Pkcs11Url url;
        int r;

        r = pkcs11_url_parse(key->name, &url, &problem);
        if (r < 0)
                return key_fail(text, -EACCES, "%s is not looked for: %s", key->name, problem);

        key->pin.store = store;
        (void) copy_string(key->pin.label, sizeof(key->pin.label), url.token);

        token_begin(key);
        r = find_key(key, text);
        token_end(key);
        return r;
}
