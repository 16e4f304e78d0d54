#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A routed layer over a ring of six hosts, one Ethernet per wire. A flow goes half way round, through two hosts. Its
# wire is pulled, goes silent in both directions or in one, a wire farther away is pulled, a host loses its power, the
# ring falls apart: the flow goes on, the other way round, and it is told how long that took.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

NODES=(alpha beta gamma delta epsilon zeta)
declare -A LEFT=() RIGHT=()     # NODE → the wire on that side
n_pings=0 ping_unit=
used='' neighbour=''              # the wire that alpha sends over, and whom it leads to

write_member() { # NODE LINE...
        local node=$1
        shift
        printf '%s\n' '[Layer]' Type=unicast "Over=${LEFT[$node]} ${RIGHT[$node]}" '[Routing]' Policy=lfa \
                RecalculateSec=1 UpdateSec=5 TimeoutSec=30 "$@" | write_file "$node" /etc/o7s/layers/home.layer
}

n_routes() { # NODE
        lab_exec "$1" o7sctl --json=short routes home | json 'len(d)'
}

neighbour_state() { # NODE NEIGHBOUR
        lab_exec "$1" o7sctl --json=short neighbours home |
                json "[row['state'] for row in d if row['neighbour'] == 'home.$2'][0]"
}

all_routes() { # from everywhere to everywhere else
        local node
        for node in "${NODES[@]}"; do
                prints 5 n_routes "$node" || return 1
        done
}

frames_out() { # INTERFACE of alpha
        lab_exec alpha cat "/sys/class/net/$1/statistics/tx_packets"
}

used_wire() { # by alpha, for what it sends while a ping runs
        local left right
        left=$(frames_out eth0) right=$(frames_out eth1)
        sleep 0.3
        left=$(($(frames_out eth0) - left)) right=$(($(frames_out eth1) - right))
        echo "frames sent in 0.3 s: $left on za, $right on ab" >&2
        if ((left > 100 && left > right)); then
                echo za zeta
        elif ((right > 100)); then
                echo ab beta
        fi
}

start_ping() { # one message a millisecond, for 3 s; that some are lost (exit status 6) is what is measured
        ping_unit=ping$((++n_pings))
        run_in_background alpha "$ping_unit" -p SuccessExitStatus=6 o7s-ping -c 3000 -i 1ms --timeout=3s far.example
        lab_wait 3 output_has alpha "$ping_unit" 'seq=500 '
}

gap_at_most() { # MILLISECONDS: between answers, by their sequence numbers
        local gap
        lab_wait 12 output_has alpha "$ping_unit" 'received'
        lab_exec alpha tail -n 2 "/run/$ping_unit.out"
        gap=$(lab_exec alpha sed -nE 's/.* seq=([0-9]+) .*/\1/p' "/run/$ping_unit.out" | sort -n |
                awk 'NR > 1 && $1 - last - 1 > gap { gap = $1 - last - 1; at = last } { last = $1 }
                     END { print gap + 0 " after " at + 0 ", last " last + 0 }')
        echo "longest gap: $gap"
        ((${gap%% *} <= $1)) && [[ ${gap##* } -ge 2950 ]]
}

loses_at_most() { # MILLISECONDS HOW UNDO: of what is sent while HOW is done; where it was more, UNDO for another try
        start_ping
        if "$2" && lab_exec alpha systemctl is-active --quiet "$ping_unit" && gap_at_most "$1"; then
                return
        fi
        "$3"
        return 1
}

find_used() { # for as long as a ping runs
        read -r used neighbour < <(used_wire)
        [[ -n $used ]]
}

is_used() {
        lab_wait 3 prints up neighbour_state alpha "$neighbour"
}

is_not_used() {
        lab_wait 3 prints trying neighbour_state alpha "$neighbour"
}

pull() {
        find_used && lab_emulate_set "$used" carrier=0
}

plug() {
        lab_emulate_set "$used" carrier=1
}

plug_and_wait() {
        plug && is_used
}

pull_again() {
        lab_emulate_set "$used" carrier=0 && is_not_used
}

silence() {
        find_used && lab_emulate_set "$used" loss=100
}

silence_again() {
        lab_emulate_set "$used" loss=100 && is_not_used
}

silence_one_way() { # what alpha sends
        find_used || return
        case $used in
                ab) lab_emulate_set ab 0.loss=100 ;;
                *) lab_emulate_set za 1.loss=100 ;;
        esac
}

hear() {
        lab_emulate_set "$used" loss=0
}

hear_and_wait() {
        hear && is_used
}

pull_far() {
        lab_ip gamma link set eth1 down
}

plug_far() {
        lab_ip gamma link set eth1 up
        lab_wait 5 prints up neighbour_state gamma delta && lab_wait 5 all_routes
}

cut_power() {
        lab_kill gamma
}

power_up() {
        lab_boot gamma
        lab_exec gamma systemctl start --no-block o7s-ipcp@home.service
        lab_wait 15 layer_is_online gamma home && lab_wait 15 all_routes
}

flow_id() { # of the long flow
        lab_exec alpha o7sctl --json=short flows | json "min(row['id'] for row in d if row['name'] == 'far.example')"
}

received_more() { # UNIT: of a ping
        local before
        before=$(lab_exec alpha stat -c %s "/run/$1.out")
        sleep 0.5
        (($(lab_exec alpha stat -c %s "/run/$1.out") > before))
}

setup_nodes "${1:?build directory}" "${NODES[@]}"
for i in "${!NODES[@]}"; do
        node=${NODES[i]} next=${NODES[(i + 1) % 6]}
        wire=${node:0:1}${next:0:1}
        case $wire in
                ab | za) lab_emulate "$wire" "$node:eth1" "$next:eth0" ;;
                *) lab_wire "$node:eth1" "$next:eth0" ;;
        esac
        write_layer "$node" "$wire" Interface=eth1
        write_layer "$next" "$wire" Interface=eth0
        RIGHT[$node]=$wire LEFT[$next]=$wire
