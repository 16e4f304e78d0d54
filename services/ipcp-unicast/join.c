/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Becoming a member: as the first one, or by enrollment through each name and layer below in turn. A round goes through
 * all of them without a pause; between rounds the pauses grow. What a member then wants of its neighbours is in
 * join-target.c.
 *
 * Flows are opened in join_expire() alone, so nothing that reports a flow's end begins another one from within.
 */

#include <stdio.h>

#include "libo7s/error.h"
#include "services/ipcp-unicast/unicast.h"

static const char *layer_below(const Unicast *u, unsigned lower) {
        return u->config.lower[lower];
}

static void set_problem(Join *join, const char *problem) {
        (void) copy_string(join->problem, sizeof(join->problem), problem);
        utf8_mend(join->problem);
}

usec_t join_jitter(Join *join, usec_t max) {
        uint64_t random;

        /* Without randomness everybody is in step, which is slower, and no worse. */
        if (join->unicast->events->random(join->unicast->userdata, &random, sizeof(random)) < 0)
                return max;

        return random % (max + 1);
}

usec_t join_back_off(Join *join, usec_t *backoff_usec, bool reached) {
        const UnicastConfig *config = &join->unicast->config;
        usec_t min = config->retry_min_usec > 0 ? config->retry_min_usec : JOIN_RETRY_USEC;
        usec_t max = config->retry_max_usec > 0 ? config->retry_max_usec : JOIN_RETRY_MAX_USEC;

        if (reached)
                max = MIN(max, JOIN_RETRY_REACHED_USEC);

        *backoff_usec = *backoff_usec == 0 ? min : MIN(2 * *backoff_usec, MAX(min, max));
        return *backoff_usec - join_jitter(join, *backoff_usec / 4);
}

/* -- becoming a member -- */

static void pause_round(Join *join, bool reached, usec_t now) {
        join->n_round = 0;
        join->retry = usec_add(now, join_back_off(join, &join->backoff_usec, reached));
}

static void become_member(Join *join, const LayerConfig *config, usec_t now) {
        Unicast *u = join->unicast;
        int r;

        r = unicast_become_member(u, config, now);
        if (r < 0) {
                set_problem(join, r == -EPROTO ? "its members hash names in another way than our file says"
                                               : error_row(r)->sentence);
                return pause_round(join, false, now);
        }

        join->problem[0] = '\0';
        join->retry = USEC_INFINITY;
        join_targets_make(join, now);
}

/* A new layer gets a new id. Not where another member had our address: that layer is still there, and we begin it no
 * second time. */
static int make_layer_id(const Unicast *u, LayerConfig *config) {
        config->have_id = true;
        if (!u->layer.have_id)
                return u->events->random(u->userdata, config->id, sizeof(config->id));

        memcpy(config->id, u->layer.id, sizeof(config->id));
        return 0;
}

static void bootstrap(Join *join, usec_t now) {
        LayerConfig config = join->unicast->config.initial;
        const char *problem = NULL;
        int r;

        join->n_attempts++;
        if (layer_config_check(&config, &problem) < 0) {
                set_problem(join, problem);
                join->failed = true;            /* no attempt makes the file better */
                join->retry = USEC_INFINITY;
                return;
        }

        r = make_layer_id(join->unicast, &config);
        if (r < 0) {
                set_problem(join, "no random bytes for the id of the layer");
                return pause_round(join, false, now);
        }

        become_member(join, &config, now);
}

/* -- enrollment -- */

static size_t n_vias(const Join *join) {
        return MAX(join->unicast->config.n_via, 1U);
}

static const char *via(const Join *join, size_t i) {
        const UnicastConfig *config = &join->unicast->config;

        return config->n_via == 0 ? config->layer : config->via[i];
}

static unsigned n_ways(const Join *join) {
        unsigned n = 0;

        for (unsigned lower = 0; lower < join->unicast->config.n_lower; lower++)
                if (join->unicast->lower_is_up[lower])
                        n += (unsigned) n_vias(join);

        return n;
}

