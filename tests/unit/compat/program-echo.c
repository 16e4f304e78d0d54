/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program as its author would have written it for Ouroboros, built and linked as it would be built elsewhere: with
 * nothing but <ouroboros/...> and -louroboros-dev. It knows nothing of o7s.
 *
 *   program-echo server       accepts flows in a thread, answers all of them from one set of flows
 *   program-echo client N     N messages of growing size over one reliable flow
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/dev.h>
#include <ouroboros/errno.h>
#include <ouroboros/fccntl.h>
#include <ouroboros/fqueue.h>

#define BUF_SIZE 2048

static fset_t *flows;

static void *accept_thread(void *o) {
        (void) o;

        while (1) {
                qosspec_t qs;
                int fd = flow_accept(&qs, NULL);

                if (fd < 0)
                        break;

                fccntl(fd, FLOWSFLAGS, FLOWFRDWR | FLOWFRNOBLOCK);
                if (fset_add(flows, fd) < 0)
                        flow_dealloc(fd);
        }

        return NULL;
}

static int server(void) {
        struct timespec timeout = { 10, 0 };
        fqueue_t *fq = fqueue_create();
        int served = 0;
        pthread_t thr;

        flows = fset_create();
        if (flows == NULL || fq == NULL)
                return EXIT_FAILURE;

        pthread_create(&thr, NULL, accept_thread, NULL);
        printf("serving\n");
        fflush(stdout);

        while (served == 0 && fevent(flows, fq, &timeout) > 0) {
                int fd;

                while ((fd = fqueue_next(fq)) >= 0) {
                        char buf[BUF_SIZE];
                        ssize_t n;

                        switch (fqueue_type(fq)) {
                        case FLOW_PKT:
                                n = flow_read(fd, buf, BUF_SIZE);
                                if (n > 0 && flow_write(fd, buf, n) != n)
                                        return EXIT_FAILURE;
                                break;
                        case FLOW_DEALLOC:
                                fset_del(flows, fd);
                                flow_dealloc(fd);
                                served = 1;
                                break;
                        default:
                                break;
                        }
                }
        }

        pthread_cancel(thr);
        pthread_join(thr, NULL);
        fset_destroy(flows);
        fqueue_destroy(fq);
        return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int client(int count) {
        struct timespec timeout = { 10, 0 };
        char out[BUF_SIZE], in[BUF_SIZE];
        qosspec_t qs = qos_data;
        int fd, i;

        fd = flow_alloc("echo", &qs, &timeout);
        if (fd < 0) {
                fprintf(stderr, "Failed to allocate flow: %d\n", fd);
                return EXIT_FAILURE;
        }

        fccntl(fd, FLOWSRCVTIMEO, &timeout);
        for (i = 0; i < count; i++) {
                size_t len = 1 + (size_t) (i * 7) % (BUF_SIZE - 1);
                ssize_t n;

                memset(out, 'a' + i % 26, len);
                if (flow_write(fd, out, len) != (ssize_t) len)
                        return EXIT_FAILURE;

                n = flow_read(fd, in, BUF_SIZE);
                if (n != (ssize_t) len || memcmp(in, out, len) != 0) {
                        fprintf(stderr, "Message %d came back as %zd\n", i, n);
                        return EXIT_FAILURE;
                }
        }

        return flow_dealloc(fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        if (argc > 1 && strcmp(argv[1], "server") == 0)
                return server();
        if (argc > 2 && strcmp(argv[1], "client") == 0)
                return client(atoi(argv[2]));

        fprintf(stderr, "Usage: %s server | client COUNT\n", argv[0]);
        return EXIT_FAILURE;
}
