#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A routed layer as operators see it: o7sctl from nothing to three members, what each verb and each method of the bus
# shows, orders and who may give them, and a trace across.
# buses: daemon broker
# budget: 180
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

source_root=$(readlink -f "$LAB_HOME/../..")
home=/org/o7s/irm1/layer/home

ctl() { # NODE ARGS...
        local node=$1
        shift
        lab_exec "$node" o7sctl "$@"
}

ipcp() { # NODE INTERFACE METHOD ARGS...: on the bus name of the layer itself
        local node=$1
        shift
        lab_exec "$node" busctl --json=short call org.o7s.ipcp1.home /org/o7s/ipcp1 "org.o7s.ipcp1.$1" "${@:2}"
}

layer_call() { # NODE METHOD ARGS...: of the layer's object at the IRM
        local node=$1
        shift
        lab_exec "$node" busctl --json=short call org.o7s.irm1 "$home" org.o7s.irm1.Layer "$@"
}

as_alice() { # NODE CMD...
        local node=$1
        shift
        lab_exec "$node" -u alice "$@"
}

same_as_snapshot() { # NAME PATH INTERFACE SNAPSHOT
        lab_exec alpha busctl --xml-interface introspect "$1" "$2" >"$LAB_DIR/live.xml"
        python3 "$source_root/tests/lab/compare-introspection.py" "$source_root/dbus/$4.xml" "$LAB_DIR/live.xml" "$3"
}

n_neighbours_up() { # NODE
        ctl "$1" --json=short neighbours home | json 'sum(row["state"] == "up" for row in d)'
}

neighbour_column() { # NODE NEIGHBOUR COLUMN
        ctl "$1" --json=short neighbours home | json "[row for row in d if row['neighbour'] == '$2'][0]['$3']"
}

address_of() { # NODE
        lab_exec "$1" busctl --json=short get-property org.o7s.irm1 "$home" org.o7s.irm1.Layer Address | json 'd["data"]'
}

id_of() { # NODE: in hexadecimal
        lab_exec "$1" busctl --json=short get-property org.o7s.irm1 "$home" org.o7s.irm1.Layer Id | json 'bytes(d["data"]).hex()'
}

is_id() { # TEXT
        [[ $1 =~ ^[0-9a-f]{32}$ ]]
}

routes_to() { # NODE ADDRESS: "hops next"
        ctl "$1" --json=short routes home |
                json "[[row['hops'], row['next']] for row in d if row['destination'] == '$2'][0]"
}

n_links_both_ways() { # NODE
        ctl "$1" --json=short links home | json 'sum(row["up"] for row in d)'
}

trace_rows() { # NODE NAME: "home 1 home.beta" and so on
        ctl "$1" --json=short trace "$2" |
                json '"; ".join(" ".join(str(row[k]) for k in ("layer", "hop", "node")) for row in d)'
}

slowest_is_told() {
        says 'Slowest step: home from' lab_exec alpha o7s-trace far.example -c 10
}

rtt_is_below() { # NODE NEIGHBOUR USEC
        local rtt
        rtt=$(neighbour_column "$1" "$2" rtt_usec)
        echo "$rtt us"
        [[ $rtt =~ ^[0-9]+$ ]] && ((rtt > 0 && rtt < $3))
}

lists_are_json() {
        local verb
        for verb in neighbours routes links directory; do
                ctl alpha --json=short "$verb" home | json 'len(d)' || return 1
        done
        ctl alpha --json=short tree | json 'len(d)'
}

bus_trace() { # ADDRESS: without the times
        ipcp alpha Unicast Trace 'ta{sv}' "$1" 0 | json '[row[:3] for row in d["data"][0]]'
}

bus_route() { # ADDRESS
        ipcp alpha Unicast ListRoutes 'a{sv}' 1 Destination t "$1" | json 'd["data"][0]'
}

bus_lookup() { # NAME [NODE]
        ipcp "${2-alpha}" Directory Lookup 'sa{sv}' "$1" 0 | json 'd["data"][0]'
}

bus_contacts() {
        ipcp alpha Directory ListContacts | json 'len(d["data"][0])'
}

