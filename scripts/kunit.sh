#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suites of the series, by the kernel's own kunit.py under QEMU.
# KUNIT_FILTER is a glob of suites, or of suites.tests.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" qemu-system-x86
"$TOP/scripts/series.py" use

console=$BUILD/linux/obj-kunit/test.log

run_kunit() {
	rm -f "$console"
	cd "$BUILD/linux" && tools/testing/kunit/kunit.py run --arch=x86_64 \
		--kunitconfig="$TOP/configs/kunit.config" --build_dir=obj-kunit \
		--kernel_args=oops=panic --kernel_args=panic=-1 \
		--jobs="$JOBS" --timeout=1800 ${KUNIT_FILTER:+"$KUNIT_FILTER"}
}

# count WORD: from "Testing complete. Ran 9 tests: passed: 8, crashed: 1"
count() {
	sed -nE "/Testing complete\./s/.*\b$1: ([0-9]+).*/\1/p" "$LOG/kunit.log" |
		grep . || echo 0
}

# What the kernel complains of, but for the warnings that a test asks for
complaints() {
	[ ! -e "$console" ] || sed '/# expect-warning-begin/,/# expect-warning-end/d' "$console" |
		grep -aE "$COMPLAINT" | head -20
}

(step kunit run_kunit) || run_failed=1
grep -E '\[(FAILED|CRASHED|SKIPPED|ERROR)\]' "$LOG/kunit.log" | head -30 || true

passed=$(count passed) skipped=$(count skipped)
failed=$(($(count failed) + $(count crashed) + $(count errors)))
if [ "$failed" = 0 ] && [ -n "${run_failed:-}" ]; then
	failed=1
fi
if [ -n "$(complaints)" ]; then
	echo "the kernel complains, log: $console"
	complaints
	failed=$((failed + 1))
fi
# Some tests only are no answer to whether the suites pass.
result "kunit${KUNIT_FILTER:+-filtered}" "$passed" "$failed" "$skipped"
[ "$passed" -gt 0 ] && [ $((failed + skipped)) = 0 ]
