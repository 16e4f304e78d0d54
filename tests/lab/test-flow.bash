#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Flows: across hosts in both framings, between programs of one host, to names that nobody knows or serves.
# buses: daemon broker
# budget: 150
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

perf_moves() { # NODE NAME: more than 10 Mbit/s, as the receiving side says
        lab_exec "$1" o7s-perf --json -t 1s "$2" | tee >(cat >&2) | tail -n 1 | json 'd["forward"]["goodput_bps"]' |
                awk '{ exit !($1 > 1e7) }'
}

round_trips() { # NODE NAME: one message at a time; none may be lost on a healthy link
        lab_exec "$1" o7s-perf --json -l -t 1s "$2" | tee >(cat >&2) | grep '"latency"' |
                json 'd["probes"] > 100 and d["unanswered"] <= 1' | grep -qx true
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
        write_layer "$node" campus Interface=eth0 Framing=llc
done
lab_boot || exit
check 'an Ethernet layer with DIX framing starts on both hosts' start_layer lan alpha beta
check 'one with LLC framing starts beside it' start_layer campus alpha beta
for node in alpha beta; do
        check "$node: the one is online" lab_wait 5 layer_is_online "$node" lan
        check "$node: ... and the other" lab_wait 5 layer_is_online "$node" campus
done

# across hosts
check 'a name is made, bound to a unit and registered in one step' serve beta far.example lan
check 'ping reaches a name on the other host' ping alpha far.example
check '... and says through which layer' says 'via lan' ping alpha far.example
check '... with messages as large as the layer takes' lab_exec alpha o7s-ping -c 2 -i 10ms -s 1400 far.example
serve beta fast.example lan o7s-perf --serve
check 'perf moves data across' one_of_three perf_moves alpha fast.example
check '... and measures round trips' one_of_three round_trips alpha fast.example
check 'ordinary users may open flows' ping alpha -u alice far.example
check 'a second name is registered in the LLC layer only' serve beta llc.example campus
check 'ping reaches it' ping alpha llc.example
check '... through that layer' says 'via campus' ping alpha llc.example
check '... with messages as large as the layer takes' lab_exec alpha o7s-ping -c 2 -i 10ms -s 1400 llc.example
serve beta llcfast.example campus o7s-perf --serve
check 'perf moves data across with LLC framing' one_of_three perf_moves alpha llcfast.example
check '... and measures round trips' one_of_three round_trips alpha llcfast.example
serve alpha back.example lan
check 'both directions: a name on alpha is reached from beta' ping beta back.example

# on one host
lab_exec beta o7sctl name alice.local --user=alice
run_in_background beta local-echo -p User=alice o7s-echo alice.local
check 'a program reaches a name of its own user directly' lab_wait 3 ping beta -u alice alice.local
check '... without a layer' says 'on this host' ping beta -u alice alice.local
check 'so does a program of another user' ping beta -u bob alice.local
check 'a name that is in no layer is unknown to the other host' exits 3 ping alpha alice.local
check 'another user may not serve it' exits 4 lab_exec beta -u bob timeout 3 o7s-echo alice.local
check '... and is told why' says 'alice.local' lab_exec beta -u bob timeout 3 o7s-echo alice.local

# names that nobody knows
check 'an unknown name fails in less than a second' one_of_three within 1 exits 3 ping alpha nosuch.example
check '... with its cause' says 'o layer' ping alpha nosuch.example
lab_exec beta o7sctl name gone.example --user=alice --layer=lan
lab_exec beta o7sctl unname gone.example
check 'a name that was taken back is unknown' one_of_three within 1 exits 3 ping alpha gone.example

# a name that exists, and nobody accepts
lab_exec beta o7sctl name sleepy.example --user=alice --layer=lan
check 'a name that nobody serves yet is waited for as long as the caller says' one_of_three within 2.5 \
        exits 5 lab_exec alpha o7s-ping -c 1 --timeout=1500ms sleepy.example
check '... and not less' lasts 1.4 exits 5 lab_exec alpha o7s-ping -c 1 --timeout=1500ms sleepy.example
run_in_background alpha waiting o7s-ping -c 3 -i 10ms --timeout=60s sleepy.example
check '... nor does it delay others' one_of_three within 1 ping alpha far.example
run_in_background beta sleepy -p User=alice o7s-echo sleepy.example
check 'who waits is served when somebody comes to accept' lab_wait 5 output_has alpha waiting '3 received'

# several servers of one name
lab_exec beta o7sctl name many.example --unit=one.service --layer=lan
lab_exec beta o7sctl name many.example --unit=two.service
run_in_background beta one o7s-echo many.example
run_in_background beta two o7s-echo many.example
check 'a name may have two servers' lab_wait 5 output_has beta one serving
check '... both are serving' lab_wait 5 output_has beta two serving
for _ in {1..10}; do
        ping alpha many.example >/dev/null || :
done
lab_exec beta systemctl kill --signal=TERM one.service two.service
check 'they take turns: of ten flows the one has five' lab_wait 3 output_has beta one '^5 flows'
check '... and the other five' lab_wait 3 output_has beta two '^5 flows'

check_nothing_left alpha beta
done_checking
