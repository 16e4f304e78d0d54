/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/random.h"
#include "services/auth/service-session.h"

#define SLOT_BITS 12U

static_assert(SESSIONS_MAX == 1U << SLOT_BITS, "a slot is the low bits of a session's number");

void session_table_init(SessionTable *table) {
        *table = (SessionTable) { .n_free = SESSIONS_MAX };
        list_init(&table->by_age);

        for (unsigned i = 0; i < SESSIONS_MAX; i++)
                table->free_slots[i] = (uint16_t) (SESSIONS_MAX - 1 - i);
}

void session_table_done(SessionTable *table) {
        session_table_clear(table);
}

static unsigned slot_of(uint64_t id) {
        return (unsigned) (id & (SESSIONS_MAX - 1));
}

/* Counts one more, or one less, of whom there is a number of. */
static void count_source(SessionTable *table, uint64_t source, int change) {
        uint16_t *n = table->n_of_source + source % SESSION_SOURCES;

        if (source > 0)
                *n = (uint16_t) (*n + change);
}

int session_new(SessionTable *table, const void *owner, uint64_t source, bool server, usec_t now, Session **ret) {
        _cleanup_free_ Session *s = NULL;
        uint64_t number = 0;
        unsigned slot;
        int r;

        assert(table);
        assert(ret);

        if (table->n_free == 0 || (server && table->n_asked >= SESSIONS_ASKED_MAX))
                return -EBUSY;
        if (source > 0 && table->n_of_source[source % SESSION_SOURCES] >= SESSIONS_SOURCE_MAX)
                return -EDQUOT;

        while (number >> SLOT_BITS == 0) {              /* so that it is not 0, once in 2^52 */
                r = random_bytes(&number, sizeof(number));
                if (r < 0)
                        return r;
        }

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        slot = table->free_slots[--table->n_free];
        s->id = (number & ~(uint64_t) (SESSIONS_MAX - 1)) | slot;
        s->expiry = usec_add(now, SESSION_LIFE_USEC);
        s->owner = owner;
        s->server = server;
        list_init(&s->by_age);
        list_append(&table->by_age, &s->by_age);
        table->n_asked += server;
        s->source = source;
        count_source(table, source, 1);
        table->slots[slot] = s;

        *ret = TAKE_PTR(s);
        return 0;
}

Session *session_free(SessionTable *table, Session *s) {
        unsigned slot;

        if (!s)
                return NULL;

        slot = slot_of(s->id);
        list_unlink(&s->by_age);
        table->slots[slot] = NULL;
        table->free_slots[table->n_free++] = (uint16_t) slot;
        table->n_asked -= s->server;
        count_source(table, s->source, -1);

        s->handshake = handshake_free(s->handshake);
        security_policy_done(&s->policy);
        explicit_bzero(s, sizeof(*s));
        return mfree(s);
}

Session *session_find(const SessionTable *table, uint64_t id, const void *owner, bool server) {
        Session *s = table->slots[slot_of(id)];

        return s && s->id == id && s->owner == owner && s->server == server ? s : NULL;
}

void session_table_expire(SessionTable *table, usec_t now) {
        Session *s;

        while ((s = list_first(&table->by_age, Session, by_age)) && s->expiry <= now)
                (void) session_free(table, s);
}

void session_table_disown(SessionTable *table, const void *owner) {
        Session *s, *following;

        list_for_each_safe(s, following, &table->by_age, by_age)
                if (s->owner == owner)
                        (void) session_free(table, s);
}

void session_table_clear(SessionTable *table) {
        Session *s;

        while ((s = list_first(&table->by_age, Session, by_age)))
                (void) session_free(table, s);
}

usec_t session_table_next(const SessionTable *table) {
        const Session *s = list_first(&table->by_age, Session, by_age);

        return s ? s->expiry : USEC_INFINITY;
}
