/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "basic/string.h"
#include "services/common/daemon.h"
#include "services/ipcp-eth/link.h"

#define LINK_BUFFER_BYTES 65536U        /* larger than any message of a dump */
#define LINK_MESSAGES_PER_TURN 64U

struct Link {
        int fd;
        sd_event_source *io;
        char *interface;
        LinkInfo info;
        bool reported;                  /* changed() was called at least once */
        bool dumping;                   /* an answer to "all interfaces" is coming in */
        bool seen;                      /* ours was in it */
        bool again;                     /* something was missed: ask again after it */
        uint32_t sequence;
        uint8_t *buffer;
        void (*changed)(void *userdata, const LinkInfo *info);
        void *userdata;
};

LinkProblem link_problem(const LinkInfo *info) {
        if (info->ifindex == 0)
                return isempty(info->renamed_to) ? LINK_MISSING : LINK_RENAMED;
        if (!info->ethernet)
                return LINK_NOT_ETHERNET;
        if (!info->up)
                return LINK_DOWN;

        return info->carrier ? LINK_GOOD : LINK_NO_CARRIER;
}

int link_describe_problem(const LinkInfo *info, const char *interface, char **ret) {
        switch (link_problem(info)) {

        case LINK_GOOD:
                *ret = NULL;
                return 0;

        case LINK_MISSING:
                return format_string(ret, "waiting for interface %s: no such interface", interface);

        case LINK_RENAMED:
                return format_string(ret, "waiting for interface %s: it was renamed to %s", interface,
                                     info->renamed_to);

        case LINK_NOT_ETHERNET:
                return format_string(ret, "waiting for interface %s: it is not an Ethernet interface", interface);

        case LINK_DOWN:
                return format_string(ret, "waiting for interface %s: it is down", interface);

        case LINK_NO_CARRIER:
                return format_string(ret, "waiting for interface %s: it has no carrier", interface);

        case _LINK_PROBLEM_MAX:
        case _LINK_PROBLEM_INVALID:
                break;
        }

        return -EINVAL;
}

/* -- messages -- */

typedef struct Attributes {
        char name[IFNAMSIZ];
        FrameAddress address;
        bool have_address;
        uint32_t mtu;
} Attributes;

static void read_attributes(const struct nlmsghdr *message, Attributes *ret) {
        const struct ifinfomsg *link = NLMSG_DATA(message);
        int left = (int) IFLA_PAYLOAD(message);

        *ret = (Attributes) {};

        for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
                size_t size = RTA_PAYLOAD(a);

                if (a->rta_type == IFLA_IFNAME && size > 0)
                        memcpy(ret->name, RTA_DATA(a), MIN(size, sizeof(ret->name) - 1));
                else if (a->rta_type == IFLA_ADDRESS && size == FRAME_ADDRESS_BYTES) {
                        memcpy(ret->address.bytes, RTA_DATA(a), FRAME_ADDRESS_BYTES);
                        ret->have_address = true;
                } else if (a->rta_type == IFLA_MTU && size == sizeof(ret->mtu))
                        memcpy(&ret->mtu, RTA_DATA(a), sizeof(ret->mtu));
        }
}

static LinkInfo info_from(const struct ifinfomsg *link, const Attributes *attributes, const char *interface) {
        LinkInfo info = {
                .ifindex = link->ifi_index,
                .ethernet = (link->ifi_type == ARPHRD_ETHER || link->ifi_type == ARPHRD_LOOPBACK) &&
                            attributes->have_address,
                .up = link->ifi_flags & IFF_UP,
                .carrier = link->ifi_flags & IFF_RUNNING,
                .address = attributes->address,
                .mtu = attributes->mtu,
        };

        if (startswith(interface, "lo"))
                info.mtu = MIN(info.mtu, FRAME_LOOPBACK_MTU);
        return info;
}

static bool info_is_same(const LinkInfo *a, const LinkInfo *b) {
        return a->ifindex == b->ifindex && a->ethernet == b->ethernet && a->up == b->up && a->carrier == b->carrier &&
               a->mtu == b->mtu && frame_address_equal(&a->address, &b->address);
}

