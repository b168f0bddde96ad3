#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suites of the series, by the kernel's own kunit.py under QEMU, in the
# kernel that has all checks.  KUNIT_FILTER is a glob of suites, or of
# suites.tests.  With BASE=1, the suites that have to pass without the series are
# run on the base, without the checks.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" qemu-system-x86

name=kunit tree=linux config=debug
if [ -n "${BASE:-}" ]; then
	name=kunit-base tree=base-kunit config=guest
fi
console=$BUILD/$tree/obj-$config/test.log

# The base with two suites
build_base() {
	local dir=$BUILD/$tree fragment=$BUILD/base-kunit.config

	worktree $tree base &&
	git -C "$dir" reset -q --hard base &&
	git -C "$dir" clean -qf lib net include &&
	git -C "$dir" apply -C1 "$TOP/patches/iov_iter/compare-the-functions-that-copy-with-a-model.patch" \
		"$TOP/patches/net/test-that-sendmsg-and-recvmsg-advance-the-iterator-right.patch" &&
	cp "$TOP/lib/iov_iter_model_kunit.c" "$dir/lib/" &&
	cp "$TOP/net/core/msg_iter_kunit.c" "$dir/net/core/" &&
	cp "$TOP/include/kunit/user_mm.h" "$dir/include/kunit/" &&
	grep -E '_TESTING_MENU=|CONFIG_KUNIT|_MODEL_|_MSG_ITER_|_(TLS|RDS|AES|ECB|GCM|SHA256|HASH|SKCIPHER|AEAD)=' \
		"$TOP/configs/kunit.config" >"$fragment" &&
	build_kernel $tree $config "$fragment"
}

# Some cases count allocations, which kmemleak doubles.  On the base, that cases
# fail is no failure yet.
run_kunit() {
	rm -f "$console"
	cd "$BUILD/$tree" || return
	tools/testing/kunit/kunit.py exec --arch=x86_64 \
		--build_dir=obj-$config --timeout=1800 \
		--kernel_args=oops=panic --kernel_args=panic=-1 \
		--kernel_args=no_timer_check --kernel_args=kmemleak=off \
		${KUNIT_FILTER:+"$KUNIT_FILTER"} || [ -n "${BASE:-}" ]
}

# count WORD: from "Testing complete. Ran 9 tests: passed: 8, crashed: 1"
count() {
	sed -nE "/Testing complete\./s/.*\b$1: ([0-9]+).*/\1/p" "$LOG/$name.log" |
		grep . || echo 0
}

# fixed PASSED|FAILED: count the cases of suites that the series has to make right
fixed() {
	awk -v result="[$1]" '/==== .*_fixed \(/ { fixed = 1; next }
		/====/ { fixed = 0 }
		fixed && index($0, result) { n++ }
		END { print n + 0 }' "$LOG/$name.log"
}

# What the kernel complains of, but for the warnings that a test asks for
complaints() {
	[ ! -e "$console" ] || sed '/# expect-warning-begin/,/# expect-warning-end/d' "$console" |
		grep -aE "$COMPLAINT" | head -20
}

if [ -n "${BASE:-}" ]; then
	"$TOP/scripts/series.py" use
	step kernel-$name build_base
else
	CONFIG=$config "$TOP/scripts/kernel.sh"
fi
(step "$name" run_kunit) || run_failed=1

passed=$(count passed) skipped=$(count skipped)
failed=$(($(count failed) + $(count crashed) + $(count errors)))
if [ "$failed" = 0 ] && [ -n "${run_failed:-}" ]; then
	failed=1
fi
# What the series fixes is wrong on the base, or it was no fix.
if [ -n "${BASE:-}" ]; then
	wrong=$(fixed FAILED) right=$(fixed PASSED)
	echo "wrong on the base, as it should be: $wrong"
	failed=$((failed - wrong + right)) passed=$((passed - right))
fi
if [ -n "$(complaints)" ]; then
	echo "the kernel complains, log: $console"
	complaints
	failed=$((failed + 1))
fi
[ $((failed + skipped)) = 0 ] ||
	grep -E '\[(FAILED|CRASHED|SKIPPED|ERROR)\]' "$LOG/$name.log" | head -40 || true
# Some tests only are no answer to whether the suites pass.
result "$name${KUNIT_FILTER:+-filtered}" "$passed" "$failed" "$skipped"
[ "$passed" -gt 0 ] && [ $((failed + skipped)) = 0 ]
