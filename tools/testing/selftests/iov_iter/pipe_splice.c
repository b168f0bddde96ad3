// SPDX-License-Identifier: GPL-2.0
/*
 * T73: user memory in pipes.  vmsplice() puts references to it there, never
 * pins: what is in a pipe stays as it was for those who share the memory by
 * fork(), is bounded, and is given back.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"

#define FIFO_PATH	"/tmp/iovfifo"

enum { OLD = 1, NEW };

struct pipe {
	int out;
	int in;
};

static struct pipe pipe_create(size_t size)
{
	int fds[2];

	must(!pipe(fds));
	must(fcntl(fds[1], F_SETPIPE_SZ, size) >= (int)size);
	return (struct pipe) { .out = fds[0], .in = fds[1] };
}

static void pipe_close(const struct pipe *pipe)
{
	close(pipe->out);
	close(pipe->in);
}

static ssize_t put(const struct pipe *pipe, void *buf, size_t len,
		   unsigned int flags)
{
	struct iovec iov = { buf, len };

	return vmsplice(pipe->in, &iov, 1, flags);
}

static void check_pipe(const struct pipe *pipe, size_t len, unsigned int seed)
{
	char *got = alloc_pages(len);
	size_t done;
	ssize_t n;

	for (done = 0; done < len; done += n) {
		n = read(pipe->out, got + done, len - done);
		check(n > 0);
	}
	check_pattern(got, len, seed, 0);
	munmap(got, len);
}

/* Segments of any length and alignment, more than are taken at once */
static void test_segments(const void *arg)
{
	struct pipe pipe = pipe_create(MIB);
	char *mem = alloc_pages(MIB);
	struct iovec iov[100];
	size_t pos = 0, at = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		iov[i].iov_base = mem + at;
		iov[i].iov_len = i % 7 == 3 ? 0 : i * 77 % 5000;
		pattern_fill(iov[i].iov_base, iov[i].iov_len, OLD, pos);
		pos += iov[i].iov_len;
		at += iov[i].iov_len + i * 131 % 3000;
		must(at < MIB - 5000);
	}
	check_eq(vmsplice(pipe.in, iov, ARRAY_SIZE(iov), 0), pos);
	check_pipe(&pipe, pos, OLD);
}

/* What does not fit is not taken, and what is taken is given back. */
static void test_full(const void *arg)
{
	struct pipe pipe = pipe_create(16 * PAGE);
	char *huge = map_huge(HUGE, MAP_PRIVATE);
	struct iovec iov[] = {
		{ huge + 100, 3 * PAGE }, { huge + 7, 1 },
		{ huge + 200 * PAGE, 20 * PAGE }, { huge, PAGE },
	};
	int i;

	for (i = 0; i < 10; i++) {
		/* 4 buffers, 1, and 11 */
		check_eq(vmsplice(pipe.in, iov, ARRAY_SIZE(iov),
				  SPLICE_F_NONBLOCK), 14 * PAGE + 1);
		check_errno(vmsplice(pipe.in, iov, ARRAY_SIZE(iov),
				     SPLICE_F_NONBLOCK), EAGAIN);
		check_eq(read(pipe.out, huge + HUGE / 2, HUGE / 2),
			 14 * PAGE + 1);
	}
	check_eq(put(&pipe, huge, HUGE, SPLICE_F_NONBLOCK), 16 * PAGE);
	pipe_close(&pipe);
}

static void test_bad_memory(const void *arg)
{
	struct pipe pipe = pipe_create(MIB);
	char *mem = alloc_pages(64 * PAGE);
	struct iovec iov[] = { { mem, PAGE }, { mem + 40 * PAGE, PAGE } };

	must(!mprotect(mem + 40 * PAGE, PAGE, PROT_NONE));
	pattern_fill(mem, 40 * PAGE, OLD, 0);
	check_eq(put(&pipe, mem, 64 * PAGE, 0), 40 * PAGE);
	check_pipe(&pipe, 40 * PAGE, OLD);
	check_errno(put(&pipe, mem + 40 * PAGE, PAGE, 0), EFAULT);
	check_eq(vmsplice(pipe.in, iov, 2, 0), PAGE);
	check_pipe(&pipe, PAGE, OLD);
	check_eq(put(&pipe, mem, 0, 0), 0);
}

/*
 * Memory that parent and child share, and one of the two puts into a pipe and
 * unmaps: the other must not be able to reach it by that, nor let it be seen
 * what he writes.
 */
struct sharing {
	bool	by_child;
	bool	before_fork;
	bool	mprotect;
};

static void other_writes(char *mem, size_t len)
{
	pattern_fill(mem, len, NEW, 0);
}

static void use_mprotect(char *mem, size_t len)
{
	must(!mprotect(mem, len, PROT_READ));
	must(!mprotect(mem, len, PROT_READ | PROT_WRITE));
}

