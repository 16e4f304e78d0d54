/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verb table: dispatch and help. */

#include "basic/string.h"
#include "o7sctl/bus.h"
#include "o7sctl/terminal.h"
#include "o7sctl/verb.h"

#define NAME_OPTIONS                                                                                           \
        (OPTION_BIT(OPTION_UNIT) | OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_PID) |                          \
         OPTION_BIT(OPTION_PROGRAM) | OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_BALANCE) |                  \
         OPTIONS_SETTINGS | OPTION_BIT(OPTION_SIDE) | OPTION_BIT(OPTION_RUNTIME) | OPTION_BIT(OPTION_ROOT))
#define CA_OPTIONS                                                                                             \
        (OPTION_BIT(OPTION_ROOT) | OPTION_BIT(OPTION_CLIENT) | OPTION_BIT(OPTION_DAYS) |                       \
         OPTION_BIT(OPTION_KEY_TYPE) | OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_OUT) |                     \
         OPTION_BIT(OPTION_REFERENCE))
#define NEW_OPTIONS                                                                                            \
        (OPTION_BIT(OPTION_ETH) | OPTION_BIT(OPTION_FRAMING) | OPTION_BIT(OPTION_ETHERTYPE) |                  \
         OPTION_BIT(OPTION_OVER) | OPTION_BIT(OPTION_BOOTSTRAP) | OPTION_BIT(OPTION_NOW) |                     \
         OPTION_BIT(OPTION_SAVE))
#define JOIN_OPTIONS (OPTION_BIT(OPTION_OVER) | OPTION_BIT(OPTION_VIA) | OPTION_BIT(OPTION_NOW))
#define FLOWS_OPTIONS (OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_NAME) | OPTION_BIT(OPTION_MINE))

