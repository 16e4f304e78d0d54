#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build-base.sh - prints the path of a Debian root file system for test nodes; builds it where there is none.
#
#   -b BUS      system bus of the nodes: daemon (default) or broker
#   -s SUITE    Debian suite (default: bookworm)
#   -c DIR      cache directory (default: ${XDG_CACHE_HOME:-~/.cache}/o7s-lab)
#   -n          only print the path
#
# The path is the only line on standard output. The directory is named after the suite, the bus and a hash of
# this file (and with it of the package list), is built under another name and moved into place when it is
# whole: readers never see half a tree, and a lock lets two builders come one after the other. Nodes use it
# as a read-only lower layer. About 25 s and 190 MB each; entries of older versions of this file are removed after a
# day.
set -euo pipefail

die() {
        printf 'build-base.sh: %s\n' "$*" >&2
        exit 1
}

bus=daemon suite=bookworm cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/o7s-lab only_print=''
while getopts b:s:c:n option; do
        case $option in
                b) bus=$OPTARG ;;
                s) suite=$OPTARG ;;
                c) cache=$OPTARG ;;
                n) only_print=1 ;;
                *) exit 2 ;;
        esac
done

packages=(
        # a real init with its manners
        systemd systemd-sysv libpam-systemd libnss-systemd dbus polkitd
        # what the programs under test link
        libsystemd0 libgnutls30 libnettle8 libhogweed6 libprotobuf-c1 libjson-c5 libsmartcols1
        # what the tests use
        iproute2 procps util-linux
        openssh-server openssh-client
)
case $bus in
        daemon) ;;
        broker) packages+=(dbus-broker) ;;      # its package makes it the system bus
        *) die "unknown bus '$bus': daemon or broker" ;;
esac

destination=$cache/$suite-$bus-$(sha256sum "$0" | cut -c1-16)
if [[ -n $only_print ]]; then
        printf '%s\n' "$destination"
        exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ -e $destination/.complete ]]; then
        printf '%s\n' "$destination"
        exit 0
fi

((EUID == 0)) || die 'must be root'
command -v mmdebstrap >/dev/null || die 'mmdebstrap is not installed (tools/install-packages lab)'

work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

# mmdebstrap runs this with the new root as its argument.
cat >"$work/customize" <<'HOOK'
#!/bin/sh
set -eu
root=$1
# Ordinary users for tests of who may do what; their passwords are locked.
for user in alice bob; do
        chroot "$root" useradd -m -s /bin/bash "$user"
done
# Each node brings its own identity.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
# Units that cost time in a container, or make its state "degraded".
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer man-db.timer logrotate.timer systemd-firstboot.service \
        systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service \
        systemd-update-utmp.service systemd-update-utmp-runlevel.service ldconfig.service \
        systemd-networkd-wait-online.service console-getty.service getty@.service container-getty@.service \
        getty-static.service systemd-pstore.service systemd-random-seed.service \
        systemd-boot-system-token.service ssh.service ssh.socket sys-kernel-debug.mount sys-kernel-tracing.mount \
        sys-kernel-config.mount sys-fs-fuse-connections.mount systemd-machine-id-commit.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# The whole journal, kept: tests read it afterwards.
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/var/log/journal"
cat >"$root/etc/systemd/journald.conf.d/10-lab.conf" <<'EOC'
[Journal]
Storage=persistent
Compress=no
RateLimitIntervalSec=0
SyncIntervalSec=1s
SystemMaxUse=256M
ForwardToSyslog=no
EOC
# A hung service must not eat the time of the whole run.
mkdir -p "$root/etc/systemd/system.conf.d"
cat >"$root/etc/systemd/system.conf.d/10-lab.conf" <<'EOC'
[Manager]
DefaultTimeoutStopSec=10s
DefaultTimeoutStartSec=30s
DefaultLimitCORE=infinity
ShowStatus=no
EOC
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
HOOK
chmod +x "$work/customize"

printf 'building the root file system of the nodes (%s, dbus-%s)\n' "$suite" "$bus" >&2
include=$(IFS=,; printf '%s' "${packages[*]}")
if ! mmdebstrap --variant=minbase --mode=root --format=directory --include="$include" \
        --aptopt='Acquire::Languages "none"' \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt=force-unsafe-io \
        --customize-hook="$work/customize \"\$1\"" \
        "$suite" "$work/root" >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        die 'mmdebstrap failed; the lines above are its last'
fi

date -u +%FT%TZ >"$work/root/.complete"
# Of older versions of this file: what was built more than a day ago. Another run may be on one of them now.
find "$cache" -mindepth 2 -maxdepth 2 -path "$cache/$suite-$bus-*/.complete" -mmin +1440 -printf '%h\0' |
        xargs -0r rm -rf --one-file-system
mv "$work/root" "$destination"
printf '%s\n' "$destination"