done
for node in "${NODES[@]}"; do
        case $node in
                alpha) write_member alpha '[Bootstrap]' Bootstrap=yes ;;
                *) write_member "$node" ;;
        esac
done
check 'six hosts boot' lab_boot
for node in "${NODES[@]}"; do
        lab_exec "$node" systemctl start --no-block o7s-ipcp@home.service
done
for node in "${NODES[@]}"; do
        check "$node has joined" lab_wait 15 layer_is_online "$node" home
done
check 'everybody knows a way to everybody' lab_wait 15 all_routes
check 'a name half way round' serve delta far.example home
check '... is reached' lab_wait 5 ping alpha far.example
run_in_background alpha long o7s-ping -c 1000000 -i 20ms far.example
check 'a flow that lives through all of this' lab_wait 3 output_has alpha long 'seq=10 '
id=$(flow_id)

# the plug
check 'the wire that the flow uses is pulled: at most 100 ms are lost' one_of_three loses_at_most 100 pull plug_and_wait
check '... the neighbour is not used' prints trying neighbour_state alpha "$neighbour"
check '... and the layer says so' says 'out of reach' layer_property alpha home reason
check '... it is plugged in again: at most 100 ms are lost by that' one_of_three loses_at_most 100 plug pull_again
check '... and it is used again' is_used

# silence
check 'a wire goes silent, and keeps its carrier: at most a second is lost' \
        one_of_three loses_at_most 1000 silence hear_and_wait
check '... the neighbour is not used, again' prints trying neighbour_state alpha "$neighbour"
check '... and the log says why' journal_has alpha o7s-ipcp@home.service "nothing is heard from it over $used"
check '... it is heard again: at most 100 ms are lost by that' one_of_three loses_at_most 100 hear silence_again
check '... and it is used again' is_used
check 'a wire is silent in one direction: at most a second is lost' \
        one_of_three loses_at_most 1000 silence_one_way hear_and_wait
check '... it is used in none' prints trying neighbour_state alpha "$neighbour"
check '... by neither side' prints trying neighbour_state "$neighbour" alpha
hear
check '... it is whole again, and used again' is_used

# farther away
check 'a wire two hosts away is pulled: at most 300 ms are lost' one_of_three loses_at_most 300 pull_far plug_far
check '... and plugged in again: everybody knows a way to everybody' plug_far

# two parts
lab_emulate_set ab carrier=0 >&2
lab_ip epsilon link set eth1 down
check 'the ring falls into two parts' lab_wait 3 prints 1 n_routes alpha
check '... where nothing crosses' fails received_more long
sleep 3
lab_emulate_set ab carrier=1 >&2
lab_ip epsilon link set eth1 up
check '... and becomes one again' lab_wait 5 all_routes
check '... the flow has lived through it' prints "$id" flow_id
check '... and is of use' lab_wait 3 received_more long

# power
check 'a host on the way loses its power: at most a second is lost' one_of_three loses_at_most 1000 cut_power power_up
lab_boot gamma
lab_exec gamma systemctl start --no-block o7s-ipcp@home.service
check '... and joins again when it is back' lab_wait 15 layer_is_online gamma home
check '... everybody knows a way to everybody' lab_wait 15 all_routes
check '... and it is reached itself' serve gamma there.example home
check '... from both sides' lab_wait 5 ping alpha there.example
check 'the flow is still the same' prints "$id" flow_id

check_nothing_left "${NODES[@]}"
done_checking
