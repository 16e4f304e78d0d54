/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole command lines against a private bus with a fixed o7s-irm: what is printed, where, and the exit status.
 * Each runs in a child of its own, through the same function that main() calls.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "basic/string.h"
#include "o7sctl/verb.h"
#include "tests/unit/o7sctl/fake-irm.h"
#include "tests/unit/o7sctl/run.h"

typedef struct Case {
        const char *name;
        const char *line;
        int status;
        const char *out[4];     /* all of these are in the output ... */
        const char *err[3];     /* ... and these in the complaints; none: there must be no complaint */
} Case;

static const Case cases[] = {
        { "status shows the whole", "o7sctl", EXIT_FINE, { "o7s 9.9", "Layers: 2", "lab", "no carrier on eth1" }, {} },
        { "status counts what is protected", "o7sctl status", EXIT_FINE,
          { "Protected: 1 encrypted with a proven peer, 0 encrypted, 1 against alteration only, 1 plain\n" }, {} },
        { "layer", "o7sctl status lan", EXIT_FINE,
          { "v 2.1 MiB in 1500 frames", "Drops: frames queue-full 10, flows malformed 2",
            "eth0, 02:00:00:00:ab:01, dix 0xa000" }, {} },
        { "name", "o7sctl status web.example", EXIT_FINE, { "unit web.service", "start the program",
                                                            "Server: Encryption=required, "
                                                            "AllowPeer=o7s:name:office.*\n" }, {} },
        { "neither layer nor name", "o7sctl status nobody", EXIT_FAILED, {},
          { "neither a layer nor a name 'nobody'" } },
        { "layers", "o7sctl layers", EXIT_FINE, { "LAYER", "o7s-ipcp@lan.service", "4 layers.",
          "lab is degraded: no carrier" }, {} },
        { "layers without legend", "o7sctl --no-legend layers", EXIT_FINE, { "lan" }, {} },
        { "names", "o7sctl names", EXIT_FINE, { "web.example", "unit web.service", "1 name." }, {} },
        { "flows come in pages", "o7sctl flows", EXIT_FINE, { "1152921504606846976", "v beta", "264 KiB", "3 flows." },
          {} },
        { "flows say who is there", "o7sctl flows", EXIT_FINE,
          { "v beta yes      aes-128-gcm established", "v beta no       none        pending", "v beta no       mac " },
          {} },
        { "flow", "o7sctl flow 1", EXIT_FINE,
          { "1 - web.example\n", "Peer: o7s:name:alice, proven\n", "Protected: aes-128-gcm, keys agreed by X25519\n",
            "Acceptor: root, pid 42\n" }, {} },
        { "flow that is not there", "o7sctl flow 7", EXIT_FAILED, {},
          { "Cannot show flow 7: There is no such flow.\n" } },
        { "flow by name", "o7sctl flow web.example", EXIT_USAGE, {}, { "no number of a flow" } },
        { "flows are filtered there", "o7sctl flows --name=other", EXIT_FINE, { "0 flows." }, {} },
        { "up", "o7sctl up lan", EXIT_FINE, { "starting: waiting for the unit", "online" }, {} },
        { "up, and something is missing", "o7sctl up lab", EXIT_FINE, { "degraded: no carrier on eth1" }, {} },
        { "up fails", "o7sctl up broken", EXIT_CONFIG, { "failed" },
          { "Layer 'broken' failed: broken.layer:3:1", "journalctl -u o7s-ipcp@broken" } },
        { "up takes too long", "o7sctl --timeout=300ms up slow", EXIT_TIMEOUT, {}, { "still starting, and goes on" } },
        { "up without waiting", "o7sctl --no-block up slow", EXIT_FINE, {}, {} },
        { "up of no layer", "o7sctl up nothing", EXIT_FAILED, {},
          { "Cannot start layer 'nothing': There is no layer of this name.", "o7sctl new NAME" } },
        { "not allowed", "o7sctl up denied", EXIT_DENIED, {}, { "Interactive authentication required", "sudo" } },
        { "first failure decides, the rest is done", "o7sctl up nothing lan", EXIT_FAILED, { "online" },
          { "'nothing'" } },
        { "down", "o7sctl down lan", EXIT_FINE, { "stopped" }, {} },
        { "quiet", "o7sctl -q down lan", EXIT_FINE, {}, {} },
        { "explain a name", "o7sctl explain NoSuchLayer", EXIT_FINE, { "There is no layer", "See o7sctl layers" }, {} },
        { "explain nothing", "o7sctl explain Nonsense", EXIT_FAILED, {}, { "Cannot explain 'Nonsense'" } },
        { "new needs a kind", "o7sctl new wan", EXIT_USAGE, {}, { "--eth=INTERFACE" } },
        { "new checks as the daemons do", "o7sctl new wan --eth=eth0 --framing=token-ring", EXIT_CONFIG, {},
          { "token-ring", "Cannot make layer 'wan'" } },
        { "new", "o7sctl new wan --eth=eth0 --framing=llc", EXIT_FINE, { "o7sctl up wan" }, {} },
        { "layer with a bad name", "o7sctl new a/b --eth=eth0", EXIT_USAGE, {}, { "'a/b' cannot be" } },
        { "new over others", "o7sctl new home --over=lan --over=wan --bootstrap", EXIT_FINE, { "o7sctl up home" }, {} },
        { "new on and over", "o7sctl new home --over=lan --eth=eth0", EXIT_USAGE, {}, { "not both" } },
        { "Ethernet has no first member", "o7sctl new lan2 --eth=eth0 --bootstrap", EXIT_USAGE, {},
          { "no first member" } },
        { "join needs a layer below", "o7sctl join home", EXIT_USAGE, {}, { "o7sctl join home --over=LAYER" } },
        { "join needs a good name below", "o7sctl join home --over=a/b", EXIT_USAGE, {},
          { "'a/b' is no value for --over" } },
        { "join via nobody", "o7sctl join home --over=lan --via=", EXIT_USAGE, {}, { "'' is no value for --via" } },
        { "unicast layer", "o7sctl status home", EXIT_FINE,
          { "Address: 4711", "lfa, congestion avoidance mb-ecn", "2, see: o7sctl neighbours home", "Over: lan, lab" },
          {} },
        { "unicast layer, which", "o7sctl status home", EXIT_FINE, { "Id: a00102030405060708090a0b0c0d0ef5\n" }, {} },
        { "tree", "o7sctl tree", EXIT_FINE,
          { "home  unicast online            2     1", "|-lan eth", "`-lab eth", "4 layers, 2 at the top.\n" }, {} },
        { "neighbours", "o7sctl neighbours home", EXIT_FINE,
          { "home.beta  up     mgmt dt    9923 1.2 ms lan   1.0 KiB 2.0 KiB", "home.delta trying", "no answer in 5 s",
            "3 neighbours.\n" }, {} },
        { "neighbours of an Ethernet", "o7sctl neighbours lan", EXIT_FAILED, {},
          { "of type eth, which has no members" } },
        { "neighbours of a layer that failed", "o7sctl neighbours far", EXIT_NOT_ACTIVE, {},
          { "not running: its process has ended", "o7sctl up far" } },
        { "neighbours of nothing", "o7sctl neighbours nothing", EXIT_FAILED, {}, { "Cannot look at layer 'nothing'" } },
        { "routes", "o7sctl routes home", EXIT_FINE, { "         55    2    2 home.beta home.gamma\n", "2 routes.\n" },
          {} },
        { "links", "o7sctl links home", EXIT_FINE,
          { "(this host) home.beta    1 1.2 ms      4s yes\n", "  home.beta        55    1      - 1min 1s no\n",
            "2 links.\n" }, {} },
        { "directory", "o7sctl directory home", EXIT_FINE,
          { "a41cff00 4711 55 in ", "  9923 beef doubtful        2", "12 lookups, 3 of them failed." }, {} },
        { "connect", "o7sctl connect home home.epsilon --over=lan", EXIT_FINE, { "home.epsilon is a neighbour.\n" },
          {} },
        { "connect that takes too long", "o7sctl connect home home.delta", EXIT_TIMEOUT, {},
          { "Cannot connect layer 'home' to 'home.delta': home.delta is not a neighbour yet.\n" } },
        { "disconnect", "o7sctl disconnect home home.epsilon", EXIT_FINE, { "home.epsilon" }, {} },
        { "trace", "o7sctl trace db.example", EXIT_FINE,
          { "home    1 home.beta     0 % 600 us 800 us     0 forwards\n",
            "home    2 home.epsilon 20 % 1.9 ms 2.5 ms     3 -\n", "` lan   - ",
            "Slowest step: home from home.beta to home.epsilon (1.3 ms of 1.9 ms).\n" }, {} },
        { "trace without members on the way", "o7sctl trace web.example", EXIT_FAILED, {}, { "reached through lan" } },
        { "trace to nobody", "o7sctl trace nosuch", EXIT_NOT_ACTIVE, {}, { "No layer of this host knows 'nosuch'" } },
        { "trace in a layer that does not know it", "o7sctl trace nosuch --layer=home", EXIT_NOT_ACTIVE, {},
          { "No member of the layer serves this name" } },
        { "too many probes", "o7sctl trace db.example -c 21", EXIT_USAGE, {}, { "from 1 to 20" } },
        { "name in one step", "o7sctl name a --unit=a.service --user=root --pid=7 --layer=lan", EXIT_FINE,
          { "Created 'a', registered in lan." }, {} },
        { "name that exists", "o7sctl name web.example --layer=lan", EXIT_FINE, { "Updated 'web.example'" }, {} },
        { "name that fails is taken back", "o7sctl name b --user=root --layer=nowhere", EXIT_FAILED, {},
          { "Cannot register 'b' in layer 'nowhere'" } },
        { "name that no other host can reach", "o7sctl name c", EXIT_FINE, { "Created 'c'", "this host only" }, {} },
        { "policy", "o7sctl name web.example", EXIT_FINE,
          { "served (server):\n  Encryption      required\n  AllowPeer       o7s:name:office.*\n"
            "Where it is called (client):\n  the defaults:" }, {} },
        { "policy of one side", "o7sctl --json=short name web.example --side=server", EXIT_FINE,
          { "{\"server\":{\"Encryption\":\"required\",\"AllowPeer\":\"o7s:name:office.*\"}}\n" }, {} },
        { "policy at run time", "o7sctl name web.example --runtime --side=client --pin= --deny=a "
                                "--encryption=required --deny=b", EXIT_FINE,
          { "Changed the policy of 'web.example' (client)" }, {} },
        { "policy of nothing", "o7sctl name nosuch --runtime --encryption=no", EXIT_NOT_ACTIVE, {},
          { "Cannot change the policy of 'nosuch': There is none" } },
        { "policy with a side that is none", "o7sctl name web.example --side=middle", EXIT_USAGE, {},
          { "'middle' is no value for --side" } },
        { "policy before it is registered", "o7sctl name web.example --runtime --encryption=required --layer=home",
          EXIT_FINE, { "Updated" }, {} },
        { "more than a name", "o7sctl name web.example export", EXIT_USAGE, {}, { "Only 'import DIRECTORY'" } },
        { "doctor of a name", "o7sctl doctor web.example", EXIT_FAILED,
          { "+ /etc/crt.pem: proves web.example, until 2100-01-01.\n",
            "x /etc/key.pem: The key cannot be read.\n    try: chown o7s-keyd: " }, {} },
        { "doctor of layers", "o7sctl doctor lab", EXIT_FAILED,
          { "x layer lab: is degraded: no carrier on eth1.\n    try: o7sctl status lab\n" }, {} },
        { "doctor of clocks", "o7sctl doctor home", EXIT_FAILED,
          { "x layer home: the clock of home.beta was 2.500 s behind ours when it let us in: flows between hosts "
            "that are so far apart are refused.\n    try: timedatectl",
            "- clock: 4 requests were refused for their time, the last one 7 s ago: 'a' from b: too old.\n" },
          {} },
        { "doctor finds a layer well", "o7sctl doctor lan", EXIT_FINE, { "+ layer lan: is online.\n", "0 problems" },
          {} },
        { "doctor for programs", "o7sctl --json=short doctor lan", EXIT_FINE,
          { "\"result\":\"good\",\"subject\":\"layer lan\"" }, {} },
        { "unname", "o7sctl unname a c", EXIT_FINE, {}, {} },
        { "resolve", "o7sctl resolve web.example", EXIT_FINE,
          { "  x local", "  + lan    1.3 ms  reached through this layer, hash a41cff00\n",
            "  - lab    skipped: layer failed: no carrier\n", "Best: through lan.\n" }, {} },
        { "resolve nothing", "o7sctl resolve nosuch", EXIT_NOT_ACTIVE,
          { "  x lan         -  nobody", "cannot be reached" }, {} },
        { "capture", "o7sctl capture lan", EXIT_FINE, { "packets" }, {} },
        { "capture to standard output, by name", "o7sctl capture home -w -", EXIT_FINE, { "packets" }, {} },
        { "capture to a file that cannot be", "o7sctl capture lan --write=/nowhere/at/all", EXIT_FAILED, {},
          { "Cannot write to /nowhere/at/all: No such file" } },
        { "capture of what is not there", "o7sctl capture far", EXIT_FAILED, {},
          { "Cannot capture packets of layer 'far': It is not there" } },
        { "candidates: layers", "o7sctl __complete up l", EXIT_FINE, { "lan\n", "lab\n" }, {} },
        { "candidates: names", "o7sctl __complete unname w", EXIT_FINE, { "web.example\n" }, {} },
};