bus_queues() {
        ipcp alpha Statistics GetQueues |
                json '" ".join(row[0] for row in d["data"][0]) + " " + str(d["data"][0][0][2] > 0 and d["data"][0][0][3] > 0)'
}

histogram_total() { # NODE WHICH: how often that was measured
        ipcp "$1" Statistics GetHistogram s "$2" | json 'sum(d["data"][1]) if len(d["data"][0]) == len(d["data"][1]) else "uneven"'
}

histogram_counts() { # NODE WHICH
        local total
        total=$(histogram_total "$1" "$2") || return
        echo "$total"
        [[ $total =~ ^[0-9]+$ ]] && ((total > 0))
}

bus_counters() {
        ipcp alpha Statistics GetAll |
                json 'str(all(d["data"][0][k] > 0 for k in ("packets-rx-packets", "routing-links", "directory-contacts")))'
}

max_packet_size() { # NODE
        lab_exec "$1" busctl --json=short get-property org.o7s.irm1 "$home" org.o7s.irm1.Layer MaxPacketSize | json 'd["data"]'
}

counted_lookups() { # NODE
        ipcp "$1" Statistics GetAll | json 'd["data"][0]["directory-lookups"]'
}

log_level_of_layer() { # NODE
        lab_exec "$1" busctl get-property org.o7s.ipcp1.home /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel
}

lan_call() { # METHOD ARGS...: of an Ethernet
        lab_exec beta busctl call org.o7s.irm1 /org/o7s/irm1/layer/lan1 org.o7s.irm1.Layer "$@"
}

lan_histogram_total() {
        lab_exec beta busctl --json=short call org.o7s.ipcp1.lan1 /org/o7s/ipcp1 org.o7s.ipcp1.Statistics GetHistogram s allocation |
                json 'sum(d["data"][1])'
}

lan_has_counted() {
        local total
        total=$(lan_histogram_total) || return
        echo "$total"
        ((total > 0))
}

last_computation_is_known() {
        local usec
        usec=$(lab_exec alpha busctl get-property org.o7s.ipcp1.home /org/o7s/ipcp1 org.o7s.ipcp1.Unicast LastRecomputeUSec)
        echo "$usec"
        [[ $usec != 't 0' ]]
}

starts_without_members() {
        ctl alpha join moon --over=lan1 --now --no-block
}

moon() { # NODE METHOD ARGS...
        local node=$1
        shift
        lab_exec "$node" busctl call org.o7s.irm1 /org/o7s/irm1/layer/moon org.o7s.irm1.Layer "$@"
}

join_moon_via_order() {
        ctl beta join moon --over=lan1 --via=moon.nobody --now --no-block &&
                lab_wait 5 prints enrolling layer_property beta moon state && moon beta Enroll 'sa{sv}t' moon.alpha 0 0
}

