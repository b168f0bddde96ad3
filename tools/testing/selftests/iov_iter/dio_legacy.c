// SPDX-License-Identifier: GPL-2.0
/*
 * What fs/direct-io.c does when it cannot go on, on filesystems that use it: it
 * has pages in a queue, in a section and in bios, and lets go of each as often
 * as it took it.  The memory is a huge page, of which the runner would miss the
 * return, be it a pin or a reference that is lost.
 *
 * And memory that is special: pages of a file, and pages that are lent.
 *
 * Holds on any kernel, to find what a conversion breaks; but for the last test,
 * of zeroes that were not made dirty.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "fs_util.h"

/* Names that the runner removes after each test */
#define NAME		"iovtestfs"
#define DIR		"/tmp/" NAME
#define FILE_PATH	DIR "/file"
#define OTHER_PATH	DIR "/other"

enum { OLD = 1, NEW };

static const struct fs_kind kinds[] = {
	{ .type = "ext2", .mkfs = "mke2fs -F -t ext2" },
	{ .type = "vfat", .mkfs = "mkfs.vfat" },
	{ .type = "exfat", .mkfs = "mkfs.exfat" },
	{ .type = "udf", .mkfs = "mkudffs" },
};

static int file_open(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | flags, 0600);

	must(fd >= 0);
	return fd;
}

/* A file of @len bytes of pattern OLD on the medium, opened for direct I/O */
static int file_create(const char *path, size_t len)
{
	char *buf = alloc_pages(len + 1);
	int fd = file_open(path, O_TRUNC);

	pattern_fill(buf, len, OLD, 0);
	must(pwrite(fd, buf, len, 0) == (ssize_t)len && !fsync(fd));
	must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	munmap(buf, len + 1);
	return file_open(path, O_DIRECT);
}

