/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What rtnetlink says of interfaces, and what is made of it: messages as the kernel sends them, built by hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "services/ipcp-eth/link.h"

typedef struct Message {
        struct nlmsghdr header;
        struct ifinfomsg link;
        uint8_t attributes[256];
} Message;

static void add(Message *m, uint16_t type, const void *data, size_t size) {
        struct rtattr *a = (void *) ((uint8_t *) m + NLMSG_ALIGN(m->header.nlmsg_len));

        a->rta_type = type;
        a->rta_len = (uint16_t) RTA_LENGTH(size);
        memcpy(RTA_DATA(a), data, size);
        m->header.nlmsg_len = (uint32_t) (NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static Message link_message(uint16_t type, int index, const char *name, unsigned flags, uint8_t address, uint32_t mtu) {
        const uint8_t bytes[6] = { 2, 0, 0, 0, 0, address };
        Message m = {
                .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = type },
                .link = { .ifi_index = index, .ifi_type = ARPHRD_ETHER, .ifi_flags = flags },
        };

        add(&m, IFLA_IFNAME, name, strlen(name) + 1);
        add(&m, IFLA_MTU, &mtu, sizeof(mtu));
        add(&m, IFLA_ADDRESS, bytes, sizeof(bytes));
        return m;
}

#define UP (IFF_UP | IFF_RUNNING)

/* One story, step by step. */
static const struct {
        const char *name;
        uint16_t type;
        int index;
        const char *interface;
        unsigned flags;
        uint8_t address;
        uint32_t mtu;
        int r;
        LinkProblem problem;
        const char *text;
} steps[] = {
        { "another appears",  RTM_NEWLINK, 2, "eth0", UP,     9, 1500, 0, LINK_MISSING,
          "waiting for interface eth7: no such interface" },
        { "ours, down",       RTM_NEWLINK, 3, "eth7", 0,      1, 1500, 1, LINK_DOWN,
          "waiting for interface eth7: it is down" },
        { "up, no carrier",   RTM_NEWLINK, 3, "eth7", IFF_UP, 1, 1500, 1, LINK_NO_CARRIER,
          "waiting for interface eth7: it has no carrier" },
        { "carrier",          RTM_NEWLINK, 3, "eth7", UP,     1, 1500, 1, LINK_GOOD,       NULL },
        { "no news",          RTM_NEWLINK, 3, "eth7", UP,     1, 1500, 0, LINK_GOOD,       NULL },
        { "smaller MTU",      RTM_NEWLINK, 3, "eth7", UP,     1, 1400, 1, LINK_GOOD,       NULL },
        { "another address",  RTM_NEWLINK, 3, "eth7", UP,     5, 1400, 1, LINK_GOOD,       NULL },
        { "another goes",     RTM_DELLINK, 2, "eth0", 0,      9, 1500, 0, LINK_GOOD,       NULL },
        { "renamed",          RTM_NEWLINK, 3, "wan0", UP,     5, 1400, 2, LINK_RENAMED,
          "waiting for interface eth7: it was renamed to wan0" },
        { "its heir",         RTM_NEWLINK, 4, "eth7", UP,     6, 1500, 1, LINK_GOOD,       NULL },
        { "the first dies",   RTM_DELLINK, 3, "wan0", 0,      5, 1400, 0, LINK_GOOD,       NULL },
        { "the heir dies",    RTM_DELLINK, 4, "eth7", 0,      6, 1500, 2, LINK_MISSING,
          "waiting for interface eth7: no such interface" },
        { "back",             RTM_NEWLINK, 5, "eth7", UP,     6, 1500, 1, LINK_GOOD,       NULL },
};

static void test_story(void **state) {
        LinkInfo info = {};

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                Message m = link_message(steps[i].type, steps[i].index, steps[i].interface, steps[i].flags,
                                         steps[i].address, steps[i].mtu);
                _cleanup_free_ char *text = NULL;

                print_message("%s\n", steps[i].name);
                assert_int_equal(link_parse(&m, m.header.nlmsg_len, "eth7", &info), steps[i].r);
                assert_int_equal(link_problem(&info), steps[i].problem);
                assert_int_equal(link_describe_problem(&info, "eth7", &text), 0);
                if (steps[i].text)
                        assert_string_equal(text, steps[i].text);
                else
                        assert_null(text);
                if (steps[i].r == 1) {
                        assert_int_equal(info.mtu, steps[i].mtu);
                        assert_int_equal(info.address.bytes[5], steps[i].address);
                        assert_int_equal(info.ifindex, steps[i].index);
                }
        }
}

static void test_kinds(void **state) {
        LinkInfo info = {};
        Message m;

        /* A tunnel has no hardware address. */
        m = link_message(RTM_NEWLINK, 3, "tun0", UP, 1, 1500);
        m.link.ifi_type = ARPHRD_NONE;
        assert_int_equal(link_parse(&m, m.header.nlmsg_len, "tun0", &info), 1);
        assert_int_equal(link_problem(&info), LINK_NOT_ETHERNET);

        /* The reference implementation uses 9 000 on loopback devices. */
        info = (LinkInfo) {};
        m = link_message(RTM_NEWLINK, 1, "lo", UP, 0, 65536);
        m.link.ifi_type = ARPHRD_LOOPBACK;
        assert_int_equal(link_parse(&m, m.header.nlmsg_len, "lo", &info), 1);
        assert_int_equal(info.mtu, FRAME_LOOPBACK_MTU);

        /* What a bridge says of its port is not about the port itself. */
        info = (LinkInfo) {};
        m = link_message(RTM_NEWLINK, 3, "eth7", UP, 1, 1500);
        m.link.ifi_family = AF_BRIDGE;
        assert_int_equal(link_parse(&m, m.header.nlmsg_len, "eth7", &info), 0);
        assert_int_equal(info.ifindex, 0);
}

/* Cut anywhere: never read beyond, never half believed. */
static void test_truncated(void **state) {
        Message m = link_message(RTM_NEWLINK, 3, "eth7", UP, 1, 1500);

        for (uint32_t size = 0; size < m.header.nlmsg_len; size++) {
                _cleanup_free_ uint8_t *exact = malloc(MAX(size, 1U));
                LinkInfo info = {};

                assert_non_null(exact);
                memcpy(exact, &m, size);
                assert_int_equal(link_parse(exact, size, "eth7", &info), -EBADMSG);
                assert_int_equal(info.ifindex, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_story),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_truncated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
