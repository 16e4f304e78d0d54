/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a process has once, however many flows it has. Files of this library have no state of their own,
 * with these exceptions, all of them in process.c, because their nature is that of the process or of the
 * thread:
 *
 *  - the control connection: the IRM knows a client by it, and a process is one client;
 *  - the list of handles, which fork() and a restart of the IRM must reach;
 *  - the fork handlers, installed with the first handle;
 *  - the engine, one thread for all flows; it runs while there is one that needs it;
 *  - the count of flows that outlive their handles, for which exit() waits a little;
 *  - the last failure of each thread, for o7s_last_error().
 *
 * Nothing of it exists before the first call that needs it: there is no constructor.
 */

#include "basic/list.h"
#include "libo7s/engine.h"
#include "libo7s/irm-message.h"

/* How long exit() waits for what the engine has yet to deliver. */
#define PROCESS_EXIT_USEC (5 * USEC_PER_SEC)

/* Embedded in flows, listeners and sets. */
typedef struct Handle Handle;
struct Handle {
        ListNode by_process;
        uint32_t generation;            /* of the process that made it: fork() counts */
        bool is_flow;                   /* to be named to a restarted IRM, with */
        uint64_t flow_id;               /* 0: being asked for */
        void (*forget)(Handle *handle); /* in a forked child: close what was inherited, lock nothing */
};

/* Enters the handle. Returns: 0; -ENOMEM. */
int process_add(Handle *handle);

/* For one that was entered before its flow had an id. */
void process_set_flow_id(Handle *handle, uint64_t flow_id);

/* Takes it off; fine for one that was never entered, or by a forked child. */
void process_remove(Handle *handle);

/* Between these no thread can fork: for a descriptor that has come and that no handle has yet, which a child would
 * keep, and so hide our death from the peer. Not nested; a handle may be entered, and the IRM be told something. */
void process_hold_forks(void);
void process_release_forks(void);

uint32_t process_generation(void);

Engine *process_engine(void);

/* A flow whose last reference is gone goes on in the engine until what was written has been acknowledged; and that it
 * is over. */
void process_afterlife_begin(void);
void process_afterlife_end(void);

static inline bool handle_is_foreign(const Handle *handle) {
        return handle->generation != process_generation();
}

/* Asks over the control connection, connecting (and resuming flows) where needed. *ret_fd is the caller's,
 * or -1; it is set while no thread can fork. Returns: 0: see ret->result; -EHOSTDOWN: there is no IRM; -ETIMEDOUT,
 * -EPROTO, -EBADMSG, and what irm_connect() says. */
int process_request(const IrmMessage *request, IrmMessage *ret, int *ret_fd);

/* Tells without an answer. Returns: as above. */
int process_notify(const IrmMessage *message, const int *fds, unsigned n_fds);

/* The IRM was seen to restart: it is to hear of our flows now. Best effort. */
void process_resume(void);

/* Notes the failure of a public call and returns error. what: a literal such as "Cannot read from the
 * flow"; name, layer, peer: whom it is about; why: a sentence that is better than the table's; these may be
 * NULL. */
int process_fail(int error, const char *what, const char *name, const char *layer, const char *peer,
                 const char *why);
