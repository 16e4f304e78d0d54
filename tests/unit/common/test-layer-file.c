/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/common/file-check.h"
#include "services/common/layer-file.h"

/* text: what the messages must hold, all of it, each in one message; place: "line:column" of the first of them, or
 * NULL. */
static const struct {
        const char *name;
        const char *text;
        int r;
        const char *place;
        const char *says[3];
} cases[] = {
        { "least", "[Layer]\nType=eth\n[Ethernet]\nInterface=eth0\n", 0, NULL, { NULL } },
        { "no type", "[Layer]\nDescription=x\n", -EBADMSG, NULL, { "type of the layer is missing", "Type=eth" } },
        { "unknown type", "[Layer]\nType=ether\n", -EBADMSG, "2:6", { "'ether' is not a type" } },
        { "type local", "[Layer]\nType=local\n", -EBADMSG, "2:6", { "on their own host without" } },
        { "no interface", "[Layer]\nType=eth\n", -EBADMSG, NULL, { "Interface=" } },
        { "interface name", "[Layer]\nType=eth\n[Ethernet]\nInterface=a/b\n", -EBADMSG, "4:11",
          { "'a/b'", "ip link" } },
        { "interface name too long", "[Layer]\nType=eth\n[Ethernet]\nInterface=abcdefghijklmnop\n", -EBADMSG, "4:11",
          { "ip link" } },
        { "unknown section", "[Layer]\nType=eth\n[Ethernt]\nInterface=a\n", -EBADMSG, "3:1", { "[Ethernet]" } },
        { "unknown key warns", "[Layer]\nType=eth\nDescripton=x\n[Ethernet]\nInterface=a\n", 0, "3:1",
          { "Description" } },
        { "over an Ethernet layer", "[Layer]\nType=eth\nOver=lan\n[Ethernet]\nInterface=a\n", -EBADMSG, "3:6",
          { "remove Over=" } },
        { "over itself", "[Layer]\nType=unicast\nOver=test\n", -EBADMSG, "3:6", { "over itself" } },
        { "bad lower layer", "[Layer]\nType=unicast\nOver=../x\n", -EBADMSG, "3:6", { "'../x'", "1 to 63" } },
        { "unicast is a good file", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n", 0, NULL,
          { NULL } },
        { "two neighbours", "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nName=a\n[Neighbour]\nName=b\n", 0, NULL,
          { NULL } },
        { "member name", "[Layer]\nType=unicast\nOver=lan\nMember=a/b\n", -EBADMSG, "4:8",
          { "'a/b'", "200 bytes" } },
        { "bootstrap is yes or no", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=auto\n", -EBADMSG, "5:11",
          { "auto" } },
        { "address size", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\nAddressSize=3\n", -EBADMSG,
          "6:13",
          { "from 4 to 8" } },
        { "endpoint id size", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\nEidSize=4\n", -EBADMSG,
          "6:9",
          { "from 8 to 8" } },
        { "TTL", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\nMaxTTL=256\n", -EBADMSG, "6:8",
          { "from 1 to 255" } },
        { "address authority", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\nAddressAuthority=tree\n",
          -EBADMSG, "6:18",
          { "flat-random" } },
        { "identity of a layer", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\nLayerId=x\n", -EBADMSG,
          "6:1",
          { "remove the line" } },
        { "decided by others", "[Layer]\nType=unicast\nOver=lan\n[Routing]\nPolicy=lfa\n", 0, "5:1",
          { "Bootstrap=yes" } },
        { "enrolling with bootstrap", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Enroll]\nVia=a\n",
          0, "7:1",
          { "enrolls nowhere" } },
        { "retry", "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nRetrySec=1min…1s\n", -EBADMSG, "5:10",
          { "1s…1min" } },
        { "retry, too short", "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nRetrySec=1us\n", -EBADMSG, "5:10",
          { "10ms" } },
        { "time-out", "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nTimeoutSec=soon\n", -EBADMSG, "5:12",
          { "time span" } },
        { "join key", "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nJoinKey=x\n", -EBADMSG, "5:1",
          { "remove the line" } },
        { "neighbour without name", "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nCost=2\n", -EBADMSG, "5:1",
          { "add Name=" } },
        { "neighbour over a strange layer",
          "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nName=a\n[Neighbour]\nName=b\nOver=wan\n", -EBADMSG, "8:6",
          { "'wan'", "Over= of [Layer]" } },
        { "component", "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nName=a\nComponents=mgmt data\n", -EBADMSG, "6:12",
          { "'data'", "mgmt, dt or both" } },
        { "quality to a neighbour", "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nName=a\nQoS=voice\n", -EBADMSG,
          "6:5",
          { "QoS=auto" } },
        { "cost", "[Layer]\nType=unicast\nOver=lan\n[Neighbour]\nName=a\nCost=0\n", -EBADMSG, "6:6",
          { "1 to 65535" } },
        { "routing policy", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Routing]\nPolicy=rip\n",
          -EBADMSG, "7:8",
          { "ecmp" } },
        { "not whole seconds", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Routing]\n"
                               "UpdateSec=1500ms\n", -EBADMSG, "7:11",
          { "whole seconds" } },
        { "links that time out at once", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Routing]\n"
                                         "UpdateSec=60\n", -EBADMSG, NULL,
          { "TimeoutSec= (60 s)" } },
        { "directory policy", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Directory]\nPolicy=file\n",
          -EBADMSG, "7:8",
          { "Policy=dht" } },
        { "replication", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Directory]\nReplication=21\n",
          -EBADMSG, "7:13",
          { "from 1 to 20" } },
        { "expiry", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Directory]\nExpireSec=2d\n",
          -EBADMSG, "7:11",
          { "whole seconds" } },
        { "congestion policy", "[Layer]\nType=unicast\nOver=lan\n[Bootstrap]\nBootstrap=yes\n[Congestion]\n"
                               "Policy=red\n", -EBADMSG, "7:8",
          { "mb-ecn" } },
        { "udp is a good file", "[Layer]\nType=udp\n[Udp]\nPort=3435\n", 0, NULL, { NULL } },
        { "no effect", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Udp]\nPort=1\n", 0, "6:1", { "no effect" } },
        { "EtherType", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\nEtherType=0x0100\n", -EBADMSG, "5:11",
          { "0x0600" } },
        { "EtherType with LLC", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\nFraming=llc\nEtherType=0xA000\n", 0,
          "6:11", { "no effect" } },
        { "framing", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\nFraming=raw\n", -EBADMSG, "5:9", { "raw" } },
        { "hash that is none of a directory", "[Layer]\nType=eth\nHash=md5\n[Ethernet]\nInterface=a\n", -EBADMSG, "3:6",
          { "md5" } },
        { "packet size", "[Layer]\nType=eth\nMaxPacketSize=10\n[Ethernet]\nInterface=a\n", -EBADMSG, "3:15",
          { "auto" } },
        { "log level", "[Layer]\nType=eth\nLogLevel=loud\n[Ethernet]\nInterface=a\n", -EBADMSG, "3:10",
          { "'loud'", "debug" } },
        { "registered name", "[Layer]\nType=eth\nRegister=a/b\n[Ethernet]\nInterface=a\n", -EBADMSG, "3:10",
          { "'a/b'", "200 bytes" } },
        { "encryption is not weakened", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Security]\nEncryption=required\n",
          -EBADMSG, "6:12",
          { "layers below", "[Server] and [Client]" } },
        { "authentication is not weakened",
          "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Security]\nAuthentication=mutual\n", -EBADMSG, "6:16",
          { "layers below", "[Server] and [Client]" } },
        { "unknown policy", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Security]\nPeer=friends\n", -EBADMSG, "6:6",
          { "Peer=friends", "\"any\" or \"o7s\"" } },
        { "certificate", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Security]\nCertificate=x\n", -EBADMSG, "6:13",
          { "Certificate=x" } },
        { "admission", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Access]\nDenyNeighbour=x\n", -EBADMSG, "6:1",
          { "remove the line" } },
        { "an emptied key", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n[Security]\nCertificate=/x\nCertificate=\n", 0,
          NULL, { NULL } },
        { "description with a control character", "[Layer]\nType=eth\nDescription=a\033b\n[Ethernet]\nInterface=a\n",
          -EBADMSG, NULL,
          { NULL } },
        { "Xdp", "[Layer]\nType=eth\n[Ethernet]\nInterface=a\nXdp=yes\n", -EBADMSG, "5:5", { "Xdp=auto" } },
};

