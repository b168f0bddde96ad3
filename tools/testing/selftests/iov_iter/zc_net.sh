#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# msg_zerocopy.sh of ../net, with one result for each kind of socket: what it
# sends has to arrive, without zero copy and with it, and no page may stay
# pinned.  There is no MSG_ZEROCOPY for its raw and packet sockets.
set -uo pipefail

MODES=("4 tcp" "6 tcp" "4 udp" "6 udp" "4 udp -c 4" "6 udp -c 4")
HERE=$PWD
DIR=/tmp/zc_net
LOG=$DIR/log

# installed beside this file, or where it belongs
SCRIPT=$HERE/msg_zerocopy.sh
[ -e "$SCRIPT" ] || SCRIPT=$HERE/../net/msg_zerocopy.sh

# The ./msg_zerocopy that msg_zerocopy.sh calls: a receiver lives longer than
# a sender that takes its time to start.
make_program() {
	mkdir $DIR &&
	cat >$DIR/msg_zerocopy <<-EOF &&
		#!/bin/bash
		case " \$* " in
		*" -r "*) set -- "\${@:1:\$#-1}" -t 4 "\${!#}" ;;
		esac
		exec $HERE/msg_zerocopy "\$@"
	EOF
	chmod +x $DIR/msg_zerocopy
}

# For msg_zerocopy.sh, which sleeps until its receiver is there: in $NS2, with
# port 8000.
sleep() {
	# shellcheck disable=SC2153
	until ip netns exec "$NS2" cat /proc/net/{tcp,udp}{,6} |
	      grep -q ':1F40 '; do
		command sleep 0.1
	done
}
export -f sleep

pinned() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { held += $2 }
	     /^nr_foll_pin_released/ { held -= $2 }
	     END { print held }' /proc/vmstat
}

# at_rest PINNED
at_rest() {
	for _ in {1..50}; do
		[ "$(pinned)" != "$1" ] || return 0
		command sleep 0.1
	done
	echo "# pinned: $1 pages before, $(pinned) after"
	return 1
}

# test_mode MODE: prints what goes wrong.  The status of a receiver is lost, so
# look at what the two of them have counted.
test_mode() {
	local before

	before=$(pinned)
	# shellcheck disable=SC2086
	if ! timeout 120 "$SCRIPT" $1 -t 1 >$LOG 2>&1 ||
	   [ "$(grep -c '^[rt]x=[1-9]' $LOG)" != 4 ]; then
		sed 's/^/# /' $LOG
		return 1
	fi
	at_rest "$before"
}

echo "TAP version 13"
echo "1..${#MODES[@]}"

if ! make_program || ! cd $DIR; then
	echo "Bail out! no $DIR"
	exit 1
fi

nr=0 failed=0
for mode in "${MODES[@]}"; do
	nr=$((nr + 1))
	if test_mode "$mode"; then
		echo "ok $nr IPv$mode"
	else
		echo "not ok $nr IPv$mode"
		failed=$((failed + 1))
	fi
done

cd "$HERE" && rm -r $DIR
[ $failed = 0 ]
