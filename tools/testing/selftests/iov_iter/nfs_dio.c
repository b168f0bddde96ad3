// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O by NFS: how long pages are held, and which.  A loopback server
 * exports a tmpfs; a proxy before it holds back replies and loses them, see
 * proxy_util.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/kernel-page-flags.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "fs_util.h"
#include "nfs_util.h"
#include "proxy_util.h"

#define DIR		"/tmp/nfs_dio"		/* the server's */
#define MNT		"/tmp/nfs_dio_mnt"	/* the client's */
#define FILE_SIZE	(64 * KIB)

enum { OLD = 1, NEW };

/* Mounts the export, with a file of pattern OLD; returns the file. */
static int mount_port(int port, const char *version, const char *options)
{
	char *data = alloc_pages(FILE_SIZE);
	int fd;

	/* What a test before may have left behind */
	nfs_hold_nothing();
	if (!umount2(MNT, MNT_FORCE | MNT_DETACH))
		ksft_print_msg("a test before did not get to its end\n");

	fd = open(DIR "/file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	pattern_fill(data, FILE_SIZE, OLD, 0);
	must(fd >= 0 && write(fd, data, FILE_SIZE) == FILE_SIZE);
	close(fd);
	munmap(data, FILE_SIZE);

	nfs_mount(version, port, DIR, MNT, options);
	fd = open(MNT "/file", O_RDWR | O_DIRECT);
	must(fd >= 0);
	return fd;
}

static int mount_file(const char *version, const char *options)
{
	return mount_port(NFS_PROXY_PORT, version, options);
}

static void umount_file(int fd)
{
	close(fd);
	run("umount %s", MNT);
}

static const struct { size_t at; size_t len; off_t pos; } layouts[] = {
	{ 0, PAGE, 0 },
	{ 1, 1, 1 },
	{ 13, 1000, 4090 },
	{ 4095, 2, 7 },
	{ 511, 3 * PAGE, 513 },
	{ 0, 9 * PAGE, 4095 },
	{ 100, 20001, 3 },
};

/* Any byte of memory to or from any byte of the file */
static void test_unaligned(const void *version)
{
	int fd = mount_file(version, "rsize=8192,wsize=8192"), method;
	char *buf = alloc_pages(16 * PAGE);
	size_t i;

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (i = 0; i < ARRAY_SIZE(layouts); i++) {
			struct io io = {
				.method = method, .fd = fd,
				.buf = buf + layouts[i].at,
				.len = layouts[i].len, .pos = layouts[i].pos,
			};

			context("%s, layout %zu", io_method_name[method], i);
			memset(buf, 0, 16 * PAGE);
			io_start(&io);
			check_eq(io_wait(&io), io.len);
			check_pattern(io.buf, io.len, OLD, io.pos);
			check_eq(((char *)io.buf)[io.len], 0);
			if (io.buf > (void *)buf)
				check_eq(((char *)io.buf)[-1], 0);

			io.write = true;
			pattern_fill(io.buf, io.len, NEW, io.pos);
			io_start(&io);
			check_eq(io_wait(&io), io.len);
			check_file_data(DIR "/file", io.len, NEW, io.pos);
			pattern_fill(io.buf, io.len, OLD, io.pos);
			check_eq(pwrite(fd, io.buf, io.len, io.pos), io.len);
		}
	}
	check_file_data(DIR "/file", FILE_SIZE, OLD, 0);
	umount_file(fd);
}

static void test_eof(const void *version)
{
	int fd = mount_file(version, "rsize=4096");

	dio_at_end(fd, FILE_SIZE, OLD);
	umount_file(fd);
}

/* T02, T51 */
static void test_fault(const void *version)
{
	int fd = mount_file(version, "");

	dio_at_bad_page(fd, OLD);
	umount_file(fd);
}

/* T75: pages with more than one request */
static void test_split(const void *version)
{
	struct io io = { .method = BY_AIO, .len = 3 * KIB };
	struct pins start, pins;
	pid_t child;
	int i;

	io.fd = mount_file(version, "rsize=1024");
	io.buf = alloc_pages(PAGE);
	start = pins_now();
	nfs_hold(NFS_READ, KIB);
	io_start(&io);
	for (i = 0; i < 3; i++)
		proxy_wait_held();
	child = fork_and_write((char *)io.buf + io.len);

	/* The first of the requests must not release for the others. */
	proxy_release();
	proxy_release();
	usleep(100000);
	nfs_hold_nothing();
	proxy_release();
	check_eq(io_wait(&io), io.len);
	child_kill(child);
	check_pattern(io.buf, io.len, OLD, 0);
	pins = pins_since(&start);
	check_eq(pins.acquired, 3);
	check_eq(pins.released, 3);
	umount_file(io.fd);
}