int link_parse(const void *data, size_t size, const char *interface, LinkInfo *info) {
        const struct nlmsghdr *message = data;
        const struct ifinfomsg *link;
        Attributes attributes;
        LinkInfo found;

        if (size < NLMSG_HDRLEN || message->nlmsg_len > size || message->nlmsg_len < NLMSG_HDRLEN)
                return -EBADMSG;
        if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
                return 0;
        if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
                return -EBADMSG;

        link = NLMSG_DATA(message);
        if (link->ifi_family != AF_UNSPEC)
                return 0;               /* a bridge's view of its port */

        read_attributes(message, &attributes);

        /* Ours goes: deleted, moved to another namespace, or renamed. */
        if (link->ifi_index == info->ifindex &&
            (message->nlmsg_type == RTM_DELLINK || !streq(attributes.name, interface))) {
                bool renamed = message->nlmsg_type == RTM_NEWLINK;

                *info = (LinkInfo) {};
                if (renamed)
                        (void) copy_string(info->renamed_to, sizeof(info->renamed_to), attributes.name);
                return 2;
        }

        if (message->nlmsg_type == RTM_DELLINK || !streq(attributes.name, interface))
                return 0;

        found = info_from(link, &attributes, interface);
        if (info_is_same(&found, info))
                return 0;

        *info = found;
        return 1;
}

/* -- the socket -- */

static int ask_for_all(Link *link) {
        const struct {
                struct nlmsghdr header;
                struct ifinfomsg link;
        } request = {
                .header = {
                        .nlmsg_len = sizeof(request),
                        .nlmsg_type = RTM_GETLINK,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                        .nlmsg_seq = ++link->sequence,
                },
        };

        link->again = false;
        if (send(link->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
                return -errno;

        link->dumping = true;
        link->seen = false;
        return 0;
}

static void report(Link *link) {
        link->reported = true;
        link->changed(link->userdata, &link->info);
}

static void dump_done(Link *link) {
        link->dumping = false;

        if (!link->seen && link->info.ifindex != 0) {
                link->info = (LinkInfo) {};
                report(link);
        } else if (!link->reported)
                report(link);

        if (link->again)
                (void) ask_for_all(link);
}

static void message_received(Link *link, const struct nlmsghdr *message) {
        int r;

        if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
                if (link->dumping && message->nlmsg_seq == link->sequence)
                        dump_done(link);
                return;
        }

        r = link_parse(message, message->nlmsg_len, link->interface, &link->info);
        if (r < 0) {
                log_debug_errno(r, "rtnetlink sent something malformed: %m");
                return;
        }

        if (message->nlmsg_type == RTM_NEWLINK && message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg))) {
                const struct ifinfomsg *info = NLMSG_DATA(message);

                link->seen = link->seen || (link->info.ifindex != 0 && info->ifi_index == link->info.ifindex);
        }

        if (r > 0)
                report(link);
        if (r == 2) {
                if (link->dumping)
                        link->again = true;
                else
                        (void) ask_for_all(link);
        }
}

static int socket_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Link *link = userdata;

        for (unsigned i = 0; i < LINK_MESSAGES_PER_TURN; i++) {
                ssize_t n;
                int left;

                n = recv(fd, link->buffer, LINK_BUFFER_BYTES, MSG_DONTWAIT);
                if (n < 0 && errno == ENOBUFS) {
                        link->again = true;             /* news were lost */
                        if (!link->dumping)
                                (void) ask_for_all(link);
                        continue;
                }
                if (n <= 0)
                        return 0;

                /* The last step may leave less than nothing, where a message is not padded. */
                left = (int) n;
                for (const struct nlmsghdr *m = (const struct nlmsghdr *) (const void *) link->buffer;
                     left > 0 && NLMSG_OK(m, (unsigned) left); m = NLMSG_NEXT(m, left))
                        message_received(link, m);
        }

        return 0;
}

Link *link_free(Link *link) {
        if (!link)
                return NULL;

        sd_event_source_disable_unref(link->io);
        (void) safe_close(link->fd);
        free(link->interface);
        free(link->buffer);
        return mfree(link);
}

static int open_socket(void) {
        _cleanup_close_ int fd = -1;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;

        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int) { RTNLGRP_LINK }, sizeof(int)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

int link_new(sd_event *event, const char *interface, void (*changed)(void *userdata, const LinkInfo *info),
             void *userdata, Link **ret) {
        _cleanup_(link_freep) Link *link = NULL;
        int r;

        link = calloc(1, sizeof(*link));
        if (!link)
                return -ENOMEM;

        link->fd = -1;
        link->changed = changed;
        link->userdata = userdata;
        link->interface = strdup(interface);
        link->buffer = malloc(LINK_BUFFER_BYTES);
        if (!link->interface || !link->buffer)
                return -ENOMEM;

        link->fd = open_socket();
        if (link->fd < 0)
                return link->fd;

        r = sd_event_add_io(event, &link->io, link->fd, EPOLLIN, socket_ready, link);
        if (r < 0)
                return r;

        r = ask_for_all(link);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(link);
        return 0;
}
