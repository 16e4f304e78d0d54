/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An IRM in a thread. It trusts its clients: they are tests. */

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "libo7s/doorbell.h"
#include "tests/support/irm-thread.h"

#define CLIENTS_MAX 64
#define FLOWS_MAX 4096

typedef struct Client {
        int fd;
        bool listens;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
} Client;

/* One that is not established yet. */
typedef struct PendingFlow {
        bool used;
        uint64_t asking_id;
        uint64_t serving_id;
        Client *serving;
        int doorbell_fd;                /* the serving side's end */
        int asking_lane_fd;
        int serving_lane_fd;
        IrmFlowInfo info;
} PendingFlow;

struct IrmThread {
        char address[64];
        int listen_fd;
        int stop_fd;
        pthread_t thread;
        bool running;
        pthread_mutex_t mutex;          /* guards counts */
        IrmThreadCounts counts;
        IrmLayer *layer;                /* not owned; NULL: there is none */

        /* The thread's own. */
        Client clients[CLIENTS_MAX];
        PendingFlow flows[FLOWS_MAX];
        struct pollfd polls[2 + CLIENTS_MAX + FLOWS_MAX];
        unsigned n_flows;               /* entries that may be in use */
        uint64_t next_id;
        LaneClass layered_class;
};

static void flow_drop(PendingFlow *f) {
        f->doorbell_fd = safe_close(f->doorbell_fd);
        f->asking_lane_fd = safe_close(f->asking_lane_fd);
        f->serving_lane_fd = safe_close(f->serving_lane_fd);
        f->used = false;
}

static PendingFlow *flow_add(IrmThread *irm) {
        for (unsigned i = 0; i < FLOWS_MAX; i++) {
                PendingFlow *f = &irm->flows[i];

                if (f->used)
                        continue;

                *f = (PendingFlow) {
                        .used = true,
                        .asking_id = irm->next_id++,
                        .serving_id = irm->next_id++,
                        .doorbell_fd = -1,
                        .asking_lane_fd = -1,
                        .serving_lane_fd = -1,
                };
                irm->n_flows = MAX(irm->n_flows, i + 1);
                return f;
        }

        return NULL;
}

static PendingFlow *flow_find(IrmThread *irm, uint64_t id) {
        for (unsigned i = 0; i < irm->n_flows; i++)
                if (irm->flows[i].used && (irm->flows[i].asking_id == id || irm->flows[i].serving_id == id))
                        return &irm->flows[i];

        return NULL;
}

static Client *client_find(IrmThread *irm, const char *name) {
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                Client *c = &irm->clients[i];

                if (c->fd >= 0 && c->listens && (isempty(c->name) || streq(c->name, name)))
                        return c;
        }

        return NULL;
}

static void count_cancelled(IrmThread *irm) {
        (void) pthread_mutex_lock(&irm->mutex);
        irm->counts.n_cancelled++;
        (void) pthread_mutex_unlock(&irm->mutex);
}

static void reply(Client *c, int result, const char *text) {
        IrmMessage message = { .type = IRM_REPLY, .result = result };

        (void) copy_string(message.text, sizeof(message.text), text);
        (void) irm_message_send(c->fd, &message, NULL, 0);
}

const char *irm_thread_suite(void) {
        return getenv("O7S_TEST_SEAL") ?: "none";
}

bool irm_thread_protects(void) {
        return !streq(irm_thread_suite(), "none");
}

size_t irm_thread_overhead(bool checksum) {
        if (!irm_thread_protects())
                return checksum ? 4 : 0;

        return streq(irm_thread_suite(), "reference") ? (checksum ? 28 + 4 : 28) : 5 + 16;
}

uint8_t irm_thread_key_byte(unsigned which, uint8_t number, unsigned i) {
        uint32_t x = (which * 256 + number) * 64 + i;

        x = (x ^ x >> 7) * 2654435761U;
        x = (x ^ x >> 15) * 2246822519U;
        return (uint8_t) (x >> 21);
}

