#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A routed layer over a full mesh: four hosts, an Ethernet between any two, all paths of equal cost in use
# (Policy=ecmp). Wires are taken away until a chain is left, and come back; a host is cut off and comes back; the flow
# stays the same.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

NODES=(alpha beta gamma delta)
declare -A OVER=() INTERFACES=()        # NODE → its wires; how many interfaces it has so far

next_interface() { # NODE: into "interface"
        interface=eth${INTERFACES[$1]:-0}
        INTERFACES[$1]=$((${INTERFACES[$1]:-0} + 1))
}

connect() { # NODE NODE: an Ethernet of their own
        local wire=${1:0:1}${2:0:1} interface one other
        next_interface "$1"
        one=$interface
        next_interface "$2"
        other=$interface
        lab_wire "$1:$one" "$2:$other"
        write_layer "$1" "$wire" Interface="$one"
        write_layer "$2" "$wire" Interface="$other"
        OVER[$1]+=" $wire" OVER[$2]+=" $wire"
}

n_rows() { # NODE VERB
        lab_exec "$1" o7sctl --json=short "$2" home | json 'len(d)'
}

hops_to_delta() { # as alpha has it: the address is the one that delta shows
        local address
        address=$(lab_exec delta busctl --json=short get-property org.o7s.ipcp1.home /org/o7s/ipcp1 \
                org.o7s.ipcp1.Unicast Address | json "d['data']")
        lab_exec alpha o7sctl --json=short routes home |
                json "[row['hops'] for row in d if str(row['destination']) == '$address'][0]"
}

everywhere() { # VERB COUNT
        local node
        for node in "${NODES[@]}"; do
                prints "$2" n_rows "$node" "$1" || return 1
        done
}

set_wire() { # up|down NODE INTERFACE...
        local how=$1 node=$2 interface
        shift 2
        for interface; do
                lab_exec "$node" ip link set "$interface" "$how"
        done
}

flow_id() {
        lab_exec alpha o7sctl --json=short flows | json "min(row['id'] for row in d if row['name'] == 'far.example')"
}

received_more() { # of the long flow
        local before
        before=$(lab_exec alpha stat -c %s /run/long.out)
        sleep 0.5
        (($(lab_exec alpha stat -c %s /run/long.out) > before))
}

setup_nodes "${1:?build directory}" "${NODES[@]}"
for i in 0 1 2; do
        for ((k = i + 1; k < 4; k++)); do
                connect "${NODES[i]}" "${NODES[k]}"
        done
done
for node in "${NODES[@]}"; do
        begins=no
        [[ $node != alpha ]] || begins=yes
        write_unicast "$node" home "${OVER[$node]# }" '[Bootstrap]' "Bootstrap=$begins" '[Routing]' Policy=ecmp \
                RecalculateSec=1 UpdateSec=5 TimeoutSec=30
done
check 'four hosts boot' lab_boot
for node in "${NODES[@]}"; do
        lab_exec "$node" systemctl start --no-block o7s-ipcp@home.service
done
for node in "${NODES[@]}"; do
        check "$node has joined" lab_wait 15 layer_is_online "$node" home
done
check 'everybody has everybody as neighbour' lab_wait 20 everywhere neighbours 3
check '... and knows a way to everybody' lab_wait 10 everywhere routes 3
check 'a name on delta' serve delta far.example home
check '... is reached' lab_wait 5 ping alpha far.example
check '... in one hop' lab_wait 5 prints 1 hops_to_delta
run_in_background alpha long o7s-ping -c 1000000 -i 20ms far.example
check 'a flow that lives through all of this' lab_wait 3 output_has alpha long 'seq=10 '
id=$(flow_id)

# alpha: eth0 ab, eth1 ag, eth2 ad; beta: eth0 ab, eth1 bg, eth2 bd; gamma: eth0 ag, eth1 bg, eth2 gd
set_wire down alpha eth2
check 'without the wire between them: two hops' lab_wait 5 prints 2 hops_to_delta
check '... over either of the others' lab_wait 5 says 'home.gamma' lab_exec alpha o7sctl routes home
check '... and the flow goes on' lab_wait 3 received_more
set_wire down alpha eth1
set_wire down beta eth2
check 'only the chain over beta and gamma is left: three hops' lab_wait 8 prints 3 hops_to_delta
check '... and the flow goes on' lab_wait 3 received_more
set_wire down alpha eth0
sleep 2
check 'alpha is cut off, and says so' lab_wait 5 fails layer_is_online alpha home
check '... its flow is told' lab_wait 5 output_has alpha long 'link below is down'
check '... the others know each other still' lab_wait 5 prints 2 n_rows beta routes
set_wire up alpha eth0 eth1 eth2
set_wire up beta eth2
check 'all wires are back: one hop' lab_wait 20 prints 1 hops_to_delta
check '... everybody has everybody as neighbour' lab_wait 20 everywhere neighbours 3
check '... and the flow goes on' lab_wait 5 received_more
check '... the same one' prints "$id" flow_id
check '... and is told' lab_wait 5 output_has alpha long 'link below is up again'
lab_exec alpha ip link set eth0 mtu 1300
check 'a wire takes smaller packets: it is told' lab_wait 5 output_has alpha long 'messages of up to 1[12][0-9][0-9] B'
lab_exec alpha ip link set eth0 mtu 1500
check '... and when it does no longer' lab_wait 5 output_has alpha long 'messages of up to 14[0-9][0-9] B'
check '... and goes on' lab_wait 5 received_more
check 'new flows too' lab_wait 5 ping alpha far.example

check_nothing_left "${NODES[@]}"
done_checking