/* The end of a huge page; nothing is mapped behind. */
static char *map_huge_end(void)
{
	char *p = mmap(NULL, 3 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	must(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	must(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		  MAP_HUGETLB | MAP_FIXED | MAP_POPULATE, -1, 0) == p);
	return p + HUGE;
}

/*
 * T40: memory turns out bad, in the middle of what the filesystem has blocks
 * for.  More pages than the queue has, fewer, and parts of one.  Nothing is
 * promised for the range, but that what was on the medium before, which is
 * somebody else's, does not appear in the file.
 */
#define STALE		0xe5
#define STALE_SIZE	(24 * MIB)
#define BEHIND		(8 * PAGE)	/* the part that is bad */

static const size_t good[] = {
	SECTOR, PAGE - SECTOR, PAGE, 3 * PAGE + SECTOR, 64 * PAGE,
	70 * PAGE + 3 * SECTOR,
};

static void leave_stale_data(void)
{
	char *buf = alloc_pages(STALE_SIZE);
	int fd = file_open(OTHER_PATH, 0);

	memset(buf, STALE, STALE_SIZE);
	must(write(fd, buf, STALE_SIZE) == STALE_SIZE);
	must(!fsync(fd) && !close(fd) && !unlink(OTHER_PATH));
	sync();
	munmap(buf, STALE_SIZE);
}

static void check_no_stale_data(size_t len)
{
	unsigned char *buf = alloc_pages(len);
	int fd = file_open(FILE_PATH, 0);
	ssize_t n = pread(fd, buf, len, 0), i;

	must(n >= 0);
	for (i = 0; i < n; i++)
		if (buf[i] && buf[i] != pattern_byte(OLD, i) &&
		    buf[i] != pattern_byte(NEW, i))
			check_eq(buf[i], pattern_byte(OLD, i));
	munmap(buf, len);
	close(fd);
}

static void write_bad(enum io_method method, char *end, size_t len, size_t old)
{
	int fd = file_create(FILE_PATH, old);
	long ret;

	pattern_fill(end - len, len, NEW, 0);
	ret = io_do(method, fd, true, end - len, len + BEHIND, 0);
	if (ret != -EFAULT)
		check_eq(ret, len);
	must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	check_no_stale_data(len + BEHIND);
	must(!unlink(FILE_PATH));
}

static void read_bad(enum io_method method, char *end, size_t len)
{
	int fd = file_create(FILE_PATH, len + BEHIND);

	memset(end - len, 0, len);
	check_eq(io_do(method, fd, false, end - len, len + BEHIND, 0), len);
	check_pattern(end - len, len, OLD, 0);
	close(fd);
}

static void test_bad_memory(const void *arg)
{
	char *end = map_huge_end();
	enum io_method method;
	unsigned int i;

	fs_create(arg, DIR);
	leave_stale_data();
	for (method = 0; method < NR_IO_METHODS; method++) {
		for (i = 0; i < ARRAY_SIZE(good); i++) {
			size_t len = good[i];

			context("%s, %zu bytes, new file",
				io_method_name[method], len);
			write_bad(method, end, len, 0);
			context("%s, %zu bytes, overwrite",
				io_method_name[method], len);
			write_bad(method, end, len, len + BEHIND);
			context("%s, %zu bytes, read", io_method_name[method],
				len);
			read_bad(method, end, len);
		}
	}
}

/* T40: the file ends, the device fails, or it is full. */
#define NULLB		"/sys/kernel/config/nullb/" NAME

static void test_error(const void *arg)
{
	char *mem = map_huge(HUGE, MAP_PRIVATE) + SECTOR;
	const size_t len = HUGE - 2 * SECTOR, size = 100 * KIB;
	enum io_method method;
	int fd;

	fs_create(arg, DIR);
	fd = file_create(FILE_PATH, size);
	for (method = 0; method < NR_IO_METHODS; method++) {
		context("%s, end of file", io_method_name[method]);
		check_eq(io_do(method, fd, false, mem, len, 0), size);
		check_pattern(mem, size, OLD, 0);
	}

	must(!ftruncate(fd, HUGE));
	pattern_fill(mem, len, OLD, 0);
	check_eq(pwrite(fd, mem, len, 0), len);
	/* From a quarter of the device on there is data only. */
	put_file(NULLB "/badblocks", "+%lu-%lu", FS_SIZE / 4 / SECTOR,
		 FS_SIZE / SECTOR - 1);
	for (method = 0; method < NR_IO_METHODS; method++) {
		context("%s, device fails", io_method_name[method]);
		io_do(method, fd, false, mem, len, 0);
		io_do(method, fd, true, mem, len, 0);
	}
	put_file(NULLB "/badblocks", "-%lu-%lu", FS_SIZE / 4 / SECTOR,
		 FS_SIZE / SECTOR - 1);
	close(fd);
}

static void test_full(const void *arg)
{
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	off_t pos = 0;
	ssize_t n;
	int fd;

	fs_create(arg, DIR);
	fd = file_open(FILE_PATH, O_DIRECT);
	pattern_fill(mem, HUGE, NEW, 0);
	while ((n = pwrite(fd, mem, HUGE, pos)) > 0)
		pos += n;
	check(n == -1 && errno == ENOSPC);
	check(pos > (off_t)FS_SIZE / 2);
	memset(mem, 0, HUGE);
	check_eq(pread(fd, mem, HUGE, 0), HUGE);
	check_pattern(mem, HUGE, NEW, 0);
	close(fd);
}

/* A write that direct I/O leaves to the page cache from a hole on */
static void test_hole(const void *arg)
{
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	int fd;

	fs_create(arg, DIR);
	fd = file_create(FILE_PATH, 64 * KIB);
	must(!ftruncate(fd, MIB));
	pattern_fill(mem, MIB, NEW, 0);
	check_eq(pwrite(fd, mem, 512 * KIB, 0), 512 * KIB);
	memset(mem, 0x5a, HUGE);
	check_eq(pread(fd, mem, HUGE, 0), MIB);
	check_pattern(mem, 512 * KIB, NEW, 0);
	check(!mem[512 * KIB] &&
	      !memcmp(mem + 512 * KIB, mem + 512 * KIB + 1, 512 * KIB - 1));
	check(mem[MIB] == 0x5a);
	close(fd);
}

/*
 * Zeroes that are read from a hole: the buffer is a mapping of a file, which is
 * written back while the filesystem looks for blocks.  Nobody but the read can
 * make its page dirty again.
 */
#define HELD		"iovtestheld"
#define HELD_DIR	"/tmp/" HELD
#define HELD_PATH	HELD_DIR "/file"
#define HELD_HOLE	(64 * KIB)	/* found by way of an indirect block */

static void make_held_file(void)
{
	const char *dev;
	int fd;

	nullb_create(HELD, "memory_backed=1 size=16");
	dev = dm_create(HELD, 16 * MIB, "linear", "/dev/" HELD " 0");
	must(!mkdir(HELD_DIR, 0700));
	run("mke2fs -q -F -t ext2 -b 1024 %s", dev);
	run("mount -t ext2 %s " HELD_DIR, dev);
	fd = file_open(HELD_PATH, 0);
	must(pwrite(fd, "", 1, 2 * HELD_HOLE) == 1 && !close(fd));
	/* so that the indirect block is not in the cache */
	run("umount " HELD_DIR " && mount -t ext2 %s " HELD_DIR, dev);
}

static char process_state(pid_t pid)
{
	char path[64], state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	must(f && fscanf(f, "%*d %*s %c", &state) == 1);
	fclose(f);
	return state;
}

static void test_hole_dirty(const void *arg)
{
	const char *dev = fs_create(&fs_ext4, DIR);
	int fd, file, status;
	char *buf;
	pid_t pid;

	make_held_file();
	fd = file_open(HELD_PATH, O_DIRECT);
	close(file_create(FILE_PATH, PAGE));
	file = file_open(FILE_PATH, 0);
	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	must(buf != MAP_FAILED);
	touch_write(buf);

	dm_hold(HELD);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		_exit(pread(fd, buf, PAGE, HELD_HOLE) != PAGE);
	while (process_state(pid) != 'D')
		usleep(1000);
	must(!msync(buf, PAGE, MS_SYNC));
	dm_release(HELD);
	must(waitpid(pid, &status, 0) == pid);
	check_eq(status, 0);
	check(!buf[0] && !memcmp(buf, buf + 1, PAGE - 1));

	must(!munmap(buf, PAGE) && !close(file) && !close(fd));
	fs_remount(&fs_ext4, DIR, dev);
	buf = alloc_pages(PAGE);
	file = file_open(FILE_PATH, 0);
	check_eq(pread(file, buf, PAGE, 0), PAGE);
	check(!buf[0] && !memcmp(buf, buf + 1, PAGE - 1));
	close(file);
}

/* T43: the buffer is a mapping of the same file, or of another. */
static void buffer_of_file(const char *path, enum io_method method)
{
	const size_t len = 64 * KIB;
	int fd = file_create(FILE_PATH, 4 * len), file;
	char *buf;

	if (strcmp(path, FILE_PATH))
		close(file_create(path, 4 * len));
	file = file_open(path, 0);
	buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		   2 * len);
	must(buf != MAP_FAILED);

	check_eq(io_do(method, fd, false, buf, len, 0), len);
	check_pattern(buf, len, OLD, 0);
	pattern_fill(buf, len, NEW, len);
	check_eq(io_do(method, fd, true, buf, len, len), len);

	/* All of it is found on the medium. */
	must(!munmap(buf, len) && !fsync(file));
	must(!posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
	buf = alloc_pages(len);
	check_eq(pread(fd, buf, len, 0), len);
	check_pattern(buf, len, OLD, 0);
	check_eq(pread(fd, buf, len, len), len);
	check_pattern(buf, len, NEW, len);
	check_eq(pread(file, buf, len, 2 * len), len);
	check_pattern(buf, len, NEW, len);
	munmap(buf, len);
	close(file);
	close(fd);
}

static void test_buffer_of_file(const void *arg)
{
	enum io_method method;

	fs_create(arg, DIR);
	for (method = 0; method < NR_IO_METHODS; method++) {
		context("%s, same file", io_method_name[method]);
		buffer_of_file(FILE_PATH, method);
		context("%s, other file", io_method_name[method]);
		buffer_of_file(OTHER_PATH, method);
	}
}

/* T41: a loop device lends its pages. */
static void test_loop(const void *arg)
{
	const struct fs_kind *kind = arg;
	const char *dev = fs_create(kind, DIR);
	const size_t len = 600 * KIB;
	char *buf = alloc_pages(MIB);
	enum io_method method;
	int loop;

	close(file_create(FILE_PATH, NR_IO_METHODS * MIB));
	loop = open(file_dev_attach("loop", FILE_PATH), O_RDWR | O_DIRECT);
	must(loop >= 0);
	for (method = 0; method < NR_IO_METHODS; method++) {
		off_t pos = method * MIB + 3 * SECTOR;

		context("%s", io_method_name[method]);
		check_eq(io_do(method, loop, false, buf + SECTOR, len, pos),
			 len);
		check_pattern(buf + SECTOR, len, OLD, pos);
		pattern_fill(buf, len, NEW, pos);
		check_eq(io_do(method, loop, true, buf, len, pos), len);
	}
	close(loop);
	file_dev_detach("loop");

	fs_remount(kind, DIR, dev);
	loop = file_open(FILE_PATH, 0);
	for (method = 0; method < NR_IO_METHODS; method++) {
		off_t pos = method * MIB + 3 * SECTOR;

		context("%s, medium", io_method_name[method]);
		check_eq(pread(loop, buf, len, pos), len);
		check_pattern(buf, len, NEW, pos);
	}
	close(loop);
}

static const struct {
	const char *name;
	void (*run)(const void *arg);
} topics[] = {
	{ "T40 bad memory", test_bad_memory },
	{ "T40 end of file, errors", test_error },
	{ "T40 device full", test_full },
	{ "holes", test_hole },
	{ "T43 buffer of a file", test_buffer_of_file },
	{ "T41 loop", test_loop },
};

int main(void)
{
	static struct dio_test tests[ARRAY_SIZE(topics) * ARRAY_SIZE(kinds) + 1];
	struct dio_test *test = tests;
	unsigned int i, j;
	char *name;

	for (i = 0; i < ARRAY_SIZE(topics); i++)
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			must(asprintf(&name, "%s, %s", topics[i].name,
				      kinds[j].type) > 0);
			*test++ = (struct dio_test) {
				name, topics[i].run, &kinds[j]
			};
		}
	*test = (struct dio_test) {
		"T43 hole read while the buffer is written back",
		test_hole_dirty, NULL
	};
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
