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

kill_at() { # NODE UNIT: prints when that was, in microseconds of CLOCK_MONOTONIC, to ten milliseconds
        local pid
        pid=$(main_pid "$1" "$2")
        lab_exec "$1" sh -c "read -r up _ </proc/uptime && kill -KILL $pid && echo \$up" | awk '{ printf "%.0f\n", $1 * 1000000 }'
}

answered_after() { # TEXT: of the flow that is told of the link
        lab_exec alpha sed "1,/$1/d" /run/told.out | grep -q seq=
}

begin_pair() { # a program on beta, and a flow to it from alpha
        lab_exec alpha systemctl stop watch.service
        lab_exec beta systemctl stop short.service
        lab_exec alpha systemctl reset-failed
        lab_exec beta systemctl reset-failed
        lab_exec alpha rm -f /run/watch.out
        lab_exec beta rm -f /run/short.out
        run_in_background beta short /usr/lib/o7s-lab/watch-flow serve short.example
        lab_wait 3 output_has beta short serving || return
        run_in_background alpha watch /usr/lib/o7s-lab/watch-flow short.example 5
        lab_wait 5 output_has alpha watch '^up' && lab_wait 5 output_has beta short '^up'
}

learns_within_a_second() { # NODE UNIT, NODE UNIT: the second program hears that the first was killed
        local died down
        begin_pair || return
        died=$(kill_at "$1" "$2.service")
        lab_wait 3 output_has "$3" "$4" '^down' || return
        down=$(output_of "$3" "$4" down)
        lab_exec "$1" systemctl reset-failed
        echo "ended at $died, learned at $down"
        ((died > 0 && down - died < 1000000))
}

irm_is_not_missed() { # NODE: no message of a flow that was there before it was killed took more than half a second
        local pid gap
        lab_exec alpha rm -f /run/gap.out
        run_in_background alpha gap /usr/lib/o7s-lab/watch-flow far.example 5
        lab_wait 5 output_has alpha gap '^up' || return
        pid=$(main_pid "$1" o7s-irm.service)
        kill_main "$1" o7s-irm.service
        lab_wait 5 restarted "$1" o7s-irm.service "$pid" && lab_wait 5 ping alpha far.example
        lab_exec alpha systemctl kill --signal=TERM gap.service
        lab_wait 3 output_has alpha gap '^end' || return
        gap=$(output_of alpha gap longest-gap-usec)
        echo "longest gap: $gap us"
        ((gap < 500000))
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
        check "$node: ... to the end" lab_wait 3 output_has alpha watch '^end'
        check "$node: ... and none was lost" prints "$(output_of alpha watch sent)" output_of alpha watch received
        check "$node: ... nor took more than half a second" one_of_three irm_is_not_missed "$node"
        lab_exec alpha rm -f /run/watch.out
done

# a program dies
lab_exec beta o7sctl name short.example --unit=short.service --layer=lan
check 'when a program is killed the other host learns within a second' one_of_three learns_within_a_second \
        beta short alpha watch
check '... its flow is gone on both' lab_wait 2 no_flows_on_both
check '... the same name can be served again' begin_pair
check 'when the client is killed the server learns within a second' one_of_three learns_within_a_second \
        alpha watch beta short
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
run_in_background alpha told o7s-ping -i 100ms far.example
lab_wait 5 output_has alpha told 'seq='
lab_emulate_set ab carrier=0
check 'without a carrier the layer is not online' lab_wait 3 layer_is_not_online alpha lan
check '... a program with a flow is told' lab_wait 3 output_has alpha told 'link below is down'
check '... and says why' says eth0 layer_property alpha lan reason
check '... a name across it cannot be reached' fails ping alpha far.example
lab_emulate_set ab carrier=1
check 'with the carrier back it is online' lab_wait 5 layer_is_online alpha lan
check '... and the name is reached' lab_wait 5 ping alpha far.example
check '... a program with a flow is told' lab_wait 3 output_has alpha told 'link below is up again'
check '... and its flow goes on' lab_wait 5 answered_after 'up again'
lab_ip alpha link set eth0 mtu 1300
check 'a smaller MTU is told' lab_wait 3 output_has alpha told 'messages of up to 12[0-9][0-9] B fit'
lab_ip alpha link set eth0 mtu 1500
check '... and one that is as before' lab_wait 3 output_has alpha told 'messages of up to 14[0-9][0-9] B fit'
check '... and the flow goes on' lab_wait 5 answered_after 'up to 14'
lab_exec alpha systemctl stop told.service

# single frames
lab_emulate_set ab drop=2
check 'lost queries and requests are repeated' lab_exec alpha o7s-ping -c 1 --timeout=20s far.example
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
