/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of credentials*.c know of each other. */

#include <sys/stat.h>

#include "basic/list.h"
#include "services/auth/certificate-internal.h"
#include "services/auth/credentials.h"
#include "services/common/enc-conf.h"

#define CREDENTIAL_FILE_BYTES_MAX (8U * 1024U * 1024U)
#define CREDENTIAL_DIRECTORY_ENTRIES_MAX 4096U
#define CREDENTIAL_CACHE_MAX 512U       /* of each kind; the one that was not asked for longest goes */

/* -- credentials-file.c -- */

/* What a file was when it was read: whoever replaces it changes this. */
typedef struct FileStamp {
        char *path;
        bool exists;
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
} FileStamp;

typedef struct FileStamps {
        FileStamp *items;
        size_t n;
} FileStamps;

void file_stamps_done(FileStamps *stamps);
int file_stamps_add(FileStamps *stamps, const char *path);
bool file_stamps_have_changed(const FileStamps *stamps);

/* All of a regular file. Stamped before it is read. Returns: 0; -ENOENT; other errno; -EFBIG; -EISDIR: not a regular
 * file; -ENOMEM. */
int credential_file_read(FileStamps *stamps, const char *path, uint8_t **ret, size_t *ret_size);

/* A file, or each file of a directory, in order of their names; hidden ones are skipped. missing_is_fine: for what
 * need not be there. Returns: 0; -ENOKEY: text says what is wrong with which; -ENOMEM. */
typedef int (*credential_take_t)(void *userdata, const uint8_t *data, size_t size);
int credential_path_read(FileStamps *stamps, const char *path, bool missing_is_fine, credential_take_t take,
                         void *userdata, char text[AUTH_TEXT_BYTES_MAX]);

/* Writes the sentence. Returns: -ENOKEY. */
int credentials_fail(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) _printf_(2, 3);

/* A clause for what went wrong with a file. */
const char *credentials_reason(int error);

/* -- what was read -- */

typedef struct TrustSet {
        ListNode by_store;              /* CredentialStore::trust_sets */
        char *key;
        FileStamps stamps;
        Trust *trust;                   /* NULL where result is not 0 */
        int result;
        char text[AUTH_TEXT_BYTES_MAX];
} TrustSet;

/* What one name shows on one side. */
typedef struct Shown {
        ListNode by_store;              /* CredentialStore::shown */
        char *key;
        FileStamps stamps;
        char *certificate_path;         /* NULL: nothing is shown */
        uint8_t *der;
        size_t der_size;
        Certificate *certificate;
        char private_key[512];
        bool have_enc_conf;
        EncConf enc_conf;
        int result;
        char text[AUTH_TEXT_BYTES_MAX];
} Shown;

struct CredentialStore {
        char *root;
        List trust_sets;
        List shown;
        unsigned n_trust_sets, n_shown;
        uint64_t generation;            /* of what was read: another one after each change */
};

/* "/etc/o7s/security" below the root, or the reference's where that is all there is. The caller frees it. */
int credential_store_base(const CredentialStore *store, FileStamps *stamps, char **ret);

/* Found or read; lives until the next refresh. Its own .result says whether it is of use. Returns: 0; -ENOMEM. */
int credential_store_trust(CredentialStore *store, const SecurityPolicy *policy, TrustSet **ret);
int credential_store_shown(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                           Shown **ret);

/* -- credentials-name.c -- */

int shown_load(const CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server, Shown **ret);
Shown *shown_free(Shown *shown);
DEFINE_CLEANUP(Shown, shown_free);
