// SPDX-License-Identifier: GPL-2.0
/*
 * T74: direct I/O through a FUSE server, which answers late, or dies, or whose
 * client dies.
 *
 * The tests that count pins, and those in which a client is killed, which do so
 * too, fail on a kernel that takes plain references.  The others hold on any
 * kernel.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "fs_util.h"
#include "fuse_util.h"

/* Names that the runner removes after each test */
#define DIR		"/tmp/iovtestfuse"
#define FILE_PATH	DIR "/file"
#define FS_DIR		"/tmp/iovtestfs"

enum { MEMORY = 1, DISK };

static struct fuse fuse;

/* With O_DIRECT, AIO and io_uring do not wait for the server. */
static int start(enum fuse_transport by)
{
	int fd;

	fuse_start(&fuse, DIR, by);
	pattern_fill(fuse.disk, FUSE_DISK_SIZE, DISK, 0);
	fuse_set_size(&fuse, FUSE_DISK_SIZE);
	fd = open(FILE_PATH, O_RDWR | O_DIRECT);
	must(fd >= 0);
	return fd;
}

static void stop(int fd)
{
	close(fd);
	fuse_stop(&fuse);
}

/* Any position, length and alignment: nothing here has sectors. */
static const struct range {
	off_t	pos;
	size_t	len;
	size_t	at;		/* in the first page of the buffer */
} ranges[] = {
	{ 0, 1, 0 },
	{ 5, 1, PAGE - 1 },
	{ 1, 2 * PAGE, 0 },
	{ PAGE, PAGE, 0 },
	{ 3 * PAGE, 3 * PAGE, 100 },
	{ 12345, 54321, 777 },
	{ 0, 128 * KIB, 0 },
	{ 17, 128 * KIB, 1 },
	{ 64 * KIB, 700 * KIB + 3, 4000 },
};

#define BUF_SIZE	MIB

static void transfer(int fd, enum io_method method, const struct range *r)
{
	char *buf = alloc_pages(BUF_SIZE), *want = alloc_pages(BUF_SIZE);

	pattern_fill(fuse.disk, FUSE_DISK_SIZE, DISK, 0);
	pattern_fill(want + r->at, r->len, DISK, r->pos);
	check_eq(io_do(method, fd, false, buf + r->at, r->len, r->pos), r->len);
	check_same(buf, want, BUF_SIZE);

	pattern_fill(buf, BUF_SIZE, MEMORY, 0);
	check_eq(io_do(method, fd, true, buf + r->at, r->len, r->pos), r->len);
	check_pattern(fuse.disk, r->pos, DISK, 0);
	check_pattern(fuse.disk + r->pos, r->len, MEMORY, r->at);
	check_pattern(fuse.disk + r->pos + r->len, PAGE, DISK, r->pos + r->len);

	munmap(buf, BUF_SIZE);
	munmap(want, BUF_SIZE);
}

static void test_transfer(const void *arg)
{
	int fd = start(*(const enum fuse_transport *)arg);
	enum io_method method;
	unsigned int i;

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (i = 0; i < ARRAY_SIZE(ranges); i++) {
			context("%s, range %u", io_method_name[method], i);
			transfer(fd, method, &ranges[i]);
		}
	}
	stop(fd);
}

static void test_end_of_file(const void *arg)
{
	static const off_t sizes[] = { 0, 1, PAGE, 5000, 300 * KIB + 1 };
	int fd = start(FUSE_BY_COPY);
	char *buf = alloc_pages(BUF_SIZE);
	enum io_method method;
	unsigned int i;

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			context("%s, %ld bytes", io_method_name[method],
				(long)sizes[i]);
			must(!ftruncate(fd, sizes[i]));
			memset(buf, 0x5a, BUF_SIZE);
			check_eq(io_do(method, fd, false, buf + 1, 600 * KIB,
				       0), sizes[i]);
			check_pattern(buf + 1, sizes[i], DISK, 0);
			check(buf[0] == 0x5a && buf[1 + 600 * KIB] == 0x5a);
		}
	}
	stop(fd);
}

