/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may serve a name. A unit, a user or a process (by pidfd, so that a later process of the same number is
 * not it) authorises; a program only selects among the names that the caller is authorised for.
 */

#include "services/irm/process.h"

#define BINDINGS_PER_NAME_MAX 64U

typedef struct Name Name;
typedef struct Binding Binding;

typedef enum BindingKind {
        BINDING_UNIT,
        BINDING_USER,
        BINDING_PROCESS,
        BINDING_PROGRAM,
        _BINDING_KIND_MAX,
        _BINDING_KIND_INVALID = -EINVAL,
} BindingKind;

DECLARE_ENUM_NAMES(binding_kind, BindingKind);

struct Binding {
        Name *name;                     /* owner */
        BindingKind kind;
        char *id;                       /* unit, user's number, pid or path, as text */
        uid_t uid;                      /* BINDING_USER */
        pid_t pid;                      /* BINDING_PROCESS */
        int pidfd;
        sd_event_source *exit_source;   /* BINDING_PROCESS: ends with it */
        bool from_file;
        uint32_t state_slot;
        ListNode by_name;               /* Name.bindings */
};

/* pidfd (BINDING_PROCESS) is taken, also on failure. id of a user is its number or its name.
 * Returns: 0; -EEXIST; -E2BIG: too many; -EINVAL: not an id of this kind; -ESRCH; -ENOMEM. */
int binding_new(Name *name, BindingKind kind, const char *id, int pidfd, bool from_file, Binding **ret);
Binding *binding_free(Binding *b);

Binding *binding_find(const Name *name, BindingKind kind, const char *id);

/* Whether this binding is the process's. */
bool binding_authorises(const Binding *b, const Process *p);

/* A user's number from its number or name. Returns: 0; -ESRCH. */
int user_from_string(const char *text, uid_t *ret);
