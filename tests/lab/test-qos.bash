#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Classes of traffic in a routed layer: voice crosses two wires of a hundred megabits while a flood that takes all that
# they can carry crosses the same ones, and waits in every queue on the way. Round trips without and with the flood take
# turns, and what counts is the median of the rounds' 99th percentiles.
# buses: daemon
# budget: 110
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

ROUNDS=7
RATE=100mbit

p99() { # of round trips to the far end, in microseconds; 64 kbit/s, less than such a flow asks for
        lab_exec alpha o7s-ping --json -q --qos=voice -c 400 -s 32 -i 4ms --timeout=8s echo.example |
                grep '"summary"' | json 'd["rtt_usec"]["p99"]'
}

packets_through() { # that beta forwarded so far
        lab_ip beta -s -j link show eth1 | json 'd[0]["stats64"]["tx"]["packets"]'
}

flood_on() {
        flood_begun=$(packets_through)
        run_in_background alpha flood o7s-perf -q -t 60s perf.example
        sleep 0.5
}

flood_off() {
        echo "$(($(packets_through) - flood_begun))" >>"$LAB_OUT/log/floods"
        lab_exec alpha systemctl stop flood.service
        sleep 0.3
}

measure() { # a line of two: without the flood and under it
        local alone
        alone=$(p99)
        flood_on
        echo "$alone $(p99)"
        flood_off
}

median_is_within() { # FACTOR: of the second column, against the first
        python3 -c '
import statistics, sys
factor = float(sys.argv[1])
rounds = [tuple(map(float, line.split())) for line in open(sys.argv[2])]
alone, loaded = (statistics.median(column) for column in zip(*rounds))
print(f"p99 of {len(rounds)} rounds: {alone:.0f} us alone, {loaded:.0f} us under the flood: {loaded / alone:.2f} times")
sys.exit(loaded > factor * alone)' "$1" "$LAB_OUT/log/rounds"
}

flood_was_one() { # in every round it got more across than a thousand packets, beside the voice
        [[ $(grep -c . "$LAB_OUT/log/floods") -eq $ROUNDS ]] &&
                awk '{ print; if ($1 < 1000) exit 1 }' "$LAB_OUT/log/floods"
}

granted() { # QOS KEY: what the layer says that it does for such a flow
        lab_exec alpha o7s-ping --json -q "--qos=$1" -c 1 echo.example | grep '"connected"' | json "d['granted']['$2']"
}

demoted() { # LAYER: packets of flows of alpha that sent more than they had asked for
        lab_exec alpha busctl --json=short call "org.o7s.ipcp1.$1" /org/o7s/ipcp1 org.o7s.ipcp1.Statistics GetAll |
                json "d['data'][0]['flows-demoted']"
}

several_voices() { # at once, of which each keeps to what it asked for, and all together do not
        local i
        for i in 1 2 3; do
                run_in_background alpha "voice$i" o7s-ping -q --qos=voice -s 32 -i 4ms -c 5000 echo.example
        done
        sleep 3
        lab_exec alpha systemctl stop voice{1,2,3}.service
}

greedy() { # a flood that calls itself voice
        lab_exec alpha o7s-perf -q -t 500ms --qos=voice perf.example && [[ $(demoted home) -gt 100 ]]
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" alpha beta gamma
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
lab_rate "$RATE" alpha:eth0 beta:eth0 beta:eth1 gamma:eth0 || exit
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
write_unicast alpha home lan1 '[Bootstrap]' Bootstrap=yes
write_unicast beta home 'lan1 lan2'
write_unicast gamma home lan2
lab_boot || exit
start_layer home alpha beta gamma
for node in alpha beta gamma; do
        check "$node is a member" lab_wait 20 layer_is_online "$node" home
done
serve gamma echo.example home
serve gamma perf.example home o7s-perf --serve
check 'voice reaches the other end' lab_wait 5 ping alpha --qos=voice echo.example
check '... and so does what the flood needs' lab_wait 5 lab_exec alpha o7s-perf -q -t 100ms perf.example

# what is asked for is one thing, what the layer does another
check 'voice is granted its delay' prints 50 granted voice delay_ms
check 'video is granted its own' prints 100 granted video delay_ms
check '... but nobody reserves the bandwidth that it asks for' prints 0 granted video bandwidth_bps
check 'the rest is granted none' prints 4294967295 granted raw delay_ms

for ((round = 0; round < ROUNDS; round++)); do
        measure
done >"$LAB_OUT/log/rounds"
check 'every round had its flood' flood_was_one
check 'every round was measured' test "$(grep -cE '^[0-9.]+ [0-9.]+$' "$LAB_OUT/log/rounds")" -eq "$ROUNDS"
check 'under a flood the 99th percentile of voice stays within twice what it is alone' median_is_within 2

check 'several voices speak at once' several_voices
check '... which keep to what they asked for, and keep their place' prints 0 demoted home
check '... and together do not cost the layer its place below' prints 0 demoted lan1
check 'a flood that says it is voice loses it' greedy

check_nothing_left alpha beta gamma
done_checking
