/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lookups of names in a layer of 1000 members, all in this process and in virtual time: what a lookup costs, all
 * members' work together, against packing and parsing one answer with eight contacts, which is the least that a hop
 * can cost. And what does not depend on the machine: rounds and messages of a lookup and contacts of a member,
 * against the logarithm (with k 8, as many spares, alpha 3). Messages are all that were sent meanwhile, upkeep
 * included.
 */

#include <math.h>
#include <stdio.h>

#include "services/ipcp-unicast/dht-message.h"
#include "tests/bench/bench.h"
#include "tests/support/directory-net.h"

#define MEMBERS 1000U
#define LOOKUPS 500U
#define MESSAGES 5000U

static double lookups(void *context) {
        Net *net = context;
        double begin = bench_nsec();

        for (unsigned i = 0; i < LOOKUPS; i++) {
                unsigned name = (unsigned) (net_random(net) % MEMBERS), from = (unsigned) (net_random(net) % MEMBERS);
                const NetResult *result;

                if (from == name)
                        continue;
                result = net_lookup(&net->nodes[from], name);
                if (result->error < 0 || result->addresses[0] != name + 1)
                        return -1;
        }

        return LOOKUPS / (bench_nsec() - begin) * 1e9;
}

static double messages(void *context) {
        DhtMessage m = { .code = DHT_FIND_VALUE_RESPONSE, .source = { .address = 1 }, .cookie = 1, .n_contacts = 8 },
        parsed;
        double begin = bench_nsec();

        for (unsigned i = 0; i < m.n_contacts; i++)
                m.contacts[i].address = 0xC0000000U + i;

        for (unsigned i = 0; i < MESSAGES; i++) {
                uint8_t bytes[DHT_MESSAGE_SEND_BYTES_MAX];
                ssize_t size = dht_message_pack(&m, NET_ID_SIZE, bytes, sizeof(bytes));

                if (size < 0 || dht_message_parse(bytes, (size_t) size, NET_ID_SIZE, &parsed) < 0)
                        return -1;
        }

        return MESSAGES / (bench_nsec() - begin) * 1e9;
}

static void totals(Net *net, DirectoryStatistics *ret) {
        *ret = (DirectoryStatistics) {};
        for (size_t i = 0; i < net->n_nodes; i++) {
                const DirectoryStatistics *s = directory_statistics(net->nodes[i].directory);

                ret->lookups += s->lookups;
                ret->lookup_rounds += s->lookup_rounds;
                ret->n_contacts += s->n_contacts;
        }
}

int main(void) {
        _cleanup_(net_freep) Net *net = net_new(MEMBERS, 1);
        DirectoryStatistics s;
        uint64_t n_packets;

        bench_pin(BENCH_CPU_LEFT);
        for (unsigned i = 0; i < MEMBERS; i++) {
                net_register(net_add(net, i > 0 ? &net->nodes[net_random(net) % i] : NULL), i);
                net_run(net, 20 * USEC_PER_MSEC);
        }
        net_run(net, 60 * USEC_PER_SEC);

        n_packets = net->n_packets;
        bench_figure(&(BenchFigure) {
                .name = "directory.lookups.1000",
                .unit = "per-s",
                .baseline_name = "messages-packed-and-parsed",
                .subject = lookups,
                .baseline = messages,
                .context = net,
        });
        totals(net, &s);
        bench_limit("directory.rounds.1000", (double) s.lookup_rounds / (double) s.lookups, "rounds", log2(MEMBERS));
        bench_limit("directory.contacts.1000", (double) s.n_contacts / MEMBERS, "contacts", 2 * 8 * log2(MEMBERS));
        bench_limit("directory.messages.1000", (double) (net->n_packets - n_packets) / (double) s.lookups,
                    "messages-per-lookup", 2 * 3 * log2(MEMBERS));
        return EXIT_SUCCESS;
}
