/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A whole member whose neighbour says whatever the input says, while an honest one has a flow with it.
 *
 * The input is a sequence of steps { what, choice, length, bytes }. A step is a packet, a link-state message, a
 * message of the allocator or the directory, a greeting, an order of the member's IRM, the end of a flow, or a while;
 * well formed where that leads further, with any field taken from the bytes: what is missing there is 0. "choice"
 * picks what a field means: whose address, whose endpoint id.
 *
 * In the end the honest flow delivers, its ends are who they were, no table is beyond its bound, and nobody got an
 * answer who was not owed one. Only who takes the place of an honest member, by its address, may be believed: then
 * there are no more than bounds to be checked.
 */

#include "basic/cursor.h"
#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/lsa.h"
#include "tests/support/unicast-net.h"

#define SLOTS 4U
#define FLOW 7U
#define FLOW_FUZZED 20U                 /* numbers of other flows, and 1000 more of those that come in */
#define NAME 'n'
#define HOSTILE 0x66U
#define WAIT_UNIT_USEC (20 * USEC_PER_MSEC)
#define LAST_WAIT_USEC (200 * USEC_PER_SEC)     /* links that were lied about time out, and are there again */

typedef struct Fuzz {
        Net net;
        NetMember *a, *b;
        uint64_t ids[SLOTS];            /* the hostile one's lower flows */
        uint64_t eid, peer_eid, peer_address;   /* of the honest flow, at its beginning */
        uint64_t last_eid;              /* of the last flow that was accepted */
        bool impostor;                  /* it took an honest member's address */
        unsigned n_decisions;           /* of the IRM, each worth one reply */
        unsigned n_replies;
        unsigned n_flows;
} Fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static LowerFlow *slot(const Fuzz *f, unsigned which) {
        LowerFlow *flow;

        list_for_each(flow, &f->a->unicast.lower_flows, by_unicast)
                if (flow->id == f->ids[which % SLOTS])
                        return flow;

        return NULL;
}

/* What a says to the hostile one. */
static bool watch(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Fuzz *f = container_of(net, Fuzz, net);
        size_t header = unicast_pci_bytes(&from->unicast);
        FlowMessage message;

        if (flow->shell || flow->purpose != LOWER_DATA || *size <= header)
                return true;
        if (flow_message_parse(data + header, *size - header, from->unicast.hash_size, &message) >= 0 &&
            message.code == FLOW_MESSAGE_REPLY)
                f->n_replies++;
        return true;
}

/* -- what a choice means -- */

static uint64_t address(const Fuzz *f, unsigned choice, Cursor *c) {
        const uint64_t addresses[] = { f->a->unicast.address, f->b->unicast.address, HOSTILE, 0, UINT32_MAX,
                                       UINT64_MAX };

        choice %= ELEMENTSOF(addresses) + 2;
        return choice < ELEMENTSOF(addresses) ? addresses[choice] : cursor_be32(c);
}

static uint64_t eid(const Fuzz *f, unsigned choice, Cursor *c) {
        const uint64_t eids[] = { EID_FLOW_ALLOCATOR, EID_DIRECTORY, EID_ECHO, EID_HELLO, 63, 64, UINT64_MAX, f->eid,
                                  f->last_eid };

        choice %= ELEMENTSOF(eids) + 1;
        return choice < ELEMENTSOF(eids) ? eids[choice] : cursor_be64(c);
}

/* -- what it says -- */

static void say(const Fuzz *f, unsigned which, const void *bytes, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        LowerFlow *flow = slot(f, which);

        if (!flow)
                return;
        if (packet_new(MAX(size, (size_t) 1), &packet) < 0)
                abort();
        if (size > 0)
                memcpy(packet_append(packet, size), bytes, size);
        unicast_lower_received(flow, &packet, 1, f->net.now);
}

static void say_packet(const Fuzz *f, unsigned which, const Pci *pci, const void *bytes, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        LowerFlow *flow = slot(f, which);

        if (!flow)
                return;
        if (packet_new(MAX(size, (size_t) 1), &packet) < 0)
                abort();
        if (size > 0)
                memcpy(packet_append(packet, size), bytes, size);
        if (pci_push(&f->a->unicast.format, packet, pci) >= 0)
                unicast_lower_received(flow, &packet, 1, f->net.now);
}