/* What is there of a buffer is transferred; a huge page would be missed. */
static void test_bad_memory(const void *arg)
{
	int fd = start(FUSE_BY_COPY), write;
	char *mem = mmap(NULL, 2 * HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	enum io_method method;
	size_t len;

	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	must(mmap(mem, HUGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1,
		  0) == mem);
	mem += HUGE;

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (write = 0; write < 2; write++) {
			for (len = 1; len < 300 * KIB; len = len * 7 + 1) {
				context("%s, %s, %zu bytes",
					io_method_name[method],
					write ? "write" : "read", len);
				pattern_fill(mem - len, len, DISK, 0);
				check_eq(io_do(method, fd, write, mem - len,
					       len + 9999, 0), len);
				check_pattern(mem - len, len, DISK, 0);
			}
			check_eq(io_do(method, fd, write, mem, PAGE, 0),
				 -EFAULT);
		}
	}
	check_pattern(fuse.disk, FUSE_DISK_SIZE, DISK, 0);
	munmap(mem - HUGE, HUGE);
	stop(fd);
}

/* The server has seen @nr requests of @method, and answers none. */
static void start_held(struct io *io, unsigned int nr)
{
	fuse_hold(&fuse, true);
	io_start(io);
	while (nr--)
		fuse_wait_held(&fuse);
	fuse_hold(&fuse, false);
}

/*
 * A direct read pins its pages, also those that the kernel copies a request to;
 * a write pins only the latter.  One request of 16 pages and a part of one, then
 * what the server reads of it: the head, and the data of a write behind it.
 */
static void test_pins(const void *arg)
{
	int fd = start(FUSE_BY_COPY);
	char *buf = alloc_pages(BUF_SIZE);
	enum io_method method;
	struct pins before, pins;

	for (method = 0; method < NR_IO_METHODS; method++) {
		context("%s, read", io_method_name[method]);
		before = pins_now();
		check_eq(io_do(method, fd, false, buf, 16 * PAGE + 1, 0),
			 16 * PAGE + 1);
		pins = pins_since(&before);
		check_eq(pins.acquired, 17 + 1);

		context("%s, write", io_method_name[method]);
		before = pins_now();
		check_eq(io_do(method, fd, true, buf, 16 * PAGE, 0), 16 * PAGE);
		pins = pins_since(&before);
		check_eq(pins.acquired, 17);
	}
	stop(fd);
}

/* T21: the buffer is gone before the answer comes. */
static void test_unmapped(const void *arg)
{
	const size_t len = 16 * PAGE, refill_len = 4 * MIB;
	int fd = start(FUSE_BY_COPY), write;
	char *refill;

	for (write = 0; write < 2; write++) {
		struct io io = {
			.method = BY_AIO, .write = write, .fd = fd,
			.buf = alloc_pages(len), .len = len,
		};

		context("%s", write ? "write" : "read");
		pattern_fill(io.buf, len, MEMORY, 0);
		start_held(&io, 1);
		must(!munmap(io.buf, len));
		refill = alloc_pages(refill_len);
		memset(refill, 0x5a, refill_len);
		fuse_release(&fuse);
		check_eq(io_wait(&io), len);
		check(!memcmp(refill, refill + 1, refill_len - 1));
		check_pattern(fuse.disk, len, write ? MEMORY : DISK, 0);
		munmap(refill, refill_len);
	}
	stop(fd);
}

/*
 * T43: the buffer is a mapping of a file, which is written back while the
 * answer is outstanding.  Nobody but the read can make its pages dirty again.
 */
static void test_written_back(const void *arg)
{
	int fd = start(FUSE_BY_COPY), file;
	const char *dev = fs_create(&fs_ext4, FS_DIR);
	const size_t len = 4 * PAGE;
	enum io_method method;
	char *got;

	file = open(FS_DIR "/buffer", O_RDWR | O_CREAT, 0600);
	must(file >= 0 && !ftruncate(file, NR_IO_METHODS * len));
	for (method = 0; method < NR_IO_METHODS; method++) {
		struct io io = {
			.method = method, .fd = fd, .len = len,
			.pos = method * len,
			.buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
				    MAP_SHARED, file, method * len),
		};

		must(io.buf != MAP_FAILED);
		context("%s", io_method_name[method]);
		start_held(&io, 1);
		must(!msync(io.buf, len, MS_SYNC));
		fuse_release(&fuse);
		check_eq(io_wait(&io), len);
		check_pattern(io.buf, len, DISK, io.pos);
		must(!munmap(io.buf, len));
	}
	close(file);
	fs_remount(&fs_ext4, FS_DIR, dev);
	context("medium");
	file = open(FS_DIR "/buffer", O_RDONLY);
	got = alloc_pages(NR_IO_METHODS * len);
	check_eq(read(file, got, NR_IO_METHODS * len), NR_IO_METHODS * len);
	check_pattern(got, NR_IO_METHODS * len, DISK, 0);
	close(file);
	stop(fd);
}