/* T75: the reply is lost with the connection, and the request sent again. */
static void test_resend(const void *version)
{
	struct io io = { .method = BY_URING, .len = SECTOR };
	unsigned int nr_reads;
	pid_t child;

	io.fd = mount_file(version, "");
	io.buf = alloc_pages(PAGE);
	nfs_hold(NFS_READ, SECTOR);
	nr_reads = nfs_nr_ops(NFS_READ);
	io_start(&io);
	proxy_wait_held();
	child = fork_and_write((char *)io.buf + io.len);
	nfs_hold_nothing();
	proxy_disconnect();
	check_eq(io_wait(&io), io.len);
	child_kill(child);
	check_pattern(io.buf, io.len, OLD, 0);
	/* It may be told to ask in another way. */
	check(nfs_nr_ops(NFS_READ) >= nr_reads + 2);
	umount_file(io.fd);
}

/*
 * T75: the server seems to have been restarted before the COMMIT, so what was
 * written is sent again, from pages that have been released by the RPCs.
 */
static void commit_again(const char *version, const char *options, size_t at,
			 unsigned int nr_writes)
{
	int fd = mount_file(version, options);
	char *buf = alloc_pages(FILE_SIZE + PAGE) + at;
	unsigned int writes = nfs_nr_ops(NFS_WRITE);
	unsigned int commits = nfs_nr_ops(NFS_COMMIT);

	context("%s", options);
	pattern_fill(buf, FILE_SIZE, NEW, 0);
	nfs_spoil_commit();
	check_eq(pwrite(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	check_eq(nfs_nr_ops(NFS_COMMIT), commits + 1);
	check(nfs_nr_ops(NFS_WRITE) >= writes + nr_writes + 1);
	check_file_data(DIR "/file", FILE_SIZE, NEW, 0);
	umount_file(fd);
}

static void test_commit(const void *version)
{
	commit_again(version, "wsize=16384", 0, 4);
	commit_again(version, "wsize=4096", 100, 16);
	/* with parts of pages, that are joined to be sent again */
	commit_again(version, "wsize=1024", 0, 64);
}

static void test_killed(const void *version)
{
	int fd = mount_file(version, "");
	struct pins start = pins_now(), pins;
	pid_t pid;

	nfs_hold(NFS_READ, SECTOR);
	pid = fork_reader(fd);
	proxy_wait_held();
	/* Its wait ends; the pages are those of the request. */
	child_kill(pid);
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 1);
	nfs_hold_nothing();
	proxy_release();
	pins = pins_since(&start);
	check_eq(pins.acquired - pins.released, 0);
	umount_file(fd);
}

static void test_killed_lent(const void *version)
{
	int fd = mount_file(version, "");
	pid_t pid;

	nfs_hold(NFS_WRITE, PAGE);
	pid = fork_splicer(fd, NEW);
	proxy_wait_held();
	must(!kill(pid, SIGKILL));
	/* Nobody but the pipe keeps the page.  It is in use. */
	usleep(500000);
	check_eq(waitpid(pid, NULL, WNOHANG), 0);
	nfs_hold_nothing();
	proxy_release();
	must(waitpid(pid, NULL, 0) == pid);
	check_file_data(DIR "/file", PAGE, NEW, 0);
	umount_file(fd);
}

/* T76: a buffer of vmalloc().  It is no module, but that has to be found out. */
static void test_vmalloc(const void *version)
{
	int fd = mount_file(version, "rsize=8192");

	close(fd);
	/* The file must not be open for writing. */
	fd = open(MNT "/file", O_RDONLY | O_DIRECT);
	must(fd >= 0);
	check_errno(syscall(__NR_finit_module, fd, "", 0), ENOEXEC);
	umount_file(fd);
}

/* T52, T76: block devices on the file, whose drivers lend what they are given */
static void test_file_devs(const void *version)
{
	static const char * const kinds[] = { "loop", "target" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		context("%s", kinds[i]);
		close(mount_port(NFS_PORT, version, ""));
		file_dev_try_xfs(kinds[i], MNT "/file");
		run("umount %s", MNT);
	}
}

/* T43: the memory is that of another file, which has to become dirty. */
static void test_mapping(const void *version)
{
	int fd = mount_file(version, "");

	dio_to_mapping(fd, FILE_SIZE, OLD, MNT "/other");
	umount_file(fd);
	check_file_data(DIR "/other", FILE_SIZE, OLD, 0);
}

#define SLOW		"iovtestslow"	/* a disk that can be */
#define NR_READS	300	/* a workqueue works on 256 items at a time */
#define NR_SLOTS	8	/* so many wait for a reply by NFS 4 */
#define MAX_SLOTS	"/sys/module/nfs/parameters/max_session_slots"

static char *map_disk(int *disk)
{
	char *page;

	*disk = open(dm_create(SLOW, MIB, "zero", ""), O_RDWR);
	must(*disk >= 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *disk, 0);
	must(page != MAP_FAILED);
	touch_write(page);
	return page;
}

static void *zero_out(void *disk)
{
	__u64 range[] = { 0, PAGE };

	must(!ioctl(*(int *)disk, BLKZEROOUT, range));
	return NULL;
}

/* Whoever removes a page from the cache has it locked until it is written. */
static void lock_page(int *disk, char *page, pthread_t *locker)
{
	__u64 frame = page_frame(page);

	dm_hold(SLOW);
	must(!sync_file_range(*disk, 0, PAGE, SYNC_FILE_RANGE_WRITE));
	must(!pthread_create(locker, NULL, zero_out, disk));
	while (!frame_is(frame, KPF_LOCKED) || !frame_is(frame, KPF_WRITEBACK))
		usleep(10000);
}

static void read_often(aio_context_t aio, int fd, void *buf)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
		.aio_buf = (uintptr_t)buf, .aio_nbytes = SECTOR,
	};
	struct iocb *iocbp = &iocb;
	int i;

	for (i = 0; i < NR_READS; i++)
		must(syscall(__NR_io_submit, aio, 1, &iocbp) == 1);
}

