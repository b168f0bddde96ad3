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

known=$(sed 's/^iov_iter://' "$BUILD/tests/kselftest-list.txt")
command=./run_kselftest.sh
for test in ${TESTS:-$known}; do
	grep -qx "$test" <<<"$known" ||
		die "no guest test $test, there are: ${known//$'\n'/ }"
	command+=" -t iov_iter:$test"
done

# With every check of the kernel on, all takes some four times as long.
export TIMEOUT=1800
if [ "$config" = debug ]; then
	export TIMEOUT=7200 MEM=3G
fi

tap=$LOG/$name-run.log
machine=0
step "$name-run" "$TOP/scripts/vm.sh" "$name" \
	"$BUILD/linux/obj-$config/arch/x86/boot/bzImage" "$command" || machine=1

"$TOP/scripts/tap.py" failures "$tap"
read -r passed failed skipped < <("$TOP/scripts/tap.py" counts "$tap")
# Some tests only are no answer to whether the guest tests pass.
result "$name${TESTS:+-filtered}" "$passed" $((failed + machine)) "$skipped"
[ $((failed + machine + skipped)) = 0 ] || die "guest tests failed, log: $tap"
