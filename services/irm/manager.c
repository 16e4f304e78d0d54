/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables of the IRM, what fills them at the start, and STATUS=. The tour is in manager.h. */

#include <fcntl.h>
#include <sys/epoll.h>

#include "basic/log.h"
#include "basic/random.h"
#include "libo7s/bus-names.h"
#include "services/common/message-id.h"
#include "services/irm/announce.h"
#include "services/irm/file-stamp.h"
#include "services/irm/layer-names.h"
#include "services/irm/manager-bus.h"
#include "services/irm/resolve.h"
#include "services/irm/restore.h"
#include "services/irm/security-call.h"
#include "services/irm/systemd.h"

#define NEED_RELOAD_USEC USEC_PER_SEC           /* files are not looked at more often, whoever asks */
#define STATUS_USEC (100 * USEC_PER_MSEC)       /* STATUS= is not told more often: systemd has other things to do */

static uint64_t memory_bytes(void) {
        return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

static int manager_make_maps(Manager *m) {
        Map **maps[] = { &m->processes, &m->names, &m->layers, &m->flows, &m->operations, &m->resolves };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(maps) && r == 0; i++)
                r = map_new(maps[i]);
        for (size_t i = 0; i < _HASH_DIRECTORY_MAX && r == 0; i++)
                r = map_new(&m->name_hashes[i]);

        return r;
}

static void certificate_expires(void *userdata, const AuthMessage *message) {
        announce_certificate_expiring(userdata, message->name, message->text, message->expiry_usec);
}

int manager_new(Daemon *daemon, const ManagerPaths *paths, Manager **ret) {
        _cleanup_(manager_freep) Manager *m = NULL;
        uint8_t key[SIPHASH_KEY_BYTES];
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        m->daemon = daemon;
        m->event = daemon->event;
        m->irm_fd = m->layer_fd = -1;
        m->stamp_slot = STATE_NO_SLOT;
        m->started = time_realtime_nsec() / NSEC_PER_USEC;
        m->next_flow_id = m->started / USEC_PER_SEC * FLOW_IDS_PER_SECOND;
        list_init(&m->clients);
        list_init(&m->wildcard_listeners);
        list_init(&m->security_calls);

        r = config_init(&m->config, paths->root);
        if (r == 0)
                r = quota_init(&m->quota, &m->config.limits, memory_bytes());
        if (r == 0)
                r = manager_make_maps(m);
        if (r == 0)
                r = incoming_table_init(&m->incoming);
        if (r == 0)
                r = random_bytes(key, sizeof(key));
        if (r == 0)
                r = oap_replay_new(key, &m->replay);
        if (r == 0)
                r = auth_link_new(m->event, paths->auth_socket, paths->key_socket, certificate_expires, m, &m->auth);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

/* Frees all values of a map; each leaves it by itself. */
#define free_all(m, map, type, function)                                                                          \
        do {                                                                                                      \
                type *object;                                                                                     \
                size_t position = 0;                                                                              \
                while ((m)->map && (object = map_next((m)->map, &position))) {                                    \
                        (void) function(object);                                                                  \
                        position = 0;                                                                             \
                }                                                                                                 \
        } while (false)

/* In the end: processes and layers go by themselves once nothing refers to them; state and sockets stay with
 * systemd. */
Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;

        m->stopping = true;
        m->state = state_free(m->state);        /* what follows is not to be remembered */
        m->irm_source = sd_event_source_disable_unref(m->irm_source);
        m->layer_source = sd_event_source_disable_unref(m->layer_source);
        m->status_source = sd_event_source_disable_unref(m->status_source);
        m->bus = NULL;

        free_all(m, operations, Operation, operation_free);
        free_all(m, resolves, Resolve, resolve_free);
        free_all(m, flows, Flow, flow_free);
        while (!list_is_empty(&m->clients))
                client_free(list_first(&m->clients, Client, by_manager));
        free_all(m, names, Name, name_free);
        free_all(m, layers, Layer, layer_free);

        for (size_t i = 0; i < _HASH_DIRECTORY_MAX; i++)
                m->name_hashes[i] = map_free(m->name_hashes[i]);
        m->operations = map_free(m->operations);
        m->resolves = map_free(m->resolves);
        m->flows = map_free(m->flows);
        m->names = map_free(m->names);
        m->layers = map_free(m->layers);
        free_all(m, processes, Process, process_free);
        m->processes = map_free(m->processes);

        security_calls_free(m);
        m->auth = auth_link_free(m->auth);
        incoming_table_done(&m->incoming);
        conf_strings_done(&m->bad_name_files);
        quota_done(&m->quota);
        config_done(&m->config);
        oap_replay_free(m->replay);
        polkit_free(m->polkit);
        sd_bus_track_unref(m->subscribers);
        sd_bus_slot_unref(m->jobs_slot);
        m->irm_fd = safe_close(m->irm_fd);
        m->layer_fd = safe_close(m->layer_fd);
        return mfree(m);
}

