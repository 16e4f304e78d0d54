/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * o7s-irm as a child process, without systemd and without a bus: the fixture makes its sockets and keeps what
 * it wants kept, as the service manager would, so that it can be killed and started again.
 */

#include "services/common/layer-message.h"
#include "libo7s/irm-message.h"

#define FIXTURE_STORED_MAX 64U

typedef struct IrmFixture {
        const char *program;            /* o7s-irm */
        const char *bus;                /* address of the system bus; NULL: there is none. Before fixture_run(). */
        char directory[64];             /* of everything below; removed at the end */
        int irm_fd;                     /* the listening sockets */
        int layer_fd;
        int notify_fd;
        pid_t pid;                      /* 0: not running */
        struct {
                char name[64];
                int fd;
        } stored[FIXTURE_STORED_MAX];
        size_t n_stored;
} IrmFixture;

void fixture_start(IrmFixture *f, const char *program);
void fixture_run(IrmFixture *f);                        /* and waits for READY=1 */
void fixture_kill(IrmFixture *f);
void fixture_stop(IrmFixture *f);

/* Writes DIRECTORY/etc/o7s/PATH. Before fixture_run(). */
void fixture_write(IrmFixture *f, const char *path, const char *text);

/* names/NAME.name: registered in "lan", and bound to the user of this test. */
void fixture_write_name(IrmFixture *f, const char *name);

/* Flows to far.example and those for "here" go without authentication service: for tests of everything else. Before
 * fixture_run(). */
void fixture_plain(IrmFixture *f);

/* Takes what the daemon has sent to be kept, or no longer. */
void fixture_collect(IrmFixture *f);

/* A connection, as a program has one; a lane of its own. */
int fixture_connect_client(void);
int fixture_make_lane(void);
int fixture_make_lane_of(LaneClass class);

/* The connection of a program that listens for this name. */
int fixture_client_listen(const char *name);

/* What the IRM says next, which must be of that type; descriptors are the caller's (NULL: there is none). */
void fixture_client_hear(int fd, IrmMessageType type, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]);

/* Nothing comes for a while that is long for a socket pair. */
void fixture_client_hears_nothing(int fd);

/* The outcome on a doorbell, which is closed then; with a lane where it is good, which is closed, too. Returns: its
 * result. */
int fixture_hear_outcome(int doorbell, IrmMessage *ret);

/* Waits until a pending allocation of libo7s is decided. Returns: how. */
int fixture_finish(o7s_flow *flow);

/* A connection, as a layer has one. Messages are waited for, at most a few seconds; the test fails otherwise. */
int fixture_connect_layer(IrmFixture *f);
void layer_say(int fd, const LayerMessage *message, const int *fds, unsigned n_fds);
void layer_hear(int fd, LayerMessageType type, LayerMessage *ret, int ret_fds[LAYER_FDS_MAX]);

/* Nothing comes for a while that is long for a socket pair. */
void layer_hears_nothing(int fd);

/* Whatever comes in that while is passed over. */
void layer_drain(int fd);

/* HELLO, STATE(online); hears WELCOME. */
void layer_come_online(int fd, const char *name);

/* All of that for "lan", in which as many names are registered then. Returns: its connection. */
int fixture_online_layer(IrmFixture *f, unsigned n_names);

/* Answers a query, for this name (NULL: for whichever). */
void layer_answer_query(int fd, const char *name, int result);
