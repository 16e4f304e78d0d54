/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IPCPs as programs for Ouroboros manage them. There, a process is made first, told its configuration afterwards, and
 * meant by its pid. Here the process comes last: a layer is a description, which systemd starts. So what
 * irm_create_ipcp() makes is a note in this process, until irm_enroll_ipcp() says of which layer it is to be a member:
 * then that layer is described on the bus and started. The note has a number that no process can have, which stands for
 * the IPCP from then on; those that others have made are meant by the pids of their processes.
 */

#include <stdio.h>

#include <ouroboros/irm.h>

#include "libo7s-compat/compat.h"
#include "libo7s-compat/ipcp.h"

#define NOTES_MAX 64U
#define NOTE_FIRST ((pid_t) (1 << 22) + 1)      /* processes have lower numbers, PID_MAX_LIMIT of Linux */

typedef struct Note {
        pid_t pid;                      /* 0: unused */
        char name[256];
        char layer[256];                /* "": it is a member of none yet */
} Note;

/* Of this process. Nothing waits with the mutex held. */
static struct {
        pthread_mutex_t mutex;
        pid_t last;
        Note notes[NOTES_MAX];
} created = { .mutex = PTHREAD_MUTEX_INITIALIZER, .last = NOTE_FIRST - 1 };

static void irm_bus_closep(IrmBus **bus) {
        *bus = irm_bus_close(*bus);
}

typedef struct Layers {
        IrmLayer *items;
        ssize_t n;
} Layers;

static void layers_done(Layers *layers) {
        if (layers->n > 0)
                layers->items = irm_layers_free(layers->items, (size_t) layers->n);
}

#define _cleanup_bus_ _cleanup_(irm_bus_closep)
#define _cleanup_layers_ _cleanup_(layers_done)

/* -- notes -- */

/* Mutex held. */
static Note *note_find(pid_t pid) {
        for (size_t i = 0; i < NOTES_MAX; i++)
                if (created.notes[i].pid == pid)
                        return &created.notes[i];

        return NULL;
}

/* A copy. Returns: whether there is one. */
static bool note_get(pid_t pid, Note *ret) {
        const Note *note;

        (void) pthread_mutex_lock(&created.mutex);
        note = pid >= NOTE_FIRST ? note_find(pid) : NULL;
        if (note)
                *ret = *note;
        (void) pthread_mutex_unlock(&created.mutex);

        return note;
}

static int note_add(const char *name) {
        Note *note;

        (void) pthread_mutex_lock(&created.mutex);
        note = note_find(0);
        if (note) {
                *note = (Note) { .pid = ++created.last };
                (void) snprintf(note->name, sizeof(note->name), "%s", name);
        }
        (void) pthread_mutex_unlock(&created.mutex);

        return note ? 0 : -ENOMEM;
}

static void note_set_layer(pid_t pid, const char *layer) {
        Note *note;

        (void) pthread_mutex_lock(&created.mutex);
        note = note_find(pid);
        if (note)
                (void) snprintf(note->layer, sizeof(note->layer), "%s", layer);
        (void) pthread_mutex_unlock(&created.mutex);
}

static void note_remove(pid_t pid) {
        Note *note;

        (void) pthread_mutex_lock(&created.mutex);
        note = note_find(pid);
        if (note)
                *note = (Note) {};
        (void) pthread_mutex_unlock(&created.mutex);
}

int ipcp_layer(IrmBus *bus, pid_t pid, char **ret) {
        Note note;

        if (pid <= 0)
                return -EINVAL;
        if (pid < NOTE_FIRST)
                return irm_bus_layer_of(bus, pid, ret);
        if (!note_get(pid, &note) || note.layer[0] == '\0')
                return -EIPCP;

        *ret = strdup(note.layer);
        return *ret ? 0 : -ENOMEM;
}

/* -- making and removing -- */

_public_ pid_t irm_create_ipcp(const char *name, enum ipcp_type type) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        _cleanup_layers_ Layers layers = {};
        int r;

        if (!name || name[0] == '\0' || strlen(name) > NAME_SIZE)
                return -EINVAL;
        if ((int) type < 0 || type >= IPCP_INVALID)
                return -EIPCPTYPE;
        if (type != IPCP_UNICAST)
                return -ENOTSUP;        /* nothing could follow: they are not enrolled, and configured in files */

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        layers.n = irm_bus_list_layers(bus, &layers.items);     /* whether anybody is there */
        return layers.n < 0 ? (pid_t) layers.n : note_add(name);
}

_public_ int irm_destroy_ipcp(pid_t pid) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        char *layer = NULL;
        Note note;
        int r;

        if (pid <= 0)
                return -EINVAL;
        if (note_get(pid, &note) && note.layer[0] == '\0') {
                note_remove(pid);
                return 0;
        }

        r = irm_bus_open(&bus);
        if (r >= 0)
                r = ipcp_layer(bus, pid, &layer);
        if (r >= 0)
                r = irm_bus_stop_layer(bus, layer);
        if (r >= 0 && pid >= NOTE_FIRST) {
                r = irm_bus_remove_layer(bus, layer);
                note_remove(pid);
        }

        free(layer);
        return r;
}

/* -- becoming a member -- */

