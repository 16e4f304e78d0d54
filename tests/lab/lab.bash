# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lab.bash - functions for scripts run by "lab run".
#
#   lab_install BUILD                  meson install into a layer that all nodes share
#   lab_add FILE PATH                  one more file in that layer, executable
#   lab_node NAME...                   declares nodes: network namespaces and roots
#   lab_root NODE                      the node's own files before its first boot, all of them afterwards
#   lab_boot [NODE...]                 boots in parallel, waits until they settle
#   lab_halt NODE... / lab_kill NODE...   orderly stop / plug pulled; lab_boot starts them again
#   lab_exec NODE [-u USER] [--] CMD   in the node, without a login session
#   lab_session NODE USER CMD...       in a real logind session of USER
#   lab_unit NODE [systemd-run options] -- CMD   as a transient service, and waits for it
#   lab_wire A:if B:if [mtu N]         veth pair between two nodes
#   lab_rate RATE NODE:if...           a slower wire, from that end (tc-tbf(8))
#   lab_emulate NAME A:if B:if [OPT=V...]   wire with delay, loss, ... (linkem); lab_emulate_set NAME OPT=V...
#   lab_ip NODE ARGS...                ip(8) in the node's network namespace, before boot too
#   lab_wait SECONDS CMD...            until CMD succeeds; on a busy host for longer than that, and it says so
#   lab_wait_no_longer SECONDS CMD...  the same where the time is what is claimed
#   lab_down                           journals to $LAB_OUT, everything stopped; "lab run" does it at the end
#
# Exit status, stdin, stdout and stderr of commands pass through. Never a bare "wait" in a script: the nodes
# are its children.
#
# A node is an overlay (the base root file system, the project's layer above it, an upper layer in a tmpfs),
# a cgroup in every hierarchy, a network namespace made before boot, and systemd-nspawn.

[[ -n ${LAB_INSIDE-} ]] || { echo 'lab.bash: not inside "lab run"' >&2; exit 1; }
: "${LAB_DIR:?}" "${LAB_BASE:?}" "${LAB_OUT:?}" "${LAB_ID:?}" "${LAB_HOME:?}"

: "${LAB_BOOT_TIMEOUT:=60}"     # seconds until a node must have settled
: "${LAB_STOP_TIMEOUT:=15}"     # seconds for an orderly stop
: "${LAB_PATIENCE:=5}"          # how much slower than a host of our own a shared one may be
: "${LAB_CAPABILITIES:=CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK,CAP_SYS_NICE,CAP_BPF,CAP_PERFMON}"
# nspawn's list is that of a cautious container; units in a node shall see what they see on a host.
: "${LAB_SYSCALLS:=@keyring @pkey bpf pidfd_getfd perf_event_open landlock_create_ruleset landlock_add_rule landlock_restrict_self}"

_lab_log() {
        printf '[%s] %s\n' \
                "$(awk -v now="$(date +%s.%N)" -v start="$(<"$LAB_DIR/started")" \
                        'BEGIN { printf "%7.3f", now - start }')" "$*" >&2
}

