#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The series as patch files here, and as a git branch in build/linux.

  tree        compose the branch `series` from patches/series, on the tag `base`
  use         the same, but a branch that is ahead of the patches is taken as it is
  export      write the branch back to patches/ and to the new files
  series      write mails for git am and git send-email to build/series
  apply KDIR  put the series on a new branch of another 6.1 git tree

A patch file is a mail.  A file that the series brings in stands in its diff as
git's header only; the content is the file of the same path in this repository.

Nothing is ever lost: a series is first composed in a temporary index, where it
applies whole or not at all; only then a branch moves, with a checkout that
touches no file that stays the same.  Commits and edits of the branch that were
not exported, and files here that were edited by hand since they were last
composed or exported, are named and left alone.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
SERIES = "patches/series"
COVER = "patches/cover.txt"
RECORD = os.path.join(BUILD, "exported.json")
EXPORTED = "refs/series/exported"
APPLY_BRANCH = "iov-iter-extract"
DEBIAN_PACKAGE = "linux-source-6.1"
DEBIAN_SOURCE = "/usr/src/linux-source-6.1.tar.xz"
# Fixed, so that the same source has the same commit id everywhere.
BASE_IDENT = "base <base@localhost> 1767225600 +0000"

# Diffs must not depend on the user's configuration.
DIFF_FORMAT = ["-c", "diff.algorithm=histogram", "-c", "core.quotePath=true",
               "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false"]
DIFF_OPTIONS = ["-p", "--unified=3", "--inter-hunk-context=0", "--abbrev=12",
                "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv"]
MAIL_OPTIONS = ["--stdout", "--keep-subject", "--zero-commit", "--no-signature",
                "--no-encode-email-headers", "--no-numbered", "--no-attach",
                "--no-thread", "--no-base", "--no-notes", "--no-from"]


class Error(Exception):
    """One line for the user."""


# Kernel sources are not all UTF-8, nor are all their lines ended alike: text
# here is any sequence of bytes.

def decode(content):
    return content.decode("utf-8", "surrogateescape")


def encode(text):
    return text.encode("utf-8", "surrogateescape")


# --- git --------------------------------------------------------------------

class Repo:
    """A git tree; `isolated` from the configuration of user and system."""

    def __init__(self, path, isolated=True):
        self.path = path
        self.env = dict(os.environ, LC_ALL="C.UTF-8")
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            self.env.pop(name, None)
        if isolated:
            self.env.update(GIT_CONFIG_GLOBAL="/dev/null",
                            GIT_CONFIG_NOSYSTEM="1")

    def run(self, *args, data=None, env=None):
        done = subprocess.run(["git", "-c", "safe.directory=*", "-C", self.path,
                               *args], input=encode(data or ""), check=False,
                              capture_output=True, env={**self.env, **(env or {})})
        done.stdout, done.stderr = decode(done.stdout), decode(done.stderr)
        return done

    def git(self, *args, **kwargs):
        done = self.run(*args, **kwargs)
        if done.returncode:
            raise Error("git %s in %s: %s" % (args[0], show(self.path), (
                done.stderr or done.stdout).strip().replace("\n", "; ")))
        return done.stdout.rstrip("\n")

    def rev(self, name):
        """The commit id, or None."""
        return self.run("rev-parse", "-q", "--verify",
                        name + "^{commit}").stdout.strip() or None

    def lines(self, *args, **kwargs):
        text = self.git(*args, **kwargs)
        return text.split("\n") if text else []

    def subjects(self, *revs):
        return self.lines("log", "--format=%s", *revs)

    def edits(self, untracked):
        """Files with changes that are not committed."""
        return [line[3:] for line in self.lines(
            "status", "--porcelain", "--no-renames",
            "--untracked-files=" + ("all" if untracked else "no"))]

    def operation(self):
        """The git operation that waits to be finished, or None."""
        for name, what in (("rebase-merge", "rebase"), ("rebase-apply", "rebase or am"),
                           ("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"),
                           ("REVERT_HEAD", "revert"), ("BISECT_LOG", "bisect")):
            path = self.git("rev-parse", "--git-path", name)
            if os.path.exists(os.path.join(self.path, path)):
                return what
        return None

    def version(self, rev):
        return kernel_version(self.run("show", rev + ":Makefile").stdout)


