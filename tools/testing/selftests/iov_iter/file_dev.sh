#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# file_dev.sh attach KIND FILE	make a block device of FILE, print its path
# file_dev.sh detach KIND
#
# Each KIND is a driver that writes to files, in one of its ways:
#	loop loop-buffered		loop device
#	nvmet nvmet-buffered		NVMe target with itself as the host
#	target target-buffered		SCSI target with itself as the initiator
# The first of each does asynchronous direct I/O.
set -euo pipefail

LOOP=/dev/loop7
NVMET=/sys/kernel/config/nvmet
NQN=iovtest
FILEIO=/sys/kernel/config/target/core/fileio_0/iovtest
TCM_LOOP=/sys/kernel/config/target/loopback/naa.5000000000000001

# find_dev ID DISKS FILE: the disk among DISKS, a pattern, that has ID in its
# FILE in sysfs.  The kernel makes disks in its own time.
find_dev() {
	local id=$1 match disk

	for _ in $(seq 600); do
		# shellcheck disable=SC2086
		match=$(grep -ls "^$id" /sys/block/$2/$3 | head -1) || true
		disk=/dev/$(cut -d/ -f4 <<<"$match")
		[ -n "$match" ] && [ -b "$disk" ] && echo "$disk" && return
		sleep 0.1
	done
	echo "no disk of $id" >&2
	return 1
}

attach_loop() {
	losetup --direct-io="$2" $LOOP "$1"
	# The driver may refuse, and go on without.
	[ "$(cat /sys/block/${LOOP#/dev/}/loop/dio)" = "$3" ]
	echo $LOOP
}

detach_loop() {
	losetup -d $LOOP
}

attach_nvmet() {
	mkdir -p $NVMET/{ports/1,subsystems/$NQN/namespaces/1}
	cd $NVMET/subsystems/$NQN
	echo 1 >attr_allow_any_host
	echo -n "$1" >namespaces/1/device_path
	echo "$2" >namespaces/1/buffered_io
	echo 1 >namespaces/1/enable
	echo loop >$NVMET/ports/1/addr_trtype
	ln -s $NVMET/subsystems/$NQN $NVMET/ports/1/subsystems/
	echo "transport=loop,nqn=$NQN" >/dev/nvme-fabrics
	find_dev $NQN 'nvme*n1' device/subsysnqn
}

detach_nvmet() {
	local nqn

	nqn=$(grep -l $NQN /sys/class/nvme/nvme*/subsysnqn)
	echo 1 >"${nqn%/*}/delete_controller"
	rm $NVMET/ports/1/subsystems/$NQN
	rmdir $NVMET/{subsystems/$NQN/namespaces/1,subsystems/$NQN,ports/1}
}

attach_target() {
	mkdir -p $FILEIO $TCM_LOOP/tpgt_1/lun/lun_0
	echo "fd_dev_name=$1,fd_dev_size=$(stat -c %s "$1"),$2" >$FILEIO/control
	echo 1 >$FILEIO/enable
	echo naa.5000000000000002 >$TCM_LOOP/tpgt_1/nexus
	ln -s $FILEIO $TCM_LOOP/tpgt_1/lun/lun_0/
	find_dev LIO-ORG 'sd*' device/vendor
}

detach_target() {
	rm $TCM_LOOP/tpgt_1/lun/lun_0/iovtest
	rmdir $TCM_LOOP/{tpgt_1/lun/lun_0,tpgt_1,} $FILEIO
}

case "$1 $2" in
"attach loop")			attach_loop "$3" on 1 ;;
"attach loop-buffered")		attach_loop "$3" off 0 ;;
"attach nvmet")			attach_nvmet "$3" 0 ;;
"attach nvmet-buffered")	attach_nvmet "$3" 1 ;;
"attach target")		attach_target "$3" fd_async_io=1 ;;
"attach target-buffered")	attach_target "$3" fd_buffered_io=1 ;;
detach*)			"detach_${2%-buffered}" ;;
*)				echo "see $0" >&2; exit 1 ;;
esac
