// SPDX-License-Identifier: GPL-2.0
/* T77: what 9p does without a copy, from and to all kinds of memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "p9_util.h"

#define FILE_PATH	P9_DIR "/file"
#define OTHER_PATH	"/var/tmp/p9_dio"	/* on ext4 */
#define FILE_SIZE	(256 * KIB)	/* two messages and more */

enum { OLD = 1, NEW };

static int open_file(int flags)
{
	char *data = alloc_pages(FILE_SIZE);
	int fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);

	must(fd >= 0);
	pattern_fill(data, FILE_SIZE, OLD, 0);
	must(pwrite(fd, data, FILE_SIZE, 0) == FILE_SIZE);
	munmap(data, FILE_SIZE);
	return fd;
}

static const struct { size_t at; size_t len; off_t pos; } layouts[] = {
	{ 0, PAGE, 0 },
	{ 1, 1, 1 },			/* copied */
	{ 13, 1025, 4090 },
	{ 4095, 2000, 7 },
	{ 511, 3 * PAGE, 513 },
	{ 100, 200001, 3 },
	{ PAGE - 1, FILE_SIZE, 0 },
};

static void test_unaligned(const void *arg)
{
	char *buf = alloc_pages(FILE_SIZE + 2 * PAGE), *p;
	int fd, uring;
	size_t i;

	p9_mount("cache=none");
	fd = open_file(O_DIRECT);
	for (uring = 0; uring < 2; uring++) {
		for (i = 0; i < ARRAY_SIZE(layouts); i++) {
			struct io io = {
				.method = uring ? BY_URING : BY_SYSCALL,
				.fd = fd, .buf = buf + layouts[i].at,
				.len = layouts[i].len, .pos = layouts[i].pos,
			};

			context("%s, layout %zu", uring ? "io_uring" : "read", i);
			p = io.buf;
			memset(buf, 0, FILE_SIZE + 2 * PAGE);
			io_start(&io);
			check_eq(io_wait(&io), io.len);
			check_pattern(p, io.len, OLD, io.pos);
			check_eq(p[io.len], 0);
			if (p > buf)
				check_eq(p[-1], 0);

			io.write = true;
			pattern_fill(p, io.len, NEW, io.pos);
			io_start(&io);
			check_eq(io_wait(&io), io.len);
			memset(p, 0, io.len);
			check_eq(pread(fd, p, io.len, io.pos), io.len);
			check_pattern(p, io.len, NEW, io.pos);
			pattern_fill(p, io.len, OLD, io.pos);
			check_eq(pwrite(fd, p, io.len, io.pos), io.len);
		}
	}
	close(fd);
	p9_umount();
}

static void test_eof(const void *arg)
{
	int fd;

	p9_mount("cache=none");
	fd = open_file(O_DIRECT);
	dio_at_end(fd, FILE_SIZE, OLD);
	close(fd);
	p9_umount();
}

/* T02, T51 */
static void test_fault(const void *arg)
{
	int fd;

	p9_mount("cache=none");
	fd = open_file(O_DIRECT);
	dio_at_bad_page(fd, OLD);
	close(fd);
	p9_umount();
}

/* T52: page cache, and with cache=none memory of vmalloc() and of the stack */
static void test_exec(const void *cache)
{
	p9_mount(cache);
	run("cp /bin/ls %s/ls && %s/ls /t >/tmp/ls.9p", P9_DIR, P9_DIR);
	run("ls /t | cmp - /tmp/ls.9p && rm %s/ls /tmp/ls.9p", P9_DIR);
	p9_umount();
}

/* It is no module, but that has to be found out. */
static void test_vmalloc(const void *arg)
{
	int fd;

	p9_mount("cache=none");
	close(open_file(0));
	fd = open(FILE_PATH, O_RDONLY | O_DIRECT);
	must(fd >= 0);
	check_errno(syscall(__NR_finit_module, fd, "", 0), ENOEXEC);
	close(fd);
	p9_umount();
}

/* The entries of a directory come in a buffer of kmalloc() or vmalloc(). */
static void test_readdir(const void *cache)
{
	p9_mount(cache);
	run("mkdir %s/d && cd %s/d && seq 1000 1999 | xargs touch", P9_DIR, P9_DIR);
	run("[ $(ls %s/d | sort -u | wc -l) = 1000 ]", P9_DIR);
	run("rm -r %s/d", P9_DIR);
	p9_umount();
}

/* T43: the memory is that of another file, which has to become dirty. */
static void test_mapping(const void *arg)
{
	int fd;

	p9_mount("cache=none");
	fd = open_file(O_DIRECT);
	dio_to_mapping(fd, FILE_SIZE, OLD, OTHER_PATH);
	must(!unlink(OTHER_PATH));
	close(fd);
	p9_umount();
}

/* T16: the pages of a pipe, to and fro */
static void test_splice(const void *arg)
{
	char *buf = alloc_pages(FILE_SIZE);
	int fd;

	p9_mount("cache=none");
	fd = open_file(O_DIRECT);
	splice_to_and_fro(fd, FILE_SIZE, OLD, 3 * PAGE, NEW, 7);
	check_eq(pread(fd, buf, 3 * PAGE, 7), 3 * PAGE);
	check_pattern(buf, 3 * PAGE, NEW, 7);
	close(fd);
	p9_umount();
}

static void test_fio(const void *arg)
{
	p9_mount("cache=none");
	run("./fio_verify.sh %s psync io_uring", P9_DIR);
	p9_umount();
}

static const struct dio_test tests[] = {
	{ "unaligned", test_unaligned, NULL },
	{ "end of file", test_eof, NULL },
	{ "fault", test_fault, NULL },
	{ "exec, no cache", test_exec, "cache=none" },
	{ "exec, cache", test_exec, "cache=loose" },
	{ "kernel_read to vmalloc memory", test_vmalloc, NULL },
	{ "directory, no cache", test_readdir, "cache=none" },
	{ "directory, cache", test_readdir, "cache=loose" },
	{ "into a mapping", test_mapping, NULL },
	{ "splice", test_splice, NULL },
	{ "fio", test_fio, NULL },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
