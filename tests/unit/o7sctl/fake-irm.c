/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A private bus with a small o7s-irm on it. */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/o7sctl/fake-irm-internal.h"

int fake_error(sd_bus_error *e, const char *name, const char *text) {
        char full[128];

        (void) snprintf(full, sizeof(full), BUS_ERROR_PREFIX "%s", name);
        (void) sd_bus_error_set(e, full, text);
        return -EIO;
}

void fake_note(Fake *f, const char *member, const char *first, const char *second) {
        size_t n = strlen(f->calls);

        (void) snprintf(f->calls + n, sizeof(f->calls) - n, "%s %s%s%s; ", member, first, *second ? " " : "",
                        second);
}

static _Noreturn void serve(int ready_fd) {
        Fake f = {};
        int r;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

        r = sd_bus_open_system(&f.bus);
        if (r >= 0)
                r = fake_add_manager(&f);
        if (r >= 0)
                r = fake_add_layers(&f);
        if (r >= 0)
                r = fake_add_ipcps(&f);
        if (r >= 0)
                r = fake_add_names(&f);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, SERVICE_LAN, 0);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, SERVICE_HOME, 0);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, BUS_NAME_IRM, 0);
        if (r >= 0 && write(ready_fd, "y", 1) != 1)
                r = -errno;

        while (r >= 0) {
                r = sd_bus_process(f.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(f.bus, UINT64_MAX);
        }

        _exit(1);
}

/* -- the bus -- */

static int write_config(const FakeIrm *fake, char *path, size_t size) {
        _cleanup_close_ int fd = -1;
        int n;

        (void) snprintf(path, size, "%s/bus.conf", fake->directory);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        n = dprintf(fd, "<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
                        "<policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                        "<allow own=\"*\"/></policy></busconfig>", fake->directory);
        return n < 0 ? -EIO : 0;
}

/* Whether anything came through the pipe before it was closed. */
static bool wait_ready(int fd) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);

        return n == 1;
}

int fake_irm_start(FakeIrm *fake) {
        char config[128], address[128];
        int bus_ready[2], service_ready[2], r;

        *fake = (FakeIrm) { .directory = "/tmp/o7sctl-test-XXXXXX" };
        if (!mkdtemp(fake->directory))
                return -errno;

        r = write_config(fake, config, sizeof(config));
        if (r < 0)
                return r;
        if (pipe2(bus_ready, O_CLOEXEC) < 0 || pipe2(service_ready, O_CLOEXEC) < 0)
                return -errno;

        fake->daemon = fork();
        if (fake->daemon == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(bus_ready[1], STDOUT_FILENO);
                (void) execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                              "--config-file", config, "--print-address=1", (char *) NULL);
                _exit(127);
        }
        (void) close(bus_ready[1]);
        r = wait_ready(bus_ready[0]);
        (void) close(bus_ready[0]);
        if (!r)
                return -ENOENT;

        (void) snprintf(address, sizeof(address), "unix:path=%s/bus", fake->directory);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);

        fake->service = fork();
        if (fake->service == 0)
                serve(service_ready[1]);
        (void) close(service_ready[1]);
        r = wait_ready(service_ready[0]);
        (void) close(service_ready[0]);

        return r ? 0 : -EIO;
}

static void end(pid_t pid) {
        if (pid <= 0)
                return;

        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

void fake_irm_stop_service(FakeIrm *fake) {
        end(fake->service);
        fake->service = 0;
}

void fake_irm_stop(FakeIrm *fake) {
        char path[128];

        fake_irm_stop_service(fake);
        end(fake->daemon);

        (void) snprintf(path, sizeof(path), "%s/bus.conf", fake->directory);
        (void) unlink(path);
        (void) snprintf(path, sizeof(path), "%s/bus", fake->directory);
        (void) unlink(path);
        (void) rmdir(fake->directory);
}
