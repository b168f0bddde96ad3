#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make run: the main job.  The same real I/O on the base kernel and on the
# patched one, as a table: what is broken on base must be right when patched.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The guest tests of bugs that the series fixes; each brings its rows.  On base
# the last one leaves processes that hang for ever.
TESTS=(dio_fork fuse_fork nfs_fork p9_fork smb_fork smb_memory p9_killed
       af_alg_fork tls_fork vhost_scsi sgio_merge uring_msg ovl_freeze)

command=./run_kselftest.sh
for test in "${TESTS[@]}"; do
	command+=" -t iov_iter:$test"
done

# boot base|patched TREE
boot() {
	step "run-$1" "$TOP/scripts/vm.sh" "$1" \
		"$BUILD/$2/obj-guest/arch/x86/boot/bzImage" "$command"
}

# pins base|patched: what the guest counted until its end
pins() {
	awk -v kernel="$1" '/^guest: nr_foll_pin/ { n[$2] = $3 }
		END { printf "%-20s%d acquired, %d released\n", "pins, " kernel,
		      n["nr_foll_pin_acquired"], n["nr_foll_pin_released"]
		      exit n["nr_foll_pin_acquired"] != n["nr_foll_pin_released"] }
	' "$LOG/run-$1.log"
}

# The last run of KUnit will do if it was of the tree as it is.
kunit() {
	local tree stamp=$BUILD/result/kunit.tree

	tree=$(git -C "$BUILD/linux" rev-parse 'HEAD^{tree}')
	[ "$tree" != "$(cat "$stamp" 2>/dev/null)" ] || return 0
	"$TOP/scripts/kunit.sh" && BASE=1 "$TOP/scripts/kunit.sh" &&
	echo "$tree" >"$stamp"
}

# kunit_totals WHAT RESULT
kunit_totals() {
	local passed failed skipped

	read -r passed failed skipped <"$BUILD/result/$2" &&
	printf '%-20s%s passed, %s failed, %s skipped\n' "$1" "$passed" \
		"$failed" "$skipped"
}

"$TOP/scripts/kernel.sh"
step kernel-base build_kernel base guest
"$TOP/scripts/tests.sh"
"$TOP/scripts/rootfs.sh"

wrong=0
boot base base || wrong=1
boot patched linux || wrong=1
kunit || wrong=1
"$TOP/scripts/series.py" series >"$LOG/run-series.log" || wrong=1

echo
"$TOP/scripts/tap.py" table "$LOG"/run-{base,patched}.log || wrong=1
echo
pins base || wrong=1
pins patched || wrong=1
kunit_totals KUnit kunit || wrong=1
kunit_totals 'KUnit, base' kunit-base || wrong=1
echo "the series          $BUILD/series"
[ $wrong = 0 ] || die "not as it should be, see above; logs: $LOG"
