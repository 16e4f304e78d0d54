/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From NAME.layer and the name of this host to the core's configuration. */

#include <limits.h>
#include <unistd.h>

#include "basic/log.h"
#include "basic/random.h"
#include "services/ipcp-unicast/service.h"

static int host_name(char ret[HOST_NAME_MAX + 1]) {
        if (gethostname(ret, HOST_NAME_MAX + 1) < 0)
                return -errno;

        ret[HOST_NAME_MAX] = '\0';
        return 0;
}

static int lower_by_name(const LayerFile *file, const char *name) {
        for (size_t i = 0; i < file->over.n; i++)
                if (streq(file->over.items[i], name))
                        return (int) i;

        return -1;                      /* any: the file was checked, so it is empty */
}

static int copy_neighbours(Service *s) {
        const LayerMember *member = &s->file->member;

        s->neighbours = calloc(MAX(member->n_neighbours, (size_t) 1), sizeof(*s->neighbours));
        if (!s->neighbours)
                return -ENOMEM;

        for (size_t i = 0; i < member->n_neighbours; i++) {
                const LayerFileNeighbour *from = &member->neighbours[i];
                UnicastNeighbourConfig *to = &s->neighbours[i];

                *to = (UnicastNeighbourConfig) {
                        .lower = lower_by_name(s->file, from->over),
                        .management = from->management,
                        .data = from->data,
                        .cost = from->cost,
                };
                (void) copy_string(to->name, sizeof(to->name), from->name);
        }

        return 0;
}

int service_config(Service *s, UnicastConfig *ret) {
        const LayerFile *file = s->file;
        const LayerMember *member = &file->member;
        char host[HOST_NAME_MAX + 1];
        UnicastConfig config = {
                .layer = file->name,
                .lower = (const char *const *) file->over.items,
                .n_lower = (unsigned) file->over.n,
                .bootstrap = member->bootstrap,
                .initial = member->initial,
                .via = (const char *const *) member->via.items,
                .n_via = (unsigned) member->via.n,
                .retry_min_usec = member->retry_min_usec,
                .retry_max_usec = member->retry_max_usec,
                .give_up_usec = member->give_up_usec,
                .n_neighbours = (unsigned) member->n_neighbours,
                .packet_max = file->max_packet_size,
                .hello_usec = HELLO_USEC,
                .keep_neighbours = true,
        };
        int r;

        r = host_name(host);
        if (r < 0)
                return log_error_errno(r, "Failed to find out the name of this host: %m");

        r = layer_member_name(member, file->name, host, &s->member);
        if (r < 0)
                return log_error_errno(r, "Failed to make a name for this member, set Member= in %s.layer: %m",
                                       file->name);

        r = copy_neighbours(s);
        if (r < 0)
                return log_error_errno(r, "Failed to take over the neighbours of %s.layer: %m", file->name);

        r = random_bytes(config.key, sizeof(config.key));
        if (r < 0)
                return log_error_errno(r, "Failed to draw a key: %m");

        config.member = s->member;
        config.neighbours = s->neighbours;
        *ret = config;
        return 0;
}

void service_config_done(Service *s) {
        s->member = mfree(s->member);
        s->neighbours = mfree(s->neighbours);
}
