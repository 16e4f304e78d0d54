#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A routed layer on three nodes in a chain against the Ethernet layer that it runs over: one hop, and two with a
# member in the middle that forwards. What forwarding costs there is held against a relay that only swaps hardware
# addresses; both per second of processor time, so that it does not matter how many processors the machine has.
# Subject and baseline take turns, and the ratio is the median of the rounds' ratios. Times are better when smaller,
# so is their ratio.
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"
# shellcheck source=tests/lab/rounds.bash
source "$LAB_HOME/rounds.bash"

ROUNDS=5 SECONDS_EACH=1
BASELINE=/usr/lib/o7s-lab/baseline
RELAYED_BYTES=1400 N_FLOWS=200

# alpha serves nobody; beta is one hop away, and gamma two
ethernet_rate() { flow_rate alpha beta-eth.example 1400; }
one_hop_rate() { flow_rate alpha beta-home.example 1400; }
two_hops_rate() { flow_rate alpha gamma-home.example 1400; }
ethernet_rtt() { flow_rtt alpha beta-eth.example; }
one_hop_rtt() { flow_rtt alpha beta-home.example; }
two_hops_rtt() { flow_rtt alpha gamma-home.example; }

cpu_usec() { # NODE UNIT...: processor time of these services so far
        local node=$1 unit group
        shift
        for unit; do
                group=$(lab_exec "$node" systemctl show -P ControlGroup "$unit.service")
                lab_exec "$node" cat "/sys/fs/cgroup$group/cpu.stat"
        done | awk '$1 == "usage_usec" { sum += $2 } END { print sum }'
}

per_core() { # FUNCTION UNIT...: packets that it gets across, per second of these services' time on beta
        local measure=$1 before rate
        shift
        before=$(cpu_usec beta "$@")
        rate=$("$measure")
        awk -v rate="$rate" -v seconds="$SECONDS_EACH" -v usec="$(($(cpu_usec beta "$@") - before))" \
                'BEGIN { print rate * seconds / usec * 1000000 }'
}

relayed_rate() {
        lab_exec alpha "$BASELINE" packet-rate eth0 "$RELAYED_BYTES" "$SECONDS_EACH"
}

forwarded_per_core() { per_core two_hops_rate o7s-ipcp@home o7s-ipcp@lan1 o7s-ipcp@lan2; }
layer_per_core() { per_core two_hops_rate o7s-ipcp@home; }
relayed_per_core() { per_core relayed_rate relay; }

forwarded_cost() { forwarded_per_core | awk '{ print 1e9 / $1 }'; }
layer_cost() { layer_per_core | awk '{ print 1e9 / $1 }'; }
relayed_cost() { relayed_per_core | awk '{ print 1e9 / $1 }'; }

allocations() { # NAME: flows per second that are opened, many at a time, and then used once
        run_in_background alpha allocations /usr/lib/o7s-lab/many-flows "$1" "$N_FLOWS"
        lab_wait 20 output_has alpha allocations '^open' || return
        lab_exec alpha systemctl stop allocations.service
        output_of alpha allocations seconds | awk -v n="$N_FLOWS" '{ print n / $1 }'
}

home_allocations() { allocations beta-echo-home.example; }
ethernet_allocations() { allocations beta-echo-eth.example; }

alloc_latency() { # microseconds to open a flow to the neighbour
        lab_exec alpha o7s-ping --json -q -c 1 beta-echo-home.example | grep '"connected"' | json 'd["allocated_usec"]'
}

round_trip() { # microseconds of one ping to it, with its wake-ups
        lab_exec alpha o7s-ping --json -c 5 -i 20ms beta-echo-home.example | grep '"summary"' | json 'd["rtt_usec"]["p50"]'
}

# 99th percentile of round trips over two hops, in microseconds; 64 kbit/s, less than such a flow asks for
voice() {
        lab_exec alpha o7s-ping --json -q --qos=voice -c 400 -s 32 -i 4ms gamma-echo-home.example |
                grep '"summary"' | json 'd["rtt_usec"]["p99"]'
}

# wires without a rate: processors are what the flood uses up, test-qos.bash has the wires
voice_under_flood() {
        run_in_background alpha flood o7s-perf -q -t 60s gamma-home.example
        sleep 0.5
        voice
        lab_exec alpha systemctl stop flood.service
}

setup_nodes "${1:?build directory}" alpha beta gamma >/dev/null
lab_add "$1/tests/lab/baseline" "$BASELINE"
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
PLAIN=('[Security]' Encryption=no Authentication=none)  # as the relay is; protection has bench-secure
write_unicast alpha home lan1 '[Bootstrap]' Bootstrap=yes "${PLAIN[@]}"
write_unicast beta home 'lan1 lan2' "${PLAIN[@]}"
write_unicast gamma home lan2 "${PLAIN[@]}"
for node in alpha beta gamma; do
        for name in beta-eth beta-home gamma-home beta-echo-eth beta-echo-home gamma-echo-home; do
                write_plain "$node" "$name.example"
        done
done
lab_boot || exit
start_layer home alpha beta gamma
for node in alpha beta gamma; do
        lab_wait 10 layer_is_online "$node" home || exit
done
serve beta beta-eth.example lan1 o7s-perf --serve
serve beta beta-home.example home o7s-perf --serve
serve gamma gamma-home.example home o7s-perf --serve
serve beta beta-echo-eth.example lan1
serve beta beta-echo-home.example home
serve gamma gamma-echo-home.example home
run_in_background gamma packet-serve "$BASELINE" packet-serve eth0
run_in_background beta relay "$BASELINE" packet-relay eth0 eth1
for name in beta-eth beta-home gamma-home; do
        lab_wait 5 lab_exec alpha o7s-perf -q -l -t 10ms "$name.example" >&2
done

alternate unicast.flow.pps.1400 pps eth.flow.pps.1400 one_hop_rate ethernet_rate
alternate unicast.flow.pps.1400.two-hops pps eth.flow.pps.1400 two_hops_rate ethernet_rate
alternate unicast.flow.rtt ns eth.flow.rtt one_hop_rtt ethernet_rtt
alternate unicast.flow.rtt.two-hops ns eth.flow.rtt two_hops_rtt ethernet_rtt
alternate unicast.voice.p99 us voice-alone voice_under_flood voice
alternate unicast.forward.pps pps/core AF_PACKET-relay forwarded_per_core relayed_per_core
alternate unicast.forward.cost ns/packet AF_PACKET-relay forwarded_cost relayed_cost
alternate unicast.forward.layer.cost ns/packet AF_PACKET-relay layer_cost relayed_cost
alternate unicast.alloc flows/s ethernet home_allocations ethernet_allocations
alternate unicast.alloc.latency us one-round-trip alloc_latency round_trip