const Verb verb_table[] = {
        { "status", "Overview", "[LAYER|NAME...]", "Show the whole, or layers and names (default)",
          "Without arguments: how o7s-irm, its layers, names and flows are.\n"
          "With --json, prints what Describe() says on the bus.\n"
          "Exit status 3: a layer that was asked for is not online.\n",
          0, -1, 0, ARGUMENTS_LAYERS_AND_NAMES, false, verb_status },
        { "tree", NULL, "", "Show how layers are stacked", NULL, 0, 0, 0, ARGUMENTS_NONE, false, verb_tree },
        { "monitor", NULL, "", "Print events as they happen",
          "With --json, prints one object per line. Ends when interrupted.\n",
          0, 0, 0, ARGUMENTS_NONE, false, verb_monitor },
        { "doctor", NULL, "[LAYER|NAME]", "Look for what is wrong, and say how to mend it",
          "Looks at services, the clock, certificates and keys, files, layers, and what\n"
          "would become of flows to names; of a single layer or name if one is given.\n"
          "  --root=DIRECTORY  Only the files below DIRECTORY/etc\n"
          "Exit status 1: there are problems.\n",
          0, 1, OPTION_BIT(OPTION_ROOT), ARGUMENTS_LAYERS_AND_NAMES, false, verb_doctor },
        { "explain", NULL, "ERROR", "Explain an error name or exit status",
          "ERROR is such as NoSuchLayer, or the exit status of a tool.\n",
          1, 1, 0, ARGUMENTS_OTHER, false, verb_explain },
        { "help", NULL, "[COMMAND]", "Show this help, or that of a command", NULL,
          0, 1, 0, ARGUMENTS_VERBS, false, verb_help },

        { "layers", "Layers", "", "List layers", NULL, 0, 0, 0, ARGUMENTS_NONE, false, verb_layers },
        { "new", NULL, "NAME --eth=IF|--over=L [--now]", "Make a layer, and start it",
          "  --eth=INTERFACE     An Ethernet layer on this interface\n"
          "  --framing=dix|llc   How its frames look (default: dix)\n"
          "  --ethertype=NUMBER  EtherType of dix frames (default: 0xA000)\n"
          "  --over=LAYER        A layer over this one; may be repeated\n"
          "  --bootstrap         Its first member; without it, like join\n"
          "  --now               Start it at once\n"
          "  --save              Write /etc/o7s/layers/NAME.layer, which outlasts a\n"
          "                      reboot; without it the file goes below /run/o7s\n",
          1, 1, NEW_OPTIONS, ARGUMENTS_OTHER, false, verb_new },
        { "join", NULL, "NAME --over=L [--via=M] [--now]", "Be a member of a layer that others have",
          "  --over=LAYER   The layer below, through which members are reached; may be\n"
          "                 repeated\n"
          "  --via=MEMBER   Enroll through this member (default: any, by the layer's name)\n"
          "  --now          Start it at once\n"
          "Writes /etc/o7s/layers/NAME.layer.\n",
          1, 1, JOIN_OPTIONS, ARGUMENTS_OTHER, false, verb_join },
        { "up", NULL, "LAYER...", "Start layers and wait until they are online",
          "Interrupting ends the waiting only. With --no-block, does not wait at all.\n",
          1, -1, 0, ARGUMENTS_LAYERS, false, verb_up },
        { "down", NULL, "LAYER...", "Stop layers", NULL, 1, -1, 0, ARGUMENTS_LAYERS, false, verb_down },
        { "neighbours", NULL, "LAYER", "List neighbours of this host in a layer", NULL, 1, 1, 0, ARGUMENTS_LAYERS,
          false,
          verb_neighbours },
        { "connect", NULL, "LAYER NEIGHBOUR [--over=L]", "Have a neighbour",
          "NEIGHBOUR is the name of a member in a layer below, such as home.beta. It is\n"
          "connected to again whenever it is lost, until the layer is stopped.\n"
          "  --over=LAYER   Only over this layer (default: whichever reaches it)\n",
          2, 2, OPTION_BIT(OPTION_OVER), ARGUMENTS_LAYERS, false, verb_connect },
        { "disconnect", NULL, "LAYER NEIGHBOUR", "Have it no longer", NULL, 2, 2, 0, ARGUMENTS_LAYERS, false,
          verb_disconnect },
        { "routes", NULL, "LAYER", "List routes to members", NULL, 1, 1, 0, ARGUMENTS_LAYERS, false, verb_routes },
        { "links", NULL, "LAYER", "List links between members", NULL, 1, 1, 0, ARGUMENTS_LAYERS, false, verb_links },
        { "directory", NULL, "LAYER", "Show what this host keeps of the directory", NULL, 1, 1, 0, ARGUMENTS_LAYERS,
          false,
          verb_directory },
        { "verify", NULL, "[FILE|LAYER...]", "Check .layer and .name files as the daemons do",
          "Without arguments, checks all that are installed. Needs no daemon.\n"
          "Exit status 78: there are errors.\n",
          0, -1, 0, ARGUMENTS_LAYERS_AND_FILES, false, verb_verify },

        { "names", "Names", "", "List names", NULL, 0, 0, 0, ARGUMENTS_NONE, false, verb_names },
        { "name", NULL, "NAME [--user=U] [--layer=L]...", "Create, bind, register and protect a name",
          "  --unit=UNIT     Let this systemd unit serve the name\n"
          "  --user=USER     Let programs of this user serve it\n"
          "  --pid=PID       Let this process serve it\n"
          "  --program=PATH  Start with this program among those that may\n"
          "  --layer=LAYER   Make it reachable through this layer; may be repeated\n"
          "  --balance=HOW   round-robin, spill or least-flows\n"
          "If one of the steps fails, a name that was new is removed again.\n\n"
          "Its policy, written to /etc/o7s/names/NAME.name; an empty value: the default:\n"
          "  --side=server|client   Where it is served (default), or where it is called\n"
          "  --authentication=HOW   none, server or mutual\n"
          "  --encryption=HOW       no, opportunistic or required\n"
          "  --peer=any|o7s         Whether hosts of other makes are talked to\n"
          "  --cert=FILE --key=KEY  What this host shows; KEY is a file, credential:NAME or\n"
          "                         a pkcs11: URL\n"
          "  --allow=PATTERN --deny=PATTERN  Which peers may; may be repeated\n"
          "  --trust=FILE --revocations=FILE --pin=sha256:HEX  Whom to believe; likewise\n"
          "  --key-exchange= --cipher= --key-derivation= --digest=LIST  Algorithms\n"
          "  --common-name=BOOLEAN  Whether a certificate without SAN counts by its CN\n"
          "  --runtime              As long as the name is there, whatever files say\n"
          "  --root=DIRECTORY       Write below DIRECTORY/etc\n"
          "  import DIRECTORY       Take crt.pem, key.pem and enc.conf from there\n"
          "Without options: the policy that a name has.\n",
          1, 3, NAME_OPTIONS, ARGUMENTS_NAMES, false, verb_name },
        { "unname", NULL, "NAME...", "Remove names", NULL, 1, -1, 0, ARGUMENTS_NAMES, false, verb_unname },
        { "resolve", NULL, "NAME", "Ask where a name is, and through which layers",
          "Asks this host and all its layers. Nobody is connected to.\n"
          "Exit status 3: it cannot be reached.\n",
          1, 1, 0, ARGUMENTS_NAMES, false, verb_resolve },

        { "ca", "Certificates", "init|issue|trust|revoke|crl|list", "Have an authority, and trust one",
          "  init [NAME]      Make an authority on this host, in /etc/o7s/ca\n"
          "  issue NAME       Make a certificate and key for a name, and put them to where\n"
          "                   o7s-auth and o7s-keyd find them\n"
          "    --client         For calling the name, not for serving it\n"
          "    --layer=LAYER    For the member of this layer that has the name\n"
          "    --out=DIRECTORY  Write them there instead, for another host\n"
          "    --reference      For a host that is not o7s\n"
          "  trust [FILE]     Believe what this authority signs (default: the one here), or\n"
          "                   what a revocation list says\n"
          "  revoke NAME|SERIAL...  Believe it no longer\n"
          "  crl              Write the revocation list anew, before it runs out\n"
          "  list             Show certificates, and when they expire\n"
          "  --days=NUMBER    How long it counts (default: 3650, of names 365)\n"
          "  --key-type=TYPE  p256 (default), p384, p521, ed25519, ed448 or rsa\n"
          "  --root=DIRECTORY Work below DIRECTORY/etc\n",
          1, -1, CA_OPTIONS, ARGUMENTS_CA, false, verb_ca },

        { "trace", "Flows", "NAME [--layer=L] [-c NUMBER]", "Show the way to a name, layer by layer",
          "  --layer=LAYER      In this layer (default: the one that reaches it soonest)\n"
          "  -c --count=NUMBER  Probes for each member on the way (default: 5)\n"
          "Also called o7s-trace. Exit status 3: the last member did not answer.\n",
          1, 1, OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_COUNT), ARGUMENTS_NAMES, false, verb_trace },

        { "flows", NULL, "[--layer=L] [--name=N] [--mine]", "List flows",
          "  --layer=LAYER   Only those through this layer\n"
          "  --name=NAME     Only those to this name\n"
          "  --mine          Only those of programs that run as you\n",
          0, 0, FLOWS_OPTIONS, ARGUMENTS_NONE, false, verb_flows },
        { "flow", NULL, "ID...", "Show flows: with whom, and how protected", NULL, 1, -1, 0, ARGUMENTS_OTHER, false,
          verb_flow },
        { "capture", NULL, "LAYER [-w FILE]", "Show packets of a layer, as pcapng",
          "  -w --write=FILE  Write to this file (default, and -: standard output)\n"
          "Ends when interrupted, or when nobody reads it any more. For example:\n"
          "  o7sctl capture lan | tshark -r -\n",
          1, 1, OPTION_BIT(OPTION_WRITE), ARGUMENTS_LAYERS, false, verb_capture },
        { "ping", NULL, "NAME [OPTIONS...]", "Run o7s-ping", NULL, 0, -1, 0, ARGUMENTS_NAMES, true, verb_ping },

        { "__complete", NULL, NULL, NULL, NULL, 0, -1, 0, ARGUMENTS_NONE, true, verb_complete },
        {},
};