/* T43: the buffer is a private mapping of the file that is read. */
static void test_same_file(const void *arg)
{
	int fd = start(FUSE_BY_COPY);
	const size_t len = 8 * PAGE;
	char *buf = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 0);

	must(buf != MAP_FAILED);
	check_eq(pread(fd, buf, len, 3 * len), len);
	check_pattern(buf, len, DISK, 3 * len);
	check_eq(pwrite(fd, buf + len, len, 5 * len), len);
	check_pattern(fuse.disk + 5 * len, len, DISK, len);
	munmap(buf, 2 * len);
	stop(fd);
}

/*
 * The server dies, with requests that it has read, or has not.  In memory of
 * huge pages, which the runner would miss.
 */
static void test_server_dies(const void *arg)
{
	bool unread = arg, write;
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	enum io_method method;
	long ret;

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (write = false;; write = true) {
			int fd = start(FUSE_BY_COPY);
			struct io io = {
				.method = method, .write = write, .fd = fd,
				.buf = mem + 100, .len = 100 * PAGE,
			};

			context("%s, %s", io_method_name[method],
				write ? "write" : "read");
			if (unread) {
				fuse_freeze(&fuse);
				io_start(&io);
			} else {
				start_held(&io, 1);
			}
			fuse_kill(&fuse);
			ret = io_wait(&io);
			check(ret == -ENOTCONN || ret == -ECONNABORTED);
			close(fd);
			fuse_stop(&fuse);
			if (write)
				break;
		}
	}
}

/*
 * The client is killed while the server has its request.  The pages stay
 * pinned, and the data that comes at last goes there: the memory is shared with
 * the test.  With io_uring the client does not even wait.
 */
static pid_t start_client(int fd, enum io_method method, char *mem)
{
	struct io io = {
		.method = method, .fd = fd, .buf = mem, .len = PAGE,
	};
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		if (method == BY_SYSCALL) {
			pread(fd, mem, PAGE, 0);
			_exit(0);
		}
		io_start(&io);
		pause();
	}
	return pid;
}

static void test_client_killed(const void *arg)
{
	int fd = start(FUSE_BY_COPY), status;
	enum io_method method;
	struct pins before, pins;
	long held;
	pid_t pid;

	for (method = 0; method < NR_IO_METHODS; method++) {
		char *mem = map_huge(HUGE, MAP_SHARED);

		context("%s", io_method_name[method]);
		before = pins_now();
		fuse_hold(&fuse, true);
		pid = start_client(fd, method, mem + PAGE);
		fuse_wait_held(&fuse);
		fuse_hold(&fuse, false);
		must(!kill(pid, SIGKILL));
		if (method == BY_URING)
			must(waitpid(pid, &status, 0) == pid);
		else
			check_eq(waitpid(pid, &status, WNOHANG), 0);
		pins = pins_now();
		held = pins.acquired - before.acquired -
		       (pins.released - before.released);

		fuse_release(&fuse);
		if (method != BY_URING)
			must(waitpid(pid, &status, 0) == pid);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_eq(held, 1);
		pins = pins_since(&before);
		check_eq(pins.acquired, pins.released);
		check_pattern(mem + PAGE, PAGE, DISK, 0);
		check(!mem[PAGE - 1] && !mem[2 * PAGE]);
		munmap(mem, HUGE);
	}
	stop(fd);
}

