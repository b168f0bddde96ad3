#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nfs_loop.sh serve DIR			export DIR
# nfs_loop.sh mount VERSION PORT DIR MOUNT-POINT [OPTION,...]
# nfs_loop.sh end			no server any more
#
# nfs_loop.sh start DIR MOUNT-POINT	serve, and mount it by NFS 4.2
# nfs_loop.sh stop MOUNT-POINT
set -euo pipefail

NFSD=/proc/fs/nfsd
MOUNTD_PORT=20048

serve() {
	local out

	mount -t nfsd none $NFSD
	mkdir -p /run/rpcbind
	rpcbind
	exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 \
		"127.0.0.1:$1"
	# Without IPv6 it complains.
	out=$(rpc.mountd --port $MOUNTD_PORT 2>&1) ||
		{ echo "$out" >&2; exit 1; }
	rpc.nfsd 2
	# There was no server before, whose clients would have to be awaited.
	echo Y >$NFSD/v4_end_grace
}

mount_version() {
	local dir=/ options=vers=$1,proto=tcp,port=$2${5:+,$5}

	if [ "$1" = 3 ]; then
		dir=$3
		options+=,mountport=$MOUNTD_PORT,mountproto=tcp,nolock
	fi
	mount -t nfs -o "$options" "127.0.0.1:$dir" "$4"
}

end() {
	rpc.nfsd 0
	kill "$(pidof rpc.mountd)" "$(pidof rpcbind)"
	exportfs -ua
	exportfs -f
	umount $NFSD
}

case "$1" in
serve)	serve "$2" ;;
mount)	shift; mount_version "$@" ;;
end)	end ;;
start)	serve "$2"; mount_version 4.2 2049 "$2" "$3" ;;
stop)	umount "$2"; end ;;
esac
