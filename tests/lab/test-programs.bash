#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The programs as people use them, over an Ethernet and over a routed layer on top of it: netcat, throughput, constant
# rate, round trips; and what congestion in the layer does to reliable flows.
# buses: daemon
# budget: 100
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

copy() { # LAYER BYTES: a file from alpha to beta through o7s-nc; prints whether it is the same
        local layer=$1 bytes=$2
        lab_exec beta o7sctl name "copy-$layer.example" "--unit=copy-$layer.service" "--layer=$layer" >&2
        run_in_background beta "copy-$layer" -p User=nobody o7s-nc -l "copy-$layer.example"
        lab_exec alpha dd if=/dev/urandom "of=/run/file-$layer" bs=65536 "count=$((bytes / 65536))" status=none
        lab_wait 5 lab_exec alpha sh -c "o7s-nc -N -w 5s copy-$layer.example < /run/file-$layer" || return
        lab_wait 5 unit_is_over beta "copy-$layer"
        prints "$(sum_of alpha "/run/file-$layer")" sum_of beta "/run/copy-$layer.out"
}

sum_of() { # NODE FILE
        lab_exec "$1" sha256sum "$2" | cut -d' ' -f1
}

unit_is_over() { # NODE UNIT
        ! lab_exec "$1" systemctl is-active --quiet "$2"
}

perf_is() { # EXPRESSION OPTION...: what the last line of JSON says
        local expression=$1
        shift
        lab_exec alpha o7s-perf --json -q -t 1s "$@" | tail -n 1 | tee /dev/stderr | json "$expression" | grep -x true
}

talk() { # what one says, the other one hears, both ways
        lab_exec beta o7sctl name talk.example --unit=talk.service --layer=lan >&2
        run_in_background beta talk -p User=nobody sh -c 'echo hello from beta | o7s-nc -l -q 1s talk.example'
        says 'hello from beta' lab_wait 5 lab_exec alpha sh -c 'echo hello from alpha | o7s-nc -w 5s talk.example' &&
                lab_wait 5 output_has beta talk 'hello from alpha'
}

setup_nodes "${1:?build directory}" alpha beta
write_layer alpha lan
write_layer beta lan
write_unicast alpha home lan '[Bootstrap]' Bootstrap=yes
write_unicast beta home lan
lab_boot || exit
start_layer home alpha beta
for node in alpha beta; do
        check "$node is a member" lab_wait 20 layer_is_online "$node" home
done
serve beta perf-lan.example lan o7s-perf --serve
serve beta perf-home.example home o7s-perf --serve
serve beta echo-home.example home

for layer in lan home; do
        check "netcat copies a file over $layer" copy "$layer" $((16 << 20))
        for qos in raw raw-safe best-effort video voice data; do
                check "a flow of quality $qos carries data over $layer" perf_is 'd["forward"]["goodput_pps"] > 0' "--qos=$qos" "perf-$layer.example"
        done
        check "reliable flows lose nothing over $layer" perf_is 'd["forward"]["lost"] == 0' --qos=data -s 100000 -P 4 "perf-$layer.example"
        check "... nor do streams" perf_is 'd["forward"]["goodput_bps"] > 0' --stream "perf-$layer.example"
        check "... nor the way back" perf_is 'd["reverse"]["lost"] == 0' --qos=data -R "perf-$layer.example"
done
check 'two people talk' talk
check 'round trips over a reliable flow' ping alpha --qos=data -s 20000 echo-home.example
serve beta rate.example home o7s-cbr --serve
check 'a constant rate arrives evenly, and whole' lab_exec alpha o7s-cbr -q -d 1s -r 2M --qos=data rate.example
check '... the receiver counted it' says 'Mb/s, lost 0 ' lab_exec beta cat /run/serve-rate.example.out
check 'without a name there is nothing to send to' exits 2 lab_exec alpha o7s-cbr

check_nothing_left alpha beta
done_checking
