// SPDX-License-Identifier: GPL-2.0
/*
 * What the SMB client does with the memory of those who read and write, if that
 * is a mapping of a file, if it cannot be had, if it is needed once more after it
 * was sent, or if there is no memory for the client itself.  Each of it went
 * wrong once.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/klog.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "fail_util.h"
#include "smb_util.h"

#define DIR		"/var/tmp/smb_memory_share"	/* on a disk */
#define MOUNT_POINT	"/tmp/smb_memory_mnt"
#define OTHER		"/var/tmp/smb_memory"	/* on a disk */

#define FILE_SIZE	(4 * PAGE)
#define SEED		1
#define SEED_OLD	2

static int mount_and_open(const char *options, int flags)
{
	char *data = alloc_pages(FILE_SIZE);
	int fd;

	smb_mount(SMB_PROXY_PORT, MOUNT_POINT, options);
	fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | flags, 0600);
	pattern_fill(data, FILE_SIZE, SEED, 0);
	must(fd >= 0 && pwrite(fd, data, FILE_SIZE, 0) == FILE_SIZE);
	munmap(data, FILE_SIZE);
	return fd;
}

static void close_and_umount(int fd)
{
	close(fd);
	run("umount %s", MOUNT_POINT);
}

static void report(const char *row, const char *what, const char *verdict,
		   const char *good)
{
	ksft_test_result(!strcmp(verdict, good), "%s: %s: %s\n", row, what,
			 verdict);
}

/*
 * T43: a direct read into a mapping of another file, which is written back when
 * the kernel has the page and the data is not there yet.  Unless the page is
 * made dirty after that, the data is never written.
 */

/* What is on the disk, after all that is dirty has been written */
static bool is_on_disk(unsigned int seed)
{
	char *data = alloc_pages(PAGE);
	int fd = open(OTHER, O_RDONLY | O_DIRECT);
	bool is;

	must(fd >= 0 && pread(fd, data, PAGE, 0) == PAGE);
	is = pattern_check(data, PAGE, seed, 0) == PAGE;
	close(fd);
	munmap(data, PAGE);
	return is;
}

static const char *read_to_mapping(int fd, enum io_method method)
{
	int other = open(OTHER, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct io io = { .method = method, .fd = fd, .len = PAGE };
	bool read;

	must(other >= 0 && !ftruncate(other, PAGE));
	io.buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	must(io.buf != MAP_FAILED);
	pattern_fill(io.buf, PAGE, SEED_OLD, 0);

	smb_hold(SMB_READ, PAGE);
	io_start(&io);
	proxy_wait_held();
	must(!fsync(other) && is_on_disk(SEED_OLD));
	smb_pass();
	proxy_release();
	read = io_wait(&io) == PAGE &&
	       pattern_check(io.buf, PAGE, SEED, 0) == PAGE;

	munmap(io.buf, PAGE);
	must(!fsync(other));
	close(other);
	if (!read)
		return "error: wrong data";
	return is_on_disk(SEED) ? "kept" : "LOST";
}

static void test_mapping(void)
{
	int fd = mount_and_open("cache=none", O_DIRECT);
	enum io_method method;

	for (method = 0; method < NR_IO_METHODS; method++)
		report("smb to a mapping", io_method_name[method],
		       read_to_mapping(fd, method), "kept");
	close_and_umount(fd);
	must(!unlink(OTHER));
}

/*
 * Memory that is not there, without O_DIRECT: that is an error, and not the end
 * of the file.
 */

static ssize_t use_bad_memory(int fd, enum io_method method, bool write)
{
	char *bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ssize_t ret;

	must(bad != MAP_FAILED);
	ret = io_do(method, fd, write, bad, PAGE, 0);
	munmap(bad, PAGE);
	return ret;
}

static const char *read_to_bad_memory(int fd, enum io_method method)
{
	ssize_t ret = use_bad_memory(fd, method, false);

	if (!ret)
		return "no error";
	return ret == -EFAULT ? "EFAULT" : "error: other";
}

static const char *write_from_bad_memory(int fd, enum io_method method)
{
	return use_bad_memory(fd, method, true) == -EFAULT ? "ok" :
							      "error: other";
}

static void test_bad_memory(void)
{
	/* Without a lease the cache is not used, nor is the way of O_DIRECT. */
	int fd = mount_and_open("cache=strict,nolease", 0);
	enum io_method method;
	char what[32];

	for (method = 0; method < NR_IO_METHODS; method++) {
		snprintf(what, sizeof(what), "read %s", io_method_name[method]);
		report("smb bad memory", what, read_to_bad_memory(fd, method),
		       "EFAULT");
		snprintf(what, sizeof(what), "write %s", io_method_name[method]);
		report("smb bad memory", what,
		       write_from_bad_memory(fd, method), "ok");
	}
	close_and_umount(fd);
}

/*
 * The client fills the holes of a file from one buffer of zeroes, which has to be
 * left alone by the cipher of a sealed share.  That a file has holes is what
 * Samba keeps in an xattr.
 */
#define HOLE	(16 * PAGE)

static const char *fill_holes(int fd)
{
	char *data = alloc_pages(4 * HOLE), *found = alloc_pages(4 * HOLE);
	bool kept;
	int k;

	pattern_fill(data, 4 * HOLE, SEED, 0);
	must(pwrite(fd, data, 4 * HOLE, 0) == 4 * HOLE);
	for (k = 0; k < 4; k += 2) {
		memset(data + k * HOLE, 0, HOLE);
		must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				k * HOLE, HOLE));
	}
	must(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * HOLE));
	must(pread(fd, found, 4 * HOLE, 0) == 4 * HOLE);
	kept = !memcmp(found, data, 4 * HOLE);
	munmap(data, 4 * HOLE);
	munmap(found, 4 * HOLE);
	return kept ? "kept" : "LOST";
}