/* The layer is described and started, or it is as if nothing had been. */
static int enroll_note(IrmBus *bus, const Note *note, const char *layer) {
        _cleanup_layers_ Layers layers = {};
        int r;

        if (note->layer[0] != '\0')
                return -EIPCPSTATE;

        layers.n = irm_bus_list_layers(bus, &layers.items);
        if (layers.n <= 0)
                return layers.n < 0 ? (int) layers.n : -EIPCP;          /* there is nothing to run over */
        for (ssize_t i = 0; i < layers.n; i++)
                if (strcmp(layers.items[i].name, layer) == 0)
                        return -EEXIST;

        r = irm_bus_create_layer(bus, layer, note->name, layers.items, (size_t) layers.n);
        if (r < 0)
                return r;

        r = irm_bus_start_layer(bus, layer);
        if (r < 0) {
                (void) irm_bus_stop_layer(bus, layer);
                (void) irm_bus_remove_layer(bus, layer);
                return r;
        }

        note_set_layer(note->pid, layer);
        return 0;
}

_public_ int irm_enroll_ipcp(pid_t pid, const char *dst) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        char *layer = NULL;
        Note note;
        int r;

        if (pid <= 0 || !dst || dst[0] == '\0')
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;
        if (note_get(pid, &note))
                return enroll_note(bus, &note, dst);

        r = ipcp_layer(bus, pid, &layer);
        if (r >= 0)
                r = irm_bus_enroll(bus, layer, dst);

        free(layer);
        return r;
}

_public_ int irm_bootstrap_ipcp(pid_t pid, const struct ipcp_config *conf) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        char *layer = NULL;
        Note note;
        int r;

        if (pid <= 0 || !conf)
                return -EINVAL;
        if (note_get(pid, &note))
                return note.layer[0] != '\0' ? -EIPCPSTATE : -ENOTSUP;

        r = irm_bus_open(&bus);
        if (r >= 0)
                r = ipcp_layer(bus, pid, &layer);

        free(layer);
        return r < 0 ? r : -ENOTSUP;    /* what the members of the structure are is not ours to know */
}

/* -- neighbours -- */

static const char *component_from_string(const char *component) {
        if (strcmp(component, "Data Transfer") == 0)
                return "dt";

        return strcmp(component, "Management") == 0 ? "mgmt" : NULL;
}

typedef int (*order_t)(IrmBus *bus, const char *layer, const char *neighbour, const char *component);

static int order(order_t give, pid_t pid, const char *component, const char *dst) {
        _cleanup_bus_ IrmBus *bus = NULL;
        const char *known;
        char *layer = NULL;
        int r;

        known = component ? component_from_string(component) : NULL;
        if (pid <= 0 || !known || !dst)
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r >= 0)
                r = ipcp_layer(bus, pid, &layer);
        if (r >= 0)
                r = give(bus, layer, dst, known);

        free(layer);
        return r == -ENOTSUP ? -EIPCP : r;      /* a type of layer without neighbours */
}

_public_ int irm_connect_ipcp(pid_t pid, const char *component, const char *dst, qosspec_t qs) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        (void) qs;                      /* flows to neighbours have the quality of what they carry */
        return order(irm_bus_connect, pid, component, dst);
}

_public_ int irm_disconnect_ipcp(pid_t pid, const char *component, const char *dst) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        return order(irm_bus_disconnect, pid, component, dst);
}

/* -- the list -- */

static enum ipcp_type type_from_string(const char *text) {
        static const struct {
                const char *name;
                enum ipcp_type type;
        } types[] = {
                { "unicast", IPCP_UNICAST },
                { "broadcast", IPCP_BROADCAST },
                { "eth-llc", IPCP_ETH_LLC },
                { "eth-dix", IPCP_ETH_DIX },
                { "eth", IPCP_ETH_DIX },
                { "udp4", IPCP_UDP4 },
                { "udp6", IPCP_UDP6 },
                { "udp", IPCP_UDP4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcmp(types[i].name, text) == 0)
                        return types[i].type;

        return IPCP_INVALID;
}

static struct ipcp_list_info info_of(pid_t pid, enum ipcp_type type, const char *name, const char *layer) {
        struct ipcp_list_info info = { .pid = pid, .type = type };

        (void) snprintf(info.name, sizeof(info.name), "%s", name);
        (void) snprintf(info.layer, sizeof(info.layer), "%s", layer[0] != '\0' ? layer : "Not enrolled.");
        return info;
}

/* Room for all of them is there. Returns: how many. */
static size_t list_notes(struct ipcp_list_info *infos) {
        size_t n = 0;

        (void) pthread_mutex_lock(&created.mutex);
        for (size_t i = 0; i < NOTES_MAX; i++) {
                const Note *note = &created.notes[i];

                if (note->pid != 0)
                        infos[n++] = info_of(note->pid, IPCP_UNICAST, note->name, note->layer);
        }
        (void) pthread_mutex_unlock(&created.mutex);

        return n;
}

static bool is_listed(const struct ipcp_list_info *infos, size_t n, const char *layer) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(infos[i].layer, layer) == 0)
                        return true;

        return false;
}

_public_ ssize_t irm_list_ipcps(struct ipcp_list_info **ipcps) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        _cleanup_layers_ Layers layers = {};
        struct ipcp_list_info *infos;
        size_t n, n_notes;
        int r;

        if (!ipcps)
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        layers.n = irm_bus_list_layers(bus, &layers.items);
        if (layers.n < 0)
                return layers.n;

        infos = calloc(NOTES_MAX + (size_t) layers.n, sizeof(*infos));
        if (!infos)
                return -ENOMEM;

        n = n_notes = list_notes(infos);
        for (ssize_t i = 0; i < layers.n; i++) {
                const IrmLayer *layer = &layers.items[i];

                if (!is_listed(infos, n_notes, layer->name))
                        infos[n++] = info_of(layer->pid, type_from_string(layer->type), layer->name,
                                             layer->is_member ? layer->name : "");
        }
        if (n == 0) {
                free(infos);
                infos = NULL;
        }

        *ipcps = infos;
        return (ssize_t) n;
}
