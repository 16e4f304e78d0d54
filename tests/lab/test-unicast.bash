#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A routed layer over two Ethernets: three hosts in a chain. One bootstraps, the others join with a file of three lines;
# a name at one end is reached from the other, across the host in the middle. Then everything below it and in it goes
# away and comes back, and nobody types anything.
# buses: daemon broker
# budget: 240
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

enable_layer() { # NODE LAYER: at boot
        local wants
        wants=$(lab_root "$1")/etc/systemd/system/o7s.target.wants
        mkdir -p "$wants" "$(lab_root "$1")/etc/systemd/system/multi-user.target.wants"
        ln -sf /usr/lib/systemd/system/o7s-ipcp@.service "$wants/o7s-ipcp@$2.service"
        ln -sf /usr/lib/systemd/system/o7s.target \
                "$(lab_root "$1")/etc/systemd/system/multi-user.target.wants/o7s.target"
}

reason_says() { # NODE LAYER TEXT
        says "$3" layer_property "$1" "$2" reason
}

state_is_not() { # NODE LAYER STATE
        fails prints "$3" layer_property "$1" "$2" state
}

reload() { # NODE
        lab_exec "$1" busctl call org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager Reload
}

# alpha -lan1- beta -lan2- gamma
setup_nodes "${1:?build directory}" alpha beta gamma
lab_wire alpha:eth0 beta:eth0
lab_wire beta:eth1 gamma:eth0
write_layer alpha lan1
write_layer beta lan1
write_layer beta lan2 Interface=eth1
write_layer gamma lan2
write_unicast alpha home lan1 '[Bootstrap]' Bootstrap=yes '[Routing]' RecalculateSec=1 UpdateSec=2 TimeoutSec=10
write_unicast beta home 'lan1 lan2'
write_unicast gamma home lan2
for node in alpha beta gamma; do
        enable_layer "$node" home
done
check 'boot does not hang on a layer whose members are not there yet' lab_boot

# each is started by its file alone, and with what it runs over
check 'the first member is online' lab_wait 5 layer_is_online alpha home
check 'the one in the middle has joined' lab_wait 10 layer_is_online beta home
check 'the one at the end has joined, through the one in the middle' lab_wait 10 layer_is_online gamma home
check '... and says what it is' reason_says gamma home 'member of home with 1 neighbour'
check 'the unit has it in its status' says neighbour status_text gamma o7s-ipcp@home.service
check 'the layer has names below, which are nobody else'"'"'s' says home.beta lab_exec beta o7sctl names
check '... not to be removed' says home.layer lab_exec beta o7sctl unname home
check '... nor to be served by others' fails lab_exec beta timeout 3 o7s-echo home

# across
check 'a name is registered at one end' serve gamma far.example home
check 'ping reaches it from the other end' lab_wait 5 ping alpha far.example
check '... through the layer' says 'via home' ping alpha far.example
check '... with messages as large as the layer takes' lab_exec alpha o7s-ping -c 2 -i 10ms -s 1200 far.example
check '... from the middle, too' ping beta far.example
check 'an ordinary user may, as well' ping alpha -u alice far.example
check 'a name in the middle' serve beta middle.example home
check '... is reached from both sides' ping alpha middle.example
check '... from the other, too' ping gamma middle.example
check 'an unknown name fails in less than a second' one_of_three within 1 exits 3 ping alpha nosuch.example

# a layer below stops and starts again
check 'a layer below is stopped' lab_exec beta systemctl stop o7s-ipcp@lan2.service
check '... who is alone then says so' lab_wait 15 state_is_not gamma home online
check '... and so does the name' lab_wait 10 fails ping alpha far.example
check 'it is started again' start_layer lan2 beta
check '... and the members find each other at once' lab_wait 5 layer_is_online gamma home
check '... and the name is reached again' lab_wait 5 ping alpha far.example

# the IRM of the one in the middle
run_in_background alpha through o7s-ping -c 300 -i 10ms --timeout=5s far.example
check 'the IRM in the middle is killed' lab_exec beta systemctl kill -s KILL o7s-irm.service
check '... no flow across notices' lab_wait 8 output_has alpha through '300 received'
check '... and new ones come through' lab_wait 5 ping alpha far.example

# the plug of the one in the middle
lab_kill beta
lab_boot beta
check 'after a power cut in the middle it joins again by itself' lab_wait 20 layer_is_online beta home
check '... the end is back, too' lab_wait 20 layer_is_online gamma home
check '... and the name is reached again' lab_wait 20 ping alpha far.example

# the plug of the first member: the layer is the members, not the one that began it
lab_kill alpha
check 'without the first member the others go on' lab_wait 5 ping beta far.example
sed -i 's/^Bootstrap=yes$/Bootstrap=no/' "$(lab_root alpha)/etc/o7s/layers/home.layer"
lab_boot alpha
check '... and it joins as any other' lab_wait 20 layer_is_online alpha home
check '... and reaches what is there' lab_wait 20 ping alpha far.example

# a name that somebody else has
check 'a member is stopped' lab_exec gamma systemctl stop o7s-ipcp@home.service
check '... which is no failure' lab_wait 2 prints created layer_property gamma home state
write_file gamma /etc/o7s/names/home.gamma.name <<<$'[Bind]\nUser=alice\n'
reload gamma
check 'a file of a name that the layer needs keeps it, and the layer says so' \
        lab_wait 3 reason_says gamma home home.gamma.name
rm "$(lab_root gamma)/etc/o7s/names/home.gamma.name"
reload gamma
check '... until the file is gone' lab_wait 3 lacks home.gamma.name layer_property gamma home reason

check_nothing_left alpha beta gamma
done_checking
