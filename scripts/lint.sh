#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Static checks of what the series adds.  Compilers, sparse, kernel-doc and
# coccinelle look at the files that it touches, as they are in the base and in
# the series; a test fails if they have more to say about the series.  The rules
# that the series adds to coccinelle look at the whole tree.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" clang lld llvm sparse coccinelle ocaml perl \
	python3-git python3-ply
"$TOP/scripts/series.py" use

linux=$BUILD/linux work=$BUILD/lint
passed=0 failed=0
rules=scripts/coccinelle/iov_iter

rm -rf "$work/new" "$work/top"* "$work/direction"
# What coccinelle says is kept, as it takes a quarter of an hour.
cocci=$CACHE/coccinelle
mkdir -p "$work/new" "$cocci"

# check NAME FILE: a test, which fails if FILE is not empty
check() {
	if [ ! -s "$2" ]; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	echo "FAILED $1"
	sed -n '1,20s/^/    /p' "$2"
}

# run NAME CMD...: a step that counts as a test
run() {
	if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# touched FILTER PATTERN...: files of the series that differ from the base
touched() {
	git -C "$linux" diff --name-only --no-renames --diff-filter="$1" \
		base series -- "${@:2}"
}

mapfile -t sources < <(touched d '*.c' ':!tools')
mapfile -t documented < <(touched d '*.[ch]' ':!tools')
mapfile -t programs < <(touched d 'tools/*.c')

# messages LOG: what tools say in it, without the numbers of lines
messages() {
	{ grep -E '(warning|error): ' "$1" || true; } |
		sed -E 's,^(\.\.?/)*,,; s/:[0-9]+(:[0-9-]+)?:/:/; s/\<line [0-9]+/line/' | sort
}

# compare TOOL FILE...: a test for each file, and one for all others, on the logs
# of the steps lint-TOOL-base and lint-TOOL-linux
compare() {
	local tool=$1 new=$work/new/$1 file

	comm -13 <(messages "$LOG/lint-$tool-base.log") \
		<(messages "$LOG/lint-$tool-linux.log") >"$new"
	shift
	for file; do
		grep -F "$file:" "$new" >"$new.file" || true
		check "$tool: $file" "$new.file"
	done
	printf '%s:\n' "$@" | grep -vFf - "$new" >"$new.file" || true
	check "$tool: other files" "$new.file"
}

# present TREE FILE...: those that are in that tree
present() {
	(cd "$BUILD/$1" && ls -- "${@:2}" 2>/dev/null) || true
}

# suspect LOG: of the files that the series touches, those that a tool says
# something about, which the base may have said as well; all if it is not clear
suspect() {
	messages "$1" | cut -d: -f1 | sort -u >"$work/said"
	if printf '%s\n' "${sources[@]}" | grep -vxFf - "$work/said" >/dev/null; then
		printf '%s\n' "${sources[@]}"
	else
		cat "$work/said"
	fi
}

# --- compilers and sparse

# objects TREE OUTDIR MAKEARG...: compile the files in $subjects
objects() {
	local tree=$1 out=$BUILD/$1/$2 files

	shift 2
	mapfile -t files < <(present "$tree" "${subjects[@]}")
	[ ${#files[@]} -gt 0 ] || return 0
	(cd "$out" && rm -f "${files[@]/%.c/.o}")
	make -C "$BUILD/$tree" O="$out" -j"$JOBS" -k "$@" "${files[@]/%.c/.o}" 2>&1 |
		grep -v 'not remade because of errors'
}

# compiler TOOL OUTDIR MAKEARG...
compiler() {
	local tool=$1 tree subjects=("${sources[@]}")

	: >"$LOG/lint-$tool-base.log"
	for tree in linux base; do
		step "lint-$tool-$tree-config" configure "$tree" "$2" \
			"$TOP/configs/guest.config" "$TOP/configs/kunit.config" \
			"$TOP/configs/lint.config" -- "${@:3}"
		run "lint-$tool-$tree" objects "$tree" "${@:2}"
		mapfile -t subjects < <(suspect "$LOG/lint-$tool-$tree.log")
		[ ${#subjects[@]} -gt 0 ] || break
	done
	compare "$tool" "${sources[@]}"
}

# direction NAME...: sparse on files that make an iterator, and give it that
direction() {
	local dir=$work/direction name

	mkdir -p "$dir" && touch "$dir/Makefile" && for name; do
		cat >"$dir/$name.c" <<-END
			#include <linux/uio.h>

			void make(struct iov_iter *i, struct kvec *vec, int number, bool flag);
			void make(struct iov_iter *i, struct kvec *vec, int number, bool flag)
			{
				iov_iter_kvec(i, $name, vec, 1, vec->iov_len);
			}
		END
	done &&
	make -C "$linux" O="$linux/obj-lint-gcc" M="$dir" C=2 "${@/%/.o}"
}

# directions: a test for each that sparse complains, except about the right one
directions() {
	local name said=$work/direction.said

	run lint-direction direction WRITE number flag ITER_SOURCE
	for name in WRITE number flag; do
		{ grep -q "/$name\.c:.*warning: " "$LOG/lint-direction.log" ||
			echo "no warning"; } >"$said"
		check "direction: $name" "$said"
	done
	grep '/ITER_SOURCE\.c:' "$LOG/lint-direction.log" >"$said" || true
	check "direction: ITER_SOURCE" "$said"
}

# --- kernel-doc

kernel_doc() {
	local files

	mapfile -t files < <(present "$1" "${documented[@]}")
	cd "$BUILD/$1" && scripts/kernel-doc -none "${files[@]}"
}

# --- coccinelle

# cocci TREE FILE: the rules of the base on one file
cocci() {
	local say

	cd "$BUILD/$1" && [ -e "$2" ] || return 0
	say=$cocci/$(git rev-parse base:scripts/coccinelle)-$(git hash-object "$2")
	if [ ! -e "$say" ]; then
		C=1 MODE=report srctree=../base scripts/coccicheck "$2" >"$say.tmp" 2>&1 ||
			{ echo "$2: error: coccicheck failed, see $say.tmp"; return 1; }
		mv "$say.tmp" "$say"
	fi
	sed -nE 's,^(\./)?([^ :]+:[0-9][0-9:-]*:) ?,\2 warning: ,p' "$say"
}

coccinelle() {
	printf '%s\n' "${subjects[@]}" |
		xargs -P "$JOBS" -I '{}' bash -c 'cocci "$@"' - "$1" '{}'
}
export -f cocci
export cocci

# --- rules of the series

# rule NAME: what it finds in the whole tree
rule() {
	local file=$rules/$1.cocci say

	cd "$linux" &&
	say=$cocci/$({ git ls-files -s -- '*.[ch]' "$file"; git diff; } |
		git hash-object --stdin) || return
	if [ ! -e "$say" ]; then
		make MODE=report COCCI="$file" J="$JOBS" coccicheck >"$say.tmp" 2>&1 ||
			{ cat "$say.tmp"; return 1; }
		mv "$say.tmp" "$say"
	fi
	sed -n 's,^\./,,p' "$say"
}

# rule_tests NAME: it finds nothing
rule_tests() {
	run "lint-rule-$1" rule "$1"
	check "rule $1: the whole tree" "$LOG/lint-rule-$1.log"
}

# --- user space

# programs_with COMPILER TREE
programs_with() {
	local file

	cd "$BUILD/$2" || return
	for file in $(present "$2" "${programs[@]}"); do
		"$1" -O2 -Wall -D_GNU_SOURCE -I tools/testing/selftests \
			-isystem "$linux/obj-lint-gcc/usr/include" -c -o /dev/null "$file" || true
	done
}

# --- commits and patches

checkpatch() {
	local rev

	# FILE_PATH_CHANGES: new files are in the MAINTAINERS of this repository.
	# CAMELCASE: the SMB client calls things as its protocol does.
	# NEW_TYPEDEFS: skb_frag_t is there already, but gets a type of its own.
	for rev in $(git -C "$linux" rev-list --reverse base..series); do
		(cd "$linux" && scripts/checkpatch.pl --strict --terse --showfile --show-types \
			--ignore FILE_PATH_CHANGES,NEW_TYPEDEFS,CAMELCASE -g "$rev") >"$work/checkpatch" 2>&1 &&
			: >"$work/checkpatch"
		check "checkpatch: $(git -C "$linux" log -1 --format=%s "$rev")" "$work/checkpatch"
	done
}

# The patches here, composed and exported in another place, give the same tree
# and stay the same.  Of the checkout, only what tells git how to show C is needed.
round_trip() {
	local top=$work/top tree=$work/top/build/linux

	mkdir -p "$top/scripts" && cp -r "$TOP/patches" "$top/" &&
	cp "$TOP/scripts/"{series.py,lib.sh} "$top/scripts/" &&
	(cd "$TOP" && touched A | xargs -r cp --parents -t "$top") &&
	cp -r "$top" "$top.before" &&
	git init -qb series "$tree" &&
	echo "$linux/.git/objects" >"$tree/.git/objects/info/alternates" &&
	git -C "$tree" tag base "$(git -C "$linux" rev-parse base)" &&
	git -C "$tree" config series.base "$(git -C "$linux" config series.base)" &&
	git -C "$tree" sparse-checkout set --no-cone /.gitattributes &&
	git -C "$tree" reset -q --hard base &&
	LINUX='' BUILD=$top/build "$top/scripts/series.py" use &&
	git -C "$tree" diff --stat --exit-code "$(git -C "$linux" rev-parse series)" series &&
	git -C "$tree" update-ref -d refs/series/exported &&
	BUILD=$top/build "$top/scripts/series.py" export &&
	diff -r --exclude=build "$top.before" "$top"
}

# --- all of it

[ ${#sources[@]} -gt 0 ] || die "the series touches no source file"
step lint-base worktree base base

checkpatch
compiler gcc obj-lint-gcc W=1
compiler clang obj-lint-clang W=1 LLVM=1
compiler sparse obj-lint-gcc C=2
for file in "${sources[@]}"; do
	built linux obj-lint-gcc "$file" || echo "not in this configuration" >"$work/built"
	check "compiled: $file" "$work/built"
	rm -f "$work/built"
done
directions

for tree in base linux; do
	step "lint-kernel-doc-$tree" kernel_doc "$tree" || true
done
subjects=("${sources[@]}")
: >"$LOG/lint-coccinelle-base.log"
for tree in linux base; do
	run "lint-coccinelle-$tree" coccinelle "$tree"
	mapfile -t subjects < <(suspect "$LOG/lint-coccinelle-$tree.log")
	[ ${#subjects[@]} -gt 0 ] || break
done
compare kernel-doc "${documented[@]}"
compare coccinelle "${sources[@]}"

run lint-rules "$linux/$rules/run-tests.sh"
for file in "$linux/$rules/"*.cocci; do
	rule_tests "$(basename "$file" .cocci)"
done

if [ ${#programs[@]} -gt 0 ]; then
	step lint-headers make -C "$linux" O="$linux/obj-lint-gcc" -j"$JOBS" headers
	for cc in gcc clang; do
		for tree in base linux; do
			step "lint-user-$cc-$tree" programs_with $cc "$tree"
		done
		compare "user-$cc" "${programs[@]}"
	done
fi

run lint-round-trip round_trip
run lint-series.py "$TOP/scripts/test-series.py"

result lint $passed $failed
[ $failed -eq 0 ]
