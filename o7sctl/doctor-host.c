/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The host: whether its clock can be trusted, and whether the services are there. */

#include <sys/timex.h>

#include "basic/string.h"
#include "o7sctl/doctor.h"

#define SYSTEMD_SERVICE "org.freedesktop.systemd1"
#define SYSTEMD_UNIT_PATH "/org/freedesktop/systemd1/unit"
#define SYSTEMD_UNIT_INTERFACE "org.freedesktop.systemd1.Unit"

/* A clock before this program was written is no clock: a host without a battery, before it asked anybody. */
#define CLOCK_EARLIEST_SEC 1767225600U          /* 2026-01-01 */

/* Returns: 1: synchronised; 0: not; a negative errno: nobody knows. */
static int ask_timedate(Doctor *d) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r, synchronized = 0;

        if (!d->ctl->bus)
                return -ENOTCONN;

        r = sd_bus_get_property_trivial(d->ctl->bus, "org.freedesktop.timedate1", "/org/freedesktop/timedate1",
                                        "org.freedesktop.timedate1", "NTPSynchronized", &error, 'b', &synchronized);
        return r < 0 ? r : synchronized;
}

static bool is_remote(const Doctor *d) {
        return d->ctl->options.host || d->ctl->options.machine;
}

void doctor_check_clock(Doctor *d) {
        static const char mend[] = "timedatectl set-ntp true, or look after the clock otherwise";
        struct timex state = {};
        int synchronized;

        if (d->now_sec < CLOCK_EARLIEST_SEC) {
                doctor_add(d, FINDING_PROBLEM, "clock", mend, "is years behind: certificates are not valid yet");
                return;
        }

        synchronized = ask_timedate(d);
        if (synchronized < 0 && !is_remote(d))  /* then the kernel knows whether anybody steers it */
                synchronized = adjtimex(&state) != TIME_ERROR && !(state.status & STA_UNSYNC);

        if (synchronized > 0)
                doctor_add(d, FINDING_GOOD, "clock", NULL, "is synchronised");
        else
                doctor_add(d, FINDING_NOTE, "clock", mend,
                           "%s; a handshake fails where it is 20 s behind the peer's or, towards other makes, 100 ms "
                           "ahead",
                           synchronized == 0 ? "is not synchronised with anything"
                                             : "may be synchronised or not: timedate1 does not say");
}

/* "active", "inactive", ... Returns: 0; a negative errno: systemd does not say. */
static int unit_state(Doctor *d, const char *unit, char **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL;

        if (sd_bus_path_encode(SYSTEMD_UNIT_PATH, unit, &path) < 0)
                return -ENOMEM;

        return sd_bus_get_property_string(d->ctl->bus, SYSTEMD_SERVICE, path, SYSTEMD_UNIT_INTERFACE, "ActiveState",
                                          &error, ret);
}

/* Services start when they are asked for; what has to be there are their sockets. */
void doctor_check_services(Doctor *d) {
        static const struct {
                const char *name;
                const char *without;
        } services[] = {
                { "o7s-irm", "programs can open no flows" },
                { "o7s-layer", "layers cannot reach o7s-irm" },
                { "o7s-auth", "no flow can be encrypted or authenticated, and those that have to be are refused" },
                { "o7s-keyd", "this host cannot prove who it is" },
        };

        if (!d->ctl->bus)
                return;

        for (size_t i = 0; i < ELEMENTSOF(services); i++) {
                _cleanup_free_ char *socket = NULL, *service = NULL, *mend = NULL, *state = NULL;
                int r;

                if (format_string(&socket, "%s.socket", services[i].name) < 0 ||
                    format_string(&service, "%s.service", services[i].name) < 0)
                        return;

                r = unit_state(d, socket, &state);
                if (r < 0) {
                        doctor_add(d, FINDING_NOTE, "services", "systemctl status 'o7s-*.socket'",
                                   "may be there or not: systemd does not say (%s)", strerror(-r));
                        return;
                }
                if (!streq(state, "active")) {
                        if (format_string(&mend, "systemctl enable --now %s", socket) >= 0)
                                doctor_add(d, FINDING_PROBLEM, socket, mend, "is %s: %s", state, services[i].without);
                        continue;
                }

                state = mfree(state);
                if (unit_state(d, service, &state) >= 0 && streq(state, "failed")) {
                        if (format_string(&mend, "journalctl -u %s says why", service) >= 0)
                                doctor_add(d, FINDING_PROBLEM, service, mend, "has failed: %s", services[i].without);
                } else
                        doctor_add(d, FINDING_GOOD, socket, NULL, "is active");
        }
}
