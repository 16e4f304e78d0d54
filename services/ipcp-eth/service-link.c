/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the interface and the packet socket report. The socket follows the interface: there is one while there is an
 * interface to use, and another one when that is another, or has another size.
 */

#include "basic/log.h"
#include "services/ipcp-eth/service.h"

/* -- the packet socket -- */

static void socket_received(void *userdata, Packet *const *frames, unsigned n) {
        Service *s = userdata;

        if (s->capture)
                capture_packets(s->capture, 0, false, frames, n);
        eth_receive(&s->ethernet, frames, n, time_now());
}

static void socket_cut(void *userdata, unsigned n) {
        Service *s = userdata;

        s->ethernet.counters.drops[DROP_TOO_LARGE] += n;
}

static void socket_writable(void *userdata) {
        Service *s = userdata;

        upper_resume(layer_upper(s->layer));
}

static const FrameSocketEvents socket_events = {
        .received = socket_received,
        .cut = socket_cut,
        .writable = socket_writable,
};

/* -- the interface -- */

/* A socket for the interface as it is now; the one there was goes when that is another, or has another size. */
static int socket_follow(Service *s, const LinkInfo *info) {
        int r = 0;

        if (s->socket && s->socket_ifindex == info->ifindex && s->socket_mtu == info->mtu)
                return 0;

        s->socket = frame_socket_free(s->socket);
        if (info->ifindex != 0 && info->ethernet)
                r = frame_socket_new(s->daemon->event, info->ifindex, s->file->framing, s->file->ethertype,
                                     FRAME_MAC_BYTES + info->mtu, &socket_events, s, &s->socket);

        if (s->socket) {
                s->socket_ifindex = info->ifindex;
                s->socket_mtu = info->mtu;
        }

        /* What the older socket had no room for goes out through this one. Where there is none it is dropped: flows
         * that wait for room could not even end. */
        upper_resume(layer_upper(s->layer));
        return r;
}

static void say_state(Service *s, int error) {
        const char *interface = s->file->interface;
        _cleanup_free_ char *problem = NULL;
        char address[FRAME_ADDRESS_TEXT_MAX];

        if (link_describe_problem(&s->link_info, interface, &problem) < 0)
                return;

        if (problem)
                return layer_set_state(s->layer, LAYER_DEGRADED, "%s", problem);
        if (error < 0)
                return layer_set_state(s->layer, LAYER_DEGRADED, "cannot use interface %s: %s", interface,
                                       strerror(-error));
        if (ethernet_packet_max(&s->ethernet) == 0)
                return layer_set_state(s->layer, LAYER_DEGRADED, "interface %s has an MTU of %" PRIu32
                                       ", too small for any packet", interface, s->link_info.mtu);

        layer_set_state(s->layer, LAYER_ONLINE, "serving on %s (%s, MTU %" PRIu32 ")", interface,
                        frame_address_format(&s->link_info.address, address), s->link_info.mtu);
}

void service_link_changed(void *userdata, const LinkInfo *info) {
        Service *s = userdata;
        EthernetLink link;
        int socket_error, r;

        s->link_info = *info;

        socket_error = socket_follow(s, info);
        if (socket_error < 0)
                log_warning_errno(socket_error, "Failed to open a packet socket on %s: %m", s->file->interface);

        link = (EthernetLink) {
                .present = info->ifindex != 0 && info->ethernet,
                .up = s->socket && link_problem(info) == LINK_GOOD,
                .address = info->address,
                .mtu = info->mtu,
        };
        ethernet_link_changed(&s->ethernet, &link, time_now());

        r = layer_set_packet_max(s->layer, ethernet_packet_max(&s->ethernet));
        if (r < 0)
                log_warning_errno(r, "Failed to follow the MTU of %s: %m", s->file->interface);
        layer_set_down(s->layer, !s->ethernet.link.up);

        say_state(s, socket_error < 0 ? socket_error : r);
        daemon_ready(s->daemon);
        service_bus_changed(s);
}