_lab_nodes() {
        local directory
        for directory in "$LAB_DIR"/node/*/; do
                [[ ! -d $directory ]] || basename "$directory"
        done
}

_lab_leader() { # NODE: the pid of its init
        local file=$LAB_DIR/node/${1:?}/leader
        if [[ ! -e $file ]]; then
                echo "node $1 is not running" >&2
                return 125
        fi
        cat "$file"
}

_lab_cgroup_roots() {
        local root
        for root in /sys/fs/cgroup /sys/fs/cgroup/{unified,systemd,memory,pids}; do
                [[ ! -e $root/cgroup.procs ]] || echo "$root"
        done
}

lab_wait_no_longer() { # SECONDS CMD...
        local end=$((SECONDS + $1 + 1))
        shift
        until "$@"; do
                ((SECONDS < end)) || return 1
                sleep 0.1
        done
}

lab_wait() { # SECONDS CMD...: what that takes on a host of our own; whether it is late shows in the log, and in TAP
        local seconds=$1 begun=$SECONDS
        shift
        lab_wait_no_longer $((seconds * LAB_PATIENCE)) "$@" || return
        ((SECONDS - begun <= seconds + 1)) || echo "late: after $((SECONDS - begun)) s, not $seconds s" >&2
}

# ------------------------------------------------------------------------------------------- layers ---

_lab_project() { # the project's layer; prints its path
        mkdir -p "$LAB_DIR/layer/project"/{data,work,mount}
        printf '%s\n' "$LAB_DIR/layer/project/data"
}

_lab_lower() { # topmost first
        local project=$LAB_DIR/layer/project/data
        [[ ! -d $project ]] || printf '%s:' "$project"
        printf '%s' "$LAB_BASE"
}

# Debian's /lib, /bin and /sbin are symbolic links. A layer with a real directory of that name would hide
# the link, and with it the dynamic loader.
_lab_merge_usr() { # ROOT
        local name
        for name in bin sbin lib lib64; do
                [[ -d $1/$name && ! -L $1/$name ]] || continue
                mkdir -p "$1/usr/$name"
                cp -a "$1/$name/." "$1/usr/$name/"
                rm -rf "${1:?}/$name"
        done
        rm -rf "${1:?}/run" "${1:?}/var/run"    # tmpfs at run time
}

lab_chroot() { # CMD...: in base and project layer; what it changes goes to the latter
        local layer=$LAB_DIR/layer/project status=0
        mount -t overlay lab-project \
                -o "lowerdir=$LAB_BASE,upperdir=$layer/data,workdir=$layer/work" "$layer/mount"
        mount -t proc proc "$layer/mount/proc"
        chroot "$layer/mount" /usr/bin/env SYSTEMD_OFFLINE=1 "$@" || status=$?
        umount "$layer/mount/proc" "$layer/mount"
        return "$status"
}

lab_install() { # BUILD: what a package and its scripts would do, once for all nodes
        local project
        project=$(_lab_project)
        DESTDIR=$project meson install -C "$1" --no-rebuild --quiet
        _lab_merge_usr "$project"
        lab_chroot systemd-sysusers
        lab_chroot ldconfig
        lab_chroot journalctl --update-catalog
        lab_chroot systemctl preset o7s-irm.socket o7s-layer.socket o7s-auth.socket o7s-keyd.socket
}

lab_add() { # FILE PATH
        install -D -m 755 "$1" "$(_lab_project)$2"
}

# -------------------------------------------------------------------------------------------- nodes ---

lab_node() {
        local node directory
        for node; do
                directory=$LAB_DIR/node/$node
                if ! [[ $node =~ ^[a-z][a-z0-9]{0,10}$ ]]; then
                        echo "bad node name $node" >&2
                        return 1
                fi
                mkdir -p "$directory"/{upper,work,root} "$directory/upper/etc"
                echo "$node" >"$directory/upper/etc/hostname"
                printf '127.0.0.1 localhost %s\n::1 localhost\n' "$node" >"$directory/upper/etc/hosts"
                printf '%s/%s' "$LAB_ID" "$node" | md5sum | cut -c1-32 >"$directory/upper/etc/machine-id"
                ip netns add "$node"
                ip -n "$node" link set lo up    # nspawn leaves it down in a namespace that it did not make
        done
}

lab_root() { # NODE
        if mountpoint -q "$LAB_DIR/node/$1/root"; then
                printf '%s\n' "$LAB_DIR/node/$1/root"
        else
                printf '%s\n' "$LAB_DIR/node/$1/upper"
        fi
}

_lab_nspawn() { # NODE: until the node is off; nspawn leaves rebooting to its caller (status 133)
        local node=$1 status=133
        # The node gets a clean cgroup2 tree on hybrid hosts too, and may write /proc/sys/net.
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
        export SYSTEMD_LOG_TARGET=console
        while ((status == 133)); do
                status=0
                systemd-nspawn --quiet --directory="$LAB_DIR/node/$node/root" --machine="$node" --boot \
                        --register=no --keep-unit --link-journal=no --console=pipe \
                        --resolv-conf=off --timezone=off --kill-signal=SIGRTMIN+4 \
                        --network-namespace-path="/run/netns/$node" \
                        --capability="$LAB_CAPABILITIES" --system-call-filter="$LAB_SYSCALLS" \
                        --rlimit=RLIMIT_NOFILE=1024:1048576 --rlimit=RLIMIT_MEMLOCK=infinity \
                        --rlimit=RLIMIT_CORE=infinity \
                        </dev/null >>"$LAB_OUT/log/$node.console" 2>&1 || status=$?
        done
        return "$status"
}

_lab_start() { # NODE
        local directory=$LAB_DIR/node/$1 root
        mountpoint -q "$directory/root" ||
                mount -t overlay "lab-$1" \
                        -o "lowerdir=$(_lab_lower),upperdir=$directory/upper,workdir=$directory/work" \
                        "$directory/root"
        # nspawn makes "payload" and "supervisor" below the cgroup it is started in: one per node.
        for root in $(_lab_cgroup_roots); do
                mkdir -p "$root/$LAB_ID/$1"
        done
        (
                for root in $(_lab_cgroup_roots); do
                        echo "$BASHPID" >"$root/$LAB_ID/$1/cgroup.procs"
                done
                _lab_nspawn "$1"
        ) &
        echo $! >"$directory/pid"
}

_lab_find() { # NODE: pid of its init: our supervisor → nspawn → systemd
        local pid child
        local -a spawned=() children=()
        pid=$(<"$LAB_DIR/node/$1/pid")
        read -r -a spawned 2>/dev/null <"/proc/$pid/task/$pid/children" || :
        for pid in "${spawned[@]}"; do
                read -r -a children 2>/dev/null <"/proc/$pid/task/$pid/children" || :
                for child in "${children[@]}"; do
                        # It listens on its private socket: it answers, even before the bus is up.
                        if [[ $(cat "/proc/$child/comm" 2>/dev/null) == systemd &&
                              -S /proc/$child/root/run/systemd/private ]]; then
                                echo "$child"
                                return
                        fi
                done
        done
        return 1
}

_lab_settle() { # NODE: until it is up
        local node=$1 directory=$LAB_DIR/node/$1 leader='' end=$((SECONDS + LAB_BOOT_TIMEOUT)) state
        while ! leader=$(_lab_find "$node"); do
                if ! kill -0 "$(<"$directory/pid")" 2>/dev/null; then
                        echo "$node: nspawn ended:"
                        tail -n 5 "$LAB_OUT/log/$node.console"
                        return 1
                fi
                if ((SECONDS >= end)); then
                        echo "$node: no init within $LAB_BOOT_TIMEOUT s"
                        return 1
                fi
                sleep 0.02
        done
        echo "$leader" >"$directory/leader"
        state=$(timeout $((end - SECONDS + 1)) nsenter -t "$leader" -m -u -i -n -p -r -w \
                systemctl is-system-running --wait 2>&1) || :
        [[ $state != running ]] || return 0
        echo "$node: $state"
        nsenter -t "$leader" -m -u -i -n -p -r -w systemctl --no-pager --no-legend --failed || :
        return 1
}

lab_boot() {
        local node status=0 pid
        local -a nodes=() waiters=()
        if (($#)); then
                nodes=("$@")
        else
                mapfile -t nodes < <(_lab_nodes)
        fi
        for node in "${nodes[@]}"; do
                _lab_start "$node"
        done
        for node in "${nodes[@]}"; do
                _lab_settle "$node" >&2 &
                waiters+=($!)
        done
        for pid in "${waiters[@]}"; do
                wait "$pid" || status=1
        done
        _lab_log "booted ${nodes[*]}, status $status"
        return "$status"
}

# ----------------------------------------------------------------------------------------- commands ---

_lab_enter() { # NODE CMD...: into its namespaces, and a cgroup of its own
        local node=$1 leader root group
        shift
        leader=$(_lab_leader "$node") || return
        (
                for root in $(_lab_cgroup_roots); do
                        group=$root/$LAB_ID/$node/payload/lab.exec
                        { mkdir -p "$group" && echo "$BASHPID" >"$group/cgroup.procs"; } 2>/dev/null || :
                done
                exec nsenter -t "$leader" -m -u -i -n -p -C -r -w -- \
                        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 \
                        TERM=dumb HOME=/root "$@"
        )
}

lab_exec() { # NODE [-u USER] [--] CMD...
        local node=$1 user=''
        shift
        if [[ ${1-} == -u ]]; then
                user=$2
                shift 2
        fi
        [[ ${1-} != -- ]] || shift
        if [[ -n $user && $user != root ]]; then
                _lab_enter "$node" setpriv --reuid="$user" --regid="$user" --init-groups --inh-caps=-all \
                        --no-new-privs --reset-env -- "$@"
        else
                _lab_enter "$node" "$@"
        fi
}

lab_session() { # NODE USER CMD...: through PAM, so that logind has a session
        local node=$1 user=$2 quoted
        shift 2
        printf -v quoted '%q ' "$@"
        _lab_enter "$node" runuser -l "$user" -c "$quoted"
}

lab_unit() { # NODE [systemd-run options] -- CMD...: with the privileges of a service of the node
        local node=$1
        shift
        _lab_enter "$node" systemd-run --quiet --pipe --wait --collect "$@"
}

# ----------------------------------------------------------------------------------------- networks ---

lab_ip() { # NODE ARGS...
        local node=$1
        shift
        ip -n "$node" "$@"
}

_lab_interface_up() { # NODE INTERFACE [MTU]: with a stable address, without IPv6's own traffic
        local address
        address=$(printf '%s/%s' "$1" "$2" | md5sum | sed -E 's/^(..)(..)(..)(..)(..).*/02:\1:\2:\3:\4:\5/')
        ip -n "$1" link set "$2" address "$address" mtu "${3:-1500}"
        ip -n "$1" link set "$2" addrgenmode none
        ip -n "$1" link set "$2" up
}

