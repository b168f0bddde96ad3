#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make bench: what extraction, copies, direct I/O, TCP and SMB cost, on the base
# kernel and on the series, in instructions: QEMU lets the guest's clock count
# them, so the same kernel gives the same numbers on any machine, however busy.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" e2fsprogs liburing-dev
"$TOP/scripts/series.py" use
"$TOP/scripts/rootfs.sh"

source=$TOP/scripts/bench out=$BUILD/bench
mkdir -p "$out"

# kernel base|linux: bzImage and the driver
kernel() {
	local obj=$BUILD/$1/obj-bench driver=$out/driver-$1

	if [ "$1" = base ]; then
		worktree base base || return
	fi
	configure "$1" obj-bench "$TOP/configs/bench.config" &&
	make -C "$BUILD/$1" O="$obj" -j"$JOBS" bzImage modules &&
	mkdir -p "$driver" && cp "$source"/{Kbuild,driver.c,bench.h} "$driver/" &&
	make -C "$BUILD/$1" O="$obj" M="$driver" modules
}

# image: what the guest runs
image() {
	local tree

	rm -rf "$out/t" "$out/tests.ext4" && mkdir "$out/t" &&
	for tree in base linux; do
		cp "$out/driver-$tree/iov_iter_bench.ko" "$out/t/$tree.ko" || return
	done &&
	gcc -O2 -Wall -o "$out/t/bench" "$source"/{bench,util}.c &&
	gcc -O2 -Wall -o "$out/t/net" "$source"/{net,util}.c -luring &&
	cp "$TOP/tools/testing/selftests/iov_iter/smb_loop.sh" "$out/t/" &&
	mke2fs -q -t ext4 -d "$out/t" "$out/tests.ext4" 16M
}

# A file that the machine shares with itself
smb='mkdir /tmp/share /tmp/mnt && ./smb_loop.sh samba /tmp/share 445'
smb+=' && ./smb_loop.sh mount 127.0.0.1 445 /tmp/mnt vers=3.1.1'
smb+=' && ./net /tmp/mnt/file'

# measure base|linux
measure() {
	IMAGE=$out/tests.ext4 COUNT=1 "$TOP/scripts/vm.sh" "bench-$1" \
		"$BUILD/$1/obj-bench/arch/x86/boot/bzImage" \
		"insmod ./$1.ko && ./bench && ./net && $smb"
}

for tree in base linux; do
	step "kernel-bench-$tree" kernel $tree
done
step bench-image image
for tree in base linux; do
	step "bench-run-$tree" measure $tree
done

echo
"$TOP/scripts/bench.py" "$LOG"/bench-run-{base,linux}.log "$out/bench.svg"
