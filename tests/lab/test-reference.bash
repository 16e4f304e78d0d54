#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A member of another make: reference-peer.py behaves as a host of Ouroboros 0.23.0 does and shares no code with us. It
# joins our layer; we join its layer; it stands between two of ours. It goes away without a word and comes back. And
# none of our extensions is anything that such a host would suffer from.
# buses: daemon
# budget: 150
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

write_unicast() { # NODE LAYER LINE...: a member of a layer over lan
        local node=$1 layer=$2
        shift 2
        {
                printf '[Layer]\nType=unicast\nOver=lan\n'
                printf '%s\n' "$@"
        } | write_file "$node" "/etc/o7s/layers/$layer.layer"
}

start_peer() { # OPTION...: on a wire to alpha, eth0, and one to beta, eth1
        (
                ip netns exec peer /usr/bin/python3 -B "$LAB_HOME/reference-peer.py" run "$LAB_DIR/reference" \
                        "$@" >>"$LAB_OUT/log/reference" 2>&1 &
                echo $! >"$LAB_DIR/reference.pid"
        )
        lab_wait 3 peer status
}

stop_peer() { # nobody is told; but it has to have been well until then
        local status=0
        peer status
        peer harms || status=1
        kill -KILL "$(<"$LAB_DIR/reference.pid")"
        rm -f "$LAB_DIR/reference"
        return "$status"
}

peer() { # COMMAND [ARGUMENT]
        /usr/bin/python3 -B "$LAB_HOME/reference-peer.py" tell "$LAB_DIR/reference" "$@"
}

peer_says() { # EXPRESSION over its status: that it holds
        local status
        status=$(peer status) || return
        printf '%s\n' "$status"
        printf '%s\n' "$status" | json "$1" | grep -x true
}

joins() { # as an operator of the prototype has it do
        peer enroll home && peer connect home
}

setup_nodes "${1:?build directory}" alpha beta peer
lab_wire alpha:eth0 peer:eth0
lab_wire beta:eth0 peer:eth1
for node in alpha beta; do
        write_layer "$node" lan
        write_unicast "$node" net '[Enroll]' Via=u.b
done
write_unicast alpha home '[Bootstrap]' Bootstrap=yes '[Routing]' RecalculateSec=1 UpdateSec=2 TimeoutSec=10
check 'two nodes of ours, and one that is not' lab_boot alpha beta

# -- it joins --

check 'our first member is there' start_layer home alpha
lab_wait 5 layer_is_online alpha home
# not by the name of the layer yet: the one who connects shall be this one
check 'the other starts' start_peer --name=u.b --interface=eth0
check 'it enrolls with us' says '"name": "home"' peer enroll home
check '... and connects, management and data transfer' peer connect home
check 'each knows of the other' lab_wait 3 peer_says 'd["management"] == 1 and len(d["reachable"]) == 1'
check '... once' peer_says 'list(d["neighbours"].values()) == [1]'
check '... and is in its directory' lab_wait 3 peer_says 'len(d["contacts"]) == 1'
check 'we call it a neighbour' says lan lab_exec alpha o7sctl neighbours home
check 'it registers a name' says 'stored at 1' peer register far.example
check '... that we reach' lab_wait 5 ping alpha far.example
check '... through the layer' says 'via home' ping alpha far.example
# 1 481 less nonce and tag of its kind
check '... with messages as large as the layer takes' lab_exec alpha o7s-ping -c 2 -i 10ms -s 1453 far.example
check '... and not larger ones' fails ping alpha -s 1454 far.example
check 'we register a name' serve alpha near.example home
check '... that it reaches' says '3 received' peer ping near.example
check 'a name that nobody has is found by nobody' fails peer ping nosuch.example
check '... nor by us' one_of_three within 3 exits 3 ping alpha nosuch.example

# -- it goes away without a word, and comes back --