def show(path):
    """A path as the user would type it."""
    short = os.path.relpath(path)
    return path if short.startswith("../..") else short


def some(names, separator=", "):
    """The first of a list that may be long."""
    more = ["and %d more" % (len(names) - 10)] if len(names) > 10 else []
    return separator.join(names[:10] + more)


def kernel_version(makefile):
    """'6.1.192', or None if that is no kernel's Makefile."""
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)$",
                             makefile, re.M))
    return ".".join(fields.values()) if len(fields) == 3 else None


def check_version(version, where):
    if version is None:
        raise Error("%s is not a kernel source tree" % where)
    if not version.startswith("6.1."):
        raise Error("%s is Linux %s, the series is for 6.1" % (where, version))


def series_tree():
    linux = Repo(os.path.join(BUILD, "linux"))
    if not os.path.isdir(os.path.join(linux.path, ".git")):
        raise Error("there is no tree in build/linux: run make tree")
    return linux


# --- patch files -------------------------------------------------------------

# A file that enters whole: the header, and nothing else up to the next file.
NEW_FILE = re.compile(r"^diff --git a/(\S+) b/\1\nnew file mode (100644|100755)\n"
                      r"(?=diff --git |\Z)", re.M)


class Patch:
    """A mail: headers, message, `---`, diff."""

    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.new_files = [m[1] for m in NEW_FILE.finditer(text)]

    def mail(self):
        """The text with the new files in it, as git am takes it."""
        return NEW_FILE.sub(self.hunk, self.text)

    def hunk(self, match):
        path = match[1]
        try:
            content = decode(read(path))
        except FileNotFoundError:
            raise Error("%s brings in %s, which is not here" %
                        (self.name, path)) from None
        if not content:
            return match[0]
        lines = content.split("\n")
        tail = lines.pop()          # what follows the last newline
        text = "".join("+%s\n" % line for line in lines)
        if tail:
            text += "+%s\n\\ No newline at end of file\n" % tail
        return "%s--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n%s" % (
            match[0], path, len(lines) + bool(tail), text)


def read(path):
    with open(os.path.join(TOP, path), "rb") as file:
        return file.read()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def series_lines():
    try:
        return decode(read(SERIES)).splitlines()
    except FileNotFoundError:
        raise Error("%s is missing" % SERIES) from None


def is_comment(line):
    return not line.strip() or line.startswith("#")


def read_series():
    patches = []
    for line in series_lines():
        if is_comment(line):
            continue
        name = "patches/" + line.strip()
        if name in [patch.name for patch in patches]:
            raise Error("%s is twice in %s" % (name, SERIES))
        try:
            text = decode(read(name))
        except FileNotFoundError:
            raise Error("%s is in %s, but not here" % (name, SERIES)) from None
        patches.append(Patch(name, text))
    return patches


def digests(patches):
    """Path and digest of every file that makes the series."""
    paths = [SERIES] + [p.name for p in patches]
    paths += [path for p in patches for path in p.new_files]
    return {path: digest(read(path)) for path in paths
            if os.path.exists(os.path.join(TOP, path))}


# What the files of the series were when branch and files last agreed.