static bool says(const ConfFile *conf, const char *text, const char *place) {
        const ConfMessage *messages;
        size_t n;

        messages = conf_messages(conf, &n);
        for (size_t i = 0; i < n; i++) {
                char at[32];

                (void) snprintf(at, sizeof(at), "%u:%u", messages[i].place.line, messages[i].place.column);
                if (strstr(messages[i].text, text) && (!place || streq(at, place)))
                        return true;
        }

        conf_print_messages(conf, stderr);
        return false;
}

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(layer_file_freep) LayerFile *file = NULL;

                print_message("%s\n", cases[i].name);
                assert_int_equal(
                        layer_file_parse("test", "/x/test.layer", cases[i].text, strlen(cases[i].text), &file),
                        cases[i].r);
                assert_non_null(file);
                for (size_t k = 0; k < ELEMENTSOF(cases[i].says) && cases[i].says[k]; k++)
                        assert_true(says(file->conf, cases[i].says[k], cases[i].place));
        }
}

static const char full[] =
        "[Layer]\n"
        "Type=eth\n"
        "Description=The lab\n"
        "Hash=sha3-512\n"
        "MaxPacketSize=1400\n"
        "Register=a b\n"
        "Register=c\n"
        "LogLevel=debug\n"
        "[Ethernet]\n"
        "Interface=enp3s0\n"
        "Framing=llc\n"
        "[Security]\n"
        "Encryption=no\n"
        "Peer=o7s\n";

