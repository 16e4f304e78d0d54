#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A layer's process is killed while flows cross it, again and again on both hosts: the same flows go on.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

LAYER_UNIT=o7s-ipcp@lan.service
FLOWS=(watch1 watch2 watch3)

main_pid() { # NODE UNIT
        lab_exec "$1" systemctl show -P MainPID "$2"
}

restarted() { # NODE OLD-PID: the layer's process is another one
        local pid
        pid=$(main_pid "$1" "$LAYER_UNIT")
        [[ $pid != 0 && $pid != "$2" ]]
}

flow_ids() { # NODE
        lab_exec "$1" o7sctl --json=short flows | json "' '.join(sorted(str(row['id']) for row in d))"
}

kill_layer() { # NODE: and wait for the next process
        local pid
        pid=$(main_pid "$1" "$LAYER_UNIT")
        lab_exec "$1" systemctl kill --signal=KILL --kill-whom=main "$LAYER_UNIT"
        lab_wait 5 restarted "$1" "$pid" && lab_wait 5 layer_is_online "$1" lan
}

n_descriptors() { # NODE UNIT
        lab_exec "$1" sh -c "ls /proc/$(main_pid "$1" "$2")/fd | wc -l"
}

n_lanes() { # NODE UNIT: mapped ones
        lab_exec "$1" grep -c memfd:o7s-lane "/proc/$(main_pid "$1" "$2")/maps"
}

holds() { # what the processes of both ends hold, a line each
        local node unit
        for unit in "${FLOWS[@]}"; do
                echo "alpha $unit: $(n_descriptors alpha "$unit.service") descriptors, $(n_lanes alpha "$unit.service") lanes"
        done
        unit=serve-far.example.service
        echo "beta $unit: $(n_descriptors beta "$unit") descriptors, $(n_lanes beta "$unit") lanes"
        for node in alpha beta; do
                echo "$node irm: $(n_descriptors "$node" o7s-irm.service) descriptors"
                echo "$node layer: $(n_descriptors "$node" "$LAYER_UNIT") descriptors, $(n_lanes "$node" "$LAYER_UNIT") lanes"
        done
}

holds_steadily() { # prints it once it is the same twice
        local before='' now
        until now=$(holds) && [[ $now == "$before" ]]; do
                before=$now
                sleep 0.2
        done
        printf '%s\n' "$now"
}

holds_as_before() {
        holds | diff "$LAB_DIR/holds" -
}

resident_kb() { # NODE UNIT
        # shellcheck disable=SC2016  # for awk
        lab_exec "$1" awk '/^VmRSS/ { print $2 }' "/proc/$(main_pid "$1" "$2")/status"
}

grew_less_than() { # KB BEFORE AFTER
        echo "from $2 to $3 kB"
        (($3 - $2 < $1))
}

answers_come() { # UNIT: the numbers of a watch-flow that was told to end
        local sent received longest gap
        lab_wait 5 output_has alpha "$1" '^end' || return 1
        sent=$(output_of alpha "$1" sent)
        received=$(output_of alpha "$1" received)
        longest=$(output_of alpha "$1" longest-gap-usec)
        gap=$(output_of alpha "$1" third-gap-usec)      # of so many kills a busy host may be late twice
        echo "sent $sent, received $received, longest gap $longest us, third $gap us"
        # What is lost is what was under way or came while nobody was there: at most a gap's worth for each kill.
        ((gap < 1000000 && sent - received < n_kills * longest / 1000))
}

no_flows_on_both() {
        no_flows alpha && no_flows beta
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
done
lab_boot alpha beta || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
serve beta far.example lan

n_kills=0
for unit in "${FLOWS[@]}"; do
        run_in_background alpha "$unit" /usr/lib/o7s-lab/watch-flow far.example 1
        check "$unit: a flow carries a message every millisecond" lab_wait 5 output_has alpha "$unit" '^up'
done
for node in alpha beta; do
        flow_ids "$node" >"$LAB_DIR/$node.ids"
        check "$node: knows all flows" prints "${#FLOWS[@]}" n_flows "$node"
done

for round in 1 2 3 4 5; do
        for node in alpha beta; do
                check "round $round: the layer's process of $node is killed and comes back" kill_layer "$node"
                n_kills=$((n_kills + 1))
                sleep 0.5       # of traffic, so that gaps do not add up
        done
        if ((round == 1)); then
                holds_steadily >"$LAB_DIR/holds"
                irm_kb=$(resident_kb alpha o7s-irm.service)
                server_kb=$(resident_kb beta serve-far.example.service)
        fi
done
for node in alpha beta; do
        check "$node: has the same flows, by the same ids" prints "$(cat "$LAB_DIR/$node.ids")" flow_ids "$node"
done
check 'no descriptor and no lane is held that was not after the first kills' lab_wait 3 holds_as_before
check 'the IRM does not grow' grew_less_than 1000 "$irm_kb" "$(resident_kb alpha o7s-irm.service)"
check 'a program does not grow' grew_less_than 500 "$server_kb" "$(resident_kb beta serve-far.example.service)"

# Both sides of the hand-over are gone at once: the next IRM and the next process of the layer find each other.
lab_exec alpha systemctl kill --signal=KILL --kill-whom=main o7s-irm.service "$LAYER_UNIT"
n_kills=$((n_kills + 1))
check 'the IRM and the layer are killed together and come back' lab_wait 5 layer_is_online alpha lan
check '... and the flows are the same' lab_wait 3 prints "$(cat "$LAB_DIR/alpha.ids")" flow_ids alpha
sleep 0.5

for unit in "${FLOWS[@]}"; do
        check "$unit: the flow never ended" lacks down lab_exec alpha cat "/run/$unit.out"
        lab_exec alpha systemctl kill --signal=TERM "$unit.service"
        check "$unit: ... was silent for less than a second, and nothing else was lost" answers_come "$unit"
done
check 'flows that their programs closed are gone on both hosts' lab_wait 3 no_flows_on_both

# An orderly stop is one.
run_in_background alpha last /usr/lib/o7s-lab/watch-flow far.example 5
lab_wait 5 output_has alpha last '^up'
lab_exec beta systemctl restart "$LAYER_UNIT"
check 'a layer that is restarted in an orderly way closes its flows' lab_wait 3 output_has alpha last '^down [0-9]* closed'

# Nobody comes back.
lab_wait 5 layer_is_online beta lan
lab_exec alpha rm -f /run/last.out
lab_exec alpha systemctl reset-failed
run_in_background alpha last /usr/lib/o7s-lab/watch-flow far.example 5
lab_wait 5 output_has alpha last '^up'
lab_exec alpha rm -f /etc/o7s/layers/lan.layer
lab_exec alpha systemctl kill --signal=KILL --kill-whom=main "$LAYER_UNIT"
check 'a layer that never comes back ends its flows after some seconds' lab_wait 8 output_has alpha last '^down'
lab_exec alpha systemctl reset-failed

check_nothing_left alpha beta
done_checking