void irm_thread_keys(const char *suite, bool client, uint8_t number, SealKeys *ret) {
        suite = suite ?: irm_thread_suite();

        *ret = (SealKeys) { .client = client, .mac_only = streq(suite, "o7s-mac") };
        if (streq(suite, "none"))
                return;

        ret->suite = streq(suite, "reference") ? SEAL_REFERENCE : SEAL_O7S;
        ret->cipher = number & 2 ? SEAL_AES_128_GCM : SEAL_CHACHA20_POLY1305;
        for (unsigned i = 0; i < SEAL_SECRET_BYTES; i++) {
                ret->send[i] = irm_thread_key_byte(client ? 0 : 1, number, i);
                ret->receive[i] = irm_thread_key_byte(client ? 1 : 0, number, i);
                ret->agreement[i] = irm_thread_key_byte(2, number, i);
        }
        memset(ret->label, number, sizeof(ret->label));
        if (ret->suite == SEAL_REFERENCE)
                memcpy(ret->send, ret->agreement, sizeof(ret->send));
        if (ret->suite == SEAL_REFERENCE)
                memcpy(ret->receive, ret->agreement, sizeof(ret->receive));
}

/* Those of a flow, for one of its ends. */
static void keys_of(const PendingFlow *f, bool client, IrmMessage *message) {
        if (!f->info.local)
                irm_thread_keys(NULL, client, (uint8_t) f->serving_id, &message->keys);
}

static void outcome(PendingFlow *f, int result, int lane_fd, const char *text) {
        _cleanup_(irm_message_wipe) IrmMessage message = { .type = IRM_OUTCOME, .result = result, .info = f->info };

        if (result == 0)
                keys_of(f, true, &message);
        (void) copy_string(message.text, sizeof(message.text), text);
        (void) irm_message_send_outcome(f->doorbell_fd, &message, lane_fd);
}

/* A memfd that looks like a lane until one looks closer. */
static int bad_lane(LaneClass class) {
        int fd = memfd_create("bad", MFD_CLOEXEC);

        if (fd >= 0)
                (void) !ftruncate(fd, (off_t) lane_class_bytes(class));
        return fd;
}

static LaneClass class_for(uint64_t flags) {
        return flags & O7S_BULK ? LANE_BULK : flags & O7S_THIN ? LANE_THIN : LANE_NORMAL;
}

/* The names that are played. Returns whether this is one. The doorbell of the flow is the end that we keep. */
static bool play(PendingFlow *f, const char *name, LaneClass class) {
        _cleanup_close_ int lane_fd = -1;

        if (streq(name, "silent"))
                return true;

        if (streq(name, "refused")) {
                outcome(f, -ECONNREFUSED, -1, IRM_THREAD_REFUSAL);
        } else if (streq(name, "in-progress")) {
                outcome(f, -EINPROGRESS, -1, "");
        } else if (streq(name, "bad-lane")) {
                lane_fd = bad_lane(class);
                outcome(f, 0, lane_fd, "");
        } else if (streq(name, "ring-first")) {
                (void) doorbell_ring(f->doorbell_fd);
        } else if (!streq(name, "died")) {
                return false;
        }

        flow_drop(f);
        return true;
}

/* A flow through the layer, or the next life of one. */
static void ask_layer(IrmThread *irm, Client *c, LaneClass class, uint64_t flow_id) {
        IrmMessage answer = { .type = IRM_REPLY, .lane_class = class, .flow_id = flow_id };
        _cleanup_close_ int fd = -1;
        int r;

        r = irm_layer_ask(irm->layer, class, flow_id, &fd);
        if (r < 0)
                return reply(c, r, "");

        (void) irm_message_send(c->fd, &answer, &fd, 1);
}

/* What the two ends of a flow agree on, where names play hosts apart. */
static IrmFlowInfo flow_info(const IrmMessage *request) {
        bool ordered = streq(request->info.name, "ordered"), extended = streq(request->info.name, "extended");
        IrmFlowInfo info = request->info;

        info.local = !ordered && !extended && (info.qos.in_order || !irm_thread_protects());
        info.mtu = streq(info.name, "short-mtu") ? 100 : 0;
        info.mpl_ms = 100;
        if (extended)
                info.transfer = IRM_TRANSFER_EXTENDED | (info.qos.ber == 0 ? IRM_TRANSFER_CHECKSUM : 0);
        if ((extended || info.local) && (request->flags & O7S_STREAM))
                info.transfer |= IRM_TRANSFER_STREAM;
        if (request->flags & O7S_STREAM)
                info.transfer |= IRM_TRANSFER_STREAM;
        if (!info.local)
                (void) copy_string(info.layer, sizeof(info.layer), "lan");
        (void) copy_string(info.peer, sizeof(info.peer), "somebody");
        return info;
}

