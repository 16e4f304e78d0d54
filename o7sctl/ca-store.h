/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where an authority is kept:
 *
 *   ROOT/etc/o7s/ca/key.pem      its private key, 0600
 *   ROOT/etc/o7s/ca/ca.pem       its certificate, for everybody who is to trust it
 *   ROOT/etc/o7s/ca/crl.pem      its revocation list, from the first revocation on
 *   ROOT/etc/o7s/ca/serials      all that it has issued, one a line (times in seconds):
 *                                SERIAL valid|revoked EXPIRY REVOKED server|client NAME
 *
 * Whoever changes something holds a lock (.lock, 0600). A certificate is in the list before it leaves the authority:
 * one that nobody remembers could not be revoked.
 */

#include "o7sctl/ca.h"

#define CA_DIRECTORY "/etc/o7s/ca"
#define CA_RECORDS_MAX 65536U

typedef struct CaRecord {
        char serial[CA_SERIAL_CHARS + 1];
        bool client;
        uint64_t expiry_sec;
        uint64_t revoked_sec;           /* 0: it is not */
        char name[FLOW_NAME_BYTES_MAX + 1];
} CaRecord;

typedef struct CaStore {
        char *directory;                /* owned */
        int lock_fd;
        CaPair authority;               /* owned; the key only where it was asked for */
        CaRecord *records;              /* owned */
        size_t n;
} CaStore;

#define CA_STORE_INIT ((CaStore) { .lock_fd = -1 })

void ca_store_done(CaStore *store);

/* Makes the directory and the authority in it. Returns: 0; -EEXIST: there is one, which is never replaced; errors of
 * files; as ca_make(). */
int ca_store_create(const char *root, const CaTerms *terms, CaStore *ret);

/* with_key: to issue or revoke, which waits for whoever else does. Returns: 0; -ENOENT: there is no authority;
 * -EBADMSG: its files cannot be understood, *ret_line is the line of serials (0: another file); errors of files. */
int ca_store_open(const char *root, bool with_key, CaStore *ret, unsigned *ret_line);

/* A serial number that was not used before. Returns: 0; a negative errno of random_bytes(). */
int ca_store_new_serial(const CaStore *store, uint8_t ret[CA_SERIAL_BYTES]);

/* Writes the list with one record more. Returns: 0; -E2BIG; errors of files. */
int ca_store_add(CaStore *store, const CaRecord *record);

/* Marks as revoked what has this serial number, or this name (all sides and generations of it). Nothing is written yet.
 * Returns: how many, that are revoked now, those that were before included; 0: there is none. */
size_t ca_store_mark(CaStore *store, const char *what, uint64_t now_sec);

/* Writes crl.pem, which counts for so many days, and the list, in this order. *ret: the text of crl.pem. Returns: 0; as
 * ca_make_revocation_list(); errors of files. */
int ca_store_revoke(CaStore *store, uint64_t now_sec, unsigned days, char **ret);