static void test_cases(void **state) {
        static Run result;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Case *c = &cases[i];

                run(&result, c->line);
                if (result.status != c->status)
                        fail_msg("%s: status %d, not %d\n%s%s", c->name, result.status, c->status, result.out,
                                 result.err);
                for (size_t k = 0; k < ELEMENTSOF(c->out) && c->out[k]; k++)
                        if (!strstr(result.out, c->out[k]))
                                fail_msg("%s: no '%s' in the output:\n%s%s", c->name, c->out[k], result.out,
                                         result.err);
                for (size_t k = 0; k < ELEMENTSOF(c->err) && c->err[k]; k++)
                        if (!strstr(result.err, c->err[k]))
                                fail_msg("%s: no '%s' in the complaints:\n%s", c->name, c->err[k], result.err);
                if (!c->err[0] && result.err[0] != '\0')
                        fail_msg("%s: complains: %s", c->name, result.err);
                if (!c->out[0] && result.out[0] != '\0' && c->status == EXIT_FINE)
                        fail_msg("%s: prints: %s", c->name, result.out);
        }
}

/* What reached the bus, in order, of the cases above. */
static void test_calls(void **state) {
        static const char *const expected[] = {
                "StartLayer slow no-wait; ",
                "StopLayer lan; ",
                "CreateLayer wan; set Layer.Type eth; set Ethernet.Interface eth0; set Ethernet.Framing llc; ",
                "CreateLayer home; set Layer.Type unicast; list Layer.Over lan; list Layer.Over wan; set "
                "Bootstrap.Bootstrap yes; ",
                "Connect home.epsilon lan; Connect home.delta; Disconnect home.epsilon; ",
                "CreateName a; BindUnit a a.service; BindUser a root; BindProcess a 7; Register a lan; ",
                "CreateName web.example; Register web.example lan; ",
                "CreateName b; BindUser b root; Register b nowhere; RemoveName b; ",
                "SetNameSecurity web.example client; set Pin; set DenyPeer a b; set Encryption required; ",
                "CreateName web.example; SetNameSecurity web.example server; set Encryption required; Register "
                "web.example home; ",
                "RemoveName a; RemoveName c; ",
        };
        static Run result;
        const char *position;

        run(&result, "o7sctl --json=short status");
        assert_int_equal(result.status, EXIT_FINE);

        position = result.out;
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                const char *found = strstr(position, expected[i]);

                if (!found)
                        fail_msg("no '%s' in: %s", expected[i], position);
                position = found;
        }
}

