#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What operators see: the interfaces on the bus, the journal and its levels, o7sctl, the sandboxes.
# buses: daemon broker
# budget: 100
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

source_root=$(readlink -f "$LAB_HOME/../..")

introspect() { # NAME PATH: as XML, without the values
        lab_exec alpha busctl --xml-interface introspect "$1" "$2"
}

same_as_snapshot() { # NAME PATH INTERFACE: the live interface is the one that dbus/INTERFACE.xml shows
        introspect "$1" "$2" >"$LAB_DIR/live.xml"
        python3 "$source_root/tests/lab/compare-introspection.py" \
                "$source_root/dbus/$3.xml" "$LAB_DIR/live.xml" "$3"
}

score_at_most() { # LIMIT UNIT: the exposure that systemd-analyze computes, times ten
        lab_exec alpha systemd-analyze security --no-pager --threshold="$1" "$2" | tail -n 1
        lab_exec alpha systemd-analyze security --no-pager --threshold="$1" "$2" >/dev/null
}

manager() { # METHOD-OR-PROPERTY ARGS...
        lab_exec alpha busctl --json=short "$1" org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager "${@:2}"
}

describe_is_json() {
        manager call Describe | json 'sorted(json.loads(d["data"][0]))'
}

json_of() { # VERB
        lab_exec alpha o7sctl --json=short "$1" | json 'len(d)'
}

help_of_all() {
        local verb
        for verb in status layers names flows name unname resolve up down new verify monitor ping; do
                says "$verb" lab_exec alpha o7sctl "$verb" --help || return 1
                lab_exec alpha o7sctl "$verb" --help >/dev/null || return 1
        done
}

capability_of() { # NODE UNIT SET
        lab_exec "$1" cat "/proc/$(lab_exec "$1" systemctl show -P MainPID "$2")/status" |
                awk -v want="$3:" '$1 == want { print $2 }'
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
done
lab_boot || exit

check 'nothing of ours runs before it is asked for' no_processes alpha 'o7s-'
check 'a call on the bus starts the IRM' lab_exec alpha busctl call org.o7s.irm1 /org/o7s/irm1 \
        org.freedesktop.DBus.Peer Ping
check '... which is now active' prints active lab_exec alpha systemctl is-active o7s-irm.service
check 'a client of its socket starts it too' one_of_three within 1 exits 3 ping beta nosuch.example
start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan
serve alpha web.example lan

# the interfaces
check 'org.o7s.irm1.Manager is as documented' \
        same_as_snapshot org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager
check 'org.o7s.irm1.Layer is as documented' \
        same_as_snapshot org.o7s.irm1 /org/o7s/irm1/layer/lan org.o7s.irm1.Layer
check 'org.o7s.irm1.Name is as documented' \
        same_as_snapshot org.o7s.irm1 /org/o7s/irm1/name/web_2eexample org.o7s.irm1.Name
for interface in Ethernet Statistics; do
        check "org.o7s.ipcp1.$interface is as documented" \
                same_as_snapshot org.o7s.ipcp1.lan /org/o7s/ipcp1 "org.o7s.ipcp1.$interface"
done
check 'all objects are in the tree' says /org/o7s/irm1/layer/lan lab_exec alpha busctl tree --list org.o7s.irm1
check 'StopLayer stops one' manager call StopLayer st lan 0
check '... its unit is inactive' lab_wait 5 prints inactive lab_exec alpha systemctl is-active o7s-ipcp@lan.service
check 'StartLayer starts it' manager call StartLayer st lan 0
check '... it is online' lab_wait 5 layer_is_online alpha lan
check 'an unknown layer is an error with a sentence' says nosuch manager call StartLayer st nosuch 0
check 'an unknown flag is refused' fails manager call StartLayer st lan 32768
check 'Describe is JSON' describe_is_json

# the journal
for unit in o7s-irm.service o7s-ipcp@lan.service; do
        check "$unit: log level by systemctl" lab_exec alpha systemctl service-log-level "$unit" debug
        check '... which can be read back' prints debug lab_exec alpha systemctl service-log-level "$unit"
        lab_exec alpha systemctl service-log-level "$unit" info
done
check 'journal entries of a layer can be found by its name' says lan \
        lab_exec alpha journalctl -q -o cat OUROBOROS_LAYER=lan

# o7sctl
check 'status is the default' says lan lab_exec alpha o7sctl
check 'layers are listed' says online lab_exec alpha o7sctl layers
check '... with a heading, and without when told so' lacks STATE lab_exec alpha o7sctl --no-legend layers
check 'names are listed' says web.example lab_exec alpha o7sctl names
run_in_background beta watch /usr/lib/o7s-lab/watch-flow web.example
check 'flows are listed while they are there' lab_wait 3 says web.example lab_exec alpha o7sctl flows
for verb in status layers names flows; do
        check "$verb --json is JSON" json_of "$verb"
done
check 'help is there for every verb' help_of_all
check 'a wrong verb is a usage error' exits 2 lab_exec alpha o7sctl nonsense
check 'a wrong option is a usage error' exits 2 lab_exec alpha o7sctl --nonsense
check 'o7sctl ping' says 'received' lab_exec alpha o7sctl ping -c 1 web.example
check 'o7sctl down' lab_exec alpha o7sctl down lan
check '... stops the unit' prints inactive lab_exec alpha systemctl is-active o7s-ipcp@lan.service
check 'o7sctl up' lab_exec alpha o7sctl up lan
check '... and the layer is online' lab_wait 5 layer_is_online alpha lan
check 'o7sctl new writes a layer file' lab_exec alpha o7sctl new campus --eth=eth0
check '... that is whole' lab_exec alpha o7sctl verify campus
lab_exec beta systemctl stop watch.service
monitor_shows() { # a layer that stops and starts; it may not have been listening yet
        lab_exec alpha o7sctl down lan
        start_layer lan alpha
        output_has alpha monitor lan
}
run_in_background alpha monitor o7sctl monitor
check 'o7sctl monitor shows what happens' lab_wait 3 monitor_shows
lab_exec alpha systemctl stop monitor.service

# the sandboxes
check 'the IRM: exposure 2.0 or less' score_at_most 20 o7s-irm.service
check 'the Ethernet IPCP: exposure 2.0 or less' score_at_most 20 o7s-ipcp@lan.service
for service in auth keyd; do
        check "o7s-$service: exposure 1.5 or less" score_at_most 15 "o7s-$service.service"
        check "o7s-$service: its socket is there, and the resource manager's alone" prints 'srw------- o7s o7s' \
                lab_exec alpha stat -c '%A %U %G' "/run/o7s/$service.sock"
        check "o7s-$service is not root" prints "o7s-$service" lab_exec alpha systemctl show -P User "o7s-$service.service"
done
check 'the IRM runs without any capability' prints 0000000000000000 capability_of alpha o7s-irm.service CapBnd
check 'the Ethernet IPCP has CAP_NET_RAW and no other' prints 0000000000002000 \
        capability_of alpha o7s-ipcp@lan.service CapBnd
check 'the IRM is not root' prints o7s lab_exec alpha systemctl show -P User o7s-irm.service

check_nothing_left alpha beta
done_checking
