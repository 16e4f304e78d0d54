#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Processes of a routed layer over three hosts, and of the Ethernets below it, are killed one by one while flows cross
# it: the same flows go on.
# buses: daemon
# budget: 150
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

FLOWS=(watch1 watch2)
watching=0

write_unicast() { # NODE OVER [LINE...]: a member of "home"
        local node=$1 over=$2
        shift 2
        {
                printf '[Layer]\nType=unicast\nOver=%s\n' "$over"
                (($# == 0)) || printf '%s\n' "$@"
        } | write_file "$node" /etc/o7s/layers/home.layer
}

main_pid() { # NODE UNIT
        lab_exec "$1" systemctl show -P MainPID "$2"
}

restarted() { # NODE LAYER OLD-PID
        local pid
        pid=$(main_pid "$1" "o7s-ipcp@$2.service")
        [[ $pid != 0 && $pid != "$3" ]]
}

flow_ids() { # NODE: of the flows to our name
        lab_exec "$1" o7sctl --json=short flows |
                json "' '.join(sorted(str(row['id']) for row in d if row['name'] == 'far.example'))"
}

kill_layer() { # NODE LAYER
        local pid
        pid=$(main_pid "$1" "o7s-ipcp@$2.service")
        lab_exec "$1" systemctl kill --signal=KILL --kill-whom=main "o7s-ipcp@$2.service"
        lab_wait 5 restarted "$1" "$2" "$pid" && lab_wait 5 layer_is_online "$1" "$2"
}

silent_less_than_a_second() { # UNIT: of a watch-flow that was told to end, and that went on to the end
        local gap sent received
        lab_wait 5 output_has alpha "$1" '^end' || return 1
        sent=$(output_of alpha "$1" sent)
        received=$(output_of alpha "$1" received)
        gap=$(output_of alpha "$1" longest-gap-usec)
        echo "sent $sent, received $received, longest gap $gap us"
        ((gap < 1000000 && sent - received < 1000))
}

start_watches() {
        local unit
        for unit in "${FLOWS[@]}"; do
                run_in_background alpha "$unit" /usr/lib/o7s-lab/watch-flow far.example 1
                lab_wait 5 output_has alpha "$unit" '^up' || return
        done
        watching=1
        sleep 0.3
}

all_silent_less_than_a_second() { # NODE LAYER: when it is killed; it just was if there are watches, or else is again
        local unit status=0
        if ((!watching)); then
                start_watches && kill_layer "$1" "$2" || return
                sleep 1
        fi
        for unit in "${FLOWS[@]}"; do
                lab_exec alpha systemctl kill --signal=TERM "$unit.service"
                silent_less_than_a_second "$unit" || status=1
                lab_exec alpha rm -f "/run/$unit.out"
        done
        watching=0
        return "$status"
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" alpha beta gamma
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
write_unicast alpha lan1 '[Bootstrap]' Bootstrap=yes '[Routing]' RecalculateSec=1 UpdateSec=2 TimeoutSec=10
write_unicast beta 'lan1 lan2'
write_unicast gamma lan2
lab_boot || exit
start_layer home alpha beta gamma
for node in alpha beta gamma; do
        check "$node is a member" lab_wait 20 layer_is_online "$node" home
done
serve gamma far.example home
check 'a name at one end is reached from the other' lab_wait 10 ping alpha far.example

# One watch of each victim, so that each has a longest gap of its own.
for victim in 'alpha lan1' 'beta lan1' 'beta lan2' 'gamma lan2' 'alpha home' 'gamma home' 'beta home'; do
        read -r node layer <<<"$victim"
        start_watches
        alpha_ids=$(flow_ids alpha)
        gamma_ids=$(flow_ids gamma)
        check "$node $layer: flows are there" test "$(wc -w <<<"$alpha_ids $gamma_ids")" = $((2 * ${#FLOWS[@]}))
        check "$layer of $node is killed and comes back" kill_layer "$node" "$layer"
        sleep 1
        check '... the flows are the same at one end' prints "$alpha_ids" flow_ids alpha
        check '... and at the other' prints "$gamma_ids" flow_ids gamma
        for unit in "${FLOWS[@]}"; do
                check "... $unit: never ended" lacks down lab_exec alpha cat "/run/$unit.out"
        done
        check '... they were silent for less than a second' one_of_three all_silent_less_than_a_second "$node" "$layer"
        lab_exec alpha systemctl reset-failed
done
check 'new flows come through' lab_wait 5 ping alpha far.example

check_nothing_left alpha beta gamma
done_checking
