#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A hostile neighbour of a routed layer: an ordinary program of an ordinary user, on a host that is in the layer below
# and not in this one, greets a member as another member and says what it likes at full speed. That member goes on as
# the same process, in bounded memory, and a flow of a thousand messages a second between honest ones loses none.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

SECONDS_PER_ATTACK=3
MEMORY_GROWTH_KIB_MAX=$((64 * 1024))    # tables that are full, links and names to their last place

main_pid() { # NODE UNIT
        lab_exec "$1" systemctl show -P MainPID "$2"
}

memory_kib() { # NODE UNIT
        lab_exec "$1" cat "/proc/$(main_pid "$1" "$2")/status" | awk '/^VmRSS:/ { print $2 }'
}

memory_is_bounded() { # NODE UNIT BEFORE
        local after
        after=$(memory_kib "$1" "$2")
        echo "$3 KiB before, $after KiB after"
        ((after - $3 <= MEMORY_GROWTH_KIB_MAX))
}

statistic() { # NODE LAYER COUNTER
        lab_exec "$1" busctl --json=short call "org.o7s.ipcp1.$2" /org/o7s/ipcp1 org.o7s.ipcp1.Statistics GetAll |
                json "d['data'][0].get('$3', 0)"
}

counts() { # COUNTER
        local n
        n=$(statistic beta home "$1")
        echo "$1: $n"
        ((n > 0))
}

attack() { # NAME...
        lab_exec gamma -u alice /usr/lib/o7s-lab/hostile-member home "$SECONDS_PER_ATTACK" "$@"
}

lost_nothing() { # NODE UNIT: by a watch-flow that is told to end
        lab_exec "$1" systemctl kill --signal=TERM "$2.service"
        lab_wait 5 output_has "$1" "$2" '^(end|down)'
        lab_exec "$1" cat "/run/$2.out"
        # shellcheck disable=SC2016  # awk expands it
        lab_exec "$1" awk '$1 == "end" { sent = $4; received = $6 }
                END { exit !(sent > 5000 && sent == received) }' "/run/$2.out"
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" alpha beta gamma
lab_add "$1/tests/lab/hostile-member" /usr/lib/o7s-lab/hostile-member
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
write_unicast alpha home lan1 '[Bootstrap]' Bootstrap=yes
write_unicast beta home 'lan1 lan2'
lab_boot || exit
check 'a first member starts' start_layer home alpha
check '... and another one' start_layer home beta
check '... which is online' lab_wait 15 layer_is_online beta home
check 'the third host is only in the layer below' start_layer lan2 gamma
check 'a name is served' serve beta far.example home
check '... and reached' lab_wait 5 ping alpha far.example

run_in_background alpha honest -p User=bob /usr/lib/o7s-lab/watch-flow far.example 1
check 'a flow of a thousand messages a second is there' lab_wait 5 output_has alpha honest '^up'
beta_member=$(main_pid beta o7s-ipcp@home) beta_memory=$(memory_kib beta o7s-ipcp@home)
alpha_member=$(main_pid alpha o7s-ipcp@home) alpha_memory=$(memory_kib alpha o7s-ipcp@home)

for name in links guesses directory noise strangers; do
        check "$name: said for $SECONDS_PER_ATTACK s, by one who is let in" lab_wait 5 says 'neighbour of ' attack "$name"
done
check 'ids: tried for longer than a while' says 'ids: ' attack ids ids ids ids ids

check 'the flow lost nothing' lost_nothing alpha honest
check 'the member is the same process' prints "$beta_member" main_pid beta o7s-ipcp@home
check '... which was never started again' prints 0 lab_exec beta systemctl show -P NRestarts o7s-ipcp@home.service
check '... in bounded memory' memory_is_bounded beta o7s-ipcp@home "$beta_memory"
check 'so is the one behind it' prints "$alpha_member" main_pid alpha o7s-ipcp@home
check '... in bounded memory, too' memory_is_bounded alpha o7s-ipcp@home "$alpha_memory"
for counter in packets-drop-unknown-endpoint packets-drop-malformed routing-malformed directory-refused scans; do
        check "$counter: what was refused is counted" counts "$counter"
done
check 'somebody who tries ids is in the journal' journal_has beta o7s-ipcp@home.service 'tries endpoint ids'
check '... in one line' prints 1 lab_exec beta sh -c \
        "journalctl --quiet --no-pager -o cat -u o7s-ipcp@home.service | grep -c 'tries endpoint ids'"
check 'new flows come through' lab_wait 5 ping alpha far.example

check_nothing_left alpha beta gamma
done_checking
