/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the file of a layer with members (unicast, broadcast) says beyond that of others: values and their checks. */

#include "basic/conf.h"
#include "basic/string.h"
#include "basic/time.h"
#include "services/common/layer-config.h"

#define LAYER_OVER_MAX 16U              /* layers below */
#define LAYER_VIA_MAX 64U
#define LAYER_FILE_NEIGHBOURS_MAX 256U       /* [Neighbour] sections */
#define LAYER_COST_MAX 65535U

/* A section [Neighbour]. */
typedef struct LayerFileNeighbour {
        unsigned number;                /* of the section, for messages */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char over[LAYER_NAME_BYTES_MAX + 1];    /* "": whichever of Over= knows the name */
        bool management;
        bool data;
        uint32_t cost;                  /* 0: the default */
} LayerFileNeighbour;

typedef struct LayerMember {
        char *name;                     /* Member=; NULL: LAYER.HOSTNAME, see layer_member_name() */
        bool bootstrap;
        LayerConfig initial;            /* what the layer is to be, where we bootstrap; else only its hash counts */
        ConfStrings via;
        usec_t retry_min_usec;          /* 0: the defaults of the IPCP */
        usec_t retry_max_usec;
        usec_t give_up_usec;            /* of enrolling */
        LayerFileNeighbour *neighbours;
        size_t n_neighbours;
} LayerMember;

void layer_member_init(LayerMember *member, const char *layer);
void layer_member_done(LayerMember *member);

/* The section [Neighbour] with this number, made where it is new; NULL: no memory, or too many. */
LayerFileNeighbour *layer_member_neighbour(LayerMember *member, unsigned number);

/* Checks across keys. over: the layers of Over=. */
void layer_member_check(LayerMember *member, ConfFile *conf, const ConfStrings *over);

/* The name that this member is found by in the layers below. host: the name of this host. Returns: 0; -ENAMETOOLONG;
 * -ENOMEM. */
int layer_member_name(const LayerMember *member, const char *layer, const char *host, char **ret);

/* Value parsers for the table of keys. */
int layer_member_parse_name(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* uint32_t; ConfRange */
int layer_member_parse_number(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* uint32_t; ConfRange of seconds */
int layer_member_parse_seconds(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* uint32_t; ConfEnum */
int layer_member_parse_choice(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* LayerMember */
int layer_member_parse_retry(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int layer_member_parse_neighbour_name(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int layer_member_parse_neighbour_over(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* LayerFileNeighbour */
int layer_member_parse_components(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
/* only "auto" */
int layer_member_parse_quality(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int layer_member_parse_cost(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
