#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rootfs.sh: build/root.ext4, the user space of the guest; kept until the list
# of packages or the guest's init changes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PACKAGES=(util-linux mount procps kmod iproute2 dmsetup fio sg3-utils libaio1
	  liburing2 libfuse3-dev nfs-kernel-server samba cifs-utils rdma-core
	  nftables
	  e2fsprogs xfsprogs btrfs-progs dosfstools exfatprogs f2fs-tools
	  hfsutils jfsutils nilfs-tools ntfs-3g ocfs2-tools reiserfsprogs
	  udftools)
# Debian 12's own ksmbd-tools are too old for its own kernel, and no ksmbd-tools
# can be installed beside Samba: from Debian 13, what it needs, and its files only
KSMBD_NEEDS=(libglib2.0-0 libnl-3-200 libnl-genl-3-200)
IMAGE=$BUILD/root.ext4
INIT=$TOP/scripts/guest-init

need qemu-system-x86 mmdebstrap e2fsprogs gcc libc6-dev

stamp=$(cat "$0" "$INIT" | sha256sum)
[ -e "$IMAGE" ] && [ "$stamp" = "$(cat "$IMAGE.stamp" 2>/dev/null)" ] && exit

# Where this machine gets its own Debian from
sources() {
	# shellcheck disable=SC2016
	apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
		--format '$(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		sed -n 's/^bookworm[^ ]* //p'
}

# How this machine gets there; quiet if it does so directly
proxy=$(apt-config dump --no-empty Acquire | grep -i '::proxy ') || true

# The example of libfuse that serves a directory, which Debian has as source only
make_passthrough() {
	gcc -O2 -I "$1/usr/include/fuse3" -o "$1/usr/bin/passthrough_ll" \
		"$1/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c" \
		"$1"/lib/x86_64-linux-gnu/libfuse3.so.3
}

# ksmbd_tools DIR: put the programs into DIR
ksmbd_tools() {
	local tmp=$IMAGE.trixie apt

	rm -rf "$tmp" &&
	mkdir -p "$tmp"/{lists,cache/archives}/partial &&
	sed -n 's/ bookworm main$/ trixie main/p' <<<"$sources" >"$tmp/sources" &&
	apt=(apt-get -o Dir::Etc::SourceList="$tmp/sources"
	     -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$tmp/lists"
	     -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User=root) &&
	"${apt[@]}" update &&
	(cd "$tmp" && "${apt[@]}" download ksmbd-tools) &&
	dpkg -x "$tmp"/ksmbd-tools_*.deb "$tmp/files" &&
	cp -a "$tmp/files/usr/sbin" "$tmp/files/usr/libexec" "$1/usr/" &&
	rm -rf "$tmp"
}

# Documents and translations are half of the files.  Some of the programs that
# make filesystems look into mtab, which Debian's installer would have made.
make_image() {
	local dir=$IMAGE.dir

	rm -rf "$dir" "$IMAGE" &&
	mmdebstrap --variant=essential --include="${PACKAGES[*]} ${KSMBD_NEEDS[*]}" \
		--aptopt='APT::Install-Recommends "false"' \
		${proxy:+--aptopt="$proxy"} \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/libfuse3-dev/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm "$dir" - <<<"$sources" &&
	ksmbd_tools "$dir" &&
	install "$INIT" "$dir/guest-init" &&
	make_passthrough "$dir" &&
	mkdir "$dir/t" &&
	ln -s ../proc/self/mounts "$dir/etc/mtab" &&
	mke2fs -q -t ext4 -d "$dir" "$IMAGE" 2G &&
	rm -rf "$dir" &&
	echo "$stamp" >"$IMAGE.stamp"
}

# The lists of a bare machine are empty.
sources=$(sources)
if [ -z "$sources" ]; then
	step apt-update apt-get update
	sources=$(sources)
fi
[ -n "$sources" ] || die "apt on this machine has no source of Debian bookworm"

step rootfs make_image