/* The next name over the next layer that works. Returns whether there is one. */
static bool next_way(Join *join, unsigned *ret_lower, const char **ret_name) {
        size_t n = n_vias(join), all = n * join->unicast->config.n_lower;

        for (size_t i = 0; i < all; i++) {
                size_t way = join->next_via++ % all;

                if (!join->unicast->lower_is_up[way / n])
                        continue;
                *ret_lower = (unsigned) (way / n);
                *ret_name = via(join, way % n);
                return true;
        }

        return false;
}

static void attempt_failed(Join *join, const char *problem, bool reached, usec_t now) {
        if (problem)
                set_problem(join, problem);

        if (++join->n_round < n_ways(join))
                join->retry = now;
        else
                pause_round(join, reached, now);
}

static void enroll(Join *join, usec_t now) {
        unsigned lower = 0;
        const char *name = NULL;
        int r;

        if (!next_way(join, &lower, &name)) {
                join->retry = USEC_INFINITY;    /* until a layer comes up */
                return;
        }

        join->n_attempts++;
        r = lower_flow_open(join->unicast, LOWER_ENROLLMENT, CUBE_BEST_EFFORT, lower, name, now, &join->enrolling);
        if (r < 0) {
                attempt_failed(join, error_row(r)->sentence, false, now);
                return;
        }

        join->retry = USEC_INFINITY;
}

static void enrolled(Join *join, LowerFlow *flow, usec_t now) {
        LayerConfig config = flow->enrollment.config;

        /* In this order: a flow that closes while we are no member yet looks like an attempt that failed. */
        join->enrolling = NULL;
        become_member(join, &config, now);
        lower_flow_close(flow, now);
}

static usec_t deadline(const Join *join) {
        usec_t give_up = join->unicast->config.give_up_usec;

        return give_up == 0 ? USEC_INFINITY : usec_add(join->started, give_up);
}

static void give_up(Join *join, usec_t now) {
        join->failed = true;
        join->retry = USEC_INFINITY;
        if (join->enrolling)
                lower_flow_close(TAKE_PTR(join->enrolling), now);
}

/* -- life -- */

static void begin(Join *join, usec_t now) {
        join->started = now;
        join->retry = now;
        join->failed = false;
        join->n_round = 0;
        join->backoff_usec = 0;
        join->n_attempts = 0;
        join->problem[0] = '\0';
}

void join_start(Join *join, Unicast *u, usec_t now) {
        usec_t next_conflict = join->next_conflict, conflict_pause_usec = join->conflict_pause_usec;

        *join = (Join) {
                .unicast = u,
                .next_conflict = next_conflict,
                .conflict_pause_usec = conflict_pause_usec,
        };
        list_init(&join->targets);
        begin(join, now);

        if (u->is_member) {             /* an earlier life became one */
                join->retry = USEC_INFINITY;
                join_targets_make(join, now);
        } else if (u->config.bootstrap)
                bootstrap(join, now);
}

void join_done(Join *join) {
        join_targets_done(join);
        join->enrolling = NULL;
        join->retry = USEC_INFINITY;
}

/* -- what happens -- */

void join_flow_opened(Join *join, LowerFlow *flow, usec_t now) {
        if (!join->unicast)
                return;
        if (flow == join->enrolling)
                return enrolled(join, flow, now);

        join_target_opened(join, flow);
        join_targets_look(join, now);
        unicast_update_state(join->unicast, now);
}

void join_flow_ended(Join *join, LowerFlow *flow, const char *problem, usec_t now) {
        if (!join->unicast)
                return;

        if (flow == join->enrolling) {
                join->enrolling = NULL;
                attempt_failed(join, problem, flow->packet_max > 0, now);
        }

        join_target_ended(join, flow, problem, now);
        join_targets_look(join, now);
        unicast_update_state(join->unicast, now);
}

void join_lower_up(Join *join, unsigned lower, usec_t now) {
        if (!join->unicast)
                return;

        if (!join->unicast->is_member && !join->failed && !join->enrolling) {
                join->backoff_usec = 0;
                join->n_round = 0;
                join->retry = now;
        }

        join_targets_lower_up(join, lower, now);
}