const Verb *verb_find(const char *name) {
        for (const Verb *verb = verb_table; verb->name; verb++)
                if (streq(verb->name, name))
                        return verb;

        return NULL;
}

/* "  -q --quiet          Say only what failed" */
static void print_options(FILE *stream) {
        (void) fprintf(stream, "Options:\n");

        for (int i = 0; i < _OPTION_GLOBAL_MAX; i++) {
                char usage[OPTION_USAGE_CHARS_MAX];

                (void) fprintf(stream, "  %-26s%s\n", option_usage((Option) i, usage, sizeof(usage)),
                               option_help((Option) i));
        }
}

void verb_print_help(FILE *stream) {
        const char *bold = stream == stdout ? terminal_sequence(COLOR_BOLD) : "";
        const char *normal = stream == stdout ? terminal_sequence(COLOR_NORMAL) : "";

        (void) fprintf(stream, "o7sctl [OPTIONS...] COMMAND ...\n\n"
                               "%sInspect and control Ouroboros layers, names and flows.%s\n", bold, normal);

        for (const Verb *verb = verb_table; verb->name; verb++) {
                char usage[64];

                if (!verb->help)
                        continue;
                if (verb->group)
                        (void) fprintf(stream, "\n%s:\n", verb->group);

                (void) snprintf(usage, sizeof(usage), "%s%s%s", verb->name, isempty(verb->usage) ? "" : " ",
                                strempty(verb->usage));
                if (strlen(usage) > 30)
                        (void) fprintf(stream, "  %s\n  %-30s  %s\n", usage, "", verb->help);
                else
                        (void) fprintf(stream, "  %-30s  %s\n", usage, verb->help);
        }

        (void) fputc('\n', stream);
        print_options(stream);
        (void) fprintf(stream, "\nSee the o7sctl(1) man page for details.\n");
}

