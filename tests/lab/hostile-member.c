/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile-member NAME SECONDS ATTACK...: an ordinary program that opens flows to a member of a unicast layer, greets
 * it as another member, and then says what it likes at full speed, for so long per attack. It prints "ATTACK: N
 * messages".
 *
 * Attacks: links (link-state messages of a layer that does not exist), ids (data to endpoint ids that it does not
 * know), guesses (messages about flows that are not its own), directory (names that nobody has, kept for others),
 * noise (bytes), strangers (flows on which nothing, or not the next thing, is said).
 */

#include <inttypes.h>
#include <stdio.h>

#include "basic/cursor.h"
#include "basic/string.h"
#include "basic/time.h"
#include "libo7s/o7s.h"
#include "services/common/cep.h"
#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/pci.h"

#define ADDRESS 0x66U
#define ID_BYTES 32U
#define MESSAGE_BYTES 1024U
#define TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef struct Member {
        const char *name;               /* whom it attacks */
        uint64_t address;               /* of the one that answered */
        o7s_flow *management;
        o7s_flow *data;
        uint64_t seed;
        uint64_t n_messages;
} Member;

static void member_done(Member *m) {
        (void) o7s_flow_unref(m->management);
        (void) o7s_flow_unref(m->data);
}

static uint64_t draw(Member *m) {
        m->seed ^= m->seed << 13;
        m->seed ^= m->seed >> 7;
        m->seed ^= m->seed << 17;
        return m->seed;
}

static void flow_unrefp(o7s_flow **flow) {
        (void) o7s_flow_unref(*flow);
}

/* A flow that has said what it is for, and heard an answer. */
static int greet(Member *m, CepComponent component, o7s_flow **ret) {
        _cleanup_(flow_unrefp) o7s_flow *flow = NULL;
        uint8_t bytes[CEP_MESSAGE_BYTES_MAX];
        const o7s_qos qos = O7S_QOS_RAW;
        CepRecord record;
        ssize_t n;
        int r;

        r = o7s_flow_alloc(m->name, &qos, O7S_TRUNCATE, TIMEOUT_USEC, &flow);
        if (r < 0)
                return r;

        cep_record_init(&record, component, component == CEP_ENROLLMENT ? 0 : ADDRESS, "");
        n = cep_message_pack(&record, bytes, sizeof(bytes));
        if (n > 0)
                n = o7s_flow_write(flow, bytes, (size_t) n);
        if (n >= 0)
                n = o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, TIMEOUT_USEC);
        if (n >= 0)
                n = o7s_flow_read(flow, bytes, sizeof(bytes));
        if (n < 0)
                return (int) n;

        r = cep_message_parse(bytes, (size_t) n, &record);
        if (r < 0)
                return r;
        if (component != CEP_ENROLLMENT)
                m->address = record.address;

        *ret = TAKE_PTR(flow);
        return 0;
}

static int say(Member *m, o7s_flow *flow, const void *bytes, size_t size) {
        ssize_t n;

        n = o7s_flow_write(flow, bytes, size);
        if (n < 0)
                return (int) n;

        m->n_messages++;
        return 0;
}

static int say_to(Member *m, uint64_t eid, const void *bytes, size_t size) {
        uint8_t packet[15 + MESSAGE_BYTES];
        Writer w = writer_to(packet, sizeof(packet));

        /* Little-endian, as docs/WIRE.md has it. */
        for (unsigned i = 0; i < 4; i++)
                writer_u8(&w, (uint8_t) (m->address >> 8 * i));
        writer_u8(&w, 0);
        writer_u8(&w, 60);
        writer_u8(&w, 0);
        for (unsigned i = 0; i < 8; i++)
                writer_u8(&w, (uint8_t) (eid >> 8 * i));
        writer_bytes(&w, bytes, size);
        return say(m, m->data, packet, w.written);
}

/* -- attacks: one message each -- */

static int attack_links(Member *m) {
        const Lsa lsa = { .from = 1000 + m->n_messages / 64, .to = 1 + (uint32_t) draw(m),
                          .sequence = 1 + draw(m) % 1000 };
        uint8_t bytes[LSA_BYTES_MAX];

        return say(m, m->management, bytes, lsa_write(&lsa, bytes));
}

