/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One directory under fire: a sequence of messages, times and calls. A record is { what, argument, wait, length,
 * bytes }; messages are made plausible (built from the bytes by field), raw, or answers to what the directory has
 * just asked, so that the code behind cookies is reached as well. Whatever happens: each lookup has one end, in time,
 * and all tables stay small.
 */

#include "basic/cursor.h"
#include "services/ipcp-unicast/directory-internal.h"

#define ID_SIZE 32U
#define LOOKUPS_MAX 512U
#define RECORDS_MAX 2000U

typedef struct Target {
        Directory *directory;
        usec_t now;
        uint64_t random;
        DhtMessage asked;               /* the last request that it sent */
        uint64_t asked_address;
        usec_t began[LOOKUPS_MAX];      /* 0: not begun; USEC_INFINITY: ended */
        unsigned n_lookups;
} Target;

static void event_send(void *userdata, uint64_t address, const uint8_t *message, size_t size) {
        Target *t = userdata;
        DhtMessage m;

        if (address == 0 || size > DHT_MESSAGE_SEND_BYTES_MAX || dht_message_parse(message, size, ID_SIZE, &m) < 0)
                abort();
        if (!dht_code_is_response(m.code) && m.code != DHT_STORE) {
                t->asked = m;
                t->asked_address = address;
        }
}

static void event_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n) {
        Target *t = userdata;

        if (lookup >= t->n_lookups || t->began[lookup] == USEC_INFINITY || n > DIRECTORY_ADDRESSES_MAX ||
            (error == 0) != (n > 0) || t->now > t->began[lookup] + DIRECTORY_ANSWER_USEC)
                abort();
        for (size_t i = 0; i < n; i++)
                if (addresses[i] == 0 || addresses[i] == 1)
                        abort();

        t->began[lookup] = USEC_INFINITY;
}

static int event_random(void *userdata, uint64_t *ret) {
        Target *t = userdata;

        t->random = t->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        *ret = t->random;
        return t->random >> 56 == 0x42 ? -EIO : 0;
}

static uint64_t event_unix_time(void *userdata, usec_t now) {
        return 1000 + now / USEC_PER_SEC;
}

static const DirectoryEvents events = {
        .send = event_send,
        .found = event_found,
        .random = event_random,
        .unix_time = event_unix_time,
};

/* Time passes as the caller of directory_next() has it pass. */
static void advance(Target *t, usec_t usec) {
        usec_t end = t->now + usec;
        unsigned n = 0;

        for (usec_t next; (next = directory_next(t->directory)) <= end;) {
                t->now = MAX(t->now, next);
                directory_expire(t->directory, t->now);
                if (++n > 100000)
                        abort();                /* it wants to be called again at once, for ever */
        }
        t->now = end;
}

static DhtPeer peer_from(uint8_t number) {
        DhtPeer peer = { .address = number };

        memset(peer.id, number, ID_SIZE);
        return peer;
}

static void receive(Target *t, const DhtMessage *m) {
        uint8_t bytes[DIRECTORY_MESSAGE_BYTES_MAX];
        ssize_t size;

        size = dht_message_pack(m, ID_SIZE, bytes, sizeof(bytes));
        if (size > 0)
                directory_receive(t->directory, bytes, (size_t) size, t->now);
}

/* A request or a STORE by field. */
static void tell(Target *t, uint8_t argument, Cursor *c) {
        DhtMessage m = { .code = (DhtCode) (argument % _DHT_CODE_MAX) };

        m.source = peer_from(cursor_u8(c));
        memset(m.key, cursor_u8(c), ID_SIZE);
        m.cookie = cursor_u8(c);
        m.value = cursor_u8(c);
        m.expires = cursor_u8(c) * 16U;
        if (dht_code_is_response(m.code))
                m.cookie = t->asked.cookie;
        receive(t, &m);
}

