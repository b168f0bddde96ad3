#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Direct I/O by fio, which verifies what it wrote: four engines at a time, from
# several kinds of memory, on a block device, ext4, XFS and ext2, which uses
# fs/direct-io.c, all on null_blk; and through passthrough_ll, an example of
# libfuse.
set -uo pipefail

NULLB=/sys/kernel/config/nullb
HUGE=/sys/kernel/mm/hugepages/hugepages-2048kB
THP=/sys/kernel/mm/transparent_hugepage/enabled
MNT=/tmp/iovfio
SOURCE=/tmp/iovsource
LOG=/tmp/iovfio.log

JOBS=(
	--name=psync	--offset=0	--ioengine=psync
	--name=libaio	--offset=4m	--ioengine=libaio	--iodepth=4
	--name=io_uring	--offset=8m	--ioengine=io_uring	--iodepth=4
	--name=fixed	--offset=12m	--ioengine=io_uring	--iodepth=4
			--fixedbufs	--registerfiles
)
MEDIA=(bdev ext4 xfs ext2 fuse)
declare -A MEMORY=(
	["any sector"]="--bsrange=512-64k --iomem_align=512"
	["huge pages"]="--bsrange=64k-2m --iomem_align=512 --iomem=mmap"
	["hugetlb"]="--bsrange=64k-2m --iomem_align=512 --iomem=shmhuge
		     --hugepage-size=2m"
)

nr=0 failed=0

# device_create MIB
device_create() {
	mkdir $NULLB/iovfio &&
	echo 1 >$NULLB/iovfio/memory_backed &&
	echo "$1" >$NULLB/iovfio/size &&
	echo 1 >$NULLB/iovfio/power
}

# medium_create MEDIUM: sets target, which is fio's words for it
medium_create() {
	target=--filename=/dev/iovfio
	case $1 in
	bdev)
		device_create 16
		return
		;;
	ext4)
		device_create 64 && mkfs.ext4 -q /dev/iovfio
		;;
	xfs)
		device_create 320 && mkfs.xfs -q /dev/iovfio
		;;
	ext2)
		device_create 64 && mkfs.ext2 -q /dev/iovfio
		;;
	fuse)
		# direct without O_DIRECT, which the server would take over
		target="--directory=$MNT --direct=0"
		mkdir $SOURCE $MNT &&
		passthrough_ll -o source=$SOURCE,cache=never $MNT
		return
		;;
	esac &&
	mkdir $MNT && mount /dev/iovfio $MNT && target=--directory=$MNT
}

medium_remove() {
	! mountpoint -q $MNT || { umount $MNT && rmdir $MNT; }
	[ ! -e $NULLB/iovfio ] || rmdir $NULLB/iovfio
	rm -rf $SOURCE
}

# what has to be the same before and after
state() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { held += $2 }
	     /^nr_foll_pin_released/ { held -= $2 }
	     END { printf "%d pages pinned, ", held }' /proc/vmstat
	echo "$(cat $HUGE/free_hugepages) huge pages free"
}

# at_rest STATE: io_uring gives its buffers back some time after the process
# that had them is gone
at_rest() {
	for _ in {1..50}; do
		[ "$(state)" != "$1" ] || return 0
		sleep 0.1
	done
	echo "# before: $1"
	echo "# after: $(state)"
	return 1
}

# run_fio OPTION...
run_fio() {
	fio --direct=1 --size=4m --rw=randwrite --verify=crc32c --minimal \
		--verify_fatal=1 --randseed=$nr "$@" "${JOBS[@]}" >$LOG 2>&1 ||
		{ sed 's/^/# /' $LOG; return 1; }
}

# test_memory MEDIUM MEMORY
test_memory() {
	local before

	before=$(state)
	nr=$((nr + 1))
	# shellcheck disable=SC2086
	if run_fio $target ${MEMORY[$2]} && at_rest "$before"; then
		echo "ok $nr $1, $2"
	else
		echo "not ok $nr $1, $2"
		failed=$((failed + 1))
	fi
}

echo "TAP version 13"
echo "1..$((${#MEDIA[@]} * ${#MEMORY[@]}))"

huge=$(cat $HUGE/nr_hugepages)
thp=$(sed 's/.*\[\(.*\)\].*/\1/' $THP)
echo 32 >$HUGE/nr_hugepages
echo always >$THP

for medium in "${MEDIA[@]}"; do
	medium_create "$medium" || { echo "Bail out! no $medium"; exit 1; }
	for memory in "${!MEMORY[@]}"; do
		test_memory "$medium" "$memory"
	done
	medium_remove
done

echo "$thp" >$THP
echo "$huge" >$HUGE/nr_hugepages
rm -f $LOG
[ $failed = 0 ]
