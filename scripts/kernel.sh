#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make kernel: the guest's kernel with the series; CONFIG=guest or debug
set -euo pipefail
. "$(dirname "$0")/lib.sh"

config=${CONFIG:-guest}
[ "$config" = guest ] || [ -e "$TOP/configs/$config.config" ] ||
	die "no CONFIG=$config, there are: guest debug"

need "${KERNEL_PACKAGES[@]}"
"$TOP/scripts/series.py" use
step "kernel-$config" build_kernel linux "$config"
