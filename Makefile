# SPDX-License-Identifier: GPL-2.0
# Every target is a script; "make help" lists them.  All output is in build/.

SHELL := /bin/bash
TARGETS := help run check tree export series apply kernel kunit guest lint bisect bench
.PHONY: $(TARGETS)
unknown := $(filter-out $(TARGETS),$(MAKECMDGOALS))
$(if $(unknown),$(error no target "$(unknown)", see make help))

series.py = @. scripts/lib.sh && need git python3 xz-utils && scripts/series.py

help:		## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

run:		## the main job: the same I/O on the base and on the patched kernel, as a table
	@scripts/run.sh

check:		## all tests: lint, kunit, guest
	@scripts/check.sh

tree:		## compose the series as a git branch in build/linux; LINUX=DIR-or-tarball
	$(series.py) tree

export:		## write the branch in build/linux back to patches/ and the new files
	$(series.py) export

series:		## mails for git am and git send-email, in build/series
	$(series.py) series

apply:		## the series onto a new branch of another 6.1 git tree; KDIR=DIR
	$(series.py) apply "$(KDIR)"

kernel:		## build the patched kernel; CONFIG=debug for the one with all checks
	@scripts/kernel.sh

kunit:		## the KUnit suites, by the kernel's own kunit.py; KUNIT_FILTER=GLOB, BASE=1
	@scripts/kunit.sh

guest:		## boot the patched kernel with the guest tests; CONFIG=debug for all checks, TESTS="NAME..."
	@scripts/guest.sh

lint:		## checkpatch, W=1 with gcc and clang, sparse, coccicheck, kernel-doc, round trip
	@scripts/lint.sh

bisect:		## build every commit of the series, name the first bad one; RANGE=A..B, TEST=COMMAND to run in the guest on each
	@scripts/bisect.sh

bench:		## what it costs, in instructions, on the base and on the series, against a budget
	@scripts/bench.sh