static void allocate(IrmThread *irm, Client *c, const IrmMessage *request) {
        IrmMessage answer = { .type = IRM_REPLY, .lane_class = class_for(request->flags) };
        IrmMessage offer = { .type = IRM_OFFER, .lane_class = answer.lane_class, .info = request->info };
        const char *name = request->info.name;
        Client *serving = client_find(irm, name);
        _cleanup_close_ int asking_fd = -1;
        PendingFlow *f;
        int fds[2];

        if (streq(name, "denied"))
                return reply(c, -EPERM, "");
        if (streq(name, "no-doorbell"))
                return reply(c, 0, "");
        if (streq(name, "wrong-reply"))
                return (void) irm_message_send(c->fd, &offer, NULL, 0);

        if (streq(name, "layered") && irm->layer) {
                irm->layered_class = answer.lane_class;
                return ask_layer(irm, c, answer.lane_class, irm->next_id++);
        }

        f = flow_add(irm);
        if (!f || doorbell_pair(fds) < 0)
                return reply(c, -EDQUOT, "");

        asking_fd = fds[0];
        f->doorbell_fd = fds[1];
        f->info = flow_info(request);

        answer.flow_id = f->asking_id;
        offer.flow_id = f->serving_id;

        if (play(f, name, answer.lane_class))
                return (void) irm_message_send(c->fd, &answer, &asking_fd, 1);

        if (!serving) {
                flow_drop(f);
                return reply(c, -ENOENT, "");
        }

        f->serving = serving;
        (void) irm_message_send(c->fd, &answer, &asking_fd, 1);
        (void) irm_message_send(serving->fd, &offer, NULL, 0);
}

/* Takes a lane; with both of them the flow is established, and ours no longer. */
static void take_lane(IrmThread *irm, uint64_t flow_id, int fd) {
        PendingFlow *f = flow_find(irm, flow_id);
        _cleanup_(irm_message_wipe) IrmMessage established = { .type = IRM_ESTABLISHED };
        int fds[2];

        if (!f && irm->layer && irm_layer_take_lane(irm->layer, flow_id, fd))
                return;
        if (!f) {
                (void) safe_close(fd);
                return;
        }

        if (flow_id == f->asking_id)
                f->asking_lane_fd = fd;
        else
                f->serving_lane_fd = fd;
        if (f->asking_lane_fd < 0 || f->serving_lane_fd < 0)
                return;

        established.flow_id = f->serving_id;
        established.info = f->info;
        keys_of(f, false, &established);
        fds[0] = f->asking_lane_fd;
        fds[1] = f->doorbell_fd;

        outcome(f, 0, f->serving_lane_fd, "");
        (void) irm_message_send(f->serving->fd, &established, fds, 2);
        flow_drop(f);
}

static void client_drop(IrmThread *irm, Client *c) {
        c->fd = safe_close(c->fd);

        for (unsigned i = 0; i < irm->n_flows; i++)
                if (irm->flows[i].used && irm->flows[i].serving == c)
                        flow_drop(&irm->flows[i]);
}

static void client_readable(IrmThread *irm, Client *c) {
        int fds[IRM_FDS_MAX] = { -1, -1 }, r;
        IrmMessage message;

        r = irm_message_receive(c->fd, &message, fds);
        if (r == -EAGAIN)
                return;
        if (r < 0)
                return client_drop(irm, c);

        (void) pthread_mutex_lock(&irm->mutex);
        irm->counts.n_messages[message.type]++;
        (void) pthread_mutex_unlock(&irm->mutex);

        if (message.type == IRM_ALLOCATE) {
                allocate(irm, c, &message);
        } else if (message.type == IRM_LANE) {
                take_lane(irm, message.flow_id, TAKE_FD(fds[0]));
        } else if (message.type == IRM_LISTEN) {
                bool denied = streq(message.info.name, "denied");

                c->listens = !denied;
                (void) copy_string(c->name, sizeof(c->name), message.info.name);
                reply(c, denied ? -EPERM : 0, "");
        } else if (message.type == IRM_REATTACH && irm->layer) {
                ask_layer(irm, c, irm->layered_class, message.flow_id);
        } else if (message.type == IRM_RESUME) {
                reply(c, 0, "");
        }

        (void) safe_close(fds[0]);
        (void) safe_close(fds[1]);
}

static void client_accept(IrmThread *irm) {
        int fd = accept4(irm->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++)
                if (irm->clients[i].fd < 0) {
                        irm->clients[i] = (Client) { .fd = TAKE_FD(fd) };
                        return;
                }

        (void) safe_close(fd);
}