heard() { # PATTERN: in what o7sctl monitor printed
        lab_exec alpha grep -qE "$1" /run/watch.out
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" alpha beta gamma
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
lab_boot || exit
check 'the networks are up' start_layer lan1 alpha beta
check '... both of them' start_layer lan2 beta gamma

# from nothing to three members, by o7sctl alone
check 'a layer below is asked for' exits 2 ctl alpha join home
check 'the first member is made and started' says online ctl alpha new home --over=lan1 --bootstrap --now --save
check '... its file is there' says 'Bootstrap=yes' lab_exec alpha cat /etc/o7s/layers/home.layer
check '... and is one that verify likes' ctl alpha verify home
check 'a file that is there is not written over' says 'Edit it' ctl alpha join home --over=lan1
check 'the second joins, over two layers' ctl beta join home --over=lan1 --over=lan2 --now
check '... and is online' lab_wait 5 layer_is_online beta home
check 'the third joins, through a member that it names' ctl gamma join home --over=lan2 --via=home.beta --now
check '... and is online' lab_wait 5 layer_is_online gamma home
check 'all have their neighbours' lab_wait 5 prints 2 n_neighbours_up beta
check '... at the ends, too' lab_wait 5 prints 1 n_neighbours_up alpha
alpha=$(address_of alpha) beta=$(address_of beta) gamma=$(address_of gamma)
id=$(id_of alpha)
check 'the layer has an id' is_id "$id"
check '... the same at the second' prints "$id" id_of beta
check '... and at the third, which the second enrolled' prints "$id" id_of gamma

# what is shown
check 'neighbours have names' prints up neighbour_column alpha home.beta state
check '... addresses' prints "$beta" neighbour_column alpha home.beta address
check '... parts' prints 'mgmt dt' neighbour_column alpha home.beta components
check '... the layer below' prints lan2 neighbour_column beta home.gamma over
check '... and round trips, also of those that came to us' lab_wait 20 rtt_is_below beta home.gamma 10000
check 'routes lead across' lab_wait 5 prints '[2, ["home.beta"]]' routes_to alpha "$gamma"
check 'all links are known, in both ways' lab_wait 5 prints 4 n_links_both_ways alpha
check 'tree shows what lies over what' says '─lan2' ctl beta tree
check '... and whom it is used by' says home ctl beta status lan2
check 'status has the address' says "$alpha" ctl alpha status home
check 'layers counts packets of members' says KiB ctl alpha layers
check 'a name is served at one end' serve gamma far.example home
check 'resolve finds it through the layer' lab_wait 5 says 'Best: through home' ctl alpha resolve far.example
check 'the directory keeps it somewhere' lab_wait 5 says "$gamma" ctl beta directory home
check 'an Ethernet has none of that' says 'has no members' ctl alpha neighbours lan1
check 'every list is JSON' lists_are_json

# the way
check 'trace shows each member on the way, and the network below' \
        prints 'home 1 home.beta; home 2 home.gamma; lan1 None None' trace_rows alpha far.example
check 'o7s-trace is the same, and says what is slowest' slowest_is_told
check '... of nothing: status 3' exits 3 lab_exec alpha o7s-trace nosuch.example
check 'Trace on the bus: a row per hop' prints "[[1, $beta, \"home.beta\"], [2, $gamma, \"home.gamma\"]]" bus_trace "$gamma"
check '... for an ordinary user, too' as_alice alpha busctl call org.o7s.ipcp1.home /org/o7s/ipcp1 org.o7s.ipcp1.Unicast \
        Trace 'ta{sv}' "$gamma" 0
check '... not to ourselves' says 'is this member itself' ipcp alpha Unicast Trace 'ta{sv}' "$alpha" 0
check '... nor to where there is no way' says 'There is no way to 1' ipcp alpha Unicast Trace 'ta{sv}' 1 0
check '... nor with as many probes as one likes' fails ipcp alpha Unicast Trace 'ta{sv}' "$gamma" 1 Probes u 21

# the bus name of the layer only shows
check 'ListRoutes takes a filter' prints "[[$gamma, 2, 2, [\"home.beta\"]]]" bus_route "$gamma"
check '... and refuses another' says "filtered by 'Cost'" ipcp alpha Unicast ListRoutes 'a{sv}' 1 Cost u 1
check 'Lookup answers with the member' prints "[$gamma]" bus_lookup far.example
check '... and with itself for a name of its own' prints "[$gamma]" bus_lookup far.example gamma
check '... and says where nobody serves it' says 'No member of the layer serves this name' \
        ipcp alpha Directory Lookup 'sa{sv}' nosuch.example 0
check 'LookupHash wants a hash of this layer' says 'has 32 bytes, not 2' ipcp alpha Directory LookupHash ay 2 1 2
check 'ListContacts has the two others' prints 2 bus_contacts
check 'GetQueues has three cubes, and what went through them' prints 'best-effort video voice True' bus_queues
check 'GetAll counts' prints True bus_counters
check 'a flow is opened from alpha' ping alpha far.example
for which in allocation lookup computation; do
        check "GetHistogram has durations: $which" histogram_counts alpha "$which"
done
check '... and says what there is' says "There is no histogram 'soul', only 'allocation', 'lookup' and 'computation'" \
        ipcp alpha Statistics GetHistogram s soul
check 'Recompute is root'"'"'s' ipcp alpha Unicast Recompute
check '... not another user'"'"'s' fails as_alice alpha busctl call org.o7s.ipcp1.home /org/o7s/ipcp1 org.o7s.ipcp1.Unicast Recompute
check 'Refresh, too' ipcp alpha Directory Refresh
check '... not another user'"'"'s' fails as_alice alpha busctl call org.o7s.ipcp1.home /org/o7s/ipcp1 org.o7s.ipcp1.Directory Refresh
check 'the time of the last computation is known' lab_wait 10 last_computation_is_known
for interface in Unicast Directory; do
        check "$interface is what the snapshot shows" \
                same_as_snapshot org.o7s.ipcp1.home /org/o7s/ipcp1 "org.o7s.ipcp1.$interface" "org.o7s.ipcp1.$interface"
done
check 'Statistics is what the snapshot shows' same_as_snapshot org.o7s.ipcp1.home /org/o7s/ipcp1 org.o7s.ipcp1.Statistics \
        org.o7s.ipcp1.Statistics-unicast
check 'Layer is what the snapshot shows' same_as_snapshot org.o7s.irm1 "$home" org.o7s.irm1.Layer org.o7s.irm1.Layer

# orders
run_in_background alpha watch o7sctl monitor
check 'a neighbour that is one already: at once' says 'home.beta is a neighbour, with address' ctl alpha connect home home.beta
check 'one that is not there is tried' exits 5 ctl alpha connect home home.nobody --timeout=2s
check '... the reason is in the list' lab_wait 8 says 'knows' neighbour_column alpha home.nobody reason
check '... and the layer is degraded' lab_wait 8 prints degraded layer_property alpha home state
check 'it is given up' ctl alpha disconnect home home.nobody
check '... and the layer well again' lab_wait 5 layer_is_online alpha home
check 'giving up what nobody asked for' says "No neighbour 'home.nobody' was asked for" ctl alpha disconnect home home.nobody
check 'monitor has told of it' lab_wait 3 heard 'neighbour home.nobody .* trying'
check 'a wrong component is refused' says "no component 'soul'" layer_call alpha Connect 'sasa{sv}t' home.beta 1 soul 0 0
check 'a layer that is not below is refused' says 'not one of those below' ctl alpha connect home home.beta --over=lan2
check 'a member does not bootstrap again' says 'is online' layer_call alpha Bootstrap 'a{sv}t' 0 0
check 'an ordinary user gives no orders' says 'org.o7s.irm1.manage-layer' as_alice alpha busctl call org.o7s.irm1 "$home" \
        org.o7s.irm1.Layer Connect 'sasa{sv}t' home.beta 0 0 0
check '... none to bootstrap' says 'org.o7s.irm1.bootstrap' as_alice alpha busctl call org.o7s.irm1 "$home" org.o7s.irm1.Layer \
        Bootstrap 'a{sv}t' 0 0
check '... but may look' as_alice alpha o7sctl neighbours home

# what changes without a restart
before=$(max_packet_size alpha)
check 'packets are made smaller' layer_call alpha SetProperties 'a{sv}t' 2 MaxPacketSize u 600 LogLevel s debug 0
check '... at once' lab_wait 3 prints 600 max_packet_size alpha
check '... and with it the log level' prints 's "debug"' log_level_of_layer alpha
check '... which a flow feels' ping alpha far.example
check 'packets are as large as they can be' layer_call alpha SetProperties 'a{sv}t' 2 MaxPacketSize u 0 LogLevel s info 0
check '... again' lab_wait 3 prints "$before" max_packet_size alpha
check 'what needs a restart says so' says 'needs a restart' layer_call alpha SetProperties 'a{sv}t' 1 Hash s sha3-512 0
check 'another user changes nothing' says 'org.o7s.irm1.manage-layer' as_alice alpha busctl call org.o7s.irm1 "$home" \
        org.o7s.irm1.Layer SetProperties 'a{sv}t' 1 LogLevel s debug 0
check 'an Ethernet takes that, too' lan_call SetProperties 'a{sv}t' 1 MaxPacketSize u 0 0

# packets can be looked at
packets_captured() { # NODE FILE LINK-TYPE: whether there are some, of interfaces of this type alone
        lab_exec "$1" cat "$2" | python3 -c '
import struct, sys
data, links, packets, at = sys.stdin.buffer.read(), set(), 0, 0
while at + 12 <= len(data):
    kind, length = struct.unpack_from(">II", data, at)
    if at + length > len(data):
        break
    assert struct.unpack_from(">I", data, at + length - 4) == (length,)
    if kind == 1:
        links.add(struct.unpack_from(">H", data, at + 8)[0])
    packets += kind == 6
    at += length
sys.exit(not (packets > 5 and links == {int(sys.argv[1])}))' "$3"
}

check 'packets of the layer are captured' run_in_background alpha look-home o7sctl capture home -w /run/home.pcapng
check '... and of the Ethernet below' run_in_background alpha look-lan o7sctl capture lan1 -w /run/lan1.pcapng
check '... while they pass' lab_wait 3 ping alpha far.example
check '... as private packets' lab_wait 5 packets_captured alpha /run/home.pcapng 147
check '... and as frames' lab_wait 5 packets_captured alpha /run/lan1.pcapng 1
check '... until nobody looks' lab_exec alpha systemctl stop look-home look-lan
check '... which the layer notices' lab_wait 3 says 'capture of the packets of layer home has ended' \
        lab_exec alpha journalctl -b -u o7s-ipcp@home
check '... not by another user' says 'org.o7s.irm1.capture' as_alice alpha busctl call org.o7s.irm1 "$home" \
        org.o7s.irm1.Layer Capture 'a{sv}t' 0 0

# counters begin anew
reset_shows_in() { # FUNCTION ARGUMENT...: at once; what is counted a moment later is another matter
        layer_call alpha ResetStatistics && prints 0 "$@"
}
check 'statistics are reset' layer_call alpha ResetStatistics
check '... lookups' one_of_three reset_shows_in counted_lookups alpha
check '... histograms' one_of_three reset_shows_in histogram_total alpha allocation
check '... not by another user' says 'org.o7s.irm1.manage-layer' as_alice alpha busctl call org.o7s.irm1 "$home" \
        org.o7s.irm1.Layer ResetStatistics
check 'who asked is in the journal' says 'ordered by user 0: reset-statistics' lab_exec alpha journalctl -b -u o7s-irm
check 'counting goes on' ping alpha far.example
check '... from there' lab_wait 3 histogram_counts alpha allocation
check 'an Ethernet has counted' lan_has_counted
check '... and is reset' lan_call ResetStatistics
check '... too' prints 0 lan_histogram_total

# bootstrap and enroll by order: a layer that nobody is a member of yet
check 'a member without anybody to join waits' starts_without_members
check '... and says for whom' lab_wait 3 says 'waiting' layer_property alpha moon reason
check 'it takes no order to connect meanwhile' fails ctl alpha connect moon moon.beta
check 'told to bootstrap, it is the first' moon alpha Bootstrap 'a{sv}t' 0 0
check '... at once' lab_wait 2 layer_is_online alpha moon
check 'another is told whom to ask' join_moon_via_order
check '... and is a member' lab_wait 5 layer_is_online beta moon

# the IRM forgets; the layers remember
check 'the IRM is killed' lab_exec alpha systemctl kill -s KILL o7s-irm.service
check '... and hears of all neighbours again' lab_wait 5 prints 1 n_neighbours_up alpha
check '... and of the address' lab_wait 5 prints "$alpha" address_of alpha
check '... and of the id' prints "$id" id_of alpha

# a layer upon the layer
check 'a layer over the layer is made' says online ctl gamma new top --over=home --bootstrap --now --save
check '... and joined from the other end' ctl alpha join top --over=home --now
check '... across the member in the middle' lab_wait 10 layer_is_online alpha top
check 'a name in it' serve gamma high.example top
check 'trace goes down through both, to the network' lab_wait 8 \
        prints 'top 1 top.gamma; home 1 home.beta; home 2 home.gamma; lan1 None None' trace_rows alpha high.example
check 'tree shows all three' says '  └─lan1' ctl alpha tree

check_nothing_left alpha beta gamma
done_checking
