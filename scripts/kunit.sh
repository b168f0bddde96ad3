#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suites of the series, by the kernel's own kunit.py under QEMU.
# KUNIT_FILTER is a glob of suites, or of suites.tests.  With BASE=1, the suite
# that has to pass without the series is run on the base, without the
# instrumentation.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" qemu-system-x86
"$TOP/scripts/series.py" use

name=kunit tree=$BUILD/linux config=$TOP/configs/kunit.config
if [ -n "${BASE:-}" ]; then
	name=kunit-base tree=$BUILD/base-kunit config=$BUILD/base-kunit.config
fi
console=$tree/obj-kunit/test.log

# The base with one suite, and its configuration
prepare_base() {
	worktree base-kunit base &&
	git -C "$tree" reset -q --hard base &&
	git -C "$tree" apply -C1 "$TOP/patches/iov_iter/compare-the-functions-that-copy-with-a-model.patch" &&
	cp "$TOP/lib/iov_iter_model_kunit.c" "$tree/lib/" &&
	cp "$TOP/include/kunit/user_mm.h" "$tree/include/kunit/" &&
	suites_config &&
	sed '/_KUNIT_TEST=/{/_MODEL_/!d}' "$BUILD/suites.config" >"$config"
}

run_kunit() {
	rm -f "$console"
	[ -z "${BASE:-}" ] || prepare_base || return
	cd "$tree" && tools/testing/kunit/kunit.py run --arch=x86_64 \
		--kunitconfig="$config" --build_dir=obj-kunit \
		--kernel_args=oops=panic --kernel_args=panic=-1 \
		--jobs="$JOBS" --timeout=1800 ${KUNIT_FILTER:+"$KUNIT_FILTER"}
}

# count WORD: from "Testing complete. Ran 9 tests: passed: 8, crashed: 1"
count() {
	sed -nE "/Testing complete\./s/.*\b$1: ([0-9]+).*/\1/p" "$LOG/$name.log" |
		grep . || echo 0
}

# What the kernel complains of, but for the warnings that a test asks for
complaints() {
	[ ! -e "$console" ] || sed '/# expect-warning-begin/,/# expect-warning-end/d' "$console" |
		grep -aE "$COMPLAINT" | head -20
}

(step "$name" run_kunit) || run_failed=1
grep -E '\[(FAILED|CRASHED|SKIPPED|ERROR)\]' "$LOG/$name.log" | head -30 || true

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
result "$name${KUNIT_FILTER:+-filtered}" "$passed" "$failed" "$skipped"
[ "$passed" -gt 0 ] && [ $((failed + skipped)) = 0 ]