static int attack_ids(Member *m) {
        return say_to(m, draw(m) | EID_FLOWS, "guessed", 7);
}

static int attack_guesses(Member *m) {
        static const FlowMessageCode codes[] = { FLOW_MESSAGE_REPLY, FLOW_MESSAGE_UPDATE, FLOW_MESSAGE_CLOSE };
        const FlowMessage message = {
                .code = codes[m->n_messages % ELEMENTSOF(codes)],
                .receiver_eid = draw(m),
                .sender_eid = draw(m) | EID_FLOWS,
        };
        uint8_t bytes[MESSAGE_BYTES];
        ssize_t n;

        n = flow_message_pack(&message, bytes, sizeof(bytes));
        return n < 0 ? (int) n : say_to(m, EID_FLOW_ALLOCATOR, bytes, (size_t) n);
}

static int attack_directory(Member *m) {
        DhtMessage message = { .code = DHT_STORE, .cookie = 1, .expires = UINT32_MAX };
        uint8_t bytes[MESSAGE_BYTES];
        ssize_t n;

        message.source.address = 1 + (uint32_t) draw(m);
        message.value = 1 + (uint32_t) draw(m);
        for (unsigned i = 0; i < ID_BYTES; i++)
                message.source.id[i] = message.key[i] = (uint8_t) draw(m);
        n = dht_message_pack(&message, ID_BYTES, bytes, sizeof(bytes));
        return n < 0 ? (int) n : say_to(m, EID_DIRECTORY, bytes, (size_t) n);
}

static int attack_noise(Member *m) {
        uint8_t bytes[200];
        size_t size = draw(m) % sizeof(bytes);

        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) draw(m);
        return m->n_messages % 2 == 0 ? say(m, m->data, bytes, size) : say(m, m->management, bytes, size);
}

/* Refused ones count: their number is not this program's to choose. */
static int attack_strangers(Member *m) {
        _cleanup_(flow_unrefp) o7s_flow *flow = NULL;

        m->n_messages++;
        (void) greet(m, CEP_ENROLLMENT, &flow);
        return flow ? say(m, flow, "nothing of an enrollment", 24) : 0;
}

static const struct {
        const char *name;
        int (*say)(Member *m);
} attacks[] = {
        { "links",     attack_links     },
        { "ids",       attack_ids       },
        { "guesses",   attack_guesses   },
        { "directory", attack_directory },
        { "noise",     attack_noise     },
        { "strangers", attack_strangers },
};

static int attack(Member *m, const char *name, usec_t duration) {
        usec_t end = usec_add(time_now(), duration);
        int r = -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(attacks); i++) {
                if (!streq(attacks[i].name, name))
                        continue;

                m->n_messages = 0;
                do
                        r = attacks[i].say(m);
                while (r >= 0 && time_now() < end);
        }

        (void) printf("%s: %" PRIu64 " messages%s%s\n", name, m->n_messages, r < 0 ? ", then: " : "",
                      r < 0 ? o7s_strerror(r) : "");
        (void) fflush(stdout);
        return r;
}

int main(int argc, char **argv) {
        _cleanup_(member_done) Member m = { .seed = 88172645463325252ULL };
        int r;

        if (argc < 4) {
                (void) fprintf(stderr, "usage: hostile-member NAME SECONDS ATTACK...\n");
                return 2;
        }

        m.name = argv[1];
        r = greet(&m, CEP_MANAGEMENT, &m.management);
        if (r >= 0)
                r = greet(&m, CEP_DATA_TRANSFER, &m.data);
        if (r < 0) {
                (void) fprintf(stderr, "cannot be a neighbour of %s: %s\n", m.name, o7s_strerror(r));
                return 1;
        }

        (void) printf("neighbour of %" PRIu64 "\n", m.address);
        for (int i = 3; i < argc; i++) {
                r = attack(&m, argv[i], strtoul(argv[2], NULL, 10) * USEC_PER_SEC);
                if (r < 0)
                        return 1;
        }

        return 0;
}
