/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What makes a process one of our daemons: event loop with signals and watchdog, the system bus with
 * LogControl1, the descriptors that systemd kept for us, READY=, STATUS= and an orderly end.
 *
 * Priorities on the one event loop: control (bus, sockets of the IRM) before data, so that control always
 * gets in; data sources do bounded bursts.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"

/* What a daemon on the packet path does before it sleeps, see daemon-loop.c. */
typedef struct DaemonIdle {
        /* Attends to what comes without a bell while we are awake, in bounded bursts. Returns whether there was any. */
        bool (*look)(void *userdata);

        /* From now on bells are needed. Returns whether we may sleep: nothing came meanwhile. */
        bool (*sleep)(void *userdata);
} DaemonIdle;

#define DAEMON_PRIORITY_CONTROL SD_EVENT_PRIORITY_NORMAL
#define DAEMON_PRIORITY_DATA (SD_EVENT_PRIORITY_NORMAL + 10)

/* Exit status of a daemon or launcher that cannot use its configuration (EX_CONFIG). */
#define EXIT_CONFIGURATION 78

typedef struct Daemon {
        sd_event *event;
        sd_bus *bus;            /* NULL until daemon_connect_bus(), and where there is no bus */
        const char *name;       /* for LogControl1 and messages, not owned */
        char *status;           /* last STATUS= */
        /* the remaining fields belong to daemon.c */
        int *fds;
        char **fd_names;
        size_t n_fds;
        bool ready;
        const DaemonIdle *idle; /* NULL: sleeps at once */
        void *idle_userdata;
} Daemon;

/* Opens the log, makes the loop, SIGTERM and SIGINT end it, the watchdog is fed by it; collects passed descriptors. */
int daemon_init(Daemon *daemon, const char *name);
void daemon_done(Daemon *daemon);

/* Connects, exports LogControl1, requests the name (failure is logged and fatal for the loop). */
int daemon_connect_bus(Daemon *daemon, const char *bus_name);

/* Takes a descriptor that systemd passed, by its FileDescriptorName or FDNAME; -ENOENT where there is none (left).
 * Several of one name come out one by one, in order. The caller owns it. */
int daemon_take_fd(Daemon *daemon, const char *fd_name);

/* Keeps a duplicate in the service manager's store across restarts; without a manager: does nothing. */
int daemon_store_fd(Daemon *daemon, const char *fd_name, int fd);
int daemon_forget_fd(Daemon *daemon, const char *fd_name);

/* STATUS=, in words; the same text again is not sent again. */
void daemon_status(Daemon *daemon, const char *format, ...) _printf_(2, 3);

/* READY=1, once. */
void daemon_ready(Daemon *daemon);

/* Before the loop runs. */
void daemon_set_idle(Daemon *daemon, const DaemonIdle *idle, void *userdata);

/* Runs until the end. Returns the exit status for main(). */
int daemon_loop(Daemon *daemon);