static void say_to(const Fuzz *f, uint64_t to_eid, const void *bytes, size_t size) {
        const Pci pci = { .destination = f->a->unicast.address, .ttl = 60, .eid = to_eid };

        for (unsigned which = 0; which < SLOTS; which++) {
                const LowerFlow *flow = slot(f, which);

                if (flow && flow->purpose == LOWER_DATA)
                        return say_packet(f, which, &pci, bytes, size);
        }
}

static void say_any_packet(const Fuzz *f, unsigned choice, Cursor *c) {
        Pci pci;

        pci.cube = cursor_u8(c);
        pci.ttl = cursor_u8(c);
        pci.ecn = cursor_u8(c);
        pci.destination = address(f, choice >> 2, c);
        pci.eid = eid(f, choice >> 4, c);
        say_packet(f, choice, &pci, c->p, c->left);
}

/* In either form, and whether it makes sense or not. */
static size_t write_link(const Lsa *lsa, uint8_t buffer[LSA_BYTES_MAX]) {
        Writer w = writer_to(buffer, LSA_BYTES_MAX);

        if (lsa->extended) {
                writer_bytes(&w, "o7LS\1", 5);
                writer_u8(&w, lsa->withdrawn);
                writer_be16(&w, (uint16_t) lsa->cost);
        }
        writer_be64(&w, lsa->to);
        writer_be64(&w, lsa->from);
        writer_be64(&w, lsa->sequence);
        return w.written;
}

static void say_link(const Fuzz *f, unsigned choice, Cursor *c) {
        Lsa lsa = { .extended = choice & 4, .withdrawn = choice & 8 };
        uint8_t bytes[LSA_BYTES_MAX];
        unsigned n = 1 + cursor_u8(c);

        lsa.from = address(f, choice >> 4, c);
        lsa.to = address(f, cursor_u8(c), c);
        lsa.sequence = cursor_be64(c);
        lsa.cost = cursor_be16(c);
        while (n-- > 0) {               /* a small storm */
                say(f, choice, bytes, write_link(&lsa, bytes));
                lsa.to += 7;
                lsa.sequence++;
        }
}

static void say_flow_message(const Fuzz *f, unsigned choice, Cursor *c) {
        static const FlowMessageCode codes[] = { FLOW_MESSAGE_REQUEST, FLOW_MESSAGE_REPLY, FLOW_MESSAGE_UPDATE,
                                                 FLOW_MESSAGE_CLOSE };
        uint8_t hash[HASH_BYTES_MAX], bytes[FLOW_MESSAGE_BYTES_MAX];
        FlowMessage message = {
                .code = codes[choice % 4],
                .hash = hash,
                .hash_size = f->a->unicast.hash_size,
        };
        ssize_t n;

        message.response = (int8_t) cursor_u8(c);
        message.level = cursor_be16(c);
        net_hash(choice & 8 ? cursor_u8(c) : NAME, hash);
        message.qos.delay_ms = cursor_u8(c);
        message.sender = address(f, cursor_u8(c), c);
        message.receiver_eid = eid(f, choice >> 4, c);
        message.sender_eid = eid(f, cursor_u8(c), c);
        cursor_copy(c, message.token, MIN(c->left, sizeof(message.token)));
        message.oap_size = c->left;
        message.oap = c->p;

        n = flow_message_pack(&message, bytes, sizeof(bytes));
        if (n > 0)
                say_to(f, EID_FLOW_ALLOCATOR, bytes, (size_t) n);
}

static void say_directory(const Fuzz *f, unsigned choice, Cursor *c) {
        uint8_t bytes[DIRECTORY_MESSAGE_BYTES_MAX];
        DhtMessage m = { .code = (DhtCode) (choice % _DHT_CODE_MAX) };
        ssize_t n;

        m.cookie = 1 + cursor_u8(c);
        m.value = address(f, cursor_u8(c), c);
        m.expires = cursor_be32(c);
        m.n_contacts = cursor_u8(c) % (DHT_MESSAGE_CONTACTS_MAX + 1);
        m.n_values = cursor_u8(c) % (DHT_MESSAGE_VALUES_MAX + 1);
        m.source.address = address(f, choice >> 4, c);
        memset(m.source.id, cursor_u8(c), f->a->unicast.hash_size);
        memset(m.key, choice & 8 ? cursor_u8(c) : NAME, f->a->unicast.hash_size);
        for (size_t i = 0; i < m.n_contacts; i++) {
                m.contacts[i].address = 1000 + cursor_u8(c);
                memset(m.contacts[i].id, (int) m.contacts[i].address, f->a->unicast.hash_size);
        }
        for (size_t i = 0; i < m.n_values; i++)
                m.values[i] = 1 + cursor_u8(c);

        n = dht_message_pack(&m, f->a->unicast.hash_size, bytes, sizeof(bytes));
        if (n > 0)
                say_to(f, EID_DIRECTORY, bytes, (size_t) n);
}

