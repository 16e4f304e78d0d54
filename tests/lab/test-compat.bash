#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Programs written for Ouroboros, on two hosts: flows over an Ethernet, and over a layer that
# runs on it.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

tour=/usr/lib/o7s-lab/program-tour
member=/usr/lib/o7s-lab/program-member

serve_tour() { # NODE UNIT
        run_in_background "$1" "$2" "$tour" server
        lab_wait 5 output_has "$1" "$2" serving
}

ends_well() { # NODE UNIT: by itself
        lab_wait 5 fails lab_exec "$1" systemctl is-active --quiet "$2"
        fails lab_exec "$1" systemctl is-failed --quiet "$2"
}

setup_nodes "${1:?build directory}" alpha beta
lab_add "$1/tests/lab/program-tour" "$tour"
lab_add "$1/tests/lab/program-member" "$member"
for node in alpha beta; do
        write_layer "$node" lan
done
write_unicast alpha home lan '[Bootstrap]' Bootstrap=yes
write_unicast beta home lan
lab_boot || exit
check 'an Ethernet layer starts on both hosts' start_layer lan alpha beta

lab_exec beta o7sctl name tour.example --program="$tour" --layer=lan >&2
check 'a server for Ouroboros serves the name that it is bound to' serve_tour beta tour
check 'a client goes through all of its interface, across' lab_exec alpha timeout 60 "$tour" client tour.example
check '... and ends the server by a message' ends_well beta tour
check 'on one host, too' serve_tour beta tour-local
check '... in the same way' lab_exec beta timeout 60 "$tour" client tour.example
check '... to its end' ends_well beta tour-local

check 'a routed layer starts on both hosts' start_layer home alpha beta
check '... and both are members' lab_wait 20 layer_is_online beta home
run_in_background beta member -p StandardError=file:/run/member.err sh -c \
        "while ! [ -e /run/enough ]; do sleep 0.1; done | $member home far.example $tour"
check 'a manager for Ouroboros registers a name in it' lab_wait 15 output_has beta member serving
check '... as it is listed' output_has beta member 'home in home'
check '... as is the Ethernet below' output_has beta member 'lan in lan'
check 'the name is served' serve_tour beta tour-far
check '... and a client goes through all of the interface, across the layer' \
        lab_wait 10 lab_exec alpha timeout 60 "$tour" client far.example
check '... to its end' ends_well beta tour-far
lab_exec beta touch /run/enough
check 'the manager takes everything back' ends_well beta member
lab_exec beta cat /run/member.err >&2

check_nothing_left alpha beta
done_checking
