#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Failures: of the IRM, of programs, of a layer's process, of the link, of single frames.
# buses: daemon
# budget: 150
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

# What the IRM knows and has to know again; counters and lists of programs that wait to accept may differ for a moment.
knowledge() { # NODE VERB
        lab_exec "$1" o7sctl --json=short "$2" | python3 -c '
import json, sys
KEPT = {"layer", "type", "state", "unit", "name", "owner", "load_balance", "bindings", "registered_in", "id", "peer",
        "uid", "pid"}
rows = json.load(sys.stdin)
for line in sorted(json.dumps({k: v for k, v in row.items() if k in KEPT}, sort_keys=True) for row in rows):
    print(line)'
}

same_knowledge() { # NODE FILE-PREFIX
        local verb
        for verb in layers names flows; do
                knowledge "$1" "$verb" | diff "$LAB_DIR/$1.$verb" - || return 1
        done
}

kill_main() { # NODE UNIT
        lab_exec "$1" systemctl kill --signal=KILL --kill-whom=main "$2"
}

main_pid() { # NODE UNIT
        lab_exec "$1" systemctl show -P MainPID "$2"
}

restarted() { # NODE UNIT OLD-PID
        local pid
        pid=$(main_pid "$1" "$2")
        [[ $pid != 0 && $pid != "$3" ]]
}

learned_within_a_second() { # NODE UNIT USEC: its "down" line came less than 1 s after USEC
        local down
        down=$(output_of "$1" "$2" down)
        echo "ended at $3, learned at $down"
        [[ -n $down ]] && ((down - $3 < 1000000))
}

gap_below() { # NODE UNIT USEC: of a watch-flow that was told to end
        local gap
        lab_wait 3 output_has "$1" "$2" '^end' || return 1
        gap=$(output_of "$1" "$2" longest-gap-usec)
        echo "longest gap: $gap us"
        ((gap < $3))
}

no_flows_on_both() {
        no_flows alpha && no_flows beta
}

setup_nodes "${1:?build directory}" alpha
lab_node beta
lab_emulate ab alpha:eth0 beta:eth0 seed=1
for node in alpha beta; do
        write_layer "$node" lan
done
lab_boot alpha beta || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
serve beta far.example lan
serve alpha near.example

# the IRM dies while a flow carries data
for node in alpha beta; do
        run_in_background alpha watch /usr/lib/o7s-lab/watch-flow far.example 5
        check "$node: a flow carries data" lab_wait 5 output_has alpha watch '^up'
        for verb in layers names flows; do
                knowledge "$node" "$verb" >"$LAB_DIR/$node.$verb"
        done
        check "$node: the IRM knows of the flow" grep -q far.example "$LAB_DIR/$node.flows"
        pid=$(main_pid "$node" o7s-irm.service)
        kill_main "$node" o7s-irm.service
        check "$node: a killed IRM comes back" lab_wait 5 restarted "$node" o7s-irm.service "$pid"
        check "$node: ... knowing layers, names and flows" lab_wait 5 same_knowledge "$node"
        check "$node: ... the layer is online" lab_wait 5 layer_is_online "$node" lan
        check "$node: ... new flows can be opened" lab_wait 5 ping alpha far.example
        check "$node: ... names are still served on their own host" lab_wait 5 ping alpha near.example
        check "$node: the flow never ended" lacks down lab_exec alpha cat /run/watch.out
        lab_exec alpha systemctl kill --signal=TERM watch.service
        check "$node: ... and no message took more than half a second" gap_below alpha watch 500000
        check "$node: ... and none was lost" prints "$(output_of alpha watch sent)" output_of alpha watch received
        lab_exec alpha rm -f /run/watch.out
done

# a program dies
lab_exec beta o7sctl name short.example --unit=short.service --layer=lan
run_in_background beta short /usr/lib/o7s-lab/watch-flow serve short.example
lab_wait 3 output_has beta short serving
run_in_background alpha watch /usr/lib/o7s-lab/watch-flow short.example 5
check 'a flow to a program that will be killed' lab_wait 5 output_has alpha watch '^up'
at=$(now_usec)
kill_main beta short.service
check 'when a program is killed the other host learns within a second' lab_wait 2 learned_within_a_second alpha watch "$at"
check '... its flow is gone on both' lab_wait 2 no_flows_on_both
lab_exec beta systemctl reset-failed
lab_exec alpha rm -f /run/watch.out
lab_exec beta rm -f /run/short.out
run_in_background beta short /usr/lib/o7s-lab/watch-flow serve short.example
check 'the same name can be served again' lab_wait 3 output_has beta short serving
run_in_background alpha watch /usr/lib/o7s-lab/watch-flow short.example 5
lab_wait 5 output_has beta short '^up'
at=$(now_usec)
kill_main alpha watch.service
check 'when the client is killed the server learns within a second' lab_wait 2 learned_within_a_second beta short "$at"
lab_exec alpha systemctl reset-failed
lab_exec alpha rm -f /run/watch.out

# a layer's process dies
run_in_background alpha watch /usr/lib/o7s-lab/watch-flow far.example 5
lab_wait 5 output_has alpha watch '^up'
pid=$(main_pid beta o7s-ipcp@lan.service)
kill_main beta o7s-ipcp@lan.service
check 'a killed IPCP comes back' lab_wait 5 restarted beta o7s-ipcp@lan.service "$pid"
check '... and is online' lab_wait 5 layer_is_online beta lan
check '... new flows can be opened' lab_wait 5 ping alpha far.example
lab_exec alpha systemctl stop watch.service || :
lab_exec alpha systemctl reset-failed

# the link
lab_emulate_set ab carrier=0
check 'without a carrier the layer is not online' lab_wait 3 layer_is_not_online alpha lan
check '... and says why' says eth0 layer_property alpha lan reason
check '... a name across it cannot be reached' fails ping alpha far.example
lab_emulate_set ab carrier=1
check 'with the carrier back it is online' lab_wait 5 layer_is_online alpha lan
check '... and the name is reached' lab_wait 5 ping alpha far.example

# single frames
lab_emulate_set ab drop=2
check 'lost queries and requests are repeated' lab_exec alpha o7s-ping -c 1 --timeout=8s far.example
lab_emulate_set ab delay=20
check 'a slow link only takes longer' ping alpha far.example
lab_emulate_set ab delay=0 dup=100
check 'frames that come twice do no harm' says '0 lost' ping alpha far.example
lab_emulate_set ab dup=0

# a host dies and comes back
lab_kill beta
lab_boot beta
start_layer lan beta
lab_wait 5 layer_is_online beta lan
serve beta far.example lan
check 'a host that lost its power is reached again' lab_wait 10 ping alpha far.example

check_nothing_left alpha beta
done_checking