/* The same, but nobody has seen the request: it is taken back. */
static void test_client_killed_unread(const void *arg)
{
	int fd = start(FUSE_BY_COPY), status, tries = 2000;
	char *mem = map_huge(HUGE, MAP_SHARED);
	struct pins before = pins_now(), pins;
	pid_t pid;

	fuse_freeze(&fuse);
	pid = start_client(fd, BY_SYSCALL, mem);
	do {
		check(tries--);
		usleep(10000);
		pins = pins_now();
	} while (pins.acquired == before.acquired);
	must(!kill(pid, SIGKILL));
	must(waitpid(pid, &status, 0) == pid);
	pins = pins_since(&before);
	check_eq(pins.acquired, 1);
	check_eq(pins.released, 1);
	fuse_thaw(&fuse);
	check_eq(pread(fd, mem, PAGE, PAGE), PAGE);
	check_pattern(mem, PAGE, DISK, PAGE);
	munmap(mem, HUGE);
	stop(fd);
}

/* kernel_read() reads the head of a program to ITER_KVEC. */
static void test_exec(const void *arg)
{
	int fd = start(FUSE_BY_COPY), program = open("/bin/true", O_RDONLY);
	ssize_t n = read(program, fuse.disk, FUSE_DISK_SIZE);

	must(n > 0);
	fuse_set_size(&fuse, n);
	/* A file that is open for writing cannot be executed. */
	close(fd);
	check(!system(FILE_PATH));
	fuse_stop(&fuse);
}

/* T41: a loop device, whose pages are ITER_BVEC */
static void test_loop(const void *arg)
{
	int fd = start(FUSE_BY_COPY), loop;
	char *buf = alloc_pages(BUF_SIZE);
	enum io_method method;

	loop = open(file_dev_attach("loop", FILE_PATH), O_RDWR | O_DIRECT);
	must(loop >= 0);
	for (method = 0; method < NR_IO_METHODS; method++) {
		off_t pos = method * MIB + 3 * SECTOR;
		size_t len = 130 * SECTOR;

		context("%s", io_method_name[method]);
		check_eq(io_do(method, loop, false, buf + SECTOR, len, pos),
			 len);
		check_pattern(buf + SECTOR, len, DISK, pos);
		pattern_fill(buf, BUF_SIZE, MEMORY, pos);
		check_eq(io_do(method, loop, true, buf, len, pos), len);
		check_pattern(fuse.disk + pos, len, MEMORY, pos);
		check_pattern(fuse.disk + pos + len, PAGE, DISK, pos + len);
	}
	close(loop);
	file_dev_detach("loop");
	stop(fd);
}

/* T16: splice() gives a direct read the pages of a pipe. */
static void test_splice(const void *arg)
{
	static const off_t sizes[] = { 1, PAGE, 5000, 60 * KIB + 1, 200 * KIB };
	int fd = start(FUSE_BY_COPY), pipe_fds[2];
	char *buf = alloc_pages(BUF_SIZE);
	unsigned int i;
	ssize_t n;
	off_t pos;

	must(!pipe(pipe_fds));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		context("%ld bytes", (long)sizes[i]);
		fuse_set_size(&fuse, sizes[i]);
		for (pos = 0; pos < sizes[i]; pos += n) {
			n = splice(fd, &(off_t) { pos }, pipe_fds[1], NULL, MIB,
				   0);
			check(n > 0 && n <= sizes[i] - pos);
			check_eq(read(pipe_fds[0], buf, MIB), n);
			check_pattern(buf, n, DISK, pos);
		}
		check_eq(splice(fd, &pos, pipe_fds[1], NULL, MIB, 0), 0);
	}
	stop(fd);
}

static const enum fuse_transport by_copy = FUSE_BY_COPY;
static const enum fuse_transport by_splice = FUSE_BY_SPLICE;

static const struct dio_test tests[] = {
	{ "T74 data", test_transfer, &by_copy },
	{ "T74 data, server uses splice", test_transfer, &by_splice },
	{ "T74 end of file", test_end_of_file, NULL },
	{ "T74 bad memory", test_bad_memory, NULL },
	{ "T74 pins", test_pins, NULL },
	{ "T74 buffer unmapped", test_unmapped, NULL },
	{ "T43 buffer written back", test_written_back, NULL },
	{ "T43 buffer of the same file", test_same_file, NULL },
	{ "T74 server dies", test_server_dies, NULL },
	{ "T74 server dies, request not read", test_server_dies, "unread" },
	{ "T74 client killed", test_client_killed, NULL },
	{ "T74 client killed, request not read", test_client_killed_unread,
	  NULL },
	{ "exec", test_exec, NULL },
	{ "T41 loop", test_loop, NULL },
	{ "T16 splice", test_splice, NULL },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
