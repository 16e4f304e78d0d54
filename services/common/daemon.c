/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The folder's tour. What makes a process one of our daemons:
 *
 *   daemon.c            the frame: daemon_init(), daemon_connect_bus(), daemon_loop(), daemon_done(). What the
 *                       service manager passes in (descriptors) and wants to hear (READY=, STATUS=, WATCHDOG=,
 *                       STOPPING=), here and nowhere else
 *   daemon-loop.c       how it waits
 *   daemon-log.c        level and target of the log on the bus
 *   bus.c bus-error.c   names and paths; errors from the one table
 *   polkit.c            may the caller do this? asked without waiting, the call is replayed
 *   json.c              Describe()
 *   file-check.c layer-file.c name-file.c       NAME.layer and NAME.name, for everybody who reads them
 *   layer-message.c layer-socket.c layer-state.c        what IPCPs and the resource manager say to each other
 *   hash.c oap*.c       digests; flow allocation between hosts, pure
 *   cube.c policer.c    what goes before what, and how much of it
 *   layer*.c upper*.c   an IPCP around its layer: connection to the resource manager, flows of applications
 *   shim*.c             flow allocation of layers that use the host's own networks
 */

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/string.h"
#include "services/common/daemon.h"
#include "services/common/daemon-log.h"

static int daemon_watch_signals(Daemon *daemon) {
        static const int signals[] = { SIGTERM, SIGINT };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r;

                /* Without a handler of its own the source ends the loop, with its userdata as exit status. */
                r = sd_event_add_signal(daemon->event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, NULL,
                                        (void *) (uintptr_t) EXIT_SUCCESS);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int daemon_collect_fds(Daemon *daemon) {
        int n;

        n = sd_listen_fds_with_names(true, &daemon->fd_names);
        if (n <= 0)
                return n;

        daemon->fds = calloc((size_t) n, sizeof(int));
        if (!daemon->fds)
                return -ENOMEM;

        daemon->n_fds = (size_t) n;
        for (int i = 0; i < n; i++)
                daemon->fds[i] = SD_LISTEN_FDS_START + i;

        return 0;
}

int daemon_init(Daemon *daemon, const char *name) {
        int r;

        *daemon = (Daemon) { .name = name };
        log_open();

        /* A peer that hangs up is an error code of send(), not the end of a daemon. */
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_new(&daemon->event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");

        r = daemon_watch_signals(daemon);
        if (r < 0)
                return log_error_errno(r, "Failed to watch for signals: %m");

        r = sd_event_set_watchdog(daemon->event, true);
        if (r < 0)
                return log_error_errno(r, "Failed to feed the watchdog: %m");

        r = daemon_collect_fds(daemon);
        if (r < 0)
                return log_error_errno(r, "Failed to take over passed descriptors: %m");

        return 0;
}

void daemon_done(Daemon *daemon) {
        for (size_t i = 0; i < daemon->n_fds; i++)
                (void) safe_close(daemon->fds[i]);
        if (daemon->fd_names)
                for (char **name = daemon->fd_names; *name; name++)
                        free(*name);
        free(daemon->fd_names);
        free(daemon->fds);
        free(daemon->status);

        sd_bus_flush_close_unref(daemon->bus);
        sd_event_unref(daemon->event);
        *daemon = (Daemon) {};
}

/* -- the bus -- */

static int name_requested(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Daemon *daemon = userdata;
        uint32_t result;
        int r;

        r = sd_bus_message_get_errno(reply);
        if (r > 0) {
                (void) log_error_errno(r, "Failed to own a name on the system bus: %s",
                                       sd_bus_message_get_error(reply)->message);
                return sd_event_exit(daemon->event, EXIT_FAILURE);
        }

        r = sd_bus_message_read(reply, "u", &result);
        if (r < 0 || (result != 1 && result != 4)) {    /* primary owner, or so already */
                log_error("The name on the system bus belongs to another process.");
                return sd_event_exit(daemon->event, EXIT_FAILURE);
        }

        return 0;
}

int daemon_connect_bus(Daemon *daemon, const char *bus_name) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system_with_description(&bus, daemon->name);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");

        r = sd_bus_attach_event(bus, daemon->event, DAEMON_PRIORITY_CONTROL);
        if (r < 0)
                return log_error_errno(r, "Failed to attach the bus to the event loop: %m");

        r = daemon_log_export(bus, daemon->name);
        if (r < 0)
                return log_error_errno(r, "Failed to export LogControl1: %m");

        if (bus_name) {
                r = sd_bus_request_name_async(bus, NULL, bus_name, 0, name_requested, daemon);
                if (r < 0)
                        return log_error_errno(r, "Failed to ask for the bus name %s: %m", bus_name);
        }

        /* Without the bus we could not be managed: start again, which flows survive. */
        r = sd_bus_set_exit_on_disconnect(bus, true);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the bus: %m");

        daemon->bus = TAKE_PTR(bus);
        return 0;
}

/* -- descriptors -- */

int daemon_take_fd(Daemon *daemon, const char *fd_name) {
        for (size_t i = 0; i < daemon->n_fds; i++)
                if (daemon->fds[i] >= 0 && streq(daemon->fd_names[i], fd_name))
                        return TAKE_FD(daemon->fds[i]);

        return -ENOENT;
}

int daemon_store_fd(Daemon *daemon, const char *fd_name, int fd) {
        _cleanup_free_ char *state = NULL;
        int r;

        r = format_string(&state, "FDSTORE=1\nFDNAME=%s", fd_name);
        if (r < 0)
                return r;

        r = sd_pid_notify_with_fds(0, false, state, &fd, 1);
        return MIN(r, 0);
}

int daemon_forget_fd(Daemon *daemon, const char *fd_name) {
        int r;

        r = sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", fd_name);
        return MIN(r, 0);
}

/* -- what the service manager hears -- */

/* A status is one line: its text may come from files and other hosts, and further lines would be further variables. */
static void make_one_line(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < ' ')
                        *text = ' ';
}

void daemon_status(Daemon *daemon, const char *format, ...) {
        _cleanup_free_ char *status = NULL;
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vasprintf(&status, format, arguments);
        va_end(arguments);
        if (r < 0) {
                status = NULL;          /* undefined after a failure */
                return;
        }

        make_one_line(status);
        if (daemon->status && streq(daemon->status, status))
                return;

        (void) sd_notifyf(false, "STATUS=%s", status);
        free(daemon->status);
        daemon->status = TAKE_PTR(status);
}

void daemon_ready(Daemon *daemon) {
        if (daemon->ready)
                return;

        daemon->ready = true;
        (void) sd_notify(false, "READY=1");
}
