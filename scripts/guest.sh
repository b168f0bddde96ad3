#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make guest: the guest tests on the kernel with the series.
# CONFIG=guest or debug, TESTS="NAME..." for some of them only
set -euo pipefail
. "$(dirname "$0")/lib.sh"

config=${CONFIG:-guest}
name=guest
[ "$config" = guest ] || name=guest-$config

"$TOP/scripts/kernel.sh"
"$TOP/scripts/tests.sh"
"$TOP/scripts/rootfs.sh"

# With every check of the kernel on, all takes some four times as long.
export TIMEOUT=3600
if [ "$config" = debug ]; then
	export TIMEOUT=7200 MEM=3G
fi

# Two tests get a boot of their own.  fscache: cachefiles locks a file of its own
# with the mapping of its reader locked, as base has it.  With direct I/O on the
# same filesystem, and a mapped file of the reader's, that is a circle to lockdep.
# tls: it wants a bad record to spoil no other, which an asynchronous cipher
# cannot do, and GCM is one as soon as a test has used "cryptd".
known=$(sed 's/^iov_iter://' "$BUILD/tests/kselftest-list.txt")
alone=() others=()
for test in ${TESTS:-$known}; do
	grep -qx "$test" <<<"$known" ||
		die "no guest test $test, there are: ${known//$'\n'/ }"
	case $test in
	fscache | tls)	alone+=("$test") ;;
	*)		others+=("$test") ;;
	esac
done

passed=0 failed=0 skipped=0 logs=()

# boot NAME [TEST...]: the tests, if any, in one boot
boot() {
	local tap=$LOG/$1-run.log counts

	[ $# -gt 1 ] || return 0
	logs+=("$tap")
	step "$1-run" "$TOP/scripts/vm.sh" "$1" \
		"$BUILD/linux/obj-$config/arch/x86/boot/bzImage" \
		"./run_kselftest.sh$(printf ' -t iov_iter:%s' "${@:2}")" ||
		failed=$((failed + 1))
	"$TOP/scripts/tap.py" failures "$tap"
	read -ra counts < <("$TOP/scripts/tap.py" counts "$tap")
	passed=$((passed + counts[0]))
	failed=$((failed + counts[1]))
	skipped=$((skipped + counts[2]))
}

boot "$name" "${others[@]}"
for test in "${alone[@]}"; do
	boot "$name-$test" "$test"
done

# Some tests only are no answer to whether the guest tests pass.
result "$name${TESTS:+-filtered}" "$passed" "$failed" "$skipped"
[ $((failed + skipped)) = 0 ] || die "guest tests failed, log: ${logs[*]}"
