#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Flows between hosts that agreed on keys follow either of them to another hardware address. A flow without keys ends
# with the address that it was opened from, as ever.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

statistic() { # NODE LAYER KEY
        lab_exec "$1" busctl --json=short call "org.o7s.ipcp1.$2" /org/o7s/ipcp1 org.o7s.ipcp1.Statistics GetAll |
                json "d['data'][0].get('$3', 0)"
}

statistic_is() { # NODE LAYER KEY VALUE
        prints "$4" statistic "$1" "$2" "$3"
}

set_address() { # NODE ADDRESS
        lab_exec "$1" ip link set eth0 address "$2"
}

watch_begins() { # NAME
        run_in_background alpha watch /usr/lib/o7s-lab/watch-flow "$1" 5
        lab_wait 5 output_has alpha watch '^up'
}

watch_ends_well() { # GAP-USEC
        lab_exec alpha systemctl kill --signal=TERM watch.service
        lab_wait 3 output_has alpha watch '^end' || return 1
        lab_exec alpha cat /run/watch.out
        (($(output_of alpha watch longest-gap-usec) < $1))
}

follow() { # NODE OTHER: to another address, with a flow that never ends and pauses for less than a second
        local known
        known=$(statistic "$2" lan peers-followed)
        lab_exec alpha rm -f /run/watch.out
        watch_begins far.example || return
        set_address "$1" "02:00:00:00:00:$((number++))"
        lab_wait 3 statistic_is "$2" lan peers-followed "$((known + 1))" || return
        sleep 1
        lacks down lab_exec alpha cat /run/watch.out && watch_ends_well 1000000
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
done
printf '[Server]\nEncryption=no\nAuthentication=none\n' | write_file beta /etc/o7s/names/plain.example.name
printf '[Client]\nEncryption=no\nAuthentication=none\n' | write_file alpha /etc/o7s/names/plain.example.name
lab_boot alpha beta || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
serve beta far.example lan
serve beta plain.example lan

number=16
for node in alpha beta; do
        other=$([[ $node == alpha ]] && echo beta || echo alpha)
        check "$node: a flow carries data" watch_begins far.example
        set_address "$node" "02:00:00:00:00:$((number++))"
        check "$node: the other host follows it to another address" lab_wait 3 statistic_is "$other" lan peers-followed 1
        sleep 1
        check "$node: ... the flow never ended" lacks down lab_exec alpha cat /run/watch.out
        lab_exec alpha systemctl stop watch.service
        check "$node: ... nor pauses another for a second" one_of_three follow "$node" "$other"
        lab_exec alpha rm -f /run/watch.out
        check "$node: new flows can be opened" lab_wait 5 ping alpha far.example
done

check 'a flow without keys carries data' watch_begins plain.example
set_address alpha 02:00:00:00:00:32
check '... and ends where the address changes' lab_wait 5 output_has alpha watch '^down'
lab_exec alpha systemctl stop watch.service || :
lab_exec alpha systemctl reset-failed || :

check_nothing_left alpha beta
done_checking