static void test_holes(void)
{
	int fd = mount_and_open("vers=3.1.1,seal,cache=none", O_DIRECT);

	report("smb seal holes", "fallocate", fill_holes(fd), "kept");
	close_and_umount(fd);
}

/*
 * A direct read while there is no memory.  In one of the cases base dumps its
 * stack, which the console need not show: it would look like a kernel that died.
 */
#define SYSLOG_ACTION_CONSOLE_OFF	6
#define SYSLOG_ACTION_CONSOLE_ON	7

#define FREE_HUGE	"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

struct reader {
	int fd;
	char *buf;
	ssize_t ret;
};

static void do_read(void *arg)
{
	struct reader *reader = arg;

	reader->ret = pread(reader->fd, reader->buf, SECTOR, 0);
}

static const char *read_without_memory(int fd)
{
	long before = get_file(FREE_HUGE);
	struct reader reader = {
		.fd = fd, .buf = map_huge(HUGE, MAP_PRIVATE),
	};
	int tries = 200;
	unsigned int nr;
	bool read;

	klogctl(SYSLOG_ACTION_CONSOLE_OFF, NULL, 0);
	nr = fail_each_allocation(do_read, &reader);
	klogctl(SYSLOG_ACTION_CONSOLE_ON, NULL, 0);
	ksft_print_msg("%u allocations\n", nr);
	read = reader.ret == SECTOR &&
	       pattern_check(reader.buf, SECTOR, SEED, 0) == SECTOR;
	munmap(reader.buf, HUGE);
	if (!read)
		return "error: wrong data";
	while (get_file(FREE_HUGE) != before && tries--)
		usleep(10000);
	return get_file(FREE_HUGE) == before ? "balanced" : "leaked";
}

static void test_no_memory(void)
{
	int fd = mount_and_open("cache=none", O_DIRECT);

	run("echo 4 >/proc/sys/vm/nr_hugepages");
	report("smb no memory", "read", read_without_memory(fd), "balanced");
	run("echo 0 >/proc/sys/vm/nr_hugepages");
	close_and_umount(fd);
}

int main(void)
{
	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(3 * NR_IO_METHODS + 2);
	run("mkdir -p %s %s", DIR, MOUNT_POINT);
	smb_serve(DIR, "store dos attributes = yes");
	test_mapping();
	test_bad_memory();
	test_holes();
	test_no_memory();
	smb_end();
	run("rm -r %s", DIR);
	ksft_finished();
}