/* Those who asked and hung up: their offers are withdrawn. */
static void flow_hung_up(IrmThread *irm, PendingFlow *f) {
        IrmMessage withdrawn = { .type = IRM_WITHDRAWN, .flow_id = f->serving_id };

        if (f->serving)
                (void) irm_message_send(f->serving->fd, &withdrawn, NULL, 0);
        count_cancelled(irm);
        flow_drop(f);
}

void irm_thread_set_layer(IrmThread *irm, IrmLayer *layer) {
        irm->layer = layer;
}

static void *serve(void *userdata) {
        IrmThread *irm = userdata;
        struct pollfd *polls = irm->polls;
        unsigned n;

        for (;;) {
                unsigned n_flows = irm->n_flows;

                polls[0] = (struct pollfd) { .fd = irm->stop_fd, .events = POLLIN };
                polls[1] = (struct pollfd) { .fd = irm->listen_fd, .events = POLLIN };
                n = 2;
                for (unsigned i = 0; i < CLIENTS_MAX; i++)
                        polls[n++] = (struct pollfd) { .fd = irm->clients[i].fd, .events = POLLIN };
                for (unsigned i = 0; i < n_flows; i++)
                        polls[n++] = (struct pollfd) { .fd = irm->flows[i].used ? irm->flows[i].doorbell_fd : -1 };

                (void) poll(polls, n, -1);
                if (polls[0].revents)
                        break;
                if (polls[1].revents)
                        client_accept(irm);
                for (unsigned i = 0; i < n_flows; i++)
                        if (polls[2 + CLIENTS_MAX + i].revents & POLLHUP && irm->flows[i].used)
                                flow_hung_up(irm, &irm->flows[i]);
                for (unsigned i = 0; i < CLIENTS_MAX; i++)
                        if (polls[2 + i].revents && irm->clients[i].fd == polls[2 + i].fd)
                                client_readable(irm, &irm->clients[i]);
        }

        return NULL;
}

static void close_all(IrmThread *irm) {
        irm->listen_fd = safe_close(irm->listen_fd);
        irm->stop_fd = safe_close(irm->stop_fd);
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                irm->clients[i].fd = safe_close(irm->clients[i].fd);
        for (unsigned i = 0; i < FLOWS_MAX; i++)
                if (irm->flows[i].used)
                        flow_drop(&irm->flows[i]);
}

void irm_thread_pause(IrmThread *irm) {
        uint64_t one = 1;

        if (irm->running) {
                (void) !write(irm->stop_fd, &one, sizeof(one));
                (void) pthread_join(irm->thread, NULL);
        }

        irm->running = false;
        close_all(irm);
}

int irm_thread_resume(IrmThread *irm) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = strlen(irm->address);

        memcpy(address.sun_path + 1, irm->address + 1, n - 1);

        irm->stop_fd = eventfd(0, EFD_CLOEXEC);
        irm->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (irm->stop_fd < 0 || irm->listen_fd < 0)
                return -errno;
        if (bind(irm->listen_fd, (const struct sockaddr *) &address,
                 (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n)) < 0 ||
            listen(irm->listen_fd, 128) < 0)
                return -errno;

        irm->running = pthread_create(&irm->thread, NULL, serve, irm) == 0;
        return irm->running ? 0 : -EAGAIN;
}

int irm_thread_start(IrmThread **ret) {
        _cleanup_(irm_thread_freep) IrmThread *irm = calloc(1, sizeof(*irm));
        int r;

        if (!irm)
                return -ENOMEM;

        (void) pthread_mutex_init(&irm->mutex, NULL);
        irm->next_id = 1;
        irm->listen_fd = irm->stop_fd = -1;
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                irm->clients[i].fd = -1;
        (void) snprintf(irm->address, sizeof(irm->address), "@o7s-irm-thread-%d-%p", getpid(), (void *) irm);

        r = irm_thread_resume(irm);
        if (r < 0)
                return r;
        if (setenv("O7S_SOCKET", irm->address, true) < 0)
                return -errno;

        *ret = TAKE_PTR(irm);
        return 0;
}

IrmThread *irm_thread_free(IrmThread *irm) {
        if (!irm)
                return NULL;

        irm_thread_pause(irm);
        (void) pthread_mutex_destroy(&irm->mutex);
        return mfree(irm);
}

void irm_thread_forget(IrmThread *irm) {
        irm->running = false;
        close_all(irm);
}

IrmThreadCounts irm_thread_counts(IrmThread *irm) {
        IrmThreadCounts counts;

        (void) pthread_mutex_lock(&irm->mutex);
        counts = irm->counts;
        (void) pthread_mutex_unlock(&irm->mutex);

        return counts;
}