/* A new flow, and how it begins. */
static void greet(Fuzz *f, unsigned choice, Cursor *c) {
        const o7s_qos qos = cube_lower_qos((Cube) ((choice >> 2) % _CUBE_MAX));
        uint8_t wire[CEP_MESSAGE_BYTES_MAX];
        LowerFlow *flow = NULL;
        CepRecord record;
        uint64_t who = address(f, choice >> 4, c);
        ssize_t n;

        f->impostor = f->impostor || who == f->a->unicast.address || who == f->b->unicast.address;
        if (unicast_lower_accepted(&f->a->unicast, 0, &qos, 16 + 8 * (uint32_t) c->left, "fuzz", f->net.now, &flow) < 0)
                return;

        f->ids[choice % SLOTS] = flow->id;
        cep_record_init(&record, (CepComponent) (cursor_u8(c) % _CEP_COMPONENT_MAX), who, "");
        for (size_t i = 0; i < CEP_MEMBER_BYTES_MAX && c->left > 0; i++)
                record.member[i] = (char) (cursor_u8(c) & 0x7f);
        n = cep_message_pack(&record, wire, sizeof(wire));
        if (n > 0)
                say(f, choice, wire, (size_t) n);
}

static void enroll(const Fuzz *f, unsigned choice, Cursor *c) {
        EnrollmentRequest request = {};
        EnrollmentAck ack = {};
        uint8_t wire[ENROLLMENT_MESSAGE_BYTES_MAX];
        ssize_t n;

        cursor_copy(c, request.id, MIN(c->left, sizeof(request.id)));
        memcpy(ack.id, request.id, sizeof(ack.id));
        ack.result = (int8_t) cursor_u8(c);
        n = choice & 8 ? enrollment_ack_pack(&ack, wire, sizeof(wire))
                       : enrollment_request_pack(&request, wire, sizeof(wire));
        if (n > 0)
                say(f, choice, wire, (size_t) n);
}

/* -- what happens otherwise -- */

static void order(Fuzz *f, unsigned choice, Cursor *c) {
        Unicast *u = &f->a->unicast;
        uint8_t hash[HASH_BYTES_MAX], name = cursor_u8(c);
        uint64_t number = FLOW_FUZZED + cursor_u8(c) % 16;
        const LayerMessage refuse = { .type = LAYER_REFUSE, .reference = f->a->incoming,
                                      .result = (int8_t) cursor_u8(c) };
        UnicastFlow *flow = net_flow(f->a, choice & 16 ? number : number + 1000);

        net_hash(name, hash);
        switch (choice % 9) {
        case 0:
                (void) unicast_register(u, hash, u->hash_size, f->net.now);
                break;
        case 1:
                if (name != NAME)
                        unicast_unregister(u, hash, u->hash_size, f->net.now);
                break;
        case 2:
                unicast_query(u, 1, hash, u->hash_size, f->net.now);
                break;
        case 3:
                if (!net_flow(f->a, FLOW_FUZZED + f->n_flows % 16))
                        net_request(f->a, FLOW_FUZZED + f->n_flows++ % 16, name);
                break;
        case 4:
                f->n_decisions++;
                if (!net_flow(f->a, number + 1000) && net_accept(f->a, f->a->incoming, number + 1000) >= 0)
                        f->last_eid = net_flow(f->a, number + 1000)->eid;
                break;
        case 5:
                f->n_decisions++;
                unicast_refuse(u, &refuse, f->net.now);
                break;
        case 6:
                net_establish(f->a, number + (choice & 16 ? 0 : 1000));
                break;
        case 7:
                if (flow)
                        unicast_close(u, &flow->layer, f->net.now);
                break;
        default:
                net_write(f->a, FLOW, &name, 1);
        }
}

