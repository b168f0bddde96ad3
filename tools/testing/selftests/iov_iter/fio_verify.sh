#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fio_verify.sh DIR ENGINE...: unaligned direct I/O by fio on files in DIR, by
# all engines at a time, with verification.  fio is heard of only if it fails.
set -euo pipefail

dir=$(mktemp -d "$1/fio.XXXXXX") jobs=()
shift
for engine; do
	jobs+=(--name="$engine" --ioengine="$engine")
done
fio --directory="$dir" --direct=1 --size=2m --rw=randwrite --minimal \
	--verify=crc32c --verify_fatal=1 --bsrange=1k-64k --bs_unaligned \
	--iodepth=4 "${jobs[@]}" >/tmp/fio_verify.log 2>&1 ||
	{ cat /tmp/fio_verify.log; exit 1; }
rm -r "$dir"
