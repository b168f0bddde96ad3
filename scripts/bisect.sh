#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds every commit of the series: the objects that it touches, and the whole
# kernel if it touches a header.  A warning is a failure.  What was built is
# remembered by content, so that the next run starts where this one ended.
#
# RANGE=A..B is for some of the commits only.  TEST is a command for vm.sh, which
# finds the guest tests of the whole series: every commit is booted, and has to
# pass it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}"
"$TOP/scripts/series.py" use

linux=$BUILD/linux out=$BUILD/bisect/obj-guest
known=$BUILD/bisect.ok begun=$BUILD/bisect.begun
TEST=${TEST:-}
fragments=("$TOP/configs/guest.config" "$TOP/configs/kunit.config" "$TOP/configs/lint.config")
touch "$known"

# changes REV PATTERN...: files of a kind that a commit changes, and leaves there
changes() {
	git -C "$linux" diff --name-only --no-renames --diff-filter=d \
		"$1^" "$1" -- "${@:2}" ':!tools'
}

# build REV: what that commit changes
build() {
	local file targets

	worktree bisect "$1" && configure bisect obj-guest "${fragments[@]}" || return
	mapfile -t targets < <(changes "$1" '*.c' | sed 's/c$/o/')
	[ -z "$TEST$(changes "$1" '*.h')" ] || targets+=(bzImage)
	[ ${#targets[@]} -gt 0 ] || return 0
	make -C "$BUILD/bisect" O="$out" -j"$JOBS" "${targets[@]}" || return
	for file in $(changes "$1" '*.c'); do
		built bisect obj-guest "$file" ||
			{ echo "$file: error: not in this configuration"; return 1; }
	done
}

# An object that is there is not compiled again, so its warning would not be
# seen in the next run: drop what a run made that failed or did not end.
drop_objects() {
	if [ -e "$begun" ] && [ -d "$out" ]; then
		find "$out" -name '*.o' -newer "$begun" -delete
	fi
}

# bad REV LOG: the verdict on the first bad commit
bad() {
	drop_objects
	grep -E ': (warning|error): ' "$2" | head -15 || true
	die "first bad commit: $(git -C "$linux" log -1 --format='%h %s' "$1"), log: $2"
}

revs=$(git -C "$linux" rev-list --reverse "${RANGE:-base..series}" -- 2>/dev/null) &&
	[ -n "$revs" ] ||
	die "no commits in RANGE=${RANGE:-}"
if [ -n "$TEST" ]; then
	"$TOP/scripts/tests.sh"
	"$TOP/scripts/rootfs.sh"
fi
drop_objects
count=0
for rev in $revs; do
	count=$((count + 1))
	name=bisect-$(printf %03d "$(git -C "$linux" rev-list --count "base..$rev")")
	# A commit that has passed a test was built as well.
	key="$(git -C "$linux" rev-parse "$rev^{tree}") $(cat "${fragments[@]}" | git hash-object --stdin)"
	key+=${TEST:+ $(git hash-object --stdin <<<"$TEST")}
	! grep -qF "$key" "$known" || continue

	touch "$begun"
	step "$name" build "$rev" || bad "$rev" "$LOG/$name.log"
	! grep -qE ': warning: |WARNING: modpost' "$LOG/$name.log" || bad "$rev" "$LOG/$name.log"
	[ -z "$TEST" ] || step "$name-run" "$TOP/scripts/vm.sh" "$name-vm" \
		"$out/arch/x86/boot/bzImage" "$TEST" || bad "$rev" "$LOG/$name-run.log"
	rm "$begun"
	echo "$key" >>"$known"
done
echo "bisect: all $count commits build${TEST:+ and pass}"
