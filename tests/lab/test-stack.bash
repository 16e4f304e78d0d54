#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Routed layers on a routed layer: "home" and "lab" over "metro", which is over two Ethernets; three hosts in a chain.
# Metro is stopped and started in the middle, and at an end, and the Ethernet below it: what is above heals by itself.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

NODES=(alpha beta gamma)

write_unicast() { # NODE LAYER OVER [LINE...]
        local node=$1 layer=$2 over=$3
        shift 3
        printf '%s\n' '[Layer]' Type=unicast "Over=$over" "$@" | write_file "$node" "/etc/o7s/layers/$layer.layer"
}

all_online() { # LAYER...
        local node layer
        for node in "${NODES[@]}"; do
                for layer; do
                        layer_is_online "$node" "$layer" || return 1
                done
        done
}

n_routes() { # NODE LAYER
        lab_exec "$1" o7sctl --json=short routes "$2" | json 'len(d)'
}

received_more() { # UNIT: of a ping
        local before
        before=$(lab_exec alpha stat -c %s "/run/$1.out")
        sleep 0.3
        (($(lab_exec alpha stat -c %s "/run/$1.out") > before))
}

flow_id() { # NAME
        lab_exec alpha o7sctl --json=short flows | json "min(row['id'] for row in d if row['name'] == '$1')"
}

both_flow() {
        received_more home && received_more lab
}

same_flows() {
        prints "$home_id" flow_id far.home && prints "$lab_id" flow_id far.lab
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" "${NODES[@]}"
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
write_unicast alpha metro lan1 '[Bootstrap]' Bootstrap=yes
write_unicast beta metro 'lan1 lan2'
write_unicast gamma metro lan2
write_unicast alpha home metro '[Bootstrap]' Bootstrap=yes
write_unicast beta home metro
write_unicast gamma home metro
write_unicast alpha lab metro
write_unicast beta lab metro
write_unicast gamma lab metro '[Bootstrap]' Bootstrap=yes
check 'three hosts boot' lab_boot
for node in "${NODES[@]}"; do
        lab_exec "$node" systemctl start --no-block o7s-ipcp@home.service o7s-ipcp@lab.service
done
check 'all are members of all three layers, begun at different ends' lab_wait 20 all_online metro home lab
check 'tree shows home upon metro' says '─metro' lab_exec beta o7sctl tree
check '... and metro upon both Ethernets' says '─lan2' lab_exec beta o7sctl tree
lab_exec beta o7sctl tree >&2
check 'home knows a way to both others' lab_wait 10 prints 2 n_routes alpha home
check 'lab, too' lab_wait 10 prints 2 n_routes alpha lab

check 'a name in home' serve gamma far.home home
check 'a name in lab' serve gamma far.lab lab
check '... are reached' lab_wait 5 ping alpha far.home
check '... both' lab_wait 5 ping alpha far.lab
check '... each by its layer' says 'via lab' ping alpha far.lab
run_in_background alpha home o7s-ping -c 1000000 -i 20ms far.home
run_in_background alpha lab o7s-ping -c 1000000 -i 20ms far.lab
check 'two flows that live through all of this' lab_wait 5 both_flow
home_id=$(flow_id far.home) lab_id=$(flow_id far.lab)

check 'the layer in the middle is stopped, on the host in the middle' lab_exec beta systemctl stop o7s-ipcp@metro.service
check '... nothing crosses' lab_wait 3 fails received_more home
check '... what is above is not stopped with it' prints active lab_exec beta systemctl is-active o7s-ipcp@home.service
check '... and says that it is alone' lab_wait 5 prints degraded layer_property beta home state
sleep 2
check '... it is started' start_layer metro beta
check '... all are members again' lab_wait 20 all_online metro home lab
check '... the flows are the same' same_flows
check '... and of use' lab_wait 10 both_flow

check 'it is stopped at one end' lab_exec gamma systemctl stop o7s-ipcp@metro.service
sleep 1
check '... and started' start_layer metro gamma
check '... all are members again, as before' lab_wait 20 all_online metro home lab
check '... the flows are the same as before' same_flows
check '... and of use as before' lab_wait 10 both_flow

check 'an Ethernet at the bottom is stopped' lab_exec beta systemctl stop o7s-ipcp@lan2.service
sleep 1
check '... and started, at the bottom' start_layer lan2 beta
check '... all are members again, to the top' lab_wait 20 all_online metro home lab
check '... the flows are the same, at the top' same_flows
check '... and of use, at the top' lab_wait 10 both_flow

check_nothing_left "${NODES[@]}"
done_checking
