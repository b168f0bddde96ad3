#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All tests; the last line is their number.  A stage that fails without a failed
# test, say because nothing could be built, counts as one.
#
# The KUnit suites run under KASAN and lockdep.  The guest tests do so by
# "make guest CONFIG=debug", which takes as long as all of this.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
rm -f "$BUILD"/result/{lint,kunit,guest}

# stage NAME CMD...: add what CMD records as the result of NAME
stage() {
	local name=$1 p=0 f=0 s=0 rc=0

	shift
	"$@" || rc=$?
	[ ! -e "$BUILD/result/$name" ] || read -r p f s <"$BUILD/result/$name"
	if [ $rc != 0 ] && [ $((f + s)) = 0 ]; then
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# KUnit's machine has one CPU, so that the guest tests can run beside it.  It is
# a job with a process group of its own, to end with this script.
kunit_begin() {
	set -m
	"$TOP/scripts/kunit.sh" >"$LOG/check-kunit.log" 2>&1 </dev/null &
	kunit=$!
	set +m
	trap 'kill -- -$kunit 2>/dev/null' EXIT
}

kunit_end() {
	local rc=0

	wait $kunit || rc=$?
	trap - EXIT
	cat "$LOG/check-kunit.log"
	return $rc
}

stage lint "$TOP/scripts/lint.sh"
kunit_begin
stage guest "$TOP/scripts/guest.sh"
stage kunit kunit_end

total="$passed passed, $failed failed"
[ $skipped = 0 ] || total="$total, $skipped skipped"
echo "$total"
[ $((failed + skipped)) = 0 ]
