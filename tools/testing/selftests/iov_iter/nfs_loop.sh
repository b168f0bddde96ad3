#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nfs_loop.sh start DIR MOUNT-POINT	export DIR, and mount it by NFS 4.2
# nfs_loop.sh stop MOUNT-POINT
set -euo pipefail

NFSD=/proc/fs/nfsd

start() {
	local out

	mount -t nfsd none $NFSD
	exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 \
		"127.0.0.1:$1"
	# Version 3 would want a port mapper.  Without IPv6 it complains.
	out=$(rpc.mountd --no-nfs-version 3 2>&1) || { echo "$out" >&2; exit 1; }
	rpc.nfsd --no-nfs-version 3 2
	# There was no server before, whose clients would have to be awaited.
	echo Y >$NFSD/v4_end_grace
	mount -t nfs -o vers=4.2,proto=tcp 127.0.0.1:/ "$2"
}

stop() {
	umount "$1"
	rpc.nfsd 0
	kill "$(pidof rpc.mountd)"
	exportfs -ua
	exportfs -f
	umount $NFSD
}

"$@"
