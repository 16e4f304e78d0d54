#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The whole system on two nodes against what the kernel alone does on the same ones: flows across an Ethernet
# and on one host, opening them, what they and the daemons cost. Subject and baseline take turns, and the ratio is
# the median of the rounds' ratios. Times are better when smaller, so is their ratio.
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"
# shellcheck source=tests/lab/rounds.bash
source "$LAB_HOME/rounds.bash"

ROUNDS=5 SECONDS_EACH=1
BASELINE=/usr/lib/o7s-lab/baseline

far_rate() { flow_rate alpha far.example "$1"; }
far_rtt() { flow_rtt alpha far.example; }
local_rate() { flow_rate beta far.example "$1"; }
local_rtt() { flow_rtt beta far.example; }
packet_rate() { lab_exec alpha "$BASELINE" packet-rate eth0 "$1" "$SECONDS_EACH"; }
packet_rtt() { lab_exec alpha "$BASELINE" packet-rtt eth0 "$SECONDS_EACH"; }
unix_rate() { lab_exec beta "$BASELINE" unix-rate "$1" "$SECONDS_EACH"; }
unix_rtt() { lab_exec beta "$BASELINE" unix-rtt "$SECONDS_EACH"; }

far_alloc() { # microseconds to open a flow to the other host
        lab_exec alpha o7s-ping --json -q -c 1 far-echo.example | grep '"connected"' | json 'd["allocated_usec"]'
}

far_round_trip() { # microseconds of one ping, with its wake-ups
        lab_exec alpha o7s-ping --json -c 5 -i 20ms far-echo.example | grep '"summary"' | json 'd["rtt_usec"]["p50"]'
}

layer_start() { # milliseconds until "systemctl start" of a layer returns
        lab_exec beta systemctl stop o7s-ipcp@other.service
        start_time o7s-ipcp@other.service
}

service_start() { # of a service that only says that it is ready
        lab_exec beta systemctl stop trivial.service
        start_time trivial.service
}

start_time() { # UNIT
        local begun
        begun=$(date +%s%N)
        lab_exec beta systemctl start "$1"
        echo $((($(date +%s%N) - begun) / 1000)) | awk '{ print $1 / 1000 }'
}

resident() { # UNIT: the process's share, bytes
        lab_exec beta cat "/proc/$(lab_exec beta systemctl show -P MainPID "$1")/smaps_rollup" |
                awk '/^Pss:/ { print $2 * 1024 }'
}

setup_nodes "${1:?build directory}" alpha beta >/dev/null
lab_add "$1/tests/lab/baseline" "$BASELINE"
for node in alpha beta; do
        write_layer "$node" lan
        write_layer "$node" other Interface=eth0 EtherType=0xA001
        write_plain "$node" far.example         # what the baseline does; protection has bench-secure
        write_plain "$node" far-echo.example
        write_file "$node" /etc/systemd/system/trivial.service <<'UNIT'
[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'
UNIT
done
lab_boot || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
serve beta far.example lan o7s-perf --serve
serve beta far-echo.example lan
run_in_background beta packet-serve "$BASELINE" packet-serve eth0
ping alpha far-echo.example >&2

alternate hosts.flow.pps.64 pps AF_PACKET far_rate packet_rate 64
alternate hosts.flow.pps.1400 pps AF_PACKET far_rate packet_rate 1400
alternate hosts.flow.rtt ns AF_PACKET far_rtt packet_rtt
lab_exec beta systemctl stop packet-serve.service
alternate hosts.flow.local.pps.64 pps unix-SEQPACKET local_rate unix_rate 64
alternate hosts.flow.local.pps.1400 pps unix-SEQPACKET local_rate unix_rate 1400
alternate hosts.flow.local.rtt ns unix-SEQPACKET local_rtt unix_rtt
alternate flow.remote.alloc.latency us one-round-trip far_alloc far_round_trip
alternate start.ms ms trivial-notify-service layer_start service_start
for unit in o7s-irm o7s-ipcp@lan; do
        resident "$unit.service" | awk -v unit="$unit" \
                '{ printf "bench daemon.rss.%s %d bytes ratio %.3g of 4-MiB\n", unit, $1, $1 / 4194304 }'
done
