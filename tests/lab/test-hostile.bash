#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hostile applications: they break the rules of their flows at full speed, hand in what is no lane, send garbage to the
# IRM. The daemons, built with ASan and UBSan, count it, close that flow or connection, and nobody else notices: other
# programs exchange messages all the time and lose none.
# buses: daemon
# build: sanitize
# budget: 300
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

FLOWS_PER_ATTACK=16
MEMORY_GROWTH_KIB_MAX=$((24 * 1024))    # of a daemon, after a first round of attacks; ASan alone keeps some 10 MiB more

ATTACKS=(scribble jump flicker endless ring-wrongly pass-descriptor claim-outcome write-and-pass
        lane-unsealed lane-writable lane-shrinking lane-small lane-large lane-sparse lane-huge lane-file lane-device
        lane-directory lane-doorbell)

add_sanitizers() { # their libraries, for programs that were linked with them
        local name file
        for name in libasan.so libubsan.so; do
                file=$(readlink -f "$(gcc -print-file-name="$name")")
                lab_add "$file" "$file"
        done
        lab_chroot ldconfig
}

# Leaks are looked for in the unit tests: at the end of a service it takes ptrace(), which system call filters forbid.
set_sanitizers() { # NODE
        write_file "$1" /etc/systemd/system.conf.d/50-sanitizers.conf <<'CONF'
[Manager]
DefaultEnvironment="ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=0:quarantine_size_mb=8"
DefaultEnvironment="UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1"
CONF
}

main_pid() { # NODE UNIT
        lab_exec "$1" systemctl show -P MainPID "$2"
}

same_process() { # NODE UNIT PID
        prints "$3" main_pid "$1" "$2"
}

n_descriptors() { # NODE UNIT
        lab_exec "$1" sh -c "ls /proc/$(main_pid "$1" "$2")/fd | wc -l"
}

memory_kib() { # NODE UNIT
        lab_exec "$1" cat "/proc/$(main_pid "$1" "$2")/status" | awk '/^VmRSS:/ { print $2 }'
}

memory_has_returned() { # NODE UNIT BEFORE
        local after
        after=$(memory_kib "$1" "$2")
        echo "$3 KiB before, $after KiB after"
        ((after - $3 <= MEMORY_GROWTH_KIB_MAX))
}

statistic() { # NODE LAYER COUNTER
        lab_exec "$1" busctl --json=short call "org.o7s.ipcp1.$2" /org/o7s/ipcp1 org.o7s.ipcp1.Statistics GetAll |
                json "d['data'][0].get('$3', 0)"
}

attack() { # NAME ATTACK: by an ordinary user; succeeds if each of its flows is ended
        lab_exec alpha -u alice /usr/lib/o7s-lab/hostile-application "$1" "$2" "$FLOWS_PER_ATTACK"
}

is_told() { # CMD...: the attack is told each time that it broke the rules
        says "$FLOWS_PER_ATTACK ended, $FLOWS_PER_ATTACK for violation" "$@"
}

counts_each() { # CMD...: the layer counts every one of these flows as hostile
        local before after
        before=$(statistic alpha lan flows-drop-hostile)
        "$@" || return 1
        after=$(statistic alpha lan flows-drop-hostile)
        echo "hostile: $before before, $after after"
        ((after - before == FLOWS_PER_ATTACK))
}

closes_with_one_line() { # CMD...: the IRM ends the connection and says why, in one line for each
        local before after
        before=$(n_closed_connections)
        "$@" || return 1
        after=$(n_closed_connections)
        echo "lines about closed connections: $before before, $after after"
        ((after == before + 1))
}

n_closed_connections() {
        lab_exec alpha journalctl --sync
        lab_exec alpha journalctl --quiet --no-pager -o cat -u o7s-irm.service | grep -c 'Closing the connection of process'
}

hostile_client() { # ATTACK [NAME]
        lab_exec alpha -u alice /usr/lib/o7s-lab/hostile-client "$@"
}