static json_object *parse(const Run *result) {
        json_object *value = json_tokener_parse(result->out);

        if (!value)
                fail_msg("not JSON: %s", result->out);
        return value;
}

static void test_json(void **state) {
        json_object *value, *row, *member;
        static Run result;

        run(&result, "o7sctl --json=short flows");
        value = parse(&result);
        assert_int_equal(json_object_array_length(value), 3);
        row = json_object_array_get_idx(value, 2);
        assert_true(json_object_object_get_ex(row, "id", &member));
        assert_int_equal(json_object_get_type(member),
                         json_type_string); /* 2^60 is beyond what a double holds */
        assert_string_equal(json_object_get_string(member), "1152921504606846976");
        assert_true(json_object_object_get_ex(row, "pid", &member));
        assert_int_equal(json_object_get_type(member), json_type_int);
        assert_true(json_object_object_get_ex(row, "details", &member));
        assert_true(json_object_object_get_ex(member, "MaxMessage", &member));
        assert_int_equal(json_object_get_int(member), 1486);
        (void) json_object_put(value);

        run(&result, "o7sctl --json=short resolve web.example");
        value = parse(&result);
        row = json_object_array_get_idx(value, 1);
        assert_true(json_object_object_get_ex(row, "rtt_usec", &member));
        assert_int_equal(json_object_get_int(member), 1300);
        assert_true(json_object_object_get_ex(row, "state", &member));
        assert_string_equal(json_object_get_string(member), "found");
        (void) json_object_put(value);

        run(&result, "o7sctl --json=short neighbours home");
        value = parse(&result);
        row = json_object_array_get_idx(value, 0);
        assert_true(json_object_object_get_ex(row, "address", &member));
        assert_int_equal(json_object_get_type(member), json_type_string);
        assert_string_equal(json_object_get_string(member), "9923");
        row = json_object_array_get_idx(value, 1);
        assert_true(json_object_object_get_ex(row, "rtt_usec", &member));
        assert_null(member);            /* not known: null */
        (void) json_object_put(value);

        run(&result, "o7sctl --json=short trace db.example");
        value = parse(&result);
        assert_int_equal(json_object_array_length(value), 3);
        row = json_object_array_get_idx(value, 1);
        assert_true(json_object_object_get_ex(row, "loss", &member));
        assert_true(json_object_get_double(member) > 0.19 && json_object_get_double(member) < 0.21);
        (void) json_object_put(value);

        run(&result, "o7sctl --json=short directory home");
        value = parse(&result);
        assert_true(json_object_object_get_ex(value, "entries", &member));
        assert_int_equal(json_object_array_length(member), 1);
        (void) json_object_put(value);

        run(&result, "o7sctl --json=pretty layers");
        value = parse(&result);
        row = json_object_array_get_idx(value, 2);        /* sorted: far, home, lab, lan */
        assert_true(json_object_object_get_ex(row, "reason", &member));
        assert_string_equal(json_object_get_string(member), "no carrier on eth1");
        (void) json_object_put(value);
}

