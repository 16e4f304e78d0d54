/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets of a layer, as pcapng, to a file or to whatever reads our output. */

#include <fcntl.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"

#define CHUNK_BYTES 65536U

static void close_fd(int *fd) {
        *fd = safe_close(*fd);
}

/* Returns: 0; the exit status. *ret is the caller's. */
static int open_stream(Ctl *ctl, const char *name, int *ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(layer_view_done) LayerView view = {};
        int fd, r;

        r = layer_view_open(ctl, name, &view);
        if (r == 0)
                r = bus_prepare(ctl, view.path, BUS_INTERFACE_LAYER, "Capture", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "a{sv}t", 0, UINT64_C(0));
        if (r < 0)
                return bus_complain_message(r);

        agent_open(ctl);
        r = bus_send(ctl, call, &reply, "Cannot capture packets of layer '%s'", name);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return bus_complain_message(r);

        /* The reply's own goes with it. */
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? bus_complain_message(-errno) : EXIT_FINE;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n;

                n = write(fd, data, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                data += n;
                size -= (size_t) n;
        }

        return 0;
}

/* Until the layer has no more to show, or nobody reads what we write. Returns: 0; a negative errno of writing. */
static int copy_stream(int from, int to) {
        uint8_t chunk[CHUNK_BYTES];
        int r = 0;

        while (r >= 0) {
                ssize_t n;

                n = read(from, chunk, sizeof(chunk));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return 0;

                r = write_all(to, chunk, (size_t) n);
        }

        return r;
}

int verb_capture(Ctl *ctl, int argc, char *argv[]) {
        const char *file = ctl->options.write && !streq(ctl->options.write, "-") ? ctl->options.write : NULL;
        _cleanup_(close_fd) int stream = -1, output = -1;
        int r;

        if (!file && isatty(STDOUT_FILENO)) {
                (void) fprintf(stderr,
                               "Packets are not for a terminal. Write them to a file with --write=FILE, or pipe them: "
                               "o7sctl capture %s | tshark -r -\n",
                               argv[1]);
                return EXIT_USAGE;
        }

        r = open_stream(ctl, argv[1], &stream);
        if (r > 0)
                return r;

        /* Not before there is anything to write: what an older file holds may be wanted. */
        output = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                      : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (output < 0) {
                (void) fprintf(stderr, "Cannot write to %s: %s\n", file ? file : "the output", strerror(errno));
                return EXIT_FAILED;
        }
        if (file && !ctl->options.quiet)
                (void) fprintf(stderr, "Writing packets of layer %s to %s. Interrupt to end.\n", argv[1], file);

        r = copy_stream(stream, output);
        if (r < 0 && r != -EPIPE) {
                (void) fprintf(stderr, "Cannot write to %s: %s\n", file ? file : "the output", strerror(-r));
                return EXIT_FAILED;
        }

        return EXIT_FINE;
}