static void check_often(aio_context_t aio)
{
	struct io_event events[NR_READS];
	int i;

	must(syscall(__NR_io_getevents, aio, NR_READS, NR_READS, events,
		     NULL) == NR_READS);
	for (i = 0; i < NR_READS; i++)
		check_eq(events[i].res, SECTOR);
}

/*
 * To complete a read takes the lock of each of its pages.  However many wait for
 * one, they must not keep a write from being completed.
 */
static void test_locked(const void *version)
{
	int nr_held = strcmp(version, "3") ? NR_SLOTS : NR_READS;
	unsigned int nr_reads = nfs_nr_ops(NFS_READ);
	int fd, other, disk, i;
	aio_context_t aio = 0;
	long max_slots;
	pthread_t locker;
	char *page;

	max_slots = get_file(MAX_SLOTS);
	put_file(MAX_SLOTS, "%d", NR_SLOTS);
	fd = mount_file(version, "");
	put_file(MAX_SLOTS, "%ld", max_slots);
	page = map_disk(&disk);

	nfs_hold(NFS_READ, SECTOR);
	must(!syscall(__NR_io_setup, NR_READS, &aio));
	read_often(aio, fd, page);
	for (i = 0; i < nr_held; i++)
		proxy_wait_held();
	lock_page(&disk, page, &locker);
	nfs_hold_nothing();
	for (i = 0; i < nr_held; i++)
		proxy_release();
	while (nfs_nr_ops(NFS_READ) < nr_reads + NR_READS)
		usleep(10000);
	/* The last replies are on their way. */
	usleep(500000);

	other = open(MNT "/other", O_WRONLY | O_CREAT, 0600);
	must(other >= 0);
	check_eq(write(other, "a", 1), 1);
	check_eq(fsync(other), 0);
	close(other);

	dm_release(SLOW);
	must(!pthread_join(locker, NULL));
	check_often(aio);
	must(!syscall(__NR_io_destroy, aio));
	munmap(page, PAGE);
	close(disk);
	umount_file(fd);
}

/* T16: the pages of a pipe, to and fro */
static void test_splice(const void *version)
{
	int fd = mount_file(version, "");

	splice_to_and_fro(fd, FILE_SIZE, OLD, 3 * PAGE, NEW, 7);
	check_file_data(DIR "/file", 3 * PAGE, NEW, 7);
	umount_file(fd);
}

static void test_exec(const void *version)
{
	int fd = mount_file(version, "");

	run("cp /bin/true %s/true && %s/true", MNT, MNT);
	run("rm %s/true", MNT);
	umount_file(fd);
}

static void test_fio(const void *version)
{
	int fd = mount_port(NFS_PORT, version, "rsize=16384,wsize=16384");

	close(fd);
	run("./fio_verify.sh %s psync libaio io_uring", MNT);
	run("umount %s", MNT);
}

static const struct dio_test tests[] = {
	{ "unaligned", test_unaligned, NULL },
	{ "end of file", test_eof, NULL },
	{ "fault", test_fault, NULL },
	{ "pages split", test_split, NULL },
	{ "reply lost", test_resend, NULL },
	{ "commit fails", test_commit, NULL },
	{ "killed reader", test_killed, NULL },
	{ "killed, memory lent", test_killed_lent, NULL },
	{ "kernel_read to vmalloc memory", test_vmalloc, NULL },
	{ "block devices on a file", test_file_devs, NULL },
	{ "into a mapping", test_mapping, NULL },
	{ "into a locked page", test_locked, NULL },
	{ "splice", test_splice, NULL },
	{ "exec", test_exec, NULL },
	{ "fio", test_fio, NULL },
};

static const char *const versions[] = { "3", "4.2" };

#define NR_VERSIONS	ARRAY_SIZE(versions)

static pid_t runner;

static void end(void)
{
	if (getpid() != runner)
		return;
	nfs_end();
	run("umount %s", DIR);
}

int main(void)
{
	static struct dio_test all[NR_VERSIONS * ARRAY_SIZE(tests)];
	size_t i;
	char *name;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = tests[i / NR_VERSIONS];
		all[i].arg = versions[i % NR_VERSIONS];
		must(asprintf(&name, "%s, version %s", all[i].name,
			      versions[i % NR_VERSIONS]) > 0);
		all[i].name = name;
	}

	runner = getpid();
	run("mkdir -p %s %s && mount -t tmpfs none %s", DIR, MNT, DIR);
	nfs_serve(DIR);
	atexit(end);
	dio_run_tests(all, ARRAY_SIZE(all));
}