static void test_values(void **state) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;

        assert_int_equal(layer_file_parse("lan", "lan.layer", full, strlen(full), &file), 0);
        assert_string_equal(file->name, "lan");
        assert_int_equal(file->kind, LAYER_KIND_ETH);
        assert_string_equal(file->description, "The lab");
        assert_int_equal(file->hash, HASH_SHA3_512);
        assert_int_equal(file->max_packet_size, 1400);
        assert_int_equal(file->register_names.n, 3);
        assert_string_equal(file->register_names.items[2], "c");
        assert_string_equal(file->log_level, "debug");
        assert_string_equal(file->interface, "enp3s0");
        assert_int_equal(file->framing, FRAMING_LLC);
        assert_int_equal(file->ethertype, LAYER_ETHERTYPE_DEFAULT);
        assert_int_equal(file->security.authentication, AUTHENTICATION_DEFAULT);
        assert_int_equal(file->security.encryption, ENCRYPTION_NO);
        assert_int_equal(file->security.peer, PEER_O7S);
}

static const char member_text[] =
        "[Layer]\nType=unicast\nOver=lan wan\nMember=beta\nHash=sha3-512\n"
        "[Bootstrap]\nBootstrap=yes\nAddressSize=8\nMaxTTL=30\n"
        "[Neighbour]\nName=home.alpha\nOver=wan\nComponents=mgmt\nCost=7\n"
        "[Neighbour]\nName=other\n"
        "[Routing]\nPolicy=ecmp\nRecalculateSec=0\nUpdateSec=2\nTimeoutSec=1min\n"
        "[Directory]\nReplication=20\nParallelism=1\nExpireSec=1h\nRefreshSec=10min\n"
        "[Congestion]\nPolicy=none\n";

