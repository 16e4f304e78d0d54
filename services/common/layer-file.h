/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NAME.layer: the schema, shared by the launcher, the generator, the IPCPs, the IRM and "o7sctl verify". */

#include "basic/conf.h"
#include "basic/string.h"
#include "services/common/hash.h"
#include "services/common/layer-member.h"
#include "services/common/security-policy.h"

/* MaxPacketSize= */
#define PACKET_SIZE_MIN 256U
#define PACKET_SIZE_MAX 65535U

typedef enum LayerKind {
        LAYER_KIND_UNICAST,
        LAYER_KIND_BROADCAST,
        LAYER_KIND_UDP,
        LAYER_KIND_ETH,
        _LAYER_KIND_MAX,
        _LAYER_KIND_INVALID = -EINVAL,
} LayerKind;

DECLARE_ENUM_NAMES(layer_kind, LayerKind);

typedef enum Framing {
        FRAMING_DIX,
        FRAMING_LLC,
        _FRAMING_MAX,
        _FRAMING_INVALID = -EINVAL,
} Framing;

DECLARE_ENUM_NAMES(framing, Framing);

#define LAYER_FILE_DIRECTORY "layers"
#define LAYER_FILE_SUFFIX ".layer"
#define LAYER_ETHERTYPE_DEFAULT 0xA000U

typedef struct LayerFile {
        char name[LAYER_NAME_BYTES_MAX + 1];
        ConfFile *conf;                 /* places and messages; owned */
        /* [Layer] */
        int kind;                       /* LayerKind; _LAYER_KIND_INVALID where Type= is missing */
        char *description;
        ConfStrings over;
        ConfStrings register_names;
        int hash;                       /* HashAlgorithm */
        uint32_t max_packet_size;       /* 0 = as the link allows */
        char *log_level;
        /* [Layer] Member=, [Bootstrap], [Enroll], [Neighbour], [Routing], [Directory], [Congestion] */
        LayerMember member;
        /* [Ethernet] */
        char *interface;
        int framing;                    /* Framing */
        uint16_t ethertype;
        SecurityPolicy security;        /* [Security]: of the flows that the member has with others, over the layers
                                         * below */
} LayerFile;

/* Loads and checks NAME.layer with its drop-ins from the configuration roots below "root" ("" for the real ones).
 * On -EBADMSG *ret is still set, for its messages. Returns: 0; -ENOENT; -EBADMSG: messages hold an error; -ENOMEM;
 * errors of reading. */
int layer_file_load(const char *root, const char *name, LayerFile **ret);

/* The same for text that is not (yet) a file, such as what CreateLayer and "o7sctl verify FILE" have. */
int layer_file_parse(const char *name, const char *path, const char *text, size_t size, LayerFile **ret);

LayerFile *layer_file_free(LayerFile *file);
DEFINE_CLEANUP(LayerFile, layer_file_free);