void verb_print_help_of(FILE *stream, const Verb *verb) {
        (void) fprintf(stream, "o7sctl [OPTIONS...] %s%s%s\n\n%s.\n", verb->name, isempty(verb->usage) ? "" : " ",
                       strempty(verb->usage), strempty(verb->help));
        if (verb->details)
                (void) fprintf(stream, "\n%s", verb->details);
        (void) fprintf(stream, "\nSee 'o7sctl --help' for the options of all commands.\n");
}

static int complain_unknown(const char *name) {
        const char *names[64], *nearest;
        size_t n = 0;

        for (const Verb *verb = verb_table; verb->name && n < ELEMENTSOF(names); verb++)
                if (verb->help)
                        names[n++] = verb->name;

        nearest = nearest_word(name, names, n);
        (void) fprintf(stderr, "There is no command '%s'.", name);
        if (nearest)
                (void) fprintf(stderr, " Did you mean '%s'?", nearest);
        (void) fprintf(stderr, "\nSee 'o7sctl --help'.\n");

        return EXIT_USAGE;
}

/* Whether the verb takes these options, and so many arguments. Returns the exit status. */
static int check_arguments(Ctl *ctl, const Verb *verb, int n_arguments) {
        if (options_check(&ctl->options, verb->options, verb->name) < 0)
                return EXIT_USAGE;

        if (n_arguments < verb->min_arguments ||
            (verb->max_arguments >= 0 && n_arguments > verb->max_arguments)) {
                (void) fprintf(stderr, "Too %s arguments: o7sctl %s%s%s\nSee 'o7sctl %s --help'.\n",
                               n_arguments < verb->min_arguments ? "few" : "many", verb->name,
                               isempty(verb->usage) ? "" : " ", strempty(verb->usage), verb->name);
                return EXIT_USAGE;
        }

        return EXIT_FINE;
}

int verb_dispatch(Ctl *ctl, int argc, char *argv[]) {
        static char default_name[] = "status";
        char *default_argv[] = { default_name, NULL };
        const Verb *verb;
        int first, r;

        first = options_parse(&ctl->options, argc, argv, true);
        if (first < 0)
                return EXIT_USAGE;

        if (ctl->options.version) {
                (void) printf("o7sctl %s\n", O7S_VERSION);
                return EXIT_FINE;
        }
        if (ctl->options.help) {
                verb_print_help(stdout);
                return EXIT_FINE;
        }

        argc -= first;
        argv += first;
        if (argc == 0) {
                argc = 1;
                argv = default_argv;
        }

        verb = verb_find(argv[0]);
        if (!verb)
                return complain_unknown(argv[0]);
        if (verb->raw)
                return verb->run(ctl, argc, argv);

        first = options_parse(&ctl->options, argc, argv, false);
        if (first < 0)
                return EXIT_USAGE;

        if (ctl->options.help) {
                verb_print_help_of(stdout, verb);
                return EXIT_FINE;
        }

        r = check_arguments(ctl, verb, argc - first);
        if (r != EXIT_FINE)
                return r;

        /* Options have been moved to the front, behind argv[0]: the verb sees itself and its arguments. */
        argv[first - 1] = argv[0];
        return verb->run(ctl, argc - first + 1, argv + first - 1);
}

int verb_help(Ctl *ctl, int argc, char *argv[]) {
        const Verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;

        if (argc > 1 && !verb)
                return complain_unknown(argv[1]);

        if (verb && verb->help)
                verb_print_help_of(stdout, verb);
        else
                verb_print_help(stdout);
        return EXIT_FINE;
}

void ctl_done(Ctl *ctl) {
        terminal_page_end(ctl);
        agent_close(ctl);
        ctl->bus = sd_bus_flush_close_unref(ctl->bus);
}