static void happen(Fuzz *f, unsigned choice, size_t length) {
        LowerFlow *flow = slot(f, choice);

        switch (choice >> 2 & 3) {
        case 0:
                if (flow)
                        unicast_lower_down(flow, "fuzz", f->net.now);
                break;
        case 1:
                unicast_lower_changed(&f->a->unicast, 0, choice & 16, f->net.now);
                break;
        case 2:
                if (flow && flow->state >= LOWER_GREETING)
                        unicast_lower_writable(flow, f->net.now);
                break;
        default:
                net_run(&f->net, (1 + length) * WAIT_UNIT_USEC);
        }
}

static void step(Fuzz *f, uint8_t what, uint8_t choice, const uint8_t *bytes, size_t length) {
        Cursor c = cursor_from(bytes, length);
        uint64_t to;

        switch (what % 10) {
        case 0:
                return say(f, choice, bytes, length);
        case 1:
                return say_any_packet(f, choice, &c);
        case 2:
                return say_link(f, choice, &c);
        case 3:
                return say_flow_message(f, choice, &c);
        case 4:
                return say_directory(f, choice, &c);
        case 5:
                return greet(f, choice, &c);
        case 6:
                return enroll(f, choice, &c);
        case 7:
                return order(f, choice, &c);
        case 8:
                to = eid(f, choice, &c);
                return say_to(f, to, c.p, c.left);
        default:
                return happen(f, choice, length);
        }
}

/* -- what must hold -- */

static void require(bool holds) {
        if (!holds)
                abort();
}

static void check_bounds(const Fuzz *f) {
        const Unicast *u = &f->a->unicast;

        require(u->n_lower_flows <= LOWER_FLOWS_MAX && u->n_greeting <= LOWER_FLOWS_GREETING_MAX);
        require(u->n_neighbours <= NEIGHBOURS_MAX && u->n_early <= EARLY_PACKETS_MAX);
        require(map_size(u->incoming_by_reference) <= UNICAST_INCOMING_MAX);
        require(map_size(u->incoming_by_reference) == map_size(u->incoming_by_peer));
        require(u->n_queries <= UNICAST_QUERIES_MAX);
        require(f->n_replies <= f->n_decisions);
        require(!u->is_member || routing_statistics(u->routing)->n_links <= ROUTING_LINKS_MAX + 1024);
}

static void check_honest_flow(Fuzz *f) {
        const UnicastFlow *flow = net_flow(f->a, FLOW + 1000);
        unsigned n_delivered = f->a->n_delivered;

        require(flow && flow->layer.state == LAYER_FLOW_ESTABLISHED);
        require(flow->eid == f->eid && flow->peer_eid == f->peer_eid && flow->peer_address == f->peer_address);

        net_write(f->b, FLOW, "honest", 6);
        net_run(&f->net, USEC_PER_SEC);
        require(f->a->n_delivered > n_delivered);
}

static void begin(Fuzz *f) {
        const UnicastFlow *flow;

        net_init(&f->net, 1);
        f->net.filter = watch;
        f->a = net_add(&f->net, true);
        f->b = net_add(&f->net, false);
        net_start(f->a);
        net_start(f->b);
        net_run(&f->net, 5 * USEC_PER_SEC);
        require(net_connect(f->b, f->a, FLOW, NAME));

        flow = net_flow(f->a, FLOW + 1000);
        f->eid = flow->eid;
        f->peer_eid = flow->peer_eid;
        f->peer_address = flow->peer_address;
        step(f, 5, 0x20, (const uint8_t[200]) { CEP_MANAGEMENT }, 1);
        step(f, 5, 0x21, (const uint8_t[200]) { CEP_DATA_TRANSFER }, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Fuzz *f = calloc(1, sizeof(*f));
        uint64_t own;

        if (!f)
                return 0;

        begin(f);
        own = f->a->unicast.address;
        while (c.left > 0) {
                uint8_t what = cursor_u8(&c), choice = cursor_u8(&c);
                size_t length = MIN((size_t) cursor_u8(&c), c.left);

                step(f, what, choice, cursor_bytes(&c, length), length);
                check_bounds(f);
        }

        unicast_lower_changed(&f->a->unicast, 0, true, f->net.now);
        net_run(&f->net, LAST_WAIT_USEC);
        check_bounds(f);
        require(f->a->unicast.n_early == 0 && map_size(f->a->unicast.incoming_by_reference) == 0);
        if (!f->impostor && f->a->unicast.address == own)
                check_honest_flow(f);

        net_done(&f->net);
        free(f);
        return 0;
}