def read_record():
    try:
        with open(RECORD, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def write_record(record):
    os.makedirs(BUILD, exist_ok=True)
    with open(RECORD + ".new", "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, sort_keys=True)
    os.replace(RECORD + ".new", RECORD)


# --- from patches to commits -------------------------------------------------

def parse_mail(repo, mail):
    """What git am would make of it: author's environment, message, diff."""
    with tempfile.TemporaryDirectory() as tmp:
        files = [os.path.join(tmp, name) for name in ("message", "diff")]
        info = repo.git("mailinfo", "-k", "--encoding=UTF-8", *files, data=mail)
        body, diff = (decode(read(name)) for name in files)
    fields = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
    for header, field in ("From", "Author"), ("From", "Email"), ("Date",) * 2, ("Subject",) * 2:
        if field not in fields:
            raise Error("no %s: header" % header)
    author = {"GIT_AUTHOR_NAME": fields["Author"], "GIT_AUTHOR_EMAIL": fields["Email"],
              "GIT_AUTHOR_DATE": fields["Date"]}
    return author, ("%s\n\n%s" % (fields["Subject"], body)).rstrip("\n") + "\n", diff


def apply_failure(stderr):
    """FILE:LINE, or what else git apply says first."""
    place = re.search(r"^error: patch failed: (.*)$", stderr, re.M)
    return place[1] if place else stderr.strip().split("\n")[0].removeprefix("error: ")


def compose(repo, parent, patches, committer=None):
    """Put patches on the commit `parent` without touching a file or a branch.

    Without a committer, author and author's date are used: then the same
    series has the same commit ids everywhere.
    """
    version = repo.version(parent)
    with tempfile.TemporaryDirectory() as tmp:
        index = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
        repo.git("read-tree", parent, env=index)
        for patch in patches:
            try:
                author, message, diff = parse_mail(repo, patch.mail())
            except Error as error:
                raise Error("%s: %s" % (patch.name, error)) from None
            done = repo.run("apply", "--cached", "--whitespace=nowarn", "-",
                            data=diff, env=index)
            if done.returncode:
                raise Error("%s does not apply to Linux %s: %s" % (
                    patch.name, version, apply_failure(done.stderr)))
            who = {name.replace("AUTHOR", "COMMITTER"): value
                   for name, value in author.items()}
            parent = repo.git("commit-tree", "-p", parent,
                              repo.git("write-tree", env=index), data=message,
                              env={**author, **(who if committer is None else committer)})
    return parent


# --- the base ----------------------------------------------------------------

@contextlib.contextmanager
def progress(what):
    """Show the time that a step takes, in place on a terminal."""
    start, done = time.monotonic(), threading.Event()

    def tick():
        while True:
            print("\r%-24s %4d s ..." % (what, time.monotonic() - start),
                  end="", flush=True)
            if done.wait(1):
                return

    terminal = sys.stdout.isatty()
    thread = threading.Thread(target=tick, daemon=True)
    print("%-24s " % what, end="", flush=True)
    if terminal:
        thread.start()
    try:
        yield
    except BaseException:
        print()
        raise
    finally:
        done.set()
        if terminal:
            thread.join()
            print("\r%-24s " % what, end="")
    print("%4d s%s" % (time.monotonic() - start, "    " if terminal else ""))


def need(*packages):
    """`need` of lib.sh"""
    lib = os.path.join(TOP, "scripts/lib.sh")
    if subprocess.run(["bash", "-c", '. "$0"; need "$@"', lib, *packages],
                      check=False).returncode:
        sys.exit(1)


class Base:
    """The kernel that LINUX names: directory, git tree or tarball."""

    def __init__(self):
        self.path = os.environ.get("LINUX")
        if not self.path:
            need(DEBIAN_PACKAGE)
            self.path = DEBIAN_SOURCE
        self.path = os.path.abspath(os.path.expanduser(self.path))
        if not os.path.exists(self.path):
            raise Error("LINUX=%s does not exist" % self.path)
        if not os.path.isdir(self.path):
            self.files, self.state = self.read_tarball, self.stamp(self.path)
        elif os.path.exists(os.path.join(self.path, ".git")):
            head = Repo(self.path, isolated=False).rev("HEAD")
            if not head:
                raise Error("LINUX=%s has no commit" % self.path)
            self.files, self.state = self.read_git, head
        else:
            self.files, self.state = self.read_directory, self.stamp_all()

    def __str__(self):
        """What tells it from another: kept in the configuration of build/linux."""
        return "%s %s" % (self.path, self.state)

    @staticmethod
    def stamp(path):
        status = os.lstat(path)
        return "%d %d" % (status.st_size, status.st_mtime_ns)

    def stamp_all(self):
        if os.path.exists(os.path.join(self.path, ".config")):
            raise Error("LINUX=%s was built in: run make mrproper there first" % self.path)
        return digest("\n".join(path + self.stamp(path) for path in self.walk()).encode())

    def walk(self):
        for where, dirs, files in os.walk(self.path):
            links = [d for d in dirs if os.path.islink(os.path.join(where, d))]
            dirs.sort()
            for name in sorted(files + links):
                yield os.path.join(where, name)

    def read_directory(self):
        for path in self.walk():
            name, mode = os.path.relpath(path, self.path), os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                yield name, "120000", os.fsencode(os.readlink(path))
            else:
                with open(path, "rb") as file:
                    yield name, file_mode(mode), file.read()

    def read_git(self):
        with subprocess.Popen(["git", "-C", self.path, "archive", "--prefix=linux/",
                               "HEAD"], stdout=subprocess.PIPE) as archive:
            yield from self.read_tar(fileobj=archive.stdout)

    def read_tarball(self):
        yield from self.read_tar(name=self.path)

    def read_tar(self, **source):
        try:
            with tarfile.open(mode="r|*", **source) as tar:
                for member in tar:
                    name = member.name.removeprefix("./").partition("/")[2]
                    if member.issym():
                        yield name, "120000", os.fsencode(member.linkname)
                    elif member.isfile():
                        yield name, file_mode(member.mode), tar.extractfile(member).read()
                    elif not member.isdir():
                        raise Error("LINUX=%s: cannot import %s" % (self.path, member.name))
        except (tarfile.TarError, EOFError, OSError) as error:
            raise Error("LINUX=%s: neither a directory nor a tarball (%s)" % (
                self.path, error)) from None


def file_mode(mode):
    return "100755" if mode & 0o100 else "100644"


def import_base(repo, base):
    """A commit without parent that holds the base; no branch or file changes."""
    if not os.path.isdir(os.path.join(repo.path, ".git")):
        os.makedirs(repo.path, exist_ok=True)
        repo.git("init", "-q", "-b", "series")
        with open(os.path.join(repo.path, ".git/info/exclude"), "a", encoding="utf-8") as file:
            file.write("/obj*/\n")
    importer = subprocess.Popen(["git", "-C", repo.path, "fast-import", "--quiet",
                                 "--done", "--force"], env=repo.env,
                                stdin=subprocess.PIPE)
    version, entries = None, []
    try:
        for path, mode, content in base.files():
            if path == "Makefile":
                version = kernel_version(content.decode(errors="replace"))
                check_version(version, "LINUX=" + base.path)
            if path == ".gitignore":
                # Debian's ends with a rule that hides every new file from git.
                content = re.sub(rb"\n#\n# Debian packaging:.*", b"\n", content, flags=re.S)
            entries.append("M %s :%d %s\n" % (mode, len(entries) + 1, path))
            importer.stdin.write(b"blob\nmark :%d\ndata %d\n" % (len(entries), len(content)))
            importer.stdin.write(content + b"\n")
        check_version(version, "LINUX=" + base.path)
        message = "Linux %s\n" % version
        importer.stdin.write(encode(
            "commit refs/series/import\nauthor %s\ncommitter %s\ndata %d\n%s%sdone\n" %
            (BASE_IDENT, BASE_IDENT, len(message), message, "".join(entries))))
        importer.stdin.close()
    except BaseException:
        importer.kill()
        raise
    finally:
        importer.wait()
    if importer.returncode:
        raise Error("git fast-import failed in %s" % show(repo.path))
    return repo.rev("refs/series/import")


# --- tree ----------------------------------------------------------------------

def unexported(linux):
    """What would be lost if the branch were composed again: lines, or nothing."""
    exported = linux.rev(EXPORTED) or linux.rev("base")
    if not exported:        # the first import did not get to its end
        return []
    found = ["edited: " + path for path in linux.edits(untracked=True)]
    if linux.operation():
        found.append("unfinished: " + linux.operation())
    commits = linux.subjects("HEAD", "series", "--not", exported, "base")
    found += ["commit: " + subject for subject in commits]
    if not commits and linux.rev("series") != exported:
        found += ["dropped from the branch: " + subject
                  for subject in linux.subjects(exported, "--not", "series")]
    return found


def tree(ahead_is_fine=False):
    patches = read_series()
    linux = Repo(os.path.join(BUILD, "linux"))
    imported = source = lost = None
    if os.path.isdir(os.path.join(linux.path, ".git")):
        imported = linux.rev("base")
        source = linux.run("config", "series.base").stdout.strip()
        lost = unexported(linux)
    keep_base = ahead_is_fine and imported and source and not os.environ.get("LINUX")
    base = source if keep_base else Base()
    same_base = imported and source == str(base)
    same = same_base and linux.rev(EXPORTED) and read_record() == digests(patches)

    if lost and not (ahead_is_fine and same):
        raise Error("build/linux has work that was not exported, run make export first "
                    "(%s)" % some(lost, "; "))
    if same:
        print("build/linux: Linux %s and %d patches%s" % (
            linux.version("base"), len(patches),
            ", with work that is not exported" if lost else ", up to date"))
        return
    if not same_base:
        with progress("import " + os.path.basename(base.path)):
            imported = import_base(linux, base)
    tip = compose(linux, imported, patches)
    with progress("checkout"):
        # There is nothing to lose yet in a tree whose first import was interrupted.
        force = [] if linux.rev("base") else ["-f"]
        linux.git("checkout", "-q", *force, "-B", "series", tip)
    linux.git("tag", "-f", "base", imported)
    linux.git("update-ref", EXPORTED, tip)
    linux.git("config", "series.base", str(base))
    write_record(digests(patches))
    print("build/linux: Linux %s and %d patches" % (linux.version("base"), len(patches)))


# --- export --------------------------------------------------------------------

def slug(text):
    """Lower case words with dashes between them, 60 characters at most."""
    words = re.sub(r"[^a-z0-9._+]+", "-", text.lower()).strip("-._")
    return words if len(words) <= 60 else words[:61].rpartition("-")[0] or words[:60]


def patch_name(subject):
    area, colon, rest = subject.partition(":")
    if not colon:
        area, rest = "misc", subject
    return "%s/%s.patch" % (slug(area) or "misc", slug(rest) or "patch")


class Commit:
    """One commit of the branch, as the files that it is exported to."""

    def __init__(self, linux, rev):
        self.subject = linux.git("log", "-1", "--format=%s", rev)
        self.name = "patches/" + patch_name(self.subject)
        self.new_files = {}         # path: (mode, content)
        self.changed = []           # files of its parent that it touches
        for line in linux.lines("diff-tree", "-r", "--no-renames", "--no-commit-id", rev):
            fields, path = line.split("\t")
            _, mode, _, blob, status = fields.split(" ")
            if status != "A":
                self.changed.append(path)
            elif mode in ("100644", "100755"):
                content = encode(linux.run("cat-file", "blob", blob).stdout)
                self.new_files[path] = (mode, content)
            else:
                raise Error("commit '%s' brings in %s, which is no plain file" %
                            (self.subject, path))
        if not self.new_files and not self.changed:
            raise Error("commit '%s' is empty" % self.subject)
        self.text = self.format(linux, rev)

    def format(self, linux, rev):
        mail = linux.run(*DIFF_FORMAT, "format-patch", *MAIL_OPTIONS, *DIFF_OPTIONS,
                         "-1", rev).stdout
        mail = mail.partition("\n")[2]          # the mbox line
        files = re.split(r"^(?=diff --git )", mail.rstrip("\n") + "\n", flags=re.M)
        head = files.pop(0).rstrip("\n") + "\n---\n\n"
        _, message, _ = parse_mail(linux, head + "".join(files))
        if message.strip() != linux.git("log", "-1", "--format=%B", rev).strip():
            raise Error("the message of commit '%s' does not survive as a mail: "
                        "has it lines that begin with --- or diff?" % self.subject)
        return head + "".join(map(self.without_content, files))

    def without_content(self, text):
        header = re.match(r"diff --git a/(\S+) b/\1\n", text)
        if header and header[1] in self.new_files:
            return "%snew file mode %s\n" % (header[0], self.new_files[header[1]][0])
        return text


def commits(linux):
    """The branch, checked for what patch files cannot say."""
    if linux.git("log", "--merges", "--format=%h", "base..series"):
        raise Error("branch series holds a merge")
    found, brought, names = [], {}, {}
    for rev in linux.lines("rev-list", "--reverse", "base..series"):
        commit = Commit(linux, rev)
        for path in commit.changed:
            if path in brought:
                raise Error("commit '%s' alters %s, which '%s' brings in whole: "
                            "squash the two" % (commit.subject, path, brought[path]))
        brought.update(dict.fromkeys(commit.new_files, commit.subject))
        if commit.name in names:
            raise Error("commits '%s' and '%s' would both be %s" % (
                names[commit.name], commit.subject, commit.name))
        names[commit.name] = commit.subject
        found.append(commit)
    return found


def series_file(names):
    """patches/series for these patches; comments stay above their patch."""
    above, comments = {}, []
    for line in series_lines() if on_disk(SERIES) is not None else []:
        if is_comment(line):
            comments.append(line)
        else:
            above[line.strip()], comments = comments, []
    lines = [line for name in names for line in [*above.get(name, []), name]]
    return "".join(line + "\n" for line in lines + comments)


def on_disk(path):
    try:
        return read(path)
    except FileNotFoundError:
        return None


def write(path, mode, content):
    """True if that changes the file."""
    full = os.path.join(TOP, path)
    bits = int(mode[-3:], 8)
    if on_disk(path) == content and os.stat(full).st_mode & 0o100 == bits & 0o100:
        return False
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full + ".new", "wb") as file:
        file.write(content)
    os.chmod(full + ".new", bits)
    os.replace(full + ".new", full)
    return True


def remove(path):
    """The file, and the directories that it leaves empty."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(TOP, path))
    with contextlib.suppress(OSError):
        os.removedirs(os.path.dirname(os.path.join(TOP, path)))


def export():
    linux = series_tree()
    if linux.operation():
        raise Error("build/linux: finish the %s first" % linux.operation())
    if linux.run("symbolic-ref", "-q", "--short", "HEAD").stdout.strip() != "series":
        raise Error("build/linux is not on the branch series")
    edits = linux.edits(untracked=True)
    if edits:
        raise Error("build/linux has edits that are not committed: " + some(edits))

    record = read_record()
    if linux.rev("series") == linux.rev(EXPORTED) and \
            all(digest(on_disk(path) or b"") == known for path, known in record.items()):
        print("nothing to export")
        return
    found = commits(linux)
    files = {c.name: ("100644", encode(c.text)) for c in found}
    names = [c.name.removeprefix("patches/") for c in found]
    files[SERIES] = ("100644", encode(series_file(names)))
    for commit in found:
        files.update(commit.new_files)

    gone = set(record) - set(files)
    foreign = []
    for path in sorted(gone | set(files)):
        content = on_disk(path)
        if content not in (None, files.get(path, (None, None))[1]) and \
                digest(content) != record.get(path):
            foreign.append(path)
    if foreign:
        raise Error("would overwrite what was edited here and is not in the branch: " +
                    some(foreign))

    written = [path for path in sorted(files) if write(path, *files[path])]
    for path in gone:
        remove(path)
    linux.git("update-ref", EXPORTED, "series")
    write_record({path: digest(content) for path, (_, content) in files.items()})
    for what, paths in (("wrote", written), ("removed", sorted(gone))):
        for path in paths:
            print("%-8s %s" % (what, path))
    print("%d patches, %d files changed" % (len(found), len(written) + len(gone)))


# --- series ----------------------------------------------------------------------

def identity(repo):
    """The user's as committer, or {} if git knows none."""
    ident = Repo(repo.path, isolated=False).run("var", "GIT_COMMITTER_IDENT")
    match = re.match(r"(.*) <(.*)> ", ident.stdout)
    return {"GIT_COMMITTER_NAME": match[1], "GIT_COMMITTER_EMAIL": match[2]} if match else {}


def author_of(repo, rev):
    name, mail, date = repo.lines("log", "-1", "--format=%an%n%ae%n%aD", rev)
    return {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail,
            "GIT_COMMITTER_DATE": date}


def mails():
    tree(ahead_is_fine=True)
    linux = series_tree()
    if on_disk(COVER) is None:
        raise Error("%s is missing: its first line is the subject of the cover letter" % COVER)
    subject, _, body = decode(read(COVER)).partition("\n")
    if not linux.lines("rev-list", "base..series"):
        raise Error("the series is empty")

    target = os.path.join(BUILD, "series")
    shutil.rmtree(target, ignore_errors=True)
    who = {**author_of(linux, "series"), **identity(Repo(TOP))}
    names = linux.lines(
        *DIFF_FORMAT, "-c", "branch.series.description=%s\n\n%s" % (subject, body.strip()),
        "format-patch", "--cover-letter", "--cover-from-description=subject",
        "--subject-prefix=PATCH 6.1", "--no-signature", "--abbrev=12", "--no-renames",
        "--no-base", "--no-notes", "--no-thread", "--no-attach",
        "-o", target, "base..series", env=who)
    patches = []
    for name in names[1:]:
        with open(name, "rb") as file:
            patches.append(Patch(os.path.relpath(name, TOP), decode(file.read())))
    tip = compose(linux, linux.rev("base"), patches)
    if linux.git("rev-parse", tip + "^{tree}") != linux.git("rev-parse", "series^{tree}"):
        raise Error("the mails in %s do not give the branch series" % show(target))
    print("%s: cover letter and %d patches" % (show(target), len(patches)))


# --- apply -----------------------------------------------------------------------

def apply(path):
    patches = read_series()
    if not os.path.isdir(path):
        raise Error("KDIR=%s is no directory" % path)
    kdir = Repo(os.path.realpath(path), isolated=False)
    if kdir.run("rev-parse", "--show-toplevel").stdout.strip() != kdir.path:
        raise Error("KDIR=%s is not the top of a git tree" % path)
    if not kdir.rev("HEAD"):
        raise Error("KDIR=%s has no commit" % path)
    check_version(kdir.version("HEAD"), "KDIR=" + path)
    if kdir.operation():
        raise Error("KDIR=%s: finish the %s first" % (path, kdir.operation()))
    edits = kdir.edits(untracked=False)
    if edits:
        raise Error("KDIR=%s has edits that are not committed: %s" % (path, some(edits)))
    if kdir.rev("refs/heads/" + APPLY_BRANCH):
        raise Error("KDIR=%s has a branch %s already" % (path, APPLY_BRANCH))

    tip = compose(kdir, kdir.rev("HEAD"), patches, identity(kdir) or None)
    kdir.git("checkout", "-q", "-b", APPLY_BRANCH, tip)
    print("%s: %d patches on the new branch %s" % (path, len(patches), APPLY_BRANCH))


def main(args):
    commands = {"tree": tree, "use": lambda: tree(ahead_is_fine=True),
                "export": export, "series": mails}
    try:
        if len(args) == 1 and args[0] in commands:
            commands[args[0]]()
        elif len(args) == 2 and args[0] == "apply" and args[1]:
            apply(args[1])
        elif args[:1] == ["apply"]:
            raise Error("name the tree: make apply KDIR=path/to/linux")
        else:
            sys.exit(__doc__.strip())
    except (Error, OSError) as error:
        sys.exit("error: %s" % error)
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main(sys.argv[1:])
