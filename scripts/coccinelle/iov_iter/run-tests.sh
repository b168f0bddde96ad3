#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs each rule of this directory on its input, RULE.test, and compares the
# lines that it reports with those marked by a comment that says: report.
# The inputs are C, but not called so, or a coccicheck of the tree would find
# them.
cd "$(dirname "$0")/../../.." || exit

failed=0
for rule in scripts/coccinelle/iov_iter/*.cocci; do
	input=${rule%.cocci}.test
	diff -u --label marked --label reported \
		<(grep -n '/\* report \*/' "$input" | cut -d: -f1) \
		<(C=1 MODE=report COCCI=$rule srctree=. scripts/coccicheck "$input" 2>&1 |
		  sed -nE "s,^(\./)?$input:([0-9]+):.*,\2,p" | sort -nu) ||
		{ echo "$rule: does not report the marked lines of $input"; failed=1; }
done
exit $failed
