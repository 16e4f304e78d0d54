/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The folder's tour: o7s-keyd holds the private keys of this host, and signs handshakes of flows with them; it never
 * signs bytes that it is given, and no key leaves it. In the order in which a question goes through it:
 *
 *   service.c       connections, who may ask, how often
 *   key.c           keys by their names, opened at the first question and kept until their files change
 *   key-file.c      whose file it must be, and with which mode
 *   token.c         keys on tokens: PINs, and libraries that hang
 *   sign.c          what is signed: a handshake message that carries the certificate of just this key
 *   key-memory.c    nothing of it in swap, in a core, or in memory that was given back
 */

#include <gnutls/abstract.h>
#include <sys/stat.h>

#include "basic/list.h"
#include "services/common/key-message.h"
#include "services/common/pkcs11-url.h"

#define KEYS_MAX 256U                   /* opened at a time; the one that was asked for first goes */
#define KEY_FILE_BYTES_MAX 65536U
#define TOKENS_MAX 16U                  /* whose PINs are known to be wrong */
#define TOKEN_PATIENCE_SEC 4U           /* for one call into the library of a token */

/* -- key-memory.c -- */

/* What calls before this one have left below on the stack. */
void key_memory_wipe_stack(void);

/* -- key-file.c -- */

typedef struct KeyStamp {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
} KeyStamp;

/* Memory of libo7s/seal-memory.h: *ret_size bytes of KEY_FILE_BYTES_MAX. from_manager: a credential of the service,
 * whose directory is the service manager's. Returns: 0; -ENOENT; -EACCES: owner, mode or kind of file, text says
 * which; other errno. */
int key_file_read(const char *path, bool from_manager, void **ret, size_t *ret_size, KeyStamp *ret_stamp,
                  char text[KEY_TEXT_BYTES_MAX]);
bool key_file_has_changed(const char *path, const KeyStamp *stamp);
bool key_stamp_is_equal(const KeyStamp *a, const KeyStamp *b);

/* -- key.c -- */

typedef struct KeyStore KeyStore;

/* Of a token, which may ask for it whenever the key is used. */
typedef struct TokenPin {
        KeyStore *store;                /* not owned */
        char label[PKCS11_LABEL_BYTES_MAX + 1];
        KeyStamp stamp;                 /* of the credential that was shown last */
        char text[KEY_TEXT_BYTES_MAX];  /* why there was none; "": there was */
} TokenPin;

typedef struct Key {
        ListNode by_store;              /* KeyStore::keys */
        char name[KEY_URL_BYTES_MAX];
        char *path;                     /* NULL: on a token */
        KeyStamp stamp;
        TokenPin pin;
        gnutls_privkey_t private_key;
        int algorithm;                  /* gnutls_pk_algorithm_t */
        size_t public_size;
        uint8_t public_key[KEY_PUBLIC_BYTES_MAX];       /* DER SubjectPublicKeyInfo */
} Key;

typedef struct WrongPin {
        char label[PKCS11_LABEL_BYTES_MAX + 1];         /* of the token; "": an empty entry */
        KeyStamp stamp;                 /* of the credential */
} WrongPin;

struct KeyStore {
        char *credentials;              /* directory of the service's credentials; NULL: it has none */
        List keys;
        unsigned n_keys;
        unsigned n_wrong_pins;          /* ever */
        WrongPin wrong_pins[TOKENS_MAX];
};

/* Returns: 0; -ENOMEM. */
int key_store_new(const char *credentials, KeyStore **ret);
KeyStore *key_store_free(KeyStore *store);
DEFINE_CLEANUP(KeyStore, key_store_free);

/* The key of a name as it is now: one whose file has changed is read again. Lives until the next call. Returns: 0; as
 * in KeyMessage. */
int key_store_get(KeyStore *store, const char *name, const Key **ret, char text[KEY_TEXT_BYTES_MAX]);

/* One whose token has failed: it is looked for again when it is asked for. */
void key_store_drop(KeyStore *store, const char *name);

/* Forgets, and wipes, all keys: each is read again when it is asked for. Returns: how many there were. */
unsigned key_store_forget(KeyStore *store);

/* Writes a sentence for the caller of key_store_get() and key_sign(). Returns: error. */
int key_fail(char text[KEY_TEXT_BYTES_MAX], int error, const char *format, ...) _printf_(3, 4);

/* -- token.c -- */

static inline bool key_is_on_token(const Key *key) {
        return key->pin.store;
}

/* Around each call that may end in the library of a token, which may hang. Any other key: nothing. */
void token_begin(const Key *key);
void token_end(const Key *key);

/* Finds key->name. Returns: 0; -EACCES: a name that is not looked for, a PIN; -ENOENT: no such token, no such key on
 * it; -EIO; -ENOMEM. */
int token_import(KeyStore *store, Key *key, char text[KEY_TEXT_BYTES_MAX]);

/* A sentence for what GnuTLS said. Returns: as token_import(). */
int token_fail(const Key *key, int result, char text[KEY_TEXT_BYTES_MAX]);

/* Each token is shown its PIN once more. */
void token_forget_pins(KeyStore *store);

/* -- sign.c -- */

/* header: without a signature. Returns: 0; as in KeyMessage. */
int key_sign(const Key *key, const OapHeader *header, uint64_t now_realtime_nsec, uint8_t ret[KEY_SIGNATURE_BYTES_MAX],
             size_t *ret_size, char text[KEY_TEXT_BYTES_MAX]);
