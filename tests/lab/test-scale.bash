#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Many flows between two hosts: 2 000 that talk, encrypted, then 10 000 that are idle, and what they cost in memory; and
# what protected ones cost beside plain ones.
# buses: daemon
# budget: 240
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

# Per host, idle. Keys are in pages of their own.
PLAIN_BYTES_MAX=$((96 * 1024)) PROTECTED_BYTES_MAX=$((96 * 1024))

node_memory() { # NODE: bytes charged to all of its processes, shared and kernel memory included; fails if unknown
        local file
        for file in "/sys/fs/cgroup/memory/$LAB_ID/$1/memory.usage_in_bytes" "/sys/fs/cgroup/$LAB_ID/$1/memory.current"; do
                [[ ! -e $file ]] || { cat "$file"; return; }
        done
        return 1
}

anonymous_memory() { # NODE: the same from /proc, by each process's share; without the kernel's own
        local pid
        for pid in $(_node_pids "$1"); do
                cat "/proc/$pid/smaps_rollup" 2>/dev/null || :
        done | awk '/^Pss_(Anon|Shmem):/ { sum += $2 } END { printf "%d\n", sum * 1024 }'
}

memory_of() { # NODE
        node_memory "$1" || anonymous_memory "$1"
}

cheap_flows() { # NODE BEFORE COUNT MAX
        local after each
        after=$(memory_of "$1")
        each=$(((after - $2) / $3))
        echo "$each bytes per flow ($2 before, $after after)"
        ((each <= $4))
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
        write_plain "$node" plain.example
        write_file "$node" /etc/o7s/irm.conf.d/50-lab.conf <<'CONF'
[Quota]
FlowsPerUser=20000
PendingPerUser=256
RatePerUser=100000
BurstPerUser=100000
LaneBytesPerUser=4294967296
LaneBytes=8589934592
CONF
done
lab_boot || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
for name in far plain; do
        serve beta "$name.example" lan o7s-echo --thin
        ping alpha "$name.example" >/dev/null
done

start_talking() {
        run_in_background alpha talking -p StandardError=file:/run/talking.err /usr/lib/o7s-lab/many-flows far.example 2000
}

gone_within_a_second() { # all flows of a program that ends
        lab_exec alpha systemctl is-active --quiet talking.service || start_talking
        lab_wait 60 output_has alpha talking '^open 2000' || return
        lab_exec alpha systemctl stop talking.service
        lab_wait_no_longer 1 no_flows alpha && return
        lab_wait 5 no_flows alpha
        lab_exec alpha rm -f /run/talking.out
        return 1
}

start_talking
check '2 000 flows are open at once, and each echoes a message' \
        lab_wait 60 output_has alpha talking '^open 2000 echoed 2000'
lab_exec alpha cat /run/talking.out /run/talking.err | sed 's/^/# /'
check '... both hosts list them all' prints 2000 n_flows alpha
check '... on the other one too' prints 2000 n_flows beta
check '... one more works as ever' ping alpha far.example
check 'when the program ends they are gone within a second' one_of_three gone_within_a_second
check '... on the other host too' lab_wait 2 no_flows beta

idle_flows() { # NAME COUNT MAX WHAT
        local alpha_before beta_before
        alpha_before=$(memory_of alpha) beta_before=$(memory_of beta)
        run_in_background alpha idle -p StandardError=file:/run/idle.err /usr/lib/o7s-lab/many-flows "$1" "$2" idle
        check "$2 $4 flows are open at once" lab_wait 120 output_has alpha idle "^open $2"
        lab_exec alpha cat /run/idle.out /run/idle.err | sed 's/^/# /'
        check "alpha: an idle $4 flow costs $(($3 / 1024)) KiB at most" cheap_flows alpha "$alpha_before" "$2" "$3"
        check "beta: an idle $4 flow costs $(($3 / 1024)) KiB at most" cheap_flows beta "$beta_before" "$2" "$3"
        tail -qn 1 "$LAB_OUT/log/check.$((n_checks - 1))" "$LAB_OUT/log/check.$n_checks" | sed 's/^/# /'
        check '... one more works as ever' ping alpha "$1"
        lab_exec alpha systemctl stop idle.service
        check 'when the program ends they are gone' lab_wait 5 no_flows alpha
        check '... on the other host too' lab_wait 5 no_flows beta
}

idle_flows plain.example 10000 "$PLAIN_BYTES_MAX" plain
idle_flows far.example 2000 "$PROTECTED_BYTES_MAX" protected

check_nothing_left alpha beta
done_checking
