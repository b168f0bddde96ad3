#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm.sh NAME KERNEL COMMAND
#
# Boots a bzImage under QEMU on build/root.ext4 and runs one shell command in
# /t, which is build/tests.ext4.  Prints what the command prints and exits with
# its status.  The console goes to build/log/NAME.log.  A guest that hangs,
# panics, or whose kernel complains is an error, whatever the command says.
# TIMEOUT is in seconds, MEM as QEMU's -m.  /t may be another IMAGE.  COUNT=1
# makes the clock of the guest count the instructions of its one CPU.
#
# The guest can mount an empty directory by 9p, from two servers: "p9" holds
# back what it reads, see p9_hold.c, if told to by a file that "p9ctl" makes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# = 3 ] || die "usage: vm.sh NAME KERNEL COMMAND"
name=$1 kernel=$2 command=$3
console=$LOG/$name.log
timeout=${TIMEOUT:-900}
cpu=(-accel tcg,thread=multi -cpu max -smp 2) args=()
if [ -n "${COUNT:-}" ]; then
	cpu=(-accel tcg -icount shift=0,sleep=off -cpu qemu64,-rdrand -smp 1
	     -rtc base=2026-01-01T00:00:00,clock=vm)
	args=(norandmaps null_blk.queue_mode=0 brd.rd_size=16384)
fi

share=$BUILD/p9-$name preload=()
if [ -z "${COUNT:-}" ]; then
	need gcc libc6-dev
	hold=$BUILD/p9_hold.so
	[ "$hold" -nt "$TOP/scripts/p9_hold.c" ] ||
		gcc -O2 -Wall -shared -fPIC -o "$hold" "$TOP/scripts/p9_hold.c" -ldl
	rm -rf "$share"
	mkdir -p "$share"
	preload=(LD_PRELOAD="$hold")
	for tag in p9 p9ctl; do
		cpu+=(-fsdev "local,id=$tag,path=$share,security_model=none"
		      -device "virtio-9p-pci,fsdev=$tag,mount_tag=$tag")
	done
fi

[ -e "$kernel" ] || die "guest $name: no kernel $kernel"
[[ $command != *\"* ]] || die "guest $name: a command cannot hold double quotes: $command"

fail() {
	die "guest $name: $*, log: $console"
}

append=(console=ttyS0 printk.time=1 root=/dev/vda rw init=/guest-init
	panic=-1 oops=panic no_timer_check rcupdate.rcu_cpu_stall_timeout=120
	secretmem.enable=1 vhost_net.experimental_zcopytx=1
	"${args[@]}" -- "\"$command\"")

: >"$console"
rc=0
timeout --foreground "$timeout" env "${preload[@]}" qemu-system-x86_64 \
	"${cpu[@]}" -M q35 -m "${MEM:-2G}" \
	-nodefaults -display none -no-reboot -serial "file:$console" \
	-device virtio-serial-pci -chardev stdio,id=out \
	-device virtconsole,chardev=out \
	-drive "file=$BUILD/root.ext4,if=virtio,format=raw,snapshot=on" \
	-drive "file=${IMAGE:-$BUILD/tests.ext4},if=virtio,format=raw,readonly=on" \
	-kernel "$kernel" -append "${append[*]}" </dev/null |
	sed -u 's/\r$//' || rc=$?

# first PATTERN: the first line of the kernel's that matches, if any; not the
# one that repeats the command
first() {
	tr -d '\r' <"$console" | grep -av 'ommand line: ' |
		grep -aEom1 "(\[ *[0-9]+\.[0-9]+\] .*|^)($1).*" || true
}

complaint=$(first "$COMPLAINT")
panic=$(first 'Kernel panic - ')
status=$(sed -n 's/^guest: exit \([0-9]*\).*/\1/p' "$console" | tail -1)

[ -z "$complaint" ] || fail "the kernel complains: $complaint"
[ -z "$panic" ] || fail "$panic"
[ "$rc" != 124 ] || fail "hangs, no end after $timeout s"
[ "$rc" = 0 ] || fail "qemu failed with status $rc"
[ -n "$status" ] || fail "stopped before the end of the command"
exit "$status"
