#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What protection costs between two nodes: the same flow plain, with a MAC, and encrypted; and opening one plain, with
# a key exchange, with a certificate of the server, and with one of each side. Subject and baseline take turns, and
# the ratio is the median of the rounds' ratios. Times are better when smaller, so is their ratio.
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"
# shellcheck source=tests/lab/rounds.bash
source "$LAB_HOME/rounds.bash"

ROUNDS=7 SECONDS_EACH=1
RATE=/usr/lib/o7s-lab/transfer-rate

gbps() { # KIND NAME SIZE
        lab_exec alpha "$RATE" rate "$1" "$2" "$3" "$SECONDS_EACH" | awk '{ print $1 * 8 / 1e9 }'
}

round_trip() { lab_exec alpha "$RATE" rtt "$1" "$2" "$SECONDS_EACH"; }

open_usec() { # NAME: the median of a few
        for _ in 1 2 3 4 5; do
                lab_exec alpha o7s-ping --json -q -c 1 "$1" | grep '"connected"' | json 'd["allocated_usec"]'
        done | sort -n | sed -n 3p
}

encrypted_gbps() { gbps "$1" "encrypted-$1.example" "$2"; }
mac_gbps() { gbps "$1" "mac-$1.example" "$2"; }
plain_gbps() { gbps "$1" "plain-$1.example" "$2"; }
encrypted_rtt() { round_trip "$1" "encrypted-$1.example"; }
plain_rtt() { round_trip "$1" "plain-$1.example"; }
open_agreed() { open_usec agreed.example; }
open_server() { open_usec server.example; }
open_mutual() { open_usec mutual.example; }
open_plain() { open_usec plain.example; }

lab_install "${1:?build directory}" >&2 || exit
lab_add "$1/tests/lab/transfer-rate" "$RATE"
lab_node alpha beta
lab_wire alpha:eth0 beta:eth0
for node in alpha beta; do
        write_layer "$node" lan
        for name in plain plain-raw plain-data; do
                write_plain "$node" "$name.example"
        done
done
for kind in raw data; do
        write_file beta "/etc/o7s/names/mac-$kind.example.name" <<<$'[Server]\nEncryption=no'
        write_file alpha "/etc/o7s/names/mac-$kind.example.name" <<<$'[Client]\nEncryption=no\nAuthentication=server'
        write_file alpha "/etc/o7s/names/encrypted-$kind.example.name" <<<$'[Client]\nAuthentication=none'
done
write_file alpha /etc/o7s/names/agreed.example.name <<<$'[Client]\nAuthentication=none'
write_file beta /etc/o7s/names/mutual.example.name <<<$'[Server]\nAuthentication=mutual'
lab_boot || exit
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
lab_wait 5 layer_is_online beta lan
lab_exec beta o7sctl ca init >&2
for name in server mutual mac-raw mac-data; do
        lab_exec beta o7sctl ca issue "$name.example" >&2
done
lab_exec alpha o7sctl ca init >&2
lab_exec alpha o7sctl ca issue --client mutual.example >&2
for nodes in 'alpha beta' 'beta alpha'; do
        read -r from to <<<"$nodes"
        cp "$(lab_root "$from")/etc/o7s/ca/ca.pem" "$(lab_root "$to")/root/$from.pem"
        lab_exec "$to" o7sctl ca trust "/root/$from.pem" >&2
done
for kind in raw data; do
        for protection in plain mac encrypted; do
                serve beta "$protection-$kind.example" lan "$RATE" serve "$kind"
        done
done
for name in plain agreed server mutual; do
        serve beta "$name.example" lan
        ping alpha "$name.example" >&2
done

for kind in raw data; do
        alternate "flow.protected.gbps.$kind.1400" Gbit/s plain encrypted_gbps plain_gbps "$kind" 1400
        alternate "flow.mac.gbps.$kind.1400" Gbit/s plain mac_gbps plain_gbps "$kind" 1400
        alternate "flow.protected.rtt.$kind" ns plain encrypted_rtt plain_rtt "$kind"
done
alternate oap.latency.agreed us plain open_agreed open_plain
alternate oap.latency.server us plain open_server open_plain
alternate oap.latency.mutual us plain open_mutual open_plain
