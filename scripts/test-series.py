#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of series.py on a kernel of five files."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "series.py")
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\n"
LINES = "".join("line %d\n" % n for n in range(30))

CHANGE_A = """\
From: Jörg Müller <jm@example.org>
Date: Thu, 1 Jan 2026 10:00:00 +0100
Subject: lib/a: Change line 5 of a subject that is long enough to be folded
 when a mail is made of it

It was wrong.  Größe matters.

Signed-off-by: Jörg Müller <jm@example.org>
---

diff --git a/lib/a.c b/lib/a.c
--- a/lib/a.c
+++ b/lib/a.c
@@ -4,4 +4,4 @@
 line 3
 line 4
-line 5
+line five
 line 6
"""

ADD_NEW = """\
From: "Doe, Jane" <doe@example.org>
Date: Fri, 2 Jan 2026 10:00:00 +0000
Subject: lib, mm: Add new.c

For a test.

Signed-off-by: "Doe, Jane" <doe@example.org>
---

diff --git a/lib/new.c b/lib/new.c
new file mode 100644
diff --git a/lib/run.sh b/lib/run.sh
new file mode 100755
diff --git a/mm/b.c b/mm/b.c
--- a/mm/b.c
+++ b/mm/b.c
@@ -1,3 +1,4 @@
+first
 line 0
 line 1
 line 2
"""

A = "lib-a/change-line-5-of-a-subject-that-is-long-enough-to-be-folded.patch"
NEW = "lib-mm/add-new.c.patch"