address=$(peer status | json 'd["address"]')
check 'it came to no harm until its power is cut' stop_peer
check '... and it comes back as somebody else' start_peer --name=home --name=u.b --interface=eth0
check '... who joins again' joins
check '... and reaches us' says '3 received' lab_wait 3 peer ping near.example
check '... and has its name again' says 'stored at' peer register far.example
check '... where we find it, although the directory still has the old address' lab_wait 15 ping alpha far.example
check 'we know that there is one of it' lab_wait 15 peer_says 'len(d["reachable"]) == 1'

check '... without harm, until its power is cut again' stop_peer
check '... and it comes back with the address of its first life, and beginning at 0' \
        start_peer --name=home --name=u.b --interface=eth0 "--address=$address"
check '... and joins' joins
check '... and reaches us' lab_wait 3 peer ping near.example
check '... and has its name' says 'stored at' peer register far.example
check '... where we find it' lab_wait 15 ping alpha far.example
sleep 12        # longer than its links live that are not told of anew
check '... and still find it when all that was before is forgotten' lab_wait 5 ping alpha far.example
check '... as it finds us' peer ping near.example
check 'our member is stopped' lab_exec alpha systemctl stop o7s-ipcp@home.service
check 'nothing of all that would have harmed the other' stop_peer

# -- it is the first member, and between two of ours --

check 'it begins a layer of its own' \
        start_peer --name=net --name=u.b --interface=eth0 --interface=eth1 --bootstrap=net --recalculate=1 --update=2 --timeout=10
check 'we start' start_layer net alpha beta
check '... and join it' lab_wait 5 layer_is_online alpha net
check '... from its other side, too' lab_wait 5 layer_is_online beta net
check '... by a file that says through whom' peer_says 'd["enrolled"] == 2'
check '... with one data flow each' peer_says 'list(d["neighbours"].values()) == [1, 1]'
check 'all know of all' lab_wait 3 peer_says 'len(d["reachable"]) == 2 and len(d["links"]) == 4'
check 'all are in its directory' lab_wait 3 peer_says 'len(d["contacts"]) == 2'
check 'it registers a name' says 'stored at 2' peer register middle.example
check '... that we reach' lab_wait 5 ping alpha middle.example
check '... from the other side, too' lab_wait 5 ping beta middle.example
check 'we register a name' serve alpha left.example net
check '... that it reaches' lab_wait 3 peer ping left.example
check '... and that we reach, across it' lab_wait 5 ping beta left.example
# 1 481 less what protects the flow to the one in the middle, and header and tag of our own kind
check '... with messages as large as the layer takes' lab_exec beta o7s-ping -c 2 -i 10ms -s 1432 left.example
check '... which it passes on' peer_says 'd["forwarded"] > 10 and d["no way"] == 0'
check 'the other one registers a name' serve beta right.example net
check '... that is reached the other way' lab_wait 5 ping alpha right.example
check '... and from the middle' lab_wait 3 peer ping right.example
run_in_background alpha across o7s-ping -c 400 -i 10ms --timeout=5s right.example
run_in_background alpha many /usr/lib/o7s-lab/many-flows right.example 100
check 'a hundred flows at once across it' lab_wait 20 output_has alpha many 'open 100 echoed 100'
lab_exec alpha systemctl stop many.service
check 'a flow across it loses nothing, whatever its routing does' lab_wait 8 output_has alpha across '400 received'

check 'a member of ours is killed' lab_exec beta systemctl kill -s KILL o7s-ipcp@net.service
check '... and is back' lab_wait 10 layer_is_online beta net
check '... and its name as well' lab_wait 15 ping alpha right.example
check '... for the one in the middle, too' lab_wait 5 peer ping right.example
check 'it is stopped and started' lab_exec beta systemctl restart o7s-ipcp@net.service
check '... and is back' lab_wait 10 layer_is_online beta net
check '... and its name as well' lab_wait 15 ping alpha right.example
# It keeps its address: the one in the middle tries no other than the first that it remembers for a name.
check '... for the one in the middle, too' lab_wait 5 peer ping right.example
check 'nothing of all that would have harmed the one in the middle' stop_peer

check_nothing_left alpha beta
done_checking