nothing_lost() { # NODE UNIT: by an o7s-ping that is stopped now; the answer to its last message may still be under way
        lab_exec "$1" systemctl kill --signal=INT "$2.service"
        lab_wait 5 output_has "$1" "$2" ' lost'
        lab_exec "$1" tail -n 2 "/run/$2.out"
        lab_exec "$1" grep -o 'seq=[0-9]*' "/run/$2.out" | awk -F= '
                !seen[$2]++ { n++ }
                $2 + 0 > last { last = $2 + 0 }
                END { print n, "of", last, "answered"; exit !(n == last && n > 500) }'
}

no_sanitizer_report() { # NODE
        lab_exec "$1" journalctl --sync
        ! lab_exec "$1" journalctl --quiet --no-pager -o cat | grep -E 'AddressSanitizer|runtime error|SUMMARY: '
}

setup_nodes "${1:?build directory}" alpha beta
lab_add "$1/tests/lab/hostile-application" /usr/lib/o7s-lab/hostile-application
lab_add "$1/tests/lab/hostile-client" /usr/lib/o7s-lab/hostile-client
add_sanitizers
for node in alpha beta; do
        set_sanitizers "$node"
        write_layer "$node" lan
done
lab_boot || exit
check 'an Ethernet layer starts on both hosts, under ASan' start_layer lan alpha beta
check 'alpha: it is online' lab_wait 10 layer_is_online alpha lan
check 'beta: it is online' lab_wait 10 layer_is_online beta lan
check 'a name is served on the other host' serve beta far.example lan
check '... and one on this host' serve alpha near.example
check 'an attack that is none is refused' exits 2 attack far.example nothing

# A first round warms up: what it leaves is what a daemon's allocator keeps for the next.
lab_exec alpha o7sctl name sleepy.example --user=bob --layer=lan
for name in far.example near.example; do
        attack "$name" scribble
done | sed 's/^/# /'
for name in mute garbage half-open; do
        hostile_client "$name" sleepy.example
done | sed 's/^/# /'

declare -A pids=() memory=() descriptors=()
for unit in o7s-irm o7s-ipcp@lan; do
        pids[$unit]=$(main_pid alpha "$unit")
        memory[$unit]=$(memory_kib alpha "$unit")
        descriptors[$unit]=$(n_descriptors alpha "$unit")
done
beta_irm=$(main_pid beta o7s-irm) beta_layer=$(main_pid beta o7s-ipcp@lan)
run_in_background alpha innocent -p User=bob o7s-ping -i 5ms far.example
run_in_background alpha neighbour -p User=bob o7s-ping -i 5ms near.example
lab_wait 5 output_has alpha innocent 'far.example'

# A layer also minds being kept busy with rings; a program is, by whom it talks to.
for name in "${ATTACKS[@]}" ring; do
        check "$name: the layer counts and closes each of its flows" counts_each is_told attack far.example "$name"
done
for name in "${ATTACKS[@]}"; do
        check "$name: a server on this host ends each of its flows" is_told attack near.example "$name"
done
for name in far.example near.example; do
        check "write-and-close: who says that this is the end and goes on is ended ($name)" attack "$name" write-and-close
done

for name in server passing flood mute; do
        check "$name: the IRM closes the connection, with one line in its log" closes_with_one_line hostile_client "$name"
done
check 'garbage: the IRM closes every connection' hostile_client garbage
check 'half-open: allocations beyond the quota are refused' says 'half-open: 64 pending, 936 refused' \
        hostile_client half-open sleepy.example

check 'nobody else noticed: a flow across hosts lost no message' nothing_lost alpha innocent
check '... nor did one on the same host' nothing_lost alpha neighbour
for unit in o7s-irm o7s-ipcp@lan; do
        check "$unit: still the same process" same_process alpha "$unit" "${pids[$unit]}"
        check "$unit: memory is where it was" memory_has_returned alpha "$unit" "${memory[$unit]}"
        check "$unit: so are descriptors" lab_wait 3 prints "${descriptors[$unit]}" n_descriptors alpha "$unit"
done
check 'the IRM of the other host is the same process' same_process beta o7s-irm "$beta_irm"
check '... and so is the layer' same_process beta o7s-ipcp@lan "$beta_layer"
check 'flows are opened as ever' ping alpha far.example
for node in alpha beta; do
        check "$node: no sanitizer has anything to say" no_sanitizer_report "$node"
done

check_nothing_left alpha beta
done_checking
