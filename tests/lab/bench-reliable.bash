#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reliable flows against TCP, raw ones against UDP, on the same wires: a clean virtual Ethernet, and one that loses and
# delays. Throughput with writes of 1 400 bytes, of 64 (many small messages) and of 256 KiB, round trips, and what both
# sides' daemons and programs cost in processor time. Subject and baseline take turns, and the ratio is the median of the
# rounds' ratios. Times and costs are better when smaller, so is their ratio. "algorithms" says which of TCP's the kernel
# has.
#
# On the clean wire TCP hands on packets of 64 KiB, which nobody ever cuts into frames; in the rows "frames" it sends what
# fits a frame, as it has to on a cable without a card that cuts. The lossy wire knows frames of 1 500 bytes alone, each
# with its own fate. The rows "paced" are of that wire at 200 Mbit/s, beside what it could carry: there the processor is no
# limit.
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"
# shellcheck source=tests/lab/rounds.bash
source "$LAB_HOME/rounds.bash"

ROUNDS=5 SECONDS_EACH=1
RATE=/usr/lib/o7s-lab/transfer-rate
CLEAN=10.7.0.2 LOSSY=10.7.1.2

flow_gbps() { bits_of "$RATE" rate data clean-data.example "$1" "$SECONDS_EACH"; }
tcp_gbps() { bits_of "$RATE" rate tcp "$CLEAN:7001" "$1" "$SECONDS_EACH"; }
raw_gbps() { bits_of "$RATE" rate raw clean-raw.example "$1" "$SECONDS_EACH"; }
udp_gbps() { bits_of "$RATE" rate udp "$CLEAN:7002" "$1" "$SECONDS_EACH"; }
flow_rtt_reliable() { lab_exec alpha "$RATE" rtt data clean-data.example "$SECONDS_EACH"; }
tcp_rtt() { lab_exec alpha "$RATE" rtt tcp "$CLEAN:7001" "$SECONDS_EACH"; }
lossy_flow_gbps() { bits_of "$RATE" rate data lossy-data.example 1400 "$LOSSY_SECONDS"; }

wire_gbps() { echo 0.2; }

tcp_sends() { # N: packets of so many frames at most
        lab_ip alpha link set dev eth0 gso_max_segs "$1"
        lab_ip beta link set dev eth0 gso_max_segs "$1"
}

bits_of() { # CMD...: gigabits per second
        lab_exec alpha "$@" | awk '{ print $1 * 8 / 1e9 }'
}

algorithms() { # that the kernel lets a program choose
        lab_exec alpha cat /proc/sys/net/ipv4/tcp_available_congestion_control
}

lossy_tcp_gbps() { # the best of TCP's algorithms
        local algorithm best=0 now
        for algorithm in $(algorithms); do
                [[ $algorithm == cubic || $algorithm == bbr || $algorithm == reno ]] || continue
                now=$(bits_of env TCP_CONGESTION="$algorithm" "$RATE" rate tcp "$LOSSY:7001" 1400 "$LOSSY_SECONDS")
                best=$(awk -v a="$best" -v b="${now:-0}" 'BEGIN { print (a > b ? a : b) }')
        done
        echo "$best"
}

busy_usec() { # processor time of everything on both nodes
        local node root
        for node in alpha beta; do
                for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
                        cat "$root/$LAB_ID/$node/cpu.stat" 2>/dev/null
                done
        done | awk '$1 == "usage_usec" { sum += $2 } END { print sum }'
}

cost() { # FUNCTION ARGS...: processor seconds per gigabit
        local before rate
        before=$(busy_usec)
        rate=$("$@")
        awk -v rate="$rate" -v seconds="$SECONDS_EACH" -v usec="$(($(busy_usec) - before))" \
                'BEGIN { print usec / 1e6 / (rate * seconds) }'
}

flow_cost() { cost flow_gbps 1400; }
tcp_cost() { cost tcp_gbps 1400; }

lab_install "${1:?build directory}" >&2 || exit
lab_add "$1/tests/lab/transfer-rate" "$RATE"
lab_node alpha beta
lab_wire alpha:eth0 beta:eth0
lab_emulate lossy alpha:eth1 beta:eth1 seed=3 || exit
for node in alpha beta; do
        for name in clean-data clean-raw lossy-data; do
                write_plain "$node" "$name.example"     # as TCP is; protection has bench-secure
        done
        write_layer "$node" clean
        write_layer "$node" lossy Interface=eth1 EtherType=0xA001
        lab_ip "$node" addr add "10.7.0.$([[ $node == alpha ]] && echo 1 || echo 2)/24" dev eth0
        lab_ip "$node" addr add "10.7.1.$([[ $node == alpha ]] && echo 1 || echo 2)/24" dev eth1
done
lab_boot || exit
start_layer clean alpha beta
start_layer lossy alpha beta
for layer in clean lossy; do
        lab_wait 10 layer_is_online alpha "$layer" && lab_wait 10 layer_is_online beta "$layer" || exit
done
serve beta clean-data.example clean "$RATE" serve data
serve beta clean-raw.example clean "$RATE" serve raw
serve beta lossy-data.example lossy "$RATE" serve data
run_in_background beta tcp "$RATE" serve tcp 0.0.0.0:7001
run_in_background beta udp "$RATE" serve udp 0.0.0.0:7002
lab_wait 5 output_has beta tcp serving
lab_wait 5 output_has beta udp serving
echo "TCP's algorithms: $(algorithms)" >&2

alternate frct.gbps.1400 Gbit/s TCP flow_gbps tcp_gbps 1400
alternate frct.gbps.bulk Gbit/s TCP flow_gbps tcp_gbps 262144
alternate frct.gbps.small Gbit/s TCP flow_gbps tcp_gbps 64
alternate frct.rtt ns TCP flow_rtt_reliable tcp_rtt
alternate frct.cpu s/Gbit TCP flow_cost tcp_cost
alternate raw.gbps.1400 Gbit/s UDP raw_gbps udp_gbps 1400
tcp_sends 1
alternate frct.gbps.frames.1400 Gbit/s TCP flow_gbps tcp_gbps 1400
alternate frct.gbps.frames.bulk Gbit/s TCP flow_gbps tcp_gbps 262144
alternate frct.cpu.frames s/Gbit TCP flow_cost tcp_cost
tcp_sends 65535

ROUNDS=2 LOSSY_SECONDS=3
for delay in 10 50; do
        for loss in 0.1 1 5; do
                lab_emulate_set lossy "delay=$(awk -v d="$delay" 'BEGIN { print d / 2 }')" "loss=$loss" rate=200 \
                        "queue=$((delay * 25000))" >&2
                alternate "frct.gbps.paced.$loss-percent.$delay-ms" Gbit/s the-wire lossy_flow_gbps wire_gbps
        done
done
lab_emulate_set lossy rate=0 >&2
for delay in 10 50; do
        LOSSY_SECONDS=$((delay / 40 + 2))
        for loss in 0 0.1 1 5; do
                lab_emulate_set lossy "delay=$(awk -v d="$delay" 'BEGIN { print d / 2 }')" "loss=$loss" >&2
                alternate "frct.gbps.loss.$loss-percent.$delay-ms" Gbit/s best-TCP lossy_flow_gbps lossy_tcp_gbps
        done
done