class SeriesTest(unittest.TestCase):
    def setUp(self):
        self.tmp = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tmp)
        self.top = os.path.join(self.tmp, "top")
        self.linux = os.path.join(self.top, "build/linux")
        self.kernel = os.path.join(self.tmp, "kernel")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.tmp, "LC_ALL": "C.UTF-8",
                    "LINUX": self.kernel, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@x",
                    "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@x"}
        os.makedirs(os.path.join(self.top, "scripts"))
        shutil.copy(SCRIPT, os.path.join(self.top, "scripts"))
        for path, text in (("Makefile", MAKEFILE), ("lib/a.c", LINES), ("mm/b.c", LINES),
                           ("crlf", "a\r\nb\r\n"), ("latin1", b"\xe9\n")):
            self.put(path, text, self.kernel)
        os.symlink("lib", os.path.join(self.kernel, "link"))
        self.put("patches/series", "# first\n%s\n\n%s\n# end\n" % (A, NEW))
        self.put("patches/" + A, CHANGE_A)
        self.put("patches/" + NEW, ADD_NEW)
        self.put("lib/new.c", "int x;\n/* no newline */")
        self.put("lib/run.sh", "#!/bin/sh\n", mode=0o755)
        self.put("patches/cover.txt", "A cover\n\nWith a body.\n")

    # --- helpers

    def put(self, path, content, where=None, mode=0o644):
        path = os.path.join(where or self.top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)

    def get(self, path, where=None):
        with open(os.path.join(where or self.top, path), encoding="utf-8") as file:
            return file.read()

    def git(self, *args, where=None):
        return subprocess.run(["git", "-C", where or self.linux, *args], env=self.env,
                              check=True, capture_output=True, text=True).stdout.strip()

    def run_series(self, *args, **env):
        return subprocess.run([os.path.join(self.top, "scripts/series.py"), *args],
                              env={**self.env, **env}, capture_output=True, text=True,
                              cwd=self.top, check=False)

    def ok(self, *args, **env):
        done = self.run_series(*args, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, *args, names, **env):
        """One line on stderr with all of these names in it."""
        done = self.run_series(*args, **env)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"\Aerror: [^\n]+\n\Z")
        for name in names:
            self.assertIn(name, done.stderr)

    def snapshot(self, where=None):
        """Path: mode, content of the files outside build/ and .git."""
        found = {}
        where = where or self.top
        for path, dirs, files in os.walk(where):
            dirs[:] = [d for d in dirs if d not in ("build", ".git")]
            for name in files:
                full = os.path.join(path, name)
                with open(full, "rb") as file:
                    found[os.path.relpath(full, where)] = (os.stat(full).st_mode, file.read())
        return found

    def commit(self, subject, **files):
        """A commit in build/linux; __ in a name stands for /, None removes."""
        for name, text in files.items():
            path = name.replace("__", "/") + ".c"
            if text is None:
                os.remove(os.path.join(self.linux, path))
            else:
                self.put(path, text, self.linux)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject + "\n\nBody.")

    def rewrite(self):
        """Same content, other commit ids: nothing that export could skip."""
        self.env["GIT_COMMITTER_NAME"] += "C"
        self.git("rebase", "-q", "--force-rebase", "base")

    def normal_form(self):
        """A composed tree, and files as export writes them."""
        self.ok("tree")
        self.rewrite()
        self.ok("export")

    def user_tree(self):
        path = os.path.join(self.tmp, "user")
        shutil.copytree(self.kernel, path, symlinks=True)
        self.git("init", "-q", "-b", "mine", where=path)
        self.git("add", "-A", where=path)
        self.git("commit", "-q", "-m", "mine", where=path)
        return path

    # --- tree

    def test_tree_composes_commits(self):
        self.ok("tree")
        self.assertEqual(
            self.git("log", "--format=%an <%ae> %aI %cI %s").split("\n"),
            ["Doe, Jane <doe@example.org> 2026-01-02T10:00:00+00:00 2026-01-02T10:00:00+00:00 "
             "lib, mm: Add new.c",
             "Jörg Müller <jm@example.org> 2026-01-01T10:00:00+01:00 2026-01-01T10:00:00+01:00 "
             "lib/a: Change line 5 of a subject that is long enough to be folded when a mail "
             "is made of it",
             "base <base@localhost> 2026-01-01T00:00:00+00:00 2026-01-01T00:00:00+00:00 "
             "Linux 6.1.1"])
        self.assertEqual(self.git("log", "-1", "--format=%b", "series^"),
                         "It was wrong.  Größe matters.\n\n"
                         "Signed-off-by: Jörg Müller <jm@example.org>")

    def test_tree_composes_files(self):
        self.ok("tree")
        self.assertIn("line five\n", self.get("lib/a.c", self.linux))
        self.assertEqual(self.get("lib/new.c", self.linux), "int x;\n/* no newline */")
        self.assertTrue(os.access(os.path.join(self.linux, "lib/run.sh"), os.X_OK))
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(os.readlink(os.path.join(self.linux, "link")), "lib")
        before, after = self.snapshot(self.kernel), self.snapshot(self.linux)
        for path in ("Makefile", "crlf", "latin1"):
            self.assertEqual(before[path], after[path])

    def test_tree_after_an_interrupted_one(self):
        """All is there, but neither index nor branch nor tag."""
        self.ok("tree")
        self.git("update-ref", "-d", "refs/heads/series")
        self.git("update-ref", "-d", "refs/series/exported")
        self.git("tag", "-d", "base")
        os.remove(os.path.join(self.linux, ".git/index"))
        self.put("lib/a.c", "half", self.linux)
        self.ok("tree")
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertIn("line five\n", self.get("lib/a.c", self.linux))

    def test_tree_is_reproducible(self):
        self.ok("tree")
        first = self.git("rev-parse", "series")
        shutil.rmtree(os.path.join(self.top, "build"))
        self.ok("tree")
        self.assertEqual(self.git("rev-parse", "series"), first)

    def test_tree_up_to_date(self):
        self.ok("tree")
        before = self.git("reflog")
        self.assertIn("up to date", self.ok("tree"))
        self.assertEqual(self.git("reflog"), before)

    def test_tree_touches_only_what_changed(self):
        self.ok("tree")
        times = {path: os.stat(os.path.join(self.linux, path)).st_mtime_ns
                 for path in ("lib/a.c", "mm/b.c", "lib/new.c")}
        self.put("lib/new.c", "int y;\n")
        self.ok("tree")
        self.assertEqual([path for path, time in times.items() if
                          os.stat(os.path.join(self.linux, path)).st_mtime_ns != time],
                         ["lib/new.c"])

    def test_tree_keeps_commits(self):
        self.ok("tree")
        self.commit("mm: Precious", mm__b="precious\n")
        self.refused("tree", names=["mm: Precious", "export"])
        self.put("lib/new.c", "int y;\n")
        self.refused("tree", names=["mm: Precious"])
        self.refused("use", names=["mm: Precious"])
        self.assertEqual(self.get("mm/b.c", self.linux), "precious\n")

    def test_tree_keeps_edits(self):
        self.ok("tree")
        self.put("mm/b.c", "precious\n", self.linux)
        self.put("mm/untracked.c", "", self.linux)
        self.refused("tree", names=["mm/b.c", "mm/untracked.c"])
        self.assertEqual(self.get("mm/b.c", self.linux), "precious\n")

    def test_tree_keeps_a_dropped_commit_dropped(self):
        self.ok("tree")
        self.git("reset", "-q", "--hard", "series^")
        self.refused("tree", names=["lib, mm: Add new.c"])

    def test_tree_keeps_detached_commits(self):
        self.ok("tree")
        self.git("checkout", "-q", "--detach")
        self.commit("mm: Detached", mm__b="precious\n")
        self.refused("tree", names=["mm: Detached"])

    def test_use_takes_a_branch_that_is_ahead(self):
        self.ok("tree")
        self.commit("mm: Ahead", mm__b="ahead\n")
        self.assertIn("not exported", self.ok("use"))
        self.assertEqual(self.get("mm/b.c", self.linux), "ahead\n")

    def test_patch_that_does_not_apply(self):
        self.ok("tree")
        before = self.git("rev-parse", "series")
        self.put("patches/" + NEW, ADD_NEW.replace(" line 1", " other"))
        self.refused("tree", names=["patches/" + NEW, "mm/b.c:1", "6.1.1"])
        self.assertEqual(self.git("rev-parse", "series"), before)
        self.assertEqual(self.git("status", "--porcelain"), "")

    def test_bad_series(self):
        for text, names in (("nonesuch.patch\n", ["patches/nonesuch.patch"]),
                            ((NEW + "\n") * 2, [NEW, "twice"])):
            self.put("patches/series", text)
            self.refused("tree", names=names)
        os.remove(os.path.join(self.top, "patches/series"))
        self.refused("tree", names=["patches/series"])

    def test_new_file_missing(self):
        os.remove(os.path.join(self.top, "lib/new.c"))
        self.refused("tree", names=["patches/" + NEW, "lib/new.c"])

    def test_patch_without_header(self):
        self.put("patches/" + NEW, ADD_NEW.partition("\n")[2])
        self.refused("tree", names=["patches/" + NEW, "From"])

    # --- the base

    def test_bad_linux(self):
        self.refused("tree", LINUX="/nonesuch", names=["/nonesuch"])
        self.refused("tree", LINUX=os.path.join(self.top, "patches/series"),
                     names=["patches/series", "tarball"])
        self.refused("tree", LINUX=os.path.join(self.top, "patches"),
                     names=["top/patches", "not a kernel"])
        self.put("Makefile", MAKEFILE.replace("PATCHLEVEL = 1", "PATCHLEVEL = 6"), self.kernel)
        self.refused("tree", names=[self.kernel, "6.6.1", "6.1"])
        self.put("Makefile", MAKEFILE, self.kernel)
        self.put(".config", "", self.kernel)
        self.refused("tree", names=[self.kernel, "mrproper"])
        self.assertFalse(os.path.exists(os.path.join(self.linux, "Makefile")))

    def test_sources_agree(self):
        """A directory, a tarball and a git tree make the same base."""
        tarball = os.path.join(self.tmp, "linux.tar.xz")
        with tarfile.open(tarball, "w:xz") as tar:
            tar.add(self.kernel, "linux-6.1.1")
        bases = set()
        for source in (self.kernel, tarball, self.user_tree()):
            self.ok("tree", LINUX=source)
            bases.add(self.git("rev-parse", "base"))
        self.assertEqual(len(bases), 1)

    def test_debian_does_not_hide_new_files(self):
        self.put(".gitignore", "*.o\n\n#\n# Debian packaging: ignore\n#\n/*\n!/debian/\n",
                 self.kernel)
        self.ok("tree")
        self.put("mm/untracked.c", "", self.linux)
        self.put("mm/untracked.o", "", self.linux)
        self.assertEqual(self.git("status", "--porcelain"), "?? mm/untracked.c")

    def test_another_base(self):
        self.ok("tree")
        self.put("Makefile", MAKEFILE.replace("SUBLEVEL = 1", "SUBLEVEL = 2"), self.kernel)
        self.assertIn("6.1.1", self.ok("use", LINUX=""))
        self.commit("mm: Precious", mm__b="precious\n")
        self.refused("tree", names=["mm: Precious"])
        self.git("reset", "-q", "--hard", "series^")
        self.assertIn("6.1.2", self.ok("tree"))
        self.assertIn("SUBLEVEL = 2", self.get("Makefile", self.linux))
        self.assertIn("line five", self.get("lib/a.c", self.linux))

    # --- export

    def test_round_trip(self):
        self.normal_form()
        before, tree = self.snapshot(), self.git("rev-parse", "series^{tree}")
        self.rewrite()
        self.assertIn(" 0 files changed", self.ok("export"))
        self.assertEqual(self.snapshot(), before)
        shutil.rmtree(os.path.join(self.top, "build"))
        self.ok("tree")
        self.assertEqual(self.git("rev-parse", "series^{tree}"), tree)
        self.ok("export")
        self.assertEqual(self.snapshot(), before)

    def test_export_of_an_untouched_tree(self):
        before = self.snapshot()
        self.ok("tree")
        self.ok("export")
        self.assertEqual(self.snapshot(), before)

    def test_export_ignores_configuration(self):
        self.normal_form()
        before = self.snapshot()
        self.rewrite()
        self.put(".gitconfig", "[diff]\nnoprefix = true\ncontext = 9\nrenames = copies\n"
                 "[format]\nsignature = x\nsubjectPrefix = Y\n[color]\nui = always\n", self.tmp)
        self.ok("export")
        self.assertEqual(self.snapshot(), before)

    def test_export_writes(self):
        self.normal_form()
        self.commit("mm, fs/x: Add Another: thing!", mm__b="changed\n", mm__more="int z;\n")
        self.assertIn("mm/more.c", self.ok("export"))
        patch = self.get("patches/mm-fs-x/add-another-thing.patch")
        self.assertIn("Subject: mm, fs/x: Add Another: thing!\n\nBody.\n---\n", patch)
        self.assertIn("diff --git a/mm/more.c b/mm/more.c\nnew file mode 100644\n", patch)
        self.assertNotIn("int z", patch)
        self.assertEqual(self.get("mm/more.c"), "int z;\n")
        self.assertEqual([line for line in self.get("patches/series").split("\n")
                          if line.startswith(("#", "mm"))],
                         ["# first", "mm-fs-x/add-another-thing.patch", "# end"])
        self.assertIn("up to date", self.ok("tree"))

    def test_export_removes(self):
        self.normal_form()
        self.git("reset", "-q", "--hard", "series^")
        self.ok("export")
        self.assertEqual([path for path in self.snapshot() if "new" in path or "run" in path], [])
        self.assertFalse(os.path.exists(os.path.join(self.top, "patches/lib-mm")))

    def test_export_refuses_to_alter_a_new_file(self):
        self.normal_form()
        before = self.snapshot()
        for change in ({"lib__new": "int y;\n"}, {"lib__new": None},
                       {"lib__new": None, "lib__renamed": "int x;\n/* no newline */"}):
            self.commit("lib: Alter it", **change)
            self.refused("export", names=["lib: Alter it", "lib/new.c", "lib, mm: Add new.c"])
            self.git("reset", "-q", "--hard", "series^")
        self.assertEqual(self.snapshot(), before)

    def test_export_refuses_edits(self):
        self.ok("tree")
        self.put("mm/b.c", "edited\n", self.linux)
        self.refused("export", names=["mm/b.c"])

    def test_export_refuses_another_branch(self):
        self.ok("tree")
        self.git("checkout", "-q", "-b", "topic")
        self.refused("export", names=["branch series"])

    def test_export_keeps_what_was_edited_by_hand(self):
        self.normal_form()
        self.put("lib/new.c", "by hand\n")
        self.put("mm/more.c", "by hand\n")
        self.commit("mm: More", mm__more="int z;\n")
        self.refused("export", names=["lib/new.c", "mm/more.c"])
        self.assertEqual(self.get("lib/new.c"), "by hand\n")
        self.assertEqual(self.get("mm/more.c"), "by hand\n")

    def test_export_refuses_what_no_patch_can_say(self):
        self.ok("tree")
        for message, change, names in (
                ("mm: Empty", {}, ["mm: Empty"]),
                ("lib, mm: Add new.c", {"mm__b": "x\n"}, ["patches/" + NEW]),
                ("mm: Cut\n\nA line\n---\nof dashes", {"mm__b": "x\n"}, ["mm: Cut"])):
            self.commit(message, **change)
            self.refused("export", names=names)
            self.git("reset", "-q", "--hard", "series^")
        self.git("checkout", "-q", "-b", "side", "series^")
        self.commit("mm: Side", mm__b="x\n" + LINES)
        self.git("checkout", "-q", "series")
        self.git("merge", "-q", "-X", "ours", "-m", "merge", "side")
        self.refused("export", names=["merge"])

    # --- series

    def test_series_is_ready_for_git_am(self):
        self.ok("series")
        mails = os.path.join(self.top, "build/series")
        names = sorted(os.listdir(mails))
        self.assertEqual([name[:5] for name in names], ["0000-", "0001-", "0002-"])
        cover = self.get(names[0], mails)
        self.assertRegex(cover, r"Subject: \[PATCH 6.1 0/2\] A cover\n")
        self.assertIn("\nWith a body.\n", cover)
        self.assertNotIn("***", cover)
        user = self.user_tree()
        self.git("am", *(os.path.join(mails, name) for name in names[1:]), where=user)
        self.assertEqual(self.git("rev-parse", "HEAD^{tree}", where=user),
                         self.git("rev-parse", "series^{tree}"))

    def test_series_needs_a_cover(self):
        os.remove(os.path.join(self.top, "patches/cover.txt"))
        self.refused("series", names=["patches/cover.txt"])

    # --- apply

    def test_apply(self):
        user = self.user_tree()
        self.put("untracked", "mine\n", user)
        self.ok("apply", user)
        self.assertEqual(self.git("symbolic-ref", "--short", "HEAD", where=user),
                         "iov-iter-extract")
        self.assertEqual(self.git("log", "--format=%s", "mine..", where=user).count("\n"), 1)
        self.assertIn("line five", self.get("lib/a.c", user))
        self.assertEqual(self.get("untracked", user), "mine\n")
        self.git("checkout", "-q", "mine", where=user)
        self.refused("apply", user, names=["iov-iter-extract"])

    def refused_untouched(self, user, names):
        before, head = self.snapshot(user), self.git("rev-parse", "HEAD", where=user)
        self.refused("apply", user, names=names)
        self.assertEqual(self.snapshot(user), before)
        self.assertEqual(self.git("rev-parse", "HEAD", where=user), head)
        self.assertEqual(self.git("symbolic-ref", "--short", "HEAD", where=user), "mine")
        self.assertEqual(self.git("branch", "--format=%(refname:short)", where=user), "mine")

    def test_apply_that_fails(self):
        user = self.user_tree()
        self.put("mm/b.c", "other\n", user)
        self.git("commit", "-aqm", "other", where=user)
        self.refused_untouched(user, ["patches/" + NEW, "mm/b.c:1"])

    def test_apply_keeps_uncommitted_work(self):
        user = self.user_tree()
        self.put("mm/b.c", "mine\n", user)
        self.refused_untouched(user, ["mm/b.c"])
        self.git("checkout", "-q", "mm/b.c", where=user)
        self.put("lib/new.c", "mine, untracked\n", user)
        self.refused_untouched(user, ["lib/new.c"])

    def test_apply_in_the_middle_of_a_merge(self):
        user = self.user_tree()
        self.put(".git/MERGE_HEAD", self.git("rev-parse", "HEAD", where=user) + "\n", user)
        self.refused_untouched(user, ["merge"])

    def test_apply_needs_a_git_tree_of_6_1(self):
        self.refused("apply", names=["KDIR"])
        self.refused("apply", "/nonesuch", names=["/nonesuch"])
        self.refused("apply", self.kernel, names=[self.kernel, "git"])
        user = self.user_tree()
        self.refused("apply", os.path.join(user, "lib"), names=["user/lib"])
        self.put("Makefile", MAKEFILE.replace("VERSION = 6", "VERSION = 7"), user)
        self.git("commit", "-aqm", "7.1", where=user)
        self.refused_untouched(user, ["7.1.1"])


if __name__ == "__main__":
    unittest.main()
