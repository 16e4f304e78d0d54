#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may do what: polkit's word on names and layers, and the limits of every user.
# buses: daemon broker
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

as() { # USER CMD...
        local user=$1
        shift
        lab_exec alpha -u "$user" "$@"
}

rule() { # FILE: standard input becomes a polkit rule; polkit notices by itself
        write_file alpha "/etc/polkit-1/rules.d/$1"
        lab_exec alpha chown polkitd "/etc/polkit-1/rules.d/$1" 2>/dev/null || :
        lab_exec alpha systemctl restart polkit.service
}

names_of() { # USER COUNT
        local i
        for ((i = 1; i <= $2; i++)); do
                as "$1" o7sctl --quiet name "$1.$i" "--user=$1" || return 1
        done
}

setup_nodes "${1:?build directory}" alpha beta
write_layer alpha lan
write_layer alpha other Interface=eth0 EtherType=0xA001
lab_boot alpha || exit

# without a rule
check 'root may make a name' lab_exec alpha o7sctl name root.example --user=bob
check 'an ordinary user may not' exits 4 as alice o7sctl name alice.web --user=alice
check '... and is told which action it takes' says org.o7s.irm1.create-name as alice o7sctl name alice.web --user=alice
check '... nor in a session' exits 4 lab_session alpha alice o7sctl name alice.web --user=alice
check '... nor take one away' exits 4 as alice o7sctl unname root.example
check '... nor start a layer' exits 4 as alice o7sctl up lan
check '... nor over the bus' says org.o7s.irm1.create-name as alice busctl call org.o7s.irm1 /org/o7s/irm1 \
        org.o7s.irm1.Manager CreateName 'sa{sv}t' alice.web 0 0
check '... and nothing was made' lacks alice.web lab_exec alpha o7sctl names
check 'everybody may look' says root.example as alice o7sctl names

# with the example rule: a user's own prefix
example=$(find "$LAB_DIR/layer/project/data" -name '60-o7s-users.rules*' | head -n 1)
check 'an example rule is shipped' test -n "$example"
rule 60-o7s-users.rules <"${example:-/dev/null}"
lab_exec alpha groupadd -f o7s-users
lab_exec alpha usermod -a -G o7s-users alice
check 'the rule lets a user make names of his own prefix' lab_wait 5 as alice o7sctl name alice.web --user=alice
check '... which are there' says alice.web lab_exec alpha o7sctl names
check '... and no others' exits 4 as alice o7sctl name bob.web --user=alice
check '... and take them away' as alice o7sctl unname alice.web
check '... who is not in the group may not' exits 4 as bob o7sctl name bob.web --user=bob

# a rule that decides by layer
rule 61-layer.rules <<'RULE'
polkit.addRule(function(action, subject) {
        if (action.id == "org.o7s.irm1.manage-layer" && subject.user == "bob" && action.lookup("layer") == "lan")
                return polkit.Result.YES;
});
RULE
check 'a rule may allow one layer' lab_wait 5 as bob o7sctl up lan
check '... it is online' lab_wait 5 layer_is_online alpha lan
check '... and not another one' exits 4 as bob o7sctl up other
check '... the same rule lets it be stopped' as bob o7sctl down lan

# the default quotas; each server has its own user, as flows count at both ends
serve_as() { # USER NAME
        lab_exec alpha o7sctl name "$2" "--user=$1"
        run_in_background alpha "server-$1" -p "User=$1" o7s-echo "$2"
        lab_wait 5 output_has alpha "server-$1" serving
}
serve_as nobody one.example
serve_as daemon two.example
run_in_background alpha first -p User=bob /usr/lib/o7s-lab/many-flows one.example 2048
check 'a user may have 2048 flows' lab_wait 20 output_has alpha first '^open 2048 echoed 2048'
sleep 2         # for the allocations per second
run_in_background alpha second -p User=bob -p StandardError=file:/run/second.err \
        /usr/lib/o7s-lab/many-flows two.example 2049
check '... and 4096, not one more' lab_wait 20 lab_exec alpha grep -q '^flow 2048: cannot' /run/second.err
check '... and is told which limit it was' says 4096 lab_exec alpha cat /run/second.err
check '... and where it is set' says FlowsPerUser lab_exec alpha cat /run/second.err
check '... while another user is not bothered' ping alpha -u alice one.example
lab_exec alpha systemctl stop first.service
check '... and he may go on when some have ended' lab_wait 5 ping alpha -u bob one.example
check 'a user may have 64 names' names_of alice 64
check '... and not one more' exits 1 as alice o7sctl name alice.65 --user=alice
check '... and is told which limit it was' says NamesPerUser as alice o7sctl name alice.65 --user=alice
lab_exec alpha systemctl reset-failed

check_nothing_left alpha
done_checking
