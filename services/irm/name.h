/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A name of this host: who made it, who may serve it, who serves it now, in which layers it is registered and
 * which flows wait for somebody who accepts.
 */

#include "services/common/name-file.h"
#include "services/irm/binding.h"
#include "services/irm/client.h"
#include "services/irm/name-security.h"

#define NAMES_MAX 16384U
#define REGISTRATIONS_PER_NAME_MAX 32U

typedef struct Layer Layer;
typedef struct Registration Registration;
typedef struct Acceptor Acceptor;

/* A name registered in a layer, by whatever file or call; the layer need not be there. */
struct Registration {
        Name *name;
        char layer[LAYER_NAME_BYTES_MAX + 1];
        bool from_file;
        uint32_t state_slot;
        ListNode by_name;               /* Name.registrations */
};

/* A listener as one name sees it. */
struct Acceptor {
        Client *client;                 /* not owned */
        Name *name;                     /* not owned */
        uint32_t n_flows;
        uint32_t n_offers;
        List offers;                    /* Flow.by_offer */
        ListNode by_client;             /* Client.acceptors */
        ListNode by_name;               /* Name.acceptors */
};

struct Name {
        Manager *manager;               /* not owned */
        char name[FLOW_NAME_BYTES_MAX + 1];
        char layer[LAYER_NAME_BYTES_MAX + 1];   /* whose IPCP alone serves it, see layer-names.h; "": anybody's */
        uid_t owner;
        LoadBalance balance;
        size_t rotor;                   /* of round-robin */
        bool local;                     /* reachable on this host without a layer */
        bool from_file;
        bool seen;                      /* its file was still there at the last reload */
        uint32_t max_flows;             /* 0: no limit of its own */
        uid_t *allow_uids;              /* who may open flows to it; none: everybody */
        size_t n_allow_uids;
        List bindings;                  /* Binding.by_name */
        List registrations;             /* Registration.by_name */
        List acceptors;                 /* Acceptor.by_name */
        List waiting;                   /* Flow.by_name: flows that nobody has taken yet, oldest first */
        uint32_t n_waiting;
        List admissions;                /* Admission.by_name: requests for it that are being authenticated */
        uint32_t n_admissions;
        NameSecurity security[_SECURITY_SIDE_MAX];
        uint32_t n_flows;               /* accepted and not ended */
        uint64_t accepted_total;
        uint64_t refused_total;
        uint8_t hashes[_HASH_DIRECTORY_MAX][HASH_BYTES_MAX];
        uint32_t state_slot;
};

/* Returns: 0; -EINVAL: not a name; -EEXIST; -E2BIG: too many; -EDQUOT with text; -ENOMEM. text: QUOTA_TEXT_MAX. */
int name_new(Manager *m, const char *name, uid_t owner, bool from_file, char *text, Name **ret);
Name *name_free(Name *n);

Name *name_find(Manager *m, const char *name);
Name *name_find_by_hash(Manager *m, HashAlgorithm algorithm, const uint8_t *hash, size_t size);

/* What a .name file says, at creation and at each reload. */
int name_apply_file(Name *n, const NameFile *file);

void name_set_balance(Name *n, LoadBalance balance);

bool name_authorises(const Name *n, const Process *p);
bool name_selects(const Name *n, const char *program);
bool name_allows_user(const Name *n, uid_t uid);
bool name_is_full(const Name *n);

/* Bindings changed: listeners of every name look again. */
void name_bindings_changed(Name *n);

/* Returns: 0; -EEXIST; -E2BIG; -ENOMEM. */
int registration_new(Name *n, const char *layer, bool from_file, Registration **ret);
Registration *registration_free(Registration *r);
Registration *registration_find(const Name *n, const char *layer);

/* A listener begins or ends to serve the name. */
int acceptor_new(Name *n, Client *c, Acceptor **ret);
Acceptor *acceptor_free(Acceptor *a);

/* The next listener that takes a flow, by the name's balance; NULL where there is none with room. */
Acceptor *name_choose_acceptor(Name *n);

/* Something has changed for the better: offer waiting flows to whoever has room now. */
void name_dispatch(Name *n);