/* An answer to what was asked last; each byte left is a contact, or a value. */
static void answer(Target *t, uint8_t argument, Cursor *c) {
        DhtMessage m = { .code = t->asked.code + 1, .cookie = t->asked.cookie };

        if (t->asked_address == 0)
                return;

        m.source = peer_from((uint8_t) t->asked_address);
        m.source.address = t->asked_address;
        if (argument & 1)
                m.source.id[0] ^= argument;
        memcpy(m.key, t->asked.key, ID_SIZE);
        while (c->left > 0) {
                uint8_t byte = cursor_u8(c);

                if (byte & 0x80 && m.n_contacts < DHT_MESSAGE_CONTACTS_MAX)
                        m.contacts[m.n_contacts++] = peer_from(byte);
                else if (m.n_values < DHT_MESSAGE_VALUES_MAX)
                        m.values[m.n_values++] = byte;
        }
        receive(t, &m);
}

static void call(Target *t, uint8_t argument, Cursor *c) {
        uint8_t hash[ID_SIZE], byte = cursor_u8(c);
        Directory *d = t->directory;

        memset(hash, byte, ID_SIZE);
        switch (argument % 8) {
        case 0:
                directory_add_peer(d, byte, t->now);
                break;
        case 2:
                (void) directory_register(d, hash, ID_SIZE, t->now);
                break;
        case 3:
                directory_unregister(d, hash, ID_SIZE, t->now);
                break;
        case 4:
                if (t->n_lookups == LOOKUPS_MAX)
                        break;
                t->began[t->n_lookups++] = t->now;
                directory_lookup(d, t->n_lookups - 1, hash, ID_SIZE - (argument >> 7), t->now);
                break;
        case 5:
                if (byte < t->n_lookups && t->began[byte] != USEC_INFINITY) {
                        directory_cancel(d, byte);
                        t->began[byte] = USEC_INFINITY;
                }
                break;
        case 6:
                directory_doubt(d, hash, ID_SIZE, argument, t->now);
                break;
        case 1:
        case 7:
                directory_refresh(d, t->now);
                break;
        }
}

static void check(Target *t) {
        const DirectoryStatistics *s = directory_statistics(t->directory);
        DirectoryContact contact;
        DirectoryEntry entry;

        if (s->n_contacts > DHT_CONTACTS_MAX || s->n_entries > DHT_STORE_VALUES_MAX)
                abort();
        for (size_t i = 0; directory_contact(t->directory, i, t->now, &contact); i++)
                if (contact.address == 0 || contact.address == 1)
                        abort();
        for (size_t i = 0; directory_entry(t->directory, i, t->now, &entry); i++)
                if (entry.n_addresses == 0 || entry.n_addresses > DIRECTORY_ADDRESSES_MAX)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const DirectoryConfig config = {
                .address = 1, .address_bytes = 4, .hash = HASH_SHA3_256, .id = { 1 }, .alpha = 3, .k = 2,
                .expire_usec = 600 * USEC_PER_SEC, .refresh_usec = 60 * USEC_PER_SEC,
                .replicate_usec = 60 * USEC_PER_SEC,
        };
        Cursor c = cursor_from(data, size);
        Target t = { .now = USEC_PER_SEC };

        if (directory_new(&config, &events, &t, t.now, &t.directory) < 0)
                return 0;

        for (unsigned i = 0; i < RECORDS_MAX && c.left > 0; i++) {
                uint8_t what = cursor_u8(&c), argument = cursor_u8(&c), wait = cursor_u8(&c), length = cursor_u8(&c);
                size_t n = MIN((size_t) length, c.left);
                Cursor bytes = cursor_from(cursor_bytes(&c, n), n);

                if (c.bad)
                        break;
                if (what % 4 == 0)
                        tell(&t, argument, &bytes);
                else if (what % 4 == 1)
                        answer(&t, argument, &bytes);
                else if (what % 4 == 2)
                        call(&t, argument, &bytes);
                else
                        directory_receive(t.directory, bytes.p, bytes.left, t.now);
                advance(&t, (wait & 0x80 ? (wait & 0x7F) * 100U : wait) * USEC_PER_MSEC);
        }

        advance(&t, USEC_PER_SEC);
        for (unsigned i = 0; i < t.n_lookups; i++)
                if (t.began[i] != USEC_INFINITY)
                        abort();
        check(&t);
        t.directory = directory_free(t.directory);
        return 0;
}