void manager_admit(Manager *m) {
        if (m->irm_source)
                (void) sd_event_source_set_enabled(m->irm_source, SD_EVENT_ON);
        if (m->layer_source)
                (void) sd_event_source_set_enabled(m->layer_source, SD_EVENT_ON);
}

uint64_t manager_next_flow_id(Manager *m) {
        do
                m->next_flow_id++;
        while (flow_find(m, m->next_flow_id));

        return m->next_flow_id;
}

static int status_due(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        unsigned online = 0;
        size_t position;
        Layer *l;

        map_for_each(l, m->layers, position)
                online += layer_is_usable(l);

        daemon_status(m->daemon, "Serving %zu layers (%u online), %zu names, %zu flows", map_size(m->layers), online,
                      map_size(m->names), map_size(m->flows));
        return 0;
}

void manager_changed(Manager *m) {
        int enabled;

        if (!m->status_source || sd_event_source_get_enabled(m->status_source, &enabled) < 0 || enabled != SD_EVENT_OFF)
                return;

        (void) sd_event_source_set_time_relative(m->status_source, STATUS_USEC);
        (void) sd_event_source_set_enabled(m->status_source, SD_EVENT_ONESHOT);
}

/* -- files -- */

/* Name files, each applied to its name, which is made where it is not there yet. */
/* A slip of the pen takes no name away from those who serve it, and no flow that is there. But what the file says of
 * new ones is not known now, and may be more than it was: they are refused until it can be read. */
static void keep_out(Manager *m, const char *name, Name *n, int error) {
        char field[sizeof(LOG_FIELD_NAME "=") + FLOW_NAME_WIRE_BYTES_MAX];

        if (n)
                n->seen = true;
        if (conf_strings_add(&m->bad_name_files, name) < 0 && n)
                n->security[SECURITY_SERVER].broken = n->security[SECURITY_CLIENT].broken = true;

        (void) snprintf(field, sizeof(field), LOG_FIELD_NAME "=%s", name);
        (void) log_with_errno(LOG_ERR, error, LOG_FIELDS(MESSAGE_NAME_FILE_BAD, field),
                              "Flows of '%s' are refused, as %s" NAME_FILE_SUFFIX " cannot be used: %m", name, name);
}

static void load_name(Manager *m, const char *name) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        Name *n;
        int r;

        r = name_file_load(m->config.root, name, &file);
        if (file)
                config_log_messages(file->conf);
        n = name_find(m, name);
        if (r < 0) {
                keep_out(m, name, n, r);
                return;
        }
        if (n && n->layer[0]) {
                announce_name_removed(n);
                n = name_free(n);               /* a file says so; the layer's reason will have it */
        }
        if (!n) {
                r = name_new(m, name, 0, true, NULL, &n);
                if (r < 0) {
                        log_error_errno(r, "Cannot make the name '%s': %m", name);
                        return;
                }
                announce_name_new(n);
        }

        n->seen = true;
        r = name_apply_file(n, file);
        if (r < 0)
                log_error_errno(r, "Cannot apply %s" NAME_FILE_SUFFIX ": %m", name);
}

static void load_names(Manager *m) {
        ConfStrings names = {};
        size_t position;
        Name *n;

        m->names_stamp = file_stamp_all(m->config.root, NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX);
        if (config_list(&m->config, NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX, &names) < 0)
                return;

        conf_strings_done(&m->bad_name_files);
        map_for_each(n, m->names, position)
                n->seen = false;
        for (size_t i = 0; i < names.n; i++)
                load_name(m, names.items[i]);
        conf_strings_done(&names);

        position = 0;
        while ((n = map_next(m->names, &position)))
                if (n->from_file && !n->seen && isempty(n->layer)) {
                        announce_name_removed(n);
                        name_free(n);
                        position = 0;
                }
}

