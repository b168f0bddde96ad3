#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# smb_loop.sh samba DIR PORT [SETTING]		share DIR by Samba
# smb_loop.sh samba-end
# smb_loop.sh ksmbd DIR				share DIR by the kernel
# smb_loop.sh ksmbd-end
# smb_loop.sh net NAME ADDRESS [siw]		a network of this machine, or with RDMA
# smb_loop.sh net-end NAME
# smb_loop.sh mount ADDRESS PORT MOUNT-POINT OPTION,...
set -euo pipefail

STATE=/tmp/smb
USER=root PASSWORD=password

# quiet CMD...: run it, and show what it says only if it fails
quiet() {
	local out

	out=$("$@" 2>&1 </dev/null) || { echo "$out" >&2; return 1; }
}

# listening PORT: wait until somebody is
listening() {
	for _ in {1..600}; do
		[ -z "$(ss -Hltn "sport = :$1")" ] || return 0
		sleep 0.1
	done
	echo "nobody listens on port $1" >&2
	return 1
}

samba() {
	mkdir -p $STATE
	cat >$STATE/smb.conf <<-END
		[global]
		server role = standalone server
		server min protocol = NT1
		server signing = auto
		server multi channel support = no
		smb ports = $2
		disable netbios = yes
		load printers = no
		printcap name = /dev/null
		log file = $STATE/log
		pid directory = $STATE
		lock directory = $STATE
		state directory = $STATE
		cache directory = $STATE
		private dir = $STATE
		ncalrpc dir = $STATE/ncalrpc
		store dos attributes = no
		${3-}
		[share]
		path = $1
		read only = no
		map archive = no
	END
	printf '%s\n' $PASSWORD $PASSWORD |
		smbpasswd -c $STATE/smb.conf -a -s $USER >$STATE/smbpasswd.log
	quiet smbd -D -s $STATE/smb.conf
	listening "$2"
}

samba_end() {
	local pid

	pid=$(cat $STATE/smbd.pid)
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.1
	done
	rm -r $STATE
}

ksmbd() {
	mkdir -p $STATE /run/ksmbd
	cat >$STATE/ksmbd.conf <<-END
		[global]
		server min protocol = SMB2_10
		server multi channel support = yes
		smb3 encryption = auto
		[share]
		path = $1
		read only = no
		oplocks = yes
		store dos attributes = no
	END
	quiet ksmbd.adduser -C $STATE/ksmbd.conf -P $STATE/db -a -p $PASSWORD $USER
	quiet ksmbd.mountd -C $STATE/ksmbd.conf -P $STATE/db
	listening 445
}

ksmbd_end() {
	quiet ksmbd.control -s
	rm -r $STATE
}

# RDMA, if it is wanted, is by iWARP.
net() {
	ip link add "$1" type dummy
	ip addr add "$2/24" dev "$1"
	ip link set "$1" up
	[ -z "${3-}" ] || rdma link add "$1" type "$3" netdev "$1"
}

case "$1" in
samba)		samba "${@:2}" ;;
samba-end)	samba_end ;;
ksmbd)		ksmbd "$2" ;;
ksmbd-end)	ksmbd_end ;;
net)		net "${@:2}" ;;
net-end)	ip link del "$2" ;;
mount)
	mount -t cifs -o "port=$3,username=$USER,password=$PASSWORD,$5" \
		"//$2/share" "$4"
	;;
esac