/* It never ends by itself: read as many lines as there must be, then end it. */
static void watch(char *argv[], size_t n_lines, char *buffer, size_t size) {
        size_t filled = 0, seen = 0;
        int ends[2];
        FILE *out;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        out = fdopen(ends[1], "w");
        assert_non_null(out);

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_child(argv, out, stderr);
        (void) fclose(out);

        while (seen < n_lines && filled < size - 1 && read(ends[0], buffer + filled, 1) == 1)
                seen += buffer[filled++] == '\n';
        buffer[filled] = '\0';

        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        (void) close(ends[0]);
        assert_int_equal(seen, n_lines);
}

static void test_monitor(void **state) {
        char *argv[] = { (char[]) { "o7sctl" }, (char[]) { "monitor" }, NULL };
        static char text[4096];

        watch(argv, 4, text, sizeof(text));
        assert_non_null(strstr(text, "layer lan          degraded -> online  carrier is back\n"));
        assert_non_null(strstr(
                text, "flow  1152921504606846976 new   web.example  via lan, o7s:name:alice (proven), aes-128-gcm\n"));
        assert_non_null(strstr(text, "flow  1152921504606846976 ended normal\n"));
        assert_non_null(strstr(text, "certificate of web.example: it expires tomorrow\n"));
}

static void test_monitor_json(void **state) {
        char *argv[] = { (char[]) { "o7sctl" }, (char[]) { "--json=pretty" }, (char[]) { "monitor" }, NULL };
        json_object *value, *member;
        static char text[4096];
        char *save = NULL;
        size_t n = 0;

        watch(argv, 4, text, sizeof(text));
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
                value = json_tokener_parse(line);
                assert_non_null(value);
                assert_true(json_object_object_get_ex(value, "event", &member));
                assert_string_equal(json_object_get_string(member), n == 0   ? "StateChanged"
                                                                    : n == 1 ? "FlowNew"
                                                                    : n == 2 ? "FlowRemoved"
                                                                             : "CertificateExpiring");
                assert_true(json_object_object_get_ex(value, "arguments", &member));
                if (n > 0)      /* 64 bits: a string */
                        assert_int_equal(json_object_get_type(json_object_array_get_idx(member, 0)),
                                         json_type_string);
                (void) json_object_put(value);
        }
        assert_int_equal(n, 4);
}

