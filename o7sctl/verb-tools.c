/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small ones: explain and ping. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/table.h"

static const struct {
        uint64_t status;
        const char *text;
} exit_statuses[] = {
        { EXIT_FINE, "It worked." },
        { EXIT_FAILED, "It failed; what was printed says why." },
        { EXIT_USAGE, "The command line makes no sense: see --help." },
        { EXIT_NOT_ACTIVE, "Not active, or not reachable: a layer is not online, or no layer knows the name." },
        { EXIT_DENIED, "Not allowed: use sudo, or let an administrator add a polkit rule." },
        { EXIT_TIMEOUT, "It was not finished, or nobody answered, in time: see --timeout=." },
        { EXIT_NOT_RUNNING, "o7s-irm does not run: systemctl start o7s-irm.socket o7s-irm.service" },
        { EXIT_CONFIG, "A configuration file cannot be used: o7sctl verify" },
};

static int explain_status(const Options *o, uint64_t status) {
        for (size_t i = 0; i < ELEMENTSOF(exit_statuses); i++) {
                if (exit_statuses[i].status != status)
                        continue;

                (void) printf("Exit status %" PRIu64 ": %s\n", status, exit_statuses[i].text);
                return EXIT_FINE;
        }

        (void) fprintf(stderr, "The tools do not end with status %" PRIu64 ".\n", status);
        return EXIT_FAILED;
}

int verb_explain(Ctl *ctl, int argc, char *argv[]) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        const char *text, *hint;
        uint64_t status;
        int r;

        if (parse_u64(argv[1], UINT8_MAX, &status) >= 0)
                return explain_status(&ctl->options, status);

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Explain", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", argv[1]);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot explain '%s'", argv[1]);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return bus_complain_message(r);

        (void) printf("%s: %s\n", argv[1], text);
        r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &hint)) > 0)
                (void) printf("  %s\n", hint);

        return r < 0 ? bus_complain_message(r) : EXIT_FINE;
}

/* Its options are its own, so it gets everything that follows. */
int verb_ping(Ctl *ctl, int argc, char *argv[]) {
        static char tool[] = "o7s-ping";

        argv[0] = tool;
        (void) execvp(tool, argv);
        (void) fprintf(stderr, "Cannot run %s: %s.%s\n", tool, strerror(errno),
                       errno == ENOENT ? " It comes with the same package as o7sctl." : "");
        return EXIT_FAILED;
}