void join_expire(Join *join, usec_t now) {
        Unicast *u = join->unicast;
        bool changed = false;

        if (!u)
                return;

        if (!u->is_member && !join->failed && deadline(join) <= now) {
                give_up(join, now);
                changed = true;
        }
        if (!u->is_member && !join->failed && !join->enrolling && join->retry <= now) {
                if (u->config.bootstrap)
                        bootstrap(join, now);
                else
                        enroll(join, now);
                changed = true;
        }
        if (changed)
                unicast_update_state(u, now);

        if (u->is_member)
                join_targets_expire(join, now);
}

usec_t join_next(const Join *join) {
        if (!join->unicast)
                return USEC_INFINITY;
        if (join->unicast->is_member)
                return join_targets_next(join);
        if (join->failed)
                return USEC_INFINITY;

        return MIN(join->enrolling ? USEC_INFINITY : join->retry, deadline(join));
}

bool join_has_failed(const Join *join) {
        return join->failed;
}

bool join_give_way(Join *join, usec_t now) {
        bool is_long_ago = usec_sub(now, join->next_conflict) > JOIN_CONFLICT_MAX_USEC;

        if (now < join->next_conflict)
                return false;

        join->conflict_pause_usec = join->conflict_pause_usec == 0 || is_long_ago
                                            ? JOIN_CONFLICT_USEC
                                            : MIN(2 * join->conflict_pause_usec, JOIN_CONFLICT_MAX_USEC);
        join->next_conflict = usec_add(now, join->conflict_pause_usec);
        return true;
}

/* -- in words -- */

/* "lan, udp0" */
static void list_layers(const Unicast *u, char *text, size_t size) {
        size_t used = 0;

        (void) copy_string(text, size, "none");
        for (unsigned i = 0; i < u->config.n_lower && used < size; i++) {
                int n = snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", layer_below(u, i));

                used += n < 0 ? 0 : (size_t) n;
        }
}

static void describe_attempt(const Join *join, char *text, size_t size) {
        const LowerFlow *flow = join->enrolling;
        const char *what = flow->state == LOWER_ALLOCATING ? "a flow to"
                           : flow->state == LOWER_GREETING ? "the greeting of"
                                                           : "the configuration from";

        (void) snprintf(text, size, "waiting for %s %s over %s (attempt %u%s%s)", what, flow->name,
                        lower_flow_layer(flow), join->n_attempts, join->problem[0] != '\0' ? ", last error: " : "",
                        join->problem);
}

static void describe_joining(const Join *join, char *text, size_t size) {
        char layers[LAYER_TEXT_BYTES_MAX / 2];

        if (join->failed && join->unicast->config.bootstrap)
                (void) snprintf(text, size, "no layer can be made as the file says: %s", join->problem);
        else if (join->failed)
                (void) snprintf(text, size, "gave up enrolling after %u attempts (last error: %s)", join->n_attempts,
                                join->problem[0] != '\0' ? join->problem : "no layer below was up");
        else if (join->unicast->config.bootstrap)
                (void) snprintf(text, size, "bootstrapping%s%s", join->problem[0] != '\0' ? ": last error: " : "",
                                join->problem);
        else if (join->enrolling)
                describe_attempt(join, text, size);
        else if (n_ways(join) == 0) {
                list_layers(join->unicast, layers, sizeof(layers));
                (void) snprintf(text, size, "waiting for a layer below to come up: %s", layers);
        } else if (join->problem[0] == '\0')            /* also between an answer and what comes of it */
                (void) snprintf(text, size, "about to go on");
        else
                (void) snprintf(text, size, "attempt %u failed (%s), trying again", join->n_attempts, join->problem);
}

void join_describe(const Join *join, usec_t now, char *text, size_t size) {
        const Unicast *u = join->unicast;

        if (!u)
                (void) snprintf(text, size, "not started yet");
        else if (!u->is_member)
                describe_joining(join, text, size);
        else if (!join_targets_describe(join, text, size))
                (void) snprintf(text, size, u->n_neighbours > 0 ? "all neighbours are there"
                                                                : "waiting for a neighbour to connect to us");

        utf8_mend(text);
}