static void test_no_daemon(void **state) {
        static Run result;
        char *address = strdup(getenv("DBUS_SYSTEM_BUS_ADDRESS"));

        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), 0);
        run(&result, "o7sctl layers");
        assert_int_equal(result.status, EXIT_NOT_RUNNING);
        assert_non_null(strstr(result.err, "Cannot connect to the system bus"));
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
        free(address);
}

/* Last: the service ends here. */
static void test_service_gone(void **state) {
        FakeIrm *fake = *state;
        static Run result;

        fake_irm_stop_service(fake);
        run(&result, "o7sctl layers");
        assert_int_equal(result.status, EXIT_NOT_RUNNING);
        assert_non_null(strstr(result.err, "Cannot list layers: o7s-irm does not run"));
        assert_non_null(strstr(result.err, "systemctl start"));
}

static int start(void **state) {
        static FakeIrm fake;
        int r;

        (void) setenv("O7S_COLORS", "0", 1);
        r = fake_irm_start(&fake);
        if (r < 0)
                (void) fprintf(stderr, "no private bus: %s\n", strerror(-r));
        *state = &fake;
        return r;
}

static int stop(void **state) {
        fake_irm_stop(*state);
        return 0;
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_monitor),
                cmocka_unit_test(test_monitor_json),
                cmocka_unit_test(test_no_daemon),
                cmocka_unit_test(test_service_gone),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
