# shellcheck shell=bash
# Sourced by every script: where things are, and the few verbs they share.
#
# A function that runs under `step` or in a condition does not see `set -e`:
# it must chain its commands with && and return its own status.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$TOP/build}
LOG=$BUILD/log
JOBS=${JOBS:-$(nproc)}
mkdir -p "$LOG" "$BUILD/result"

# The kernel's make is not a part of ours.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
export BUILD LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
# Objects do not depend on the directory or the hour they are built in, so that
# the base, the series and every step of a bisection share one cache.
export CACHE=${CACHE:-$BUILD/cache}
export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=20G
export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
export KBUILD_BUILD_USER=builder KBUILD_BUILD_HOST=localhost
# What need() installs is what runs, whatever else the machine has.
export PATH=/usr/lib/ccache:/usr/bin:/bin:$PATH

# What a kernel build needs: `need "${KERNEL_PACKAGES[@]}"`
# shellcheck disable=SC2034
KERNEL_PACKAGES=(build-essential flex bison bc libelf-dev libssl-dev ccache lz4
		 xz-utils cpio rsync git python3 kmod)

# How a kernel says that something is wrong, for grep -E
# shellcheck disable=SC2034
COMPLAINT='\<BUG\>|WARNING:|INFO: |Oops|KASAN:|UBSAN:|Call Trace:|refcount_t:'
COMPLAINT="$COMPLAINT|Bad page|general protection|[Cc]orruption|unreferenced object"

die() {
	echo "error: $*" >&2
	exit 1
}

# need PKG...: install the Debian packages that are missing
need() {
	local pkg missing=() root=()

	for pkg; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$pkg" 2>/dev/null)" = installed ] ||
			missing+=("$pkg")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "missing packages, install them as root: ${missing[*]}"
		root=(sudo)
	fi
	# The lists of a bare or old machine may be empty or stale.
	echo "installing: ${missing[*]}"
	apt_install >"$LOG/apt.log" 2>&1 ||
		{ "${root[@]}" apt-get update && apt_install; } >>"$LOG/apt.log" 2>&1 ||
		die "cannot install ${missing[*]}: $(grep '^E:' "$LOG/apt.log" | tail -1) (log: $LOG/apt.log)"
}

# the one command of need(), with its variables
apt_install() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y \
		-o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}"
}

# step NAME CMD...: run CMD with its output in a log, and show the time it takes
step() {
	local name=$1 log=$LOG/$1.log start=$SECONDS ticker='' rc=0

	shift
	printf '%-24s ' "$name"
	if [ -t 1 ]; then
		tick "$name" & ticker=$!
	fi
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ -n "$ticker" ]; then
		{ kill "$ticker" && wait "$ticker"; } 2>/dev/null || true
		printf '\r%-24s ' "$name"
	fi
	printf '%4d s\n' $((SECONDS - start))
	[ $rc -eq 0 ] && return
	tail -n 15 "$log" | sed 's/^/    /'
	echo "$name failed, log: $log"
	return $rc
}

# counts on the terminal until killed, or until the script is gone
tick() {
	local start=$SECONDS

	while kill -0 $$ 2>/dev/null; do
		printf '\r%-24s %4d s ...' "$1" $((SECONDS - start))
		sleep 1
	done
}

# result NAME PASSED FAILED [SKIPPED]: record a stage for `make check`
result() {
	echo "$2 $3 ${4:-0}" >"$BUILD/result/$1"
	echo "$1: $2 passed, $3 failed${4:+, $4 skipped}"
}

# worktree NAME REV: build/NAME is a git worktree of build/linux at REV; only
# files that differ are touched, and what was changed in it at REV stays
worktree() {
	local dir=$BUILD/$1 rev

	git -C "$BUILD/linux" worktree prune &&
	rev=$(git -C "$BUILD/linux" rev-parse --verify "$2^{commit}") || return
	if [ ! -e "$dir/.git" ]; then
		git -C "$BUILD/linux" worktree add -q --detach "$dir" "$rev"
	elif [ "$(git -C "$dir" rev-parse HEAD)" != "$rev" ]; then
		git -C "$dir" checkout -qf --detach "$rev"
	fi
}

# base_with_server: build/base is the base and the one fix without which its SMB
# server dies when a client mounts, so that the client can be tried
base_with_server() {
	local fix=$TOP/patches/ksmbd/do-not-put-an-oplock-that-a-directory-does-not-have.patch

	worktree base base &&
	{ git -C "$BUILD/base" apply --reverse --check "$fix" 2>/dev/null ||
	  git -C "$BUILD/base" apply "$fix"; }
}

# configure TREE OUTDIR FRAGMENT... [-- MAKEARG...]: allnoconfig plus fragments,
# the last one wins.  An unchanged .config keeps its time stamp.
configure() {
	local tree=$BUILD/$1 out=$BUILD/$1/$2 fragments=() symbol status=0

	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		fragments+=("$1"); shift
	done
	[ $# -eq 0 ] || shift
	mkdir -p "$out" &&
	cat "${fragments[@]}" >"$out/fragment" &&
	make -C "$tree" O="$out" "$@" KCONFIG_ALLCONFIG="$out/fragment" allnoconfig || return

	for symbol in $(config_misses "$out"); do
		# What a patch of the series adds is not in the trees before it.
		[ "$tree" = "$BUILD/linux" ] ||
			git -C "$tree" grep -qE "^(menu)?config ${symbol#CONFIG_}$" -- '*Kconfig*' ||
			continue
		echo "error: $symbol does not get the value that" \
			"$(basename -a "${fragments[@]}" | xargs) asks for"
		status=1
	done
	return $status
}

# symbols whose value in OUTDIR/.config is not the one of OUTDIR/fragment
config_misses() {
	awk -F= '!/^CONFIG_/ { next }
		 FNR == NR { want[$1] = $2; next }
		 { have[$1] = $2 }
		 END { for (s in want) if (want[s] != (s in have ? have[s] : "n")) print s }
	' "$1/fragment" "$1/.config"
}

# built TREE OUTDIR FILE.c: does this (prepared) configuration compile that file?
# Asking for the object by name would compile it in any case.
built() {
	make -C "$BUILD/$1/$2" -rR -pn -f ../scripts/Makefile.build srctree=.. \
		objtree=. VPATH=.. obj="$(dirname "$3")" 2>/dev/null |
		sed -nE 's/^(real-obj-[ym]|lib-y) :?= //p' | tr ' ' '\n' |
		grep -xF "${3%.c}.o" >/dev/null
}

# build_kernel TREE CONFIG [FRAGMENT...]: bzImage of build/TREE in
# build/TREE/obj-CONFIG; CONFIG is guest, or debug, which adds the KUnit suites
# and all checks to it
build_kernel() {
	local tree=$1 config=$2 fragments=("$TOP/configs/guest.config" "${@:3}")

	[ "$config" = guest ] || fragments+=("$TOP/configs/"{kunit,debug}.config)
	if [ "$tree" = base ]; then
		base_with_server || return
	fi
	configure "$tree" "obj-$config" "${fragments[@]}" &&
	make -C "$BUILD/$tree" O="$BUILD/$tree/obj-$config" -j"$JOBS" bzImage
}