static void test_sharing(const void *arg)
{
	const struct sharing *how = arg;
	struct pipe pipe = pipe_create(MIB), sync = pipe_create(PAGE);
	struct pipe back = pipe_create(PAGE);
	const size_t len = 4 * PAGE;
	char *mem = alloc_pages(len), c = 0;
	int status;
	pid_t pid;

	pattern_fill(mem, len, OLD, 0);
	if (how->before_fork)
		check_eq(put(&pipe, mem, len, 0), len);
	pid = fork();
	must(pid >= 0);
	if (how->mprotect && !!pid == how->by_child)
		use_mprotect(mem, len);

	/* The one who has put it, and the other */
	if (!pid == how->by_child) {
		if (!how->before_fork)
			check_eq(put(&pipe, mem, len, 0), len);
		must(!munmap(mem, len));
		must(write(sync.in, &c, 1) == 1);
		must(read(back.out, &c, 1) == 1);
		check_pipe(&pipe, len, OLD);
	} else {
		must(read(sync.out, &c, 1) == 1);
		other_writes(mem, len);
		must(write(back.in, &c, 1) == 1);
	}

	if (!pid)
		_exit(0);
	must(waitpid(pid, &status, 0) == pid);
	check_eq(status, 0);
}

/* As CRIU does it: the pages are given away, into a named pipe. */
static void test_gift(const void *arg)
{
	struct pipe fifo;
	const size_t len = 8 * PAGE;
	char *mem;
	int i, file = memfd_create("gift", 0);

	must(file >= 0);
	unlink(FIFO_PATH);
	must(!mkfifo(FIFO_PATH, 0600));
	fifo.out = open(FIFO_PATH, O_RDWR);
	fifo.in = open(FIFO_PATH, O_RDWR);
	must(fifo.out >= 0 && fifo.in >= 0);
	for (i = 0; i < 10; i++) {
		mem = alloc_pages(len);
		pattern_fill(mem, len, OLD, 0);
		check_eq(put(&fifo, mem, len, SPLICE_F_GIFT |
			     SPLICE_F_NONBLOCK), len);
		must(!munmap(mem, len));
		if (i % 2) {
			check_pipe(&fifo, len, OLD);
			continue;
		}
		check_eq(splice(fifo.out, NULL, file, &(off_t) { 0 }, len,
				SPLICE_F_MOVE), len);
		mem = mmap(NULL, len, PROT_READ, MAP_SHARED, file, 0);
		must(mem != MAP_FAILED);
		check_pattern(mem, len, OLD, 0);
		munmap(mem, len);
	}
	must(!unlink(FIFO_PATH));
}

/* tee() and splice() take more references, of a part, from pipe to pipe. */
static void test_tee(const void *arg)
{
	struct pipe a = pipe_create(64 * PAGE), b = pipe_create(64 * PAGE);
	struct pipe c = pipe_create(64 * PAGE);
	char *huge = map_huge(HUGE, MAP_PRIVATE);
	const size_t len = 10 * PAGE;

	pattern_fill(huge + 5, len, OLD, 0);
	check_eq(put(&a, huge + 5, len, 0), len);
	check_eq(tee(a.out, b.in, len - PAGE, 0), len - PAGE);
	check_eq(splice(b.out, NULL, c.in, NULL, 100, 0), 100);
	check_eq(splice(b.out, NULL, c.in, NULL, PAGE, 0), PAGE);
	munmap(huge, HUGE);
	check_pipe(&a, len, OLD);
	check_pipe(&c, 100 + PAGE, OLD);
	pipe_close(&b);
}

/*
 * Pipes of somebody without privileges: how many pages they keep is limited for
 * all of them together, and past that for each.  None is pinned.
 */
#define NR_PIPES	1000
#define NOBODY		65534
#define LIMIT_PATH	"/proc/sys/fs/pipe-user-pages-soft"
#define LIMIT		4096
#define PAST_LIMIT	2	/* buffers of each pipe past the limit */

static void test_bounded(const void *arg)
{
	const struct rlimit many = { 3 * NR_PIPES, 3 * NR_PIPES };
	long old_limit = get_file(LIMIT_PATH), total = 0;
	struct pins before = pins_now(), pins;
	char *mem = alloc_pages(MIB);
	int fds[2], i;
	ssize_t n;

	must(!setrlimit(RLIMIT_NOFILE, &many));
	put_file(LIMIT_PATH, "%d", LIMIT);
	must(!setresuid(NOBODY, NOBODY, 0));
	for (i = 0; i < NR_PIPES; i++) {
		struct iovec iov = { mem, MIB };

		must(!pipe(fds));
		n = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
		check(n > 0);
		total += n / PAGE;
	}
	must(!setresuid(0, 0, 0));
	put_file(LIMIT_PATH, "%ld", old_limit);
	check(total <= LIMIT + PAST_LIMIT * NR_PIPES);
	check(total >= LIMIT);
	pins = pins_now();
	check_eq(pins.acquired - before.acquired, 0);
}

#define SHARING(name, ...) \
	{ "T73 " name, test_sharing, &(const struct sharing) { __VA_ARGS__ } }

static const struct dio_test tests[] = {
	{ "T73 segments", test_segments, NULL },
	{ "T73 full pipe", test_full, NULL },
	{ "T73 bad memory", test_bad_memory, NULL },
	SHARING("vmsplice by the child", .by_child = true),
	SHARING("vmsplice by the child, mprotect", .by_child = true,
		.mprotect = true),
	SHARING("vmsplice before fork, unmap by the parent",
		.before_fork = true),
	SHARING("vmsplice by the parent after fork", .by_child = false),
	{ "T73 gift to a named pipe", test_gift, NULL },
	{ "T73 tee and splice", test_tee, NULL },
	{ "T73 a thousand pipes", test_bounded, NULL },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