/* Everything that the file says arrives, and it is a layer that its other members can be in. */
static void test_member(void **state) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        const char *problem = NULL;
        const LayerMember *m;

        assert_int_equal(layer_file_parse("home", "/x/home.layer", member_text, sizeof(member_text) - 1, &file), 0);
        m = &file->member;
        assert_string_equal(m->name, "beta");
        assert_true(m->bootstrap);
        assert_string_equal(m->initial.layer, "home");
        assert_int_equal(m->initial.hash, HASH_SHA3_512);
        assert_int_equal(m->initial.address_bytes, 8);
        assert_int_equal(m->initial.ttl_max, 30);
        assert_int_equal(m->initial.forwarding, 2);
        assert_int_equal(m->initial.congestion, 0);
        assert_int_equal(m->initial.recalculate_sec, 0);
        assert_int_equal(m->initial.update_sec, 2);
        assert_int_equal(m->initial.timeout_sec, 60);
        assert_int_equal(m->initial.k, 20);
        assert_int_equal(m->initial.alpha, 1);
        assert_int_equal(m->initial.expire_sec, 3600);
        assert_int_equal(m->initial.refresh_sec, 600);
        assert_int_equal(m->initial.replicate_sec, 600);
        assert_int_equal(layer_config_check(&m->initial, &problem), 0);

        assert_int_equal(m->n_neighbours, 2);
        assert_string_equal(m->neighbours[0].name, "home.alpha");
        assert_string_equal(m->neighbours[0].over, "wan");
        assert_true(m->neighbours[0].management);
        assert_false(m->neighbours[0].data);
        assert_int_equal(m->neighbours[0].cost, 7);
        assert_string_equal(m->neighbours[1].name, "other");
        assert_string_equal(m->neighbours[1].over, "");
        assert_true(m->neighbours[1].management && m->neighbours[1].data);
        assert_int_equal(m->neighbours[1].cost, 0);
}

static const struct {
        const char *name;
        const char *text;
        usec_t min, max, give_up;
        size_t n_via;
} enroll_cases[] = {
        { "nothing", "", 0, 0, USEC_INFINITY, 0 },
        { "one pause", "[Enroll]\nRetrySec=5s\n", 5 * USEC_PER_SEC, 5 * USEC_PER_SEC, USEC_INFINITY, 0 },
        { "from and to", "[Enroll]\nRetrySec=500ms…1min\n", 500 * USEC_PER_MSEC, 60 * USEC_PER_SEC, USEC_INFINITY, 0 },
        { "two dots", "[Enroll]\nRetrySec=1..30\n", USEC_PER_SEC, 30 * USEC_PER_SEC, USEC_INFINITY, 0 },
        { "an end", "[Enroll]\nVia=a b\nVia=c\nTimeoutSec=2min\n", 0, 0, 120 * USEC_PER_SEC, 3 },
        { "no end", "[Enroll]\nTimeoutSec=infinity\n", 0, 0, USEC_INFINITY, 0 },
        { "emptied", "[Enroll]\nRetrySec=5s\nRetrySec=\n", 0, 0, USEC_INFINITY, 0 },
};

static void test_enroll(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(enroll_cases); i++) {
                _cleanup_(layer_file_freep) LayerFile *file = NULL;
                char text[256];

                print_message("%s\n", enroll_cases[i].name);
                (void) snprintf(text, sizeof(text), "[Layer]\nType=unicast\nOver=lan\n%s", enroll_cases[i].text);
                assert_int_equal(layer_file_parse("home", "/x/home.layer", text, strlen(text), &file), 0);
                assert_true(file->member.retry_min_usec == enroll_cases[i].min);
                assert_true(file->member.retry_max_usec == enroll_cases[i].max);
                assert_true(file->member.give_up_usec == enroll_cases[i].give_up);
                assert_int_equal(file->member.via.n, enroll_cases[i].n_via);
        }
}