static void load_layers(Manager *m) {
        uint64_t stamp = file_stamp_all(m->config.root, LAYER_FILE_DIRECTORY, LAYER_FILE_SUFFIX);
        ConfStrings layers = {};
        size_t position;
        Layer *l;

        if (config_list(&m->config, LAYER_FILE_DIRECTORY, LAYER_FILE_SUFFIX, &layers) < 0)
                return;

        for (size_t i = 0; i < layers.n; i++)
                if (layer_get(m, layers.items[i], &l) < 0)
                        log_warning("Ignoring %s" LAYER_FILE_SUFFIX ": not a name of a layer, or too many",
                                    layers.items[i]);
        conf_strings_done(&layers);

        map_for_each(l, m->layers, position)
                layer_reload_file(l);
        m->layers_stamp = stamp;                /* of before: what was written meanwhile shows */
        map_for_each(l, m->layers, position)
                layer_settle(l);                /* may remove it: the one that was just returned */
}

int manager_reload(Manager *m) {
        size_t position;
        int r, level;
        Layer *l;

        m->need_reload_checked = 0;
        m->config_stamp = file_stamp(m->config.root, "", CONFIG_FILE);
        r = config_load(&m->config);
        if (r < 0)
                return r;

        level = m->config.log_level ? log_level_from_string(m->config.log_level) : -EINVAL;
        if (level >= 0)
                log_set_max_level(level);

        quota_set_limits(&m->quota, &m->config.limits, memory_bytes());
        load_layers(m);
        load_names(m);
        map_for_each(l, m->layers, position)
                layer_names_update(l);          /* what they may have depends on the files of names */
        manager_changed(m);
        return 0;
}

bool manager_needs_reload(Manager *m) {
        const char *root = m->config.root;
        usec_t now = time_now();

        if (m->need_reload_checked > 0 && usec_sub(now, m->need_reload_checked) < NEED_RELOAD_USEC)
                return m->need_reload;

        m->need_reload_checked = now;
        m->need_reload = file_stamp(root, "", CONFIG_FILE) != m->config_stamp ||
                         file_stamp_all(root, LAYER_FILE_DIRECTORY, LAYER_FILE_SUFFIX) != m->layers_stamp ||
                         file_stamp_all(root, NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX) != m->names_stamp;
        return m->need_reload;
}

/* -- start -- */

static void polkit_changed(void *userdata) {
        Manager *m = userdata;

        m->polkit_generation++;
}

static int manager_connect_bus(Manager *m) {
        int r;

        r = daemon_connect_bus(m->daemon, BUS_NAME_IRM);
        m->bus = m->daemon->bus;
        if (r < 0 || !m->bus) {
                log_with(LOG_NOTICE, LOG_FIELDS(MESSAGE_BUS_MISSING),
                         "There is no bus: only root and processes bound by user can serve, and nobody can manage");
                return 0;
        }

        r = polkit_new(m->bus, &m->polkit);
        if (r < 0)
                return log_error_errno(r, "Failed to watch polkit: %m");
        polkit_set_changed(m->polkit, polkit_changed, m);

        r = systemd_watch_jobs(m->bus, operation_job_removed, m, &m->jobs_slot);
        if (r < 0)
                return log_error_errno(r, "Failed to watch jobs of systemd: %m");

        return manager_bus_export(m);
}

static int listen_on(Manager *m, const char *fd_name, int *fd, sd_event_source **source,
                     sd_event_io_handler_t accept_all) {
        int r;

        *fd = daemon_take_fd(m->daemon, fd_name);
        if (*fd < 0)
                return log_error_errno(*fd, "There is no socket '%s': this daemon is started by its socket units",
                                       fd_name);

        /* systemd hands them out blocking. */
        if (fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK) < 0)
                return log_error_errno(errno, "Failed to prepare socket '%s': %m", fd_name);

        r = sd_event_add_io(m->event, source, *fd, EPOLLIN, accept_all, m);
        if (r < 0)
                return log_error_errno(r, "Failed to listen on socket '%s': %m", fd_name);

        return 0;
}

int manager_start(Manager *m) {
        int r;

        r = restore_open(m);
        if (r < 0)
                return r;

        r = sd_event_add_time_relative(m->event, &m->status_source, CLOCK_MONOTONIC, 0, 0, status_due, m);
        if (r < 0)
                return log_error_errno(r, "Failed to prepare STATUS=: %m");

        r = manager_reload(m);
        if (r < 0)
                return log_error_errno(r, "Failed to read the configuration: %m");

        restore_names(m);
        r = manager_connect_bus(m);
        if (r < 0)
                return r;

        restore_clients(m);
        restore_flows(m);

        r = listen_on(m, "irm", &m->irm_fd, &m->irm_source, client_accept_all);
        if (r < 0)
                return r;

        auth_link_start(m->auth);
        return listen_on(m, "layer", &m->layer_fd, &m->layer_source, layer_accept_all);
}
