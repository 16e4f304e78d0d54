/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * o7sctl: what an operator sees and does, over D-Bus alone. Everything it shows comes from org.o7s.irm1 or from an
 * IPCP's own name, so busctl or a script can do the same; but for files, which belong to whoever runs it: "verify" is
 * the daemons' own reader, and certificates, policies and new layers are written by the caller.
 *
 *   main.c                 from the command line to a verb
 *   options.[ch]           every option, parsed once; which verb takes which is in the verb table
 *   verb.[ch]              the verb table: dispatch, help and completion come from it
 *   verb-*.c               one family of verbs each
 *   complete.c             candidates for the shells
 *   bus.[ch]               the connection, calls, errors as sentences and exit statuses
 *   layer.[ch]             one layer and its IPCP
 *   bus-json.[ch]          any D-Bus value as JSON
 *   agent.c                the polkit agent that asks for a password on the terminal
 *   status.[ch]            the pages of a layer and of a name
 *   flows.[ch]             flows, in pages, and how many are protected
 *   security-bus.[ch]      what o7s-irm does about certificates and policies
 *   name-security.[ch]     policies of names: shown, changed in their files or at run time; name-import.c takes over
 *                          those of others
 *   conf-edit.[ch]         one section of a configuration file changed, the rest left alone
 *   ca.[ch], ca-*.c        certificates and revocation lists, the only files with GnuTLS; ca-store.[ch] keeps an
 *                          authority
 *   install.[ch]           puts certificates to where o7s-auth and o7s-keyd look
 *   doctor.[ch]            findings; doctor-host.c, doctor-files.c and doctor-bus.c find them
 *   file.[ch]              files read and written whole, as the caller
 *   table.[ch]             one definition of columns: aligned for people, an array of objects for programs
 *   terminal.[ch]          colour, glyphs, width, pager
 *
 * Verbs return an exit status; whoever finds out that something failed says so, once.
 */

#include <systemd/sd-bus.h>

#include "o7sctl/options.h"

typedef enum ExitStatus {
        EXIT_FINE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_ACTIVE = 3,            /* not active, not reachable */
        EXIT_DENIED = 4,
        EXIT_TIMEOUT = 5,
        EXIT_NOT_RUNNING = 69,
        EXIT_CONFIG = 78,
} ExitStatus;

/* One run of the program. */
typedef struct Ctl {
        Options options;
        sd_bus *bus;            /* NULL until the first call */
        pid_t agent;            /* pkttyagent, 0 where none runs */
        pid_t pager;            /* 0 where none runs */
} Ctl;

void ctl_done(Ctl *ctl);

/* Verbs. argv[0] is the verb, argv[argc] is NULL. */
int verb_status(Ctl *ctl, int argc, char *argv[]);
int verb_layers(Ctl *ctl, int argc, char *argv[]);
int verb_tree(Ctl *ctl, int argc, char *argv[]);
int verb_join(Ctl *ctl, int argc, char *argv[]);
int verb_neighbours(Ctl *ctl, int argc, char *argv[]);
int verb_connect(Ctl *ctl, int argc, char *argv[]);
int verb_disconnect(Ctl *ctl, int argc, char *argv[]);
int verb_routes(Ctl *ctl, int argc, char *argv[]);
int verb_links(Ctl *ctl, int argc, char *argv[]);
int verb_directory(Ctl *ctl, int argc, char *argv[]);
int verb_trace(Ctl *ctl, int argc, char *argv[]);
int verb_new(Ctl *ctl, int argc, char *argv[]);
int verb_up(Ctl *ctl, int argc, char *argv[]);
int verb_down(Ctl *ctl, int argc, char *argv[]);
int verb_verify(Ctl *ctl, int argc, char *argv[]);
int verb_ca(Ctl *ctl, int argc, char *argv[]);
int verb_doctor(Ctl *ctl, int argc, char *argv[]);
int verb_names(Ctl *ctl, int argc, char *argv[]);
int verb_name(Ctl *ctl, int argc, char *argv[]);
int verb_unname(Ctl *ctl, int argc, char *argv[]);
int verb_resolve(Ctl *ctl, int argc, char *argv[]);
int verb_flows(Ctl *ctl, int argc, char *argv[]);
int verb_flow(Ctl *ctl, int argc, char *argv[]);
int verb_capture(Ctl *ctl, int argc, char *argv[]);
int verb_ping(Ctl *ctl, int argc, char *argv[]);
int verb_monitor(Ctl *ctl, int argc, char *argv[]);
int verb_explain(Ctl *ctl, int argc, char *argv[]);
int verb_help(Ctl *ctl, int argc, char *argv[]);
int verb_complete(Ctl *ctl, int argc, char *argv[]);
