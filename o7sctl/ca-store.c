/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directory of an authority. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "basic/random.h"
#include "o7sctl/ca-store.h"
#include "o7sctl/file.h"

#define SERIALS_BYTES_MAX (32U * 1024U * 1024U)

void ca_store_done(CaStore *store) {
        store->directory = mfree(store->directory);
        store->lock_fd = safe_close(store->lock_fd);
        ca_pair_done(&store->authority);
        store->records = mfree(store->records);
        store->n = 0;
}

static int path_of(const CaStore *store, const char *file, char **ret) {
        return format_string(ret, "%s/%s", store->directory, file);
}

static int write_file(const CaStore *store, const char *file, const char *text, const FileTerms *terms) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_of(store, file, &path);
        return r < 0 ? r : file_write(path, text, terms);
}

static int read_file(const CaStore *store, const char *file, size_t max, char **ret) {
        _cleanup_free_ char *path = NULL;
        size_t size;
        int r;

        r = path_of(store, file, &path);
        if (r >= 0)
                r = file_read(path, max, ret, &size);
        if (r < 0)
                return r;
        if (strlen(*ret) != size) {     /* NUL in it */
                secret_freep(ret);
                return -EBADMSG;
        }

        return 0;
}

/* On a file that root alone can open: nobody else can keep it waiting. Whoever only reads needs none, as files change
 * as a whole. */
static int lock(CaStore *store) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_of(store, ".lock", &path);
        if (r < 0)
                return r;

        store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (store->lock_fd < 0)
                return -errno;

        while (flock(store->lock_fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;

        return 0;
}

/* -- the list -- */

/* One field up to a space; *text moves behind it. NULL: there is none. */
static char *next_field(char **text) {
        char *field = *text, *space = strchr(field, ' ');

        if (!space || space == field)
                return NULL;

        *space = '\0';
        *text = space + 1;
        return field;
}

static int parse_record(char *line, CaRecord *ret) {
        char *serial = next_field(&line), *status = serial ? next_field(&line) : NULL,
             *expiry = status ? next_field(&line) : NULL, *when = expiry ? next_field(&line) : NULL,
             *side = when ? next_field(&line) : NULL;
        CaRecord record = {};

        if (!side || strlen(serial) != CA_SERIAL_CHARS || strspn(serial, "0123456789abcdef") != CA_SERIAL_CHARS)
                return -EBADMSG;
        if (parse_u64(expiry, INT64_MAX, &record.expiry_sec) < 0 || parse_u64(when, INT64_MAX, &record.revoked_sec) < 0)
                return -EBADMSG;
        if (!streq(status, record.revoked_sec != 0 ? "revoked" : "valid") ||
            !(streq(side, "client") || streq(side, "server")))
                return -EBADMSG;
        if (!flow_name_is_valid(line))
                return -EBADMSG;

        record.client = streq(side, "client");
        (void) copy_string(record.serial, sizeof(record.serial), serial);
        (void) copy_string(record.name, sizeof(record.name), line);
        *ret = record;
        return 0;
}

static int add_record(CaStore *store, const CaRecord *record) {
        CaRecord *more;

        if (store->n >= CA_RECORDS_MAX)
                return -E2BIG;

        more = reallocarray(store->records, store->n + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;

        store->records = more;
        store->records[store->n++] = *record;
        return 0;
}

/* A list that is partly understood would forget what was issued: all of it, or nothing. */
static int read_records(CaStore *store, unsigned *ret_line) {
        _cleanup_free_ char *text = NULL;
        unsigned number = 0;
        char *rest;
        int r;

        r = read_file(store, "serials", SERIALS_BYTES_MAX, &text);
        if (r < 0)
                return r;

        rest = text;
        for (char *line; (line = strsep(&rest, "\n")); ) {
                CaRecord record;

                number++;
                if (line[0] == '\0' || line[0] == '#')
                        continue;

                r = parse_record(line, &record);
                if (r >= 0)
                        r = add_record(store, &record);
                if (r < 0) {
                        *ret_line = number;
                        return r;
                }
        }

        return 0;
}

static int write_records(const CaStore *store) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *stream;

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;

        (void) fprintf(stream, "# Certificates issued here. Written by o7sctl ca.\n");
        for (size_t i = 0; i < store->n; i++) {
                const CaRecord *record = &store->records[i];

                (void) fprintf(stream, "%s %s %" PRIu64 " %" PRIu64 " %s %s\n", record->serial,
                               record->revoked_sec != 0 ? "revoked" : "valid", record->expiry_sec, record->revoked_sec,
                               record->client ? "client" : "server", record->name);
        }
        if (fclose(stream) != 0)
                return -ENOMEM;

        return write_file(store, "serials", text, &FILE_TERMS(0644));
}

/* -- the authority -- */

static int store_init(const char *root, CaStore *ret) {
        return format_string(&ret->directory, "%s%s", root, CA_DIRECTORY);
}

int ca_store_create(const char *root, const CaTerms *terms, CaStore *ret) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        _cleanup_free_ char *path = NULL;
        int r;

        r = store_init(root, &store);
        if (r >= 0)
                r = directory_make(store.directory);
        if (r >= 0)
                r = lock(&store);
        if (r >= 0)
                r = path_of(&store, "ca.pem", &path);
        if (r < 0)
                return r;

        /* The certificate comes last: as long as it is not there, nothing was signed with the key. */
        if (access(path, F_OK) == 0)
                return -EEXIST;

        r = ca_make(terms, &store.authority);
        if (r >= 0)
                r = write_file(&store, "key.pem", store.authority.key, &FILE_TERMS(0600));
        if (r >= 0)
                r = write_records(&store);
        if (r >= 0)
                r = write_file(&store, "ca.pem", store.authority.certificate, &FILE_TERMS(0644));
        if (r < 0)
                return r;

        *ret = store;
        store = CA_STORE_INIT;
        return 0;
}

