/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How a daemon waits. One that is not on the packet path sleeps until something happens.
 *
 * One that is looks for a while first, as the library does in applications (libo7s/spin.h): being woken costs more than
 * all else that it does for a packet, on both sides, and in a stream or a conversation the next one is a few
 * microseconds away. Those whom it serves need not ring meanwhile (DaemonIdle), and a program that writes then makes no
 * system call either. Where waits are long it does not look at all, and costs nothing.
 *
 * Before each look the processor is offered to others. Where several of the programs that a packet passes share one,
 * that is what makes bursts of packets that come one by one: who takes it does what is there to be done, and
 * meanwhile more comes for us.
 */

#include <sched.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "libo7s/spin.h"
#include "services/common/daemon.h"

/* Less than applications do (SPIN_NSEC_MAX): a stream of some thousand packets a second shall cost what its packets
 * cost, not a processor of each layer that it passes. */
#define LOOK_NSEC_MAX 50000U

static bool is_finished(const Daemon *daemon) {
        return sd_event_get_state(daemon->event) == SD_EVENT_FINISHED;
}

/* Returns: 1: there was something, and it is attended to; 0: the time is over; what sd_event_run() says. */
static int look(Daemon *daemon, uint64_t begin_nsec, uint32_t budget_nsec) {
        do {
                bool found;
                int r;

                (void) sched_yield();
                found = daemon->idle->look(daemon->idle_userdata);

                /* Each time, too: who always has something to send must not keep all others waiting. */
                r = sd_event_run(daemon->event, 0);
                if (r < 0)
                        return r;
                if (r > 0 || found || is_finished(daemon))
                        return 1;
        } while (spin_now() - begin_nsec < budget_nsec);

        return 0;
}

static int wait_once(Daemon *daemon, Spin *spin) {
        uint64_t begin_nsec = spin_now();
        uint32_t budget_nsec = spin->average_nsec < LOOK_NSEC_MAX ? MIN(spin_begin(spin), LOOK_NSEC_MAX) : 0;
        int found = 0, r;

        if (budget_nsec > 0) {
                found = look(daemon, begin_nsec, budget_nsec);
                if (found < 0)
                        return found;
        }

        if (found) {
                spin_end(spin, budget_nsec, spin_now() - begin_nsec, true);
                return 0;
        }

        /* Who may not sleep has events all the same, and has not waited: of that nothing is learnt. */
        if (!daemon->idle->sleep(daemon->idle_userdata))
                return sd_event_run(daemon->event, 0);

        r = sd_event_run(daemon->event, UINT64_MAX);
        spin_end(spin, budget_nsec, spin_now() - begin_nsec, false);
        return r;
}

static int run(Daemon *daemon) {
        Spin spin = SPIN_INIT;
        int code, r;

        while (!is_finished(daemon)) {
                r = wait_once(daemon, &spin);
                if (r < 0)
                        return r;
        }

        r = sd_event_get_exit_code(daemon->event, &code);
        return r < 0 ? r : code;
}

void daemon_set_idle(Daemon *daemon, const DaemonIdle *idle, void *userdata) {
        daemon->idle = idle;
        daemon->idle_userdata = userdata;
}

int daemon_loop(Daemon *daemon) {
        int r;

        r = daemon->idle ? run(daemon) : sd_event_loop(daemon->event);
        (void) sd_notify(false, "STOPPING=1");
        if (r < 0) {
                (void) log_error_errno(r, "The event loop failed: %m");
                return EXIT_FAILURE;
        }

        return r;
}
