// SPDX-License-Identifier: GPL-2.0
/*
 * The SMB client: what it reads and writes by every dialect, signed, sealed, and
 * in parts; how long it holds pages, and which.  The server is Samba, before
 * which a proxy holds back replies and loses them, see proxy_util.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "fail_util.h"
#include "fs_util.h"
#include "smb_io_util.h"
#include "smb_util.h"

#define DIR		SMB_DIR
#define MNT		SMB_MNT
#define FILE_SIZE	SMB_FILE_SIZE

static void test_eof(const void *options)
{
	int fd = smb_mount_file(options);

	dio_at_end(fd, FILE_SIZE, OLD);
	smb_umount_file(fd);
}

/* T02, T51 */
static void test_fault(const void *options)
{
	int fd = smb_mount_file(options);

	dio_at_bad_page(fd, OLD);
	smb_umount_file(fd);
}

/* T54, T75: a page with more than one request */
static void test_split(const void *options)
{
	struct io io = { .method = BY_AIO, .len = 3 * KIB };
	struct pins start, pins;
	pid_t child;
	int i;

	io.fd = smb_mount_file(options);
	io.buf = alloc_pages(PAGE);
	start = pins_now();
	smb_hold(SMB_READ, KIB);
	io_start(&io);
	for (i = 0; i < 3; i++)
		proxy_wait_held();
	child = fork_and_write((char *)io.buf + io.len);

	/* The first of the requests must not release for the others. */
	proxy_release();
	proxy_release();
	usleep(100000);
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 1);
	smb_pass();
	proxy_release();
	check_eq(io_wait(&io), io.len);
	child_kill(child);
	check_pattern(io.buf, io.len, OLD, 0);
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 0);
	smb_umount_file(io.fd);
}

/* The reply is lost with the connection, and the request sent again. */
static void test_resend(const void *options)
{
	struct io io = { .method = BY_URING, .len = SECTOR };
	pid_t child;

	io.fd = smb_mount_file(options);
	io.buf = alloc_pages(PAGE);
	smb_hold(SMB_READ, SECTOR);
	io_start(&io);
	proxy_wait_held();
	child = fork_and_write((char *)io.buf + io.len);
	smb_pass();
	proxy_disconnect();
	check_eq(io_wait(&io), io.len);
	child_kill(child);
	check_pattern(io.buf, io.len, OLD, 0);
	smb_umount_file(io.fd);
}

/*
 * The connection ends in the middle of what is received.  Encrypted replies to
 * writes look like any others.
 */
