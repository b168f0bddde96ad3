#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the TAP that kselftest's runner prints, with the results that each
test printed inside it.

  counts FILE          passed, failed and skipped
  failures FILE        what failed or was skipped, with what the test said before
  table BASE PATCHED   the same tests on two kernels, a row a path; fails unless
                       every row is broken on base and right when patched

A test counts as the results inside it, and as one more if they do not tell the
whole story: there are none, some are missing, or it failed without one that is
not ok.  Where a test is for the table, its results read
"PATH: CASE: VERDICT, more", with a verdict of BAD, GOOD or CONTROL.
"""

import re
import sys

PLAN = re.compile(r"1\.\.(\d+)")
RESULT = re.compile(r"(not )?ok (\d+)(?: -)? ?(.*)")
SKIP = re.compile(r"# SKIP\b", re.I)

BAD = ("LOST", "leaked", "HANGS", "no error")
GOOD = ("kept", "balanced", "freezes", "EFAULT")
CONTROL = "ok"


class Result:
    """A line that says ok or not; `said` are the comments before it."""

    def __init__(self, test, ok, text, said):
        self.test, self.ok, self.text = test, ok, text
        self.said = [line.removeprefix("# ") for line in said]
        self.skipped = bool(SKIP.search(text))

    def __str__(self):
        state = "skipped" if self.skipped else "ok" if self.ok else "not ok"
        return f"{self.test}: {state}: {self.text}"


def test_results(test, ok, text, lines):
    """The results of one test, which printed `lines`."""
    results, said, planned = [], [], None
    for line in lines:
        if match := PLAN.fullmatch(line):
            planned = int(match[1])
        elif match := RESULT.fullmatch(line):
            results.append(Result(test, not match[1], match[3], said))
            said = []
        elif not line.startswith("TAP version "):
            said.append(line)
    if planned not in (None, len(results)):
        results.append(Result(test, False, f"only {len(results)} of {planned} "
                              f"results, {text}", said))
    elif not results or not ok and all(result.ok for result in results):
        results.append(Result(test, ok, text, said))
    return results


def parse(path):
    results, planned, ended, test, lines = [], 0, 0, "tests", []
    with open(path, encoding="utf-8", errors="replace") as tap:
        for line in tap.read().splitlines():
            if line.startswith("# selftests: "):
                test, lines = line.split()[-1], []
            elif line.startswith("#"):
                lines.append(line[2:])
            elif match := PLAN.fullmatch(line):
                planned += int(match[1])
            elif match := RESULT.fullmatch(line):
                results += test_results(test, not match[1],
                                        match[3].partition(test)[2].strip(),
                                        lines)
                ended, lines = ended + 1, []
    if ended != planned or not ended:
        results += test_results(test, False, "did not end", lines)
    return results


def print_all(results):
    for result in results:
        print(result)
        for line in result.said:
            print("   ", line)


def counts(path):
    results = parse(path)
    skipped = sum(result.skipped for result in results)
    passed = sum(result.ok and not result.skipped for result in results)
    print(passed, len(results) - passed - skipped, skipped)


def failures(path):
    print_all([r for r in parse(path) if r.skipped or not r.ok])


def verdict(result):
    """What the result says of its path, None if it is not for the table."""
    parts = result.text.split(": ")
    word = parts[2].split(",")[0] if len(parts) == 3 else None
    if result.ok and (word in GOOD or word == CONTROL):
        return word
    return word if word in BAD and not result.ok else None


class Column:
    """One kernel: the verdicts of each path, and what is an error on it."""

    def __init__(self, path):
        self.rows, self.errors = {}, []
        for result in parse(path):
            word = verdict(result)
            if result.skipped or not word:
                self.errors.append(result)
                continue
            row = self.rows.setdefault(result.text.split(": ")[0], [])
            if word != CONTROL:
                row.append(word)

    def all_in(self, row, words):
        verdicts = self.rows.get(row)
        return bool(verdicts) and all(v in words for v in verdicts)

    def cell(self, row):
        """As LOST 5/5, or kept 5/5"""
        verdicts = self.rows.get(row)
        if not verdicts:
            return "-"
        word = next((v for v in verdicts if v in BAD), verdicts[0])
        return f"{word} {verdicts.count(word)}/{len(verdicts)}"


def table(base_path, patched_path):
    columns = base, patched = Column(base_path), Column(patched_path)
    wrong = not base.rows
    print(f"{'path':25}{'base':16}{'patched':16}")
    for row in dict.fromkeys([*base.rows, *patched.rows]):
        bad = not base.all_in(row, BAD) or not patched.all_in(row, GOOD)
        cells = "".join(f"{column.cell(row):16}" for column in columns)
        print(f"{row:25}{cells}{'<- wrong' if bad else ''}".rstrip())
        wrong |= bad
    for name, column in zip(("base", "patched"), columns):
        if column.errors:
            print(f"errors on {name}:")
            print_all(column.errors)
            wrong = True
    return wrong


COMMANDS = {"counts": counts, "failures": failures, "table": table}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