lab_wire() { # A:if B:if [mtu N]
        local a=${1%%:*} a_interface=${1#*:} b=${2%%:*} b_interface=${2#*:} mtu=${4:-1500}
        ip link add "$a_interface" netns "$a" type veth peer name "$b_interface" netns "$b"
        _lab_interface_up "$a" "$a_interface" "$mtu"
        _lab_interface_up "$b" "$b_interface" "$mtu"
}

lab_rate() { # RATE NODE:if...: what the end of a wire sends in a second, as tc-tbf(8) has it; the queue is pfifo_fast's
        local rate=$1 node interface end
        shift
        for end in "$@"; do
                node=${end%%:*} interface=${end#*:}
                tc -n "$node" qdisc add dev "$interface" root handle 1: tbf rate "$rate" burst 6000 latency 1s &&
                        tc -n "$node" qdisc add dev "$interface" parent 1: pfifo_fast || return
        done
}

lab_emulate() { # NAME A:if B:if [OPT=V...]
        local name=$1 a=${2%%:*} a_interface=${2#*:} b=${3%%:*} b_interface=${3#*:}
        local directory=$LAB_DIR/link/$name
        shift 3
        [[ -x $LAB_DIR/linkem ]] || cc -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o "$LAB_DIR/linkem" "$LAB_HOME/linkem.c"
        mkdir -p "$directory"
        # The taps get temporary names here and move into the nodes; the process keeps their descriptors.
        "$LAB_DIR/linkem" run "$directory/control" "e0-$name" "e1-$name" "$@" \
                >"$LAB_OUT/log/link-$name" 2>&1 &
        echo $! >"$directory/pid"
        lab_wait 5 test -S "$directory/control"
        ip link set "e0-$name" netns "$a" name "$a_interface"
        ip link set "e1-$name" netns "$b" name "$b_interface"
        _lab_interface_up "$a" "$a_interface"
        _lab_interface_up "$b" "$b_interface"
}

lab_emulate_set() { # NAME OPT=V...
        local name=$1
        shift
        "$LAB_DIR/linkem" control "$LAB_DIR/link/$name/control" "$*"
}

# ------------------------------------------------------------------------------------------ the end ---

_lab_gone() { # PID
        ! kill -0 "$1" 2>/dev/null
}

lab_halt() { # NODE...: SIGRTMIN+4 makes init start poweroff.target
        local node leader pid end=$((SECONDS + LAB_STOP_TIMEOUT)) status=0
        for node; do
                leader=$(_lab_leader "$node" 2>/dev/null) || continue
                kill -RTMIN+4 "$leader" 2>/dev/null || :
        done
        for node; do
                pid=$(<"$LAB_DIR/node/$node/pid")
                while ! _lab_gone "$pid"; do
                        if ((SECONDS >= end)); then     # without its init nspawn and our supervisor end
                                leader=$(_lab_find "$node") && kill -KILL "$leader"
                                status=1
                                end=$((SECONDS + 3))
                        fi
                        sleep 0.03
                done
                rm -f "$LAB_DIR/node/$node/"{leader,pid}
        done
        return "$status"
}

lab_kill() { # NODE...
        local node leader
        for node; do
                leader=$(_lab_leader "$node") || continue
                kill -KILL "$leader" 2>/dev/null || :
                lab_wait "$LAB_STOP_TIMEOUT" _lab_gone "$(<"$LAB_DIR/node/$node/pid")"
                rm -f "$LAB_DIR/node/$node/"{leader,pid}
        done
}

_lab_journal() { # NODE: as text to $LAB_OUT/NODE.journal
        local directory=$LAB_DIR/node/$1/upper/var/log/journal
        [[ -d $directory ]] || return 0
        journalctl --quiet --no-pager -D "$directory" -o short-monotonic >"$LAB_OUT/$1.journal" 2>/dev/null || :
}

lab_down() {
        local node file status=0
        local -a running=()
        for node in $(_lab_nodes); do
                [[ ! -e $LAB_DIR/node/$node/pid ]] || running+=("$node")
        done
        ((${#running[@]} == 0)) || lab_halt "${running[@]}" || status=1
        for node in $(_lab_nodes); do
                _lab_journal "$node"
        done
        for file in "$LAB_DIR"/link/*/pid; do
                [[ ! -e $file ]] || kill "$(<"$file")" 2>/dev/null || :
        done
        return "$status"
}