static void test_cut(const void *options)
{
	enum smb_op write = strstr(options, "seal") ? SMB_OTHER : SMB_WRITE;
	enum proxy_verdict verdict = write ? PROXY_CUT : PROXY_PASS;
	char *buf = alloc_pages(FILE_SIZE);
	int fd = smb_mount_file(options);

	context("direct read");
	smb_judge(PROXY_CUT, SMB_READ, 20000);
	check_eq(pread(fd, buf, 20000, 3), 20000);
	check(smb_passes());
	check_pattern(buf, 20000, OLD, 3);
	check_eq(buf[20000], 0);

	context("direct write");
	pattern_fill(buf, 20000, NEW, 3);
	smb_judge(verdict, write, 20000);
	check_eq(pwrite(fd, buf, 20000, 3), 20000);
	check(smb_passes());
	check_file_data(DIR "/file", 20000, NEW, 3);
	smb_umount_file(fd);

	context("buffered read");
	smb_mount_share(smb_server.proxy_port, options);
	fd = smb_open_file(O_RDWR);
	smb_judge(PROXY_CUT, SMB_READ, 16 * PAGE);
	check_eq(pread(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	check(smb_passes());
	check_pattern(buf, FILE_SIZE, OLD, 0);

	context("writeback");
	pattern_fill(buf, FILE_SIZE, NEW, 0);
	smb_judge(verdict, write, 16 * PAGE);
	check_eq(pwrite(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	must(!fsync(fd));
	check(smb_passes());
	check_file_data(DIR "/file", FILE_SIZE, NEW, 0);
	smb_umount_file(fd);
}

/* A server that grants little: every request is a part of what is to be done. */
static void test_credits(const void *options)
{
	char *buf = alloc_pages(MIB);
	int fd;

	run("./smb_loop.sh samba-end");
	run("./smb_loop.sh samba %s %d 'smb2 max credits = 10'", DIR, SMB_PORT);
	smb_mount_share(smb_server.port, options);
	run("head -c 1048576 /dev/urandom >%s/random", DIR);
	run("cp %s/random %s/copy && cmp %s/random %s/copy", MNT, MNT, DIR, DIR);
	fd = open(MNT "/copy", O_RDWR | O_DIRECT);
	must(fd >= 0);
	pattern_fill(buf, MIB, NEW, 0);
	check_eq(pwrite(fd, buf, MIB, 0), MIB);
	memset(buf, 0, MIB);
	check_eq(pread(fd, buf, MIB, 0), MIB);
	check_pattern(buf, MIB, NEW, 0);
	close(fd);
	smb_umount_share();
	run("./smb_loop.sh samba-end");
	run("./smb_loop.sh samba %s %d ''", DIR, SMB_PORT);
}

/* Readahead and writeback of what has no room in memory */
static void test_pressure(const void *options)
{
	smb_mount_share(smb_server.port, options);
	run("mkdir -p /tmp/cgroup && mount -t cgroup2 none /tmp/cgroup");
	run("mkdir /tmp/cgroup/smb && echo +memory >/tmp/cgroup/cgroup.subtree_control");
	run("echo 8M >/tmp/cgroup/smb/memory.max");
	run("head -c 32M /dev/urandom >%s/random", DIR);
	run("(echo 0 >/tmp/cgroup/smb/cgroup.procs && cp %s/random %s/copy)",
	    MNT, MNT);
	run("cmp %s/random %s/copy", DIR, DIR);
	run("rmdir /tmp/cgroup/smb && umount /tmp/cgroup");
	run("rm %s/random %s/copy", DIR, DIR);
	smb_umount_share();
}

static void test_killed(const void *options)
{
	struct pins start, pins;
	int fd = smb_mount_file(options);
	pid_t pid;

	start = pins_now();
	smb_hold(SMB_READ, SECTOR);
	pid = fork_reader(fd);
	proxy_wait_held();
	/* Its wait ends; the pages are those of the request. */
	child_kill(pid);
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 1);
	smb_pass();
	proxy_release();
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 0);
	smb_umount_file(fd);
}

static void test_killed_lent(const void *options)
{
	int fd = smb_mount_file(options);
	pid_t pid;

	smb_hold(SMB_WRITE, PAGE);
	pid = fork_splicer(fd, NEW);
	proxy_wait_held();
	must(!kill(pid, SIGKILL));
	/* Nobody but the pipe keeps the page.  It is in use. */
	usleep(500000);
	check_eq(waitpid(pid, NULL, WNOHANG), 0);
	smb_pass();
	proxy_release();
	must(waitpid(pid, NULL, 0) == pid);
	check_file_data(DIR "/file", PAGE, NEW, 0);
	smb_umount_file(fd);
}

/*
 * Reads and writes, each of which finds no memory somewhere on its way: it fails
 * or it is complete, and what it held is free.  (Which shows after the test.)
 */
#define ATTEMPT_LEN	(5 * PAGE - 100)

struct attempt {
	int fd;
	bool direct, write;
	char *buf;
	aio_context_t aio;
	ssize_t ret;
};

static void try_syscall(void *arg)
{
	struct attempt *try = arg;

	if (!try->direct)
		posix_fadvise(try->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (try->write)
		try->ret = pwrite(try->fd, try->buf, ATTEMPT_LEN, 7);
	else
		try->ret = pread(try->fd, try->buf, ATTEMPT_LEN, 7);
	if (!try->direct && try->write && fsync(try->fd))
		try->ret = -1;
}

static void try_aio(void *arg)
{
	struct attempt *try = arg;
	struct iocb iocb = {
		.aio_lio_opcode	= try->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes	= try->fd,
		.aio_buf	= (uintptr_t)try->buf,
		.aio_nbytes	= ATTEMPT_LEN,
		.aio_offset	= 7,
	}, *iocbs = &iocb;
	struct io_event event;

	try->ret = -1;
	if (syscall(__NR_io_submit, try->aio, 1, &iocbs) == 1 &&
	    syscall(__NR_io_getevents, try->aio, 1, 1, &event, NULL) == 1)
		try->ret = event.res;
}

/* The last attempt is the one that has all the memory that it wants. */
static void try_all(struct attempt *try, bool aio)
{
	unsigned int nr;

	context("%s %s%s", try->direct ? "direct" : "buffered",
		try->write ? "write" : "read", aio ? ", AIO" : "");
	if (try->write)
		pattern_fill(try->buf, ATTEMPT_LEN, NEW, 7);
	else
		memset(try->buf, 0, ATTEMPT_LEN);
	nr = fail_each_allocation(aio ? try_aio : try_syscall, try);
	check(nr > 0);
	check_eq(try->ret, ATTEMPT_LEN);
	if (try->write)
		check_file_data(DIR "/file", ATTEMPT_LEN, NEW, 7);
	else
		check_pattern(try->buf, ATTEMPT_LEN, OLD, 7);
}

static void try_without_memory(const char *options, bool write)
{
	struct attempt try = {
		.write = write, .buf = map_huge(HUGE, MAP_PRIVATE),
	};
	int direct;

	must(!syscall(__NR_io_setup, 1, &try.aio));
	for (direct = 0; direct < 2; direct++) {
		smb_mount_share(smb_server.proxy_port, options);
		try.direct = direct;
		try.fd = smb_open_file(O_RDWR | (direct ? O_DIRECT : 0));
		try_all(&try, false);
		if (direct)
			try_all(&try, true);
		smb_umount_file(try.fd);
	}
}

/* (Not what is signed, as the client takes it for good if it cannot check it.) */
static void test_no_memory_read(const void *options)
{
	try_without_memory(options, false);
}

static void test_no_memory_write(const void *options)
{
	try_without_memory(options, true);
}

/* A buffer of vmalloc().  It is no module, but that has to be found out. */
static void test_vmalloc(const void *options)
{
	int fd;

	smb_mount_share(smb_server.proxy_port, options);
	/* The file must not be open for writing. */
	fd = smb_open_file(O_RDONLY | O_DIRECT);
	check_errno(syscall(__NR_finit_module, fd, "", 0), ENOEXEC);
	smb_umount_file(fd);
}

/* T52: block devices on the file, whose drivers lend what they are given */
static void test_file_devs(const void *options)
{
	static const char * const kinds[] = { "loop", "target" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		context("%s", kinds[i]);
		smb_mount_share(smb_server.port, options);
		file_dev_try_xfs(kinds[i], MNT "/file");
		smb_umount_share();
	}
}

/* T43: the memory is that of another file, which has to become dirty. */
static void test_mapping(const void *options)
{
	int fd = smb_mount_file(options);

	dio_to_mapping(fd, FILE_SIZE, OLD, "/var/tmp/smb_dio");
	must(!unlink("/var/tmp/smb_dio"));
	smb_umount_file(fd);
}

/* The same with a file on the same mount, whose pages the client writes back */
static void test_own_mapping(const void *options)
{
	int fd = smb_mount_file(options);

	dio_to_mapping(fd, FILE_SIZE, OLD, MNT "/other");
	smb_umount_file(fd);
	check_file_data(DIR "/other", FILE_SIZE, OLD, 0);
}

/* T16: the pages of a pipe, to and fro */
static void test_splice(const void *options)
{
	static const int flags[] = { O_DIRECT, 0 };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		context("%s", flags[i] ? "O_DIRECT" : "no flags");
		smb_mount_share(smb_server.proxy_port, options);
		fd = smb_open_file(O_RDWR | flags[i]);
		splice_to_and_fro(fd, FILE_SIZE, OLD, 3 * PAGE, NEW, 7);
		must(!fsync(fd));
		check_file_data(DIR "/file", 3 * PAGE, NEW, 7);
		smb_umount_file(fd);
	}
}

static void test_exec(const void *options)
{
	smb_mount_share(smb_server.proxy_port, options);
	run("cp /bin/true %s/true && %s/true", MNT, MNT);
	run("rm %s/true", MNT);
	smb_umount_share();
}

/*
 * Every dialect, way to protect the data, and way to cache it.  (What is signed
 * by dialect 1.0 is read without an error, but the client does not find that the
 * signature is right.)
 */
static const char *const mounts[] = {
	"vers=1.0,cache=none",
	"vers=1.0,cache=strict",
	"vers=2.1,cache=strict",
	"vers=2.1,sign,cache=none,wsize=64000",
	"vers=3.0,cache=loose,rsize=8192,wsize=8192",
	"vers=3.0,sign,cache=strict,rsize=65536",
	"vers=3.0,seal,cache=none,rsize=16384,wsize=16384",
	"vers=3.1.1,cache=none",
	"vers=3.1.1,sign,cache=loose,wsize=64000",
	"vers=3.1.1,seal,cache=strict",
	/* decrypted by a worker */
	"vers=3.1.1,seal,cache=loose,esize=16384",
};

static const struct dio_test matrix[] = {
	{ "direct", smb_test_direct, NULL },
	{ "buffered", smb_test_buffered, NULL },
	{ "files", smb_test_files, NULL },
};

#define NR_MATRIX	(ARRAY_SIZE(matrix) * ARRAY_SIZE(mounts))

static const struct dio_test others[] = {
	{ "end of file", test_eof, "rsize=4096" },
	{ "fault", test_fault, "cache=none" },
	{ "fault, strict", test_fault, "cache=strict" },
	{ "page split", test_split, "rsize=1024" },
	{ "reply lost", test_resend, "cache=none" },
	{ "reply lost, signed", test_resend, "sign" },
	{ "reply lost, sealed", test_resend, "seal" },
	{ "cut", test_cut, "vers=2.1,rsize=65536,wsize=65536" },
	{ "cut, sealed", test_cut, "seal,rsize=65536,wsize=65536" },
	{ "few credits", test_credits, "cache=strict" },
	{ "memory pressure", test_pressure, "cache=strict" },
	{ "memory pressure, sealed", test_pressure, "cache=loose,seal" },
	{ "killed reader", test_killed, "cache=none" },
	{ "killed, memory lent", test_killed_lent, "cache=none" },
	{ "no memory, read", test_no_memory_read, "cache=strict,rsize=8192" },
	{ "no memory, write", test_no_memory_write, "cache=strict,wsize=8192" },
	{ "no memory, read, sealed", test_no_memory_read, "seal" },
	{ "no memory, write, sealed", test_no_memory_write, "seal" },
	{ "no memory, read, no cache", test_no_memory_read, "cache=none" },
	{ "no memory, write, no cache", test_no_memory_write, "cache=none" },
	{ "kernel_read to vmalloc memory", test_vmalloc, "rsize=8192" },
	{ "kernel_read, sealed", test_vmalloc, "seal" },
	{ "block devices on a file", test_file_devs, "cache=none" },
	{ "block devices, signed", test_file_devs, "cache=none,sign" },
	{ "into a mapping", test_mapping, "cache=none" },
	{ "into a mapping of its own", test_own_mapping, "cache=strict" },
	{ "splice, no cache", test_splice, "cache=none" },
	{ "splice, strict", test_splice, "cache=strict" },
	{ "splice, loose", test_splice, "cache=loose" },
	{ "exec, no cache", test_exec, "cache=none" },
	{ "exec, no leases", test_exec, "cache=strict,nolease" },
};

static pid_t runner;

static void end(void)
{
	if (getpid() != runner)
		return;
	smb_end();
	run("umount %s", DIR);
}

int main(void)
{
	static struct dio_test all[NR_MATRIX + ARRAY_SIZE(others)];
	size_t i;
	char *name;

	for (i = 0; i < NR_MATRIX; i++) {
		all[i] = matrix[i % ARRAY_SIZE(matrix)];
		all[i].arg = mounts[i / ARRAY_SIZE(matrix)];
		must(asprintf(&name, "%s, %s", all[i].name,
			      mounts[i / ARRAY_SIZE(matrix)]) > 0);
		all[i].name = name;
	}
	memcpy(&all[NR_MATRIX], others, sizeof(others));

	smb_server = (struct smb_server) {
		.address = "127.0.0.1", .port = SMB_PORT,
		.proxy_port = SMB_PROXY_PORT,
	};
	runner = getpid();
	run("mkdir -p %s %s && mount -t tmpfs none %s", DIR, MNT, DIR);
	smb_serve(DIR, "");
	atexit(end);
	dio_run_tests(all, ARRAY_SIZE(all));
}
