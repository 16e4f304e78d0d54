#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How a layer starts: by systemd alone, from its file; and what is said when it cannot.
# buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

unit_status() { # NODE LAYER: exit status of its last run
        lab_exec "$1" systemctl show -P ExecMainStatus "o7s-ipcp@$2.service"
}

start_fails() { # NODE LAYER
        fails start_layer "$2" "$1"
        lab_wait 2 prints 78 unit_status "$1" "$2"
}

reason_says() { # NODE LAYER TEXT: in its StateReason and in STATUS=
        says "$3" layer_property "$1" "$2" reason && says "$3" status_text "$1" "o7s-ipcp@$2.service"
}

setup_nodes "${1:?build directory}" alpha beta
write_layer alpha lan
write_layer alpha early Interface=eth0 EtherType=0xA001
write_layer alpha late Interface=eth9 EtherType=0xA002
for layer in early late; do
        mkdir -p "$(lab_root alpha)/etc/systemd/system/o7s.target.wants"
        ln -s "/usr/lib/systemd/system/o7s-ipcp@.service" \
                "$(lab_root alpha)/etc/systemd/system/o7s.target.wants/o7s-ipcp@$layer.service"
done
mkdir -p "$(lab_root alpha)/etc/systemd/system/multi-user.target.wants"
ln -s /usr/lib/systemd/system/o7s.target "$(lab_root alpha)/etc/systemd/system/multi-user.target.wants/o7s.target"
check 'boot does not hang on a layer whose interface is missing' lab_boot

# from a file that was there at boot
check 'an enabled layer is online after boot' lab_wait 5 layer_is_online alpha early
check 'systemctl start alone brings a layer up' start_layer lan alpha
check '... it is online' lab_wait 5 layer_is_online alpha lan
check '... the unit says so' says eth0 status_text alpha o7s-ipcp@lan.service
check 'systemctl stop takes it down' lab_exec alpha systemctl stop o7s-ipcp@lan.service
check '... and the IRM no longer calls it online' layer_is_not_online alpha lan
check 'it starts again' start_layer lan alpha
check '... and is online again' lab_wait 5 layer_is_online alpha lan

# from a file that came later
write_layer beta lan
check 'without daemon-reload it ends with status 78' start_fails beta lan
check '... the journal says what to do' journal_has beta o7s-ipcp@lan.service 'systemctl daemon-reload'
check '... and so does the status' says 'systemctl daemon-reload' status_text beta o7s-ipcp@lan.service
lab_exec beta systemctl daemon-reload
check 'after daemon-reload it starts' start_layer lan beta
check '... and is online' lab_wait 5 layer_is_online beta lan

# from a file that changed
lab_exec beta systemctl stop o7s-ipcp@lan.service
write_layer beta lan Interface=eth0 Framing=llc
check 'a changed file needs daemon-reload too' start_fails beta lan
check '... the journal says so' journal_has beta o7s-ipcp@lan.service 'lan.layer has changed'
write_layer beta lan
lab_exec beta systemctl daemon-reload
check '... and then it starts' start_layer lan beta

# without a file, and with a bad one
check 'a layer without a file ends with status 78' start_fails beta nosuch
check '... naming the path where it would be' journal_has beta o7s-ipcp@nosuch.service 'no file nosuch.layer in /etc/o7s/layers'
write_layer beta bad Interface=eth0 Framing=lcc
lab_exec beta systemctl daemon-reload
check 'a malformed file ends with status 78' start_fails beta bad
check '... the journal names file, line and column' journal_has beta o7s-ipcp@bad.service \
        '/etc/o7s/layers/bad.layer:6:'
check '... and the fix' journal_has beta o7s-ipcp@bad.service llc
check '... and so does the status' says 'bad.layer:6:' status_text beta o7s-ipcp@bad.service
check 'it is not restarted' prints 0 lab_exec beta systemctl show -P NRestarts o7s-ipcp@bad.service
check 'o7sctl verify finds it' exits 78 lab_exec beta o7sctl verify bad
check '... naming file, line and column' says '/etc/o7s/layers/bad.layer:6:' lab_exec beta o7sctl verify bad
check 'o7sctl verify is content with a good one' lab_exec beta o7sctl verify lan
write_layer beta bad
lab_exec beta systemctl daemon-reload
lab_exec beta systemctl reset-failed

# an interface that is missing, comes, is renamed
check 'a missing interface is waited for' prints active lab_exec alpha systemctl is-active o7s-ipcp@late.service
check '... the reason names it' reason_says alpha late eth9
lab_wire alpha:eth9 beta:eth9
check 'the layer comes online when it appears' lab_wait 5 layer_is_online alpha late
lab_ip alpha link set eth9 down
check 'an interface that is down is said' lab_wait 3 reason_says alpha late eth9
check '... and the layer is not online' layer_is_not_online alpha late
lab_ip alpha link set eth9 name eth8
check 'a renamed interface is waited for under its name' lab_wait 3 reason_says alpha late eth9
lab_ip alpha link set eth8 name eth9
lab_ip alpha link set eth9 up
check '... and found again' lab_wait 5 layer_is_online alpha late
lab_ip alpha link del eth9
check 'a removed interface is waited for again' lab_wait 3 reason_says alpha late eth9
check '... the service stays' prints active lab_exec alpha systemctl is-active o7s-ipcp@late.service

lab_exec beta systemctl reset-failed
check_nothing_left alpha beta
done_checking