int ca_store_open(const char *root, bool with_key, CaStore *ret, unsigned *ret_line) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        int r;

        *ret_line = 0;
        r = store_init(root, &store);
        if (r >= 0 && with_key)
                r = lock(&store);
        if (r >= 0)
                r = read_file(&store, "ca.pem", CA_PEM_BYTES_MAX, &store.authority.certificate);
        if (r >= 0 && with_key)
                r = read_file(&store, "key.pem", CA_PEM_BYTES_MAX, &store.authority.key);
        if (r >= 0)
                r = read_records(&store, ret_line);
        if (r < 0)
                return r;

        *ret = store;
        store = CA_STORE_INIT;
        return 0;
}

static bool is_known(const CaStore *store, const char *serial) {
        for (size_t i = 0; i < store->n; i++)
                if (streq(store->records[i].serial, serial))
                        return true;

        return false;
}

int ca_store_new_serial(const CaStore *store, uint8_t ret[CA_SERIAL_BYTES]) {
        char text[CA_SERIAL_CHARS + 1];
        int r;

        do {
                r = random_bytes(ret, CA_SERIAL_BYTES);
                if (r < 0)
                        return r;

                ret[0] = (uint8_t) ((ret[0] & 0x7f) | 0x40);    /* positive, and of full length */
        } while (is_known(store, hex_encode(text, ret, CA_SERIAL_BYTES)));

        return 0;
}

int ca_store_add(CaStore *store, const CaRecord *record) {
        int r;

        r = add_record(store, record);
        if (r < 0)
                return r;

        r = write_records(store);
        if (r < 0)
                store->n--;

        return r;
}

size_t ca_store_mark(CaStore *store, const char *what, uint64_t now_sec) {
        size_t n = 0;

        for (size_t i = 0; i < store->n; i++) {
                CaRecord *record = &store->records[i];

                if (!streq(record->serial, what) && !streq(record->name, what))
                        continue;
                if (record->revoked_sec == 0)
                        record->revoked_sec = now_sec;
                n++;
        }

        return n;
}

int ca_store_revoke(CaStore *store, uint64_t now_sec, unsigned days, char **ret) {
        /* The number is the time, which goes up. */
        const CaListTerms terms = { .number = now_sec, .days = days, .now_sec = now_sec };
        _cleanup_free_ CaRevoked *revoked = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r;

        revoked = calloc(store->n + 1, sizeof(*revoked));
        if (!revoked)
                return -ENOMEM;

        for (size_t i = 0; i < store->n; i++) {
                if (store->records[i].revoked_sec == 0)
                        continue;
                revoked[n].when_sec = store->records[i].revoked_sec;
                memcpy(revoked[n++].serial, store->records[i].serial, sizeof(revoked->serial));
        }

        /* The list counts, whatever becomes of our record of it. */
        r = ca_make_revocation_list(&store->authority, revoked, n, &terms, &text);
        if (r >= 0)
                r = write_file(store, "crl.pem", text, &FILE_TERMS(0644));
        if (r >= 0)
                r = write_records(store);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(text);
        return 0;
}
