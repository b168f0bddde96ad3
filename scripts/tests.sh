#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests.sh: build/tests, the guest tests of the series as the kernel's own
# Makefile installs them, and build/tests.ext4, the same for the guest.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need "${KERNEL_PACKAGES[@]}" liburing-dev e2fsprogs

build_tests() {
	rm -rf "$BUILD/tests" &&
	make -C "$BUILD/linux/tools/testing/selftests" TARGETS=iov_iter \
		FORCE_TARGETS=1 O="$BUILD/linux/obj-guest" \
		KSFT_INSTALL_PATH="$BUILD/tests" install &&
	rm -f "$BUILD/tests.ext4" &&
	mke2fs -q -t ext4 -d "$BUILD/tests" "$BUILD/tests.ext4" 64M
}

step tests build_tests