static void test_too_many_neighbours(void **state) {
        static char text[16 * (LAYER_FILE_NEIGHBOURS_MAX + 8) * 2] = "[Layer]\nType=unicast\nOver=lan\n";
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        size_t n = strlen(text);

        for (unsigned i = 0; i <= LAYER_FILE_NEIGHBOURS_MAX; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "[Neighbour]\nName=%u\n", i);

        assert_int_equal(layer_file_parse("home", "/x/home.layer", text, n, &file), -EBADMSG);
        assert_true(says(file->conf, "more than 256 sections", NULL));
}

static void test_member_name(void **state) {
        char long_name[64];
        LayerMember member = {};
        _cleanup_free_ char *made = NULL, *given = NULL;

        memset(long_name, 'a', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';

        assert_int_equal(layer_member_name(&member, "home", "beta", &made), 0);
        assert_string_equal(made, "home.beta");
        assert_int_equal(layer_member_name(&member, long_name, "b/a", &given), -ENAMETOOLONG);

        member.name = (char[]) { "west" };
        assert_int_equal(layer_member_name(&member, "home", "beta", &given), 0);
        assert_string_equal(given, "west");
}

static void test_names(void **state) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;

        assert_int_equal(layer_file_parse("a/b", "x", "", 0, &file), -EINVAL);
        assert_int_equal(layer_file_parse(".a", "x", "", 0, &file), -EINVAL);
        assert_int_equal(layer_file_load("", "../passwd", &file), -EINVAL);
        assert_null(file);
}

static void write_text(const char *root, const char *path, const char *text) {
        char full_path[256];
        FILE *f;

        (void) snprintf(full_path, sizeof(full_path), "%s%s", root, path);
        for (char *slash = strchr(full_path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void) mkdir(full_path, 0755);
                *slash = '/';
        }
        f = fopen(full_path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void test_load(void **state) {
        char root[] = "/tmp/o7s-test-XXXXXX", command[64];
        LayerFile *file = NULL;
        _cleanup_free_ char *text = NULL;

        assert_non_null(mkdtemp(root));
        assert_int_equal(layer_file_load(root, "lan", &file), -ENOENT);

        /* Roots hide each other, drop-ins of all of them add up. */
        write_text(root, "/usr/lib/o7s/layers/lan.layer", "[Layer]\nType=udp\n");
        write_text(root, "/etc/o7s/layers/lan.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=eth0\n");
        write_text(root, "/run/o7s/layers/lan.layer.d/10-name.conf", "[Layer]\nRegister=web\n");
        write_text(root, "/etc/o7s/layers/lan.layer.d/20-if.conf", "[Ethernet]\nInterface=eth1\n");

        assert_int_equal(layer_file_load(root, "lan", &file), 0);
        assert_int_equal(file->kind, LAYER_KIND_ETH);
        assert_string_equal(file->interface, "eth1");
        assert_int_equal(file->register_names.n, 1);
        file = layer_file_free(file);

        write_text(root, "/etc/o7s/layers/lan.layer.d/30-bad.conf", "[Ethernet]\nEtherType=x\n");
        assert_int_equal(layer_file_load(root, "lan", &file), -EBADMSG);
        assert_int_equal(check_message_text(check_first_error(file->conf), &text), 0);
        assert_non_null(strstr(text, "/etc/o7s/layers/lan.layer.d/30-bad.conf:2:11: "));
        file = layer_file_free(file);

        (void) snprintf(command, sizeof(command), "rm -r %s", root);
        assert_int_equal(system(command), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_member),
                cmocka_unit_test(test_enroll),
                cmocka_unit_test(test_too_many_neighbours),
                cmocka_unit_test(test_member_name),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_load),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
