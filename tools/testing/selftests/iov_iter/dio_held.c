// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a buffer while direct I/O on it is in flight.  The media are
 * on suspended mapped devices, which keep every request until the test has done
 * what it came for: nothing here depends on timing.
 *
 * A kernel that takes plain references on the destination of a read loses data
 * in those tests of T19 that fork.  The others hold on any kernel.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"

/* A child that does not go on before the pipe is closed. */
struct child {
	pid_t pid;
	int go;
};

static struct child child_start(void (*fn)(const void *arg), const void *arg)
{
	struct child child;
	int fds[2];
	char c;

	must(!pipe(fds));
	child.pid = fork();
	must(child.pid >= 0);
	if (!child.pid) {
		close(fds[1]);
		must(!read(fds[0], &c, 1));
		fn(arg);
		_exit(0);
	}
	close(fds[0]);
	child.go = fds[1];
	return child;
}

static void child_finish(const struct child *child)
{
	int status;

	close(child->go);
	must(waitpid(child->pid, &status, 0) == child->pid);
	check_eq(status, 0);
}

static void disk_fill(const struct medium *m, unsigned int seed, size_t len)
{
	char *buf = alloc_pages(len);

	pattern_fill(buf, len, seed, 0);
	must(pwrite(m->cached, buf, len, 0) == (ssize_t)len);
	must(!fsync(m->cached));
	munmap(buf, len);
}

static void disk_check(const struct medium *m, unsigned int seed, size_t len)
{
	char *buf = alloc_pages(len);

	must(pread(m->cached, buf, len, 0) == (ssize_t)len);
	check_pattern(buf, len, seed, 0);
	munmap(buf, len);
}

enum { MEMORY = 1, DISK, NEIGHBOUR, SCRIBBLE };

/*
 * T14: as many pages of the zero page in flight as overflow its reference count
 * if each is pinned.
 */
#define ZERO_PAGES	256
#define ZERO_WRITES	((1UL << 31) / GUP_PIN_COUNTING_BIAS / ZERO_PAGES + 1)
#define GUP_PIN_COUNTING_BIAS	1024

static void test_zero_page(const void *arg)
{
	const char *dev = dm_create("iovtestzero", MIB, "zero", "");
	size_t len = ZERO_PAGES * PAGE, i;
	aio_context_t aio = 0;
	struct io_event event;
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_nbytes = len,
	}, *iocbp = &iocb;
	char *zero = mmap(NULL, len, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (i = 0; i < len; i += PAGE)
		touch_read(zero + i);
	iocb.aio_buf = (uintptr_t)zero;
	iocb.aio_fildes = open(dev, O_WRONLY | O_DIRECT);
	must(!syscall(SYS_io_setup, ZERO_WRITES, &aio));

	dm_hold("iovtestzero");
	for (i = 0; i < ZERO_WRITES; i++)
		check_eq(syscall(SYS_io_submit, aio, 1, &iocbp), 1);
	dm_release("iovtestzero");

	for (i = 0; i < ZERO_WRITES; i++) {
		must(syscall(SYS_io_getevents, aio, 1, 1, &event, NULL) == 1);
		check_eq(event.res, len);
	}
	close(iocb.aio_fildes);
}

/*
 * T19: part of a page is read into, a thread writes the rest, and a child may
 * share the page for a while.
 */
enum sharing { NOBODY, CHILD_GONE, CHILD_STAYS };

static char *shared_page;

static void child_checks_page(const void *arg)
{
	check_pattern(shared_page, PAGE, MEMORY, 0);
}

static void child_does_nothing(const void *arg)
{
}

static void *write_neighbours(void *arg)
{
	const struct io *io = arg;
	char *buf = io->buf, *end = shared_page + PAGE;

	pattern_fill(shared_page, buf - shared_page, NEIGHBOUR, 0);
	pattern_fill(buf + io->len, end - buf - io->len, NEIGHBOUR, 0);
	return NULL;
}

static void neighbours(const struct medium *m, enum sharing how,
		       size_t offset, size_t len)
{
	struct io io = { .method = BY_AIO, .fd = m->direct, .len = len };
	struct child child;
	pthread_t thread;

	shared_page = alloc_pages(PAGE);
	pattern_fill(shared_page, PAGE, MEMORY, 0);
	io.buf = shared_page + offset;

	dm_hold(m->dev);
	io_start(&io);
	if (how != NOBODY)
		child = child_start(how == CHILD_GONE ? child_does_nothing :
				    child_checks_page, NULL);
	if (how == CHILD_GONE)
		child_finish(&child);
	must(!pthread_create(&thread, NULL, write_neighbours, &io));
	must(!pthread_join(thread, NULL));
	dm_release(m->dev);

	check_eq(io_wait(&io), len);
	check_pattern(io.buf, len, DISK, 0);
	check_pattern(shared_page, offset, NEIGHBOUR, 0);
	check_pattern(io.buf + len, PAGE - offset - len, NEIGHBOUR, 0);
	if (how == CHILD_STAYS)
		child_finish(&child);
	munmap(shared_page, PAGE);
}

static void test_neighbours(const void *arg)
{
	enum sharing how = *(const enum sharing *)arg;
	const struct medium *m;
	size_t len;

	for (m = media; m < media + NR_MEDIA; m++) {
		disk_fill(m, DISK, PAGE);
		for (len = SECTOR; len < PAGE; len += SECTOR) {
			context("%s, first %zu bytes", m->name, len);
			neighbours(m, how, 0, len);
			context("%s, last %zu bytes", m->name, len);
			neighbours(m, how, PAGE - len, len);
		}
	}
}

/*
 * T20: the medium gets what the buffer of a write held when it was submitted,
 * whatever a child that was forked later writes there.
 */
struct source {
	void *(*map)(void);
	bool unmap;		/* so that nobody but the child has the page */
};

#define SOURCE_LEN	(4 * PAGE)

/*
 * Where a test puts the buffer of an I/O in memory.  ext4 waits for a write
 * from memory that is not aligned to its blocks.
 */
#define READ_OFFSET	(3 * SECTOR)
#define WRITE_OFFSET	PAGE
#define OFFSET(write)	((write) ? WRITE_OFFSET : READ_OFFSET)

static void child_scribbles(const void *mem)
{
	pattern_fill((void *)mem, WRITE_OFFSET + SOURCE_LEN, SCRIBBLE, 0);
}

static void test_source(const void *arg)
{
	const struct source *source = arg;
	const struct medium *m;

	for (m = media; m < media + NR_MEDIA; m++) {
		char *mem = source->map();
		struct io io = {
			.method = BY_AIO,
			.write = true,
			.fd = m->direct,
			.buf = mem + WRITE_OFFSET,
			.len = SOURCE_LEN,
		};
		struct child child;

		context("%s", m->name);
		pattern_fill(io.buf, SOURCE_LEN, MEMORY, 0);
		disk_fill(m, DISK, SOURCE_LEN);
		dm_hold(m->dev);
		io_start(&io);
		child = child_start(child_scribbles, mem);
		if (source->unmap)
			must(!munmap(mem, HUGE));
		child_finish(&child);
		dm_release(m->dev);

		check_eq(io_wait(&io), SOURCE_LEN);
		disk_check(m, MEMORY, SOURCE_LEN);
	}
}

static void *map_anon(void)
{
	return alloc_pages(HUGE);
}

static void *map_hugetlb(void)
{
	return map_huge(HUGE, MAP_PRIVATE);
}

/*
 * T21: the buffer goes away, or elsewhere, while I/O on it is in flight.  The
 * I/O still happens, to or from the pages that it was started on; what is put
 * in their place is left alone.
 */
struct vanish {
	void *(*map)(void);
	char *(*change)(char *mem);	/* NULL if the data is out of reach */
};

#define VANISH_LEN	(16 * PAGE)

/* Pages that were freed by mistake would come back here. */
static char *refill;
#define REFILL		(8 * MIB)

static void take_free_pages(void)
{
	refill = alloc_pages(REFILL);
	memset(refill, 0x5a, REFILL);
}

static void check_refill(void)
{
	char *want = malloc(REFILL);

	memset(want, 0x5a, REFILL);
	check_same(refill, want, REFILL);
	free(want);
	munmap(refill, REFILL);
}

static char *by_munmap(char *mem)
{
	must(!munmap(mem, HUGE));
	return NULL;
}

static char *by_dontneed(char *mem)
{
	must(!madvise(mem, HUGE, MADV_DONTNEED));
	return NULL;
}

/* Only a part of a huge page goes. */
static char *by_dontneed_page(char *mem)
{
	must(!madvise(mem + PAGE, PAGE, MADV_DONTNEED));
	return NULL;
}

static char *by_mremap(char *mem)
{
	char *to = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	to = (char *)(((uintptr_t)to + HUGE - 1) & -HUGE);
	must(mremap(mem, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	return to;
}

static char *by_mprotect(char *mem)
{
	must(!mprotect(mem, HUGE, PROT_NONE));
	must(!mprotect(mem, HUGE, PROT_READ | PROT_WRITE));
	return mem;
}

static void vanish(const struct vanish *v, const struct medium *m, bool write)
{
	char *mem = v->map(), *now;
	struct io io = {
		.method = BY_AIO,
		.write = write,
		.fd = m->direct,
		.buf = mem + OFFSET(write),
		.len = VANISH_LEN,
	};

	pattern_fill(io.buf, VANISH_LEN, MEMORY, 0);
	disk_fill(m, DISK, VANISH_LEN);
	dm_hold(m->dev);
	io_start(&io);
	now = v->change(mem);
	take_free_pages();
	dm_release(m->dev);

	check_eq(io_wait(&io), VANISH_LEN);
	check_refill();
	disk_check(m, write ? MEMORY : DISK, VANISH_LEN);
	if (now) {
		check_pattern(now + OFFSET(write), VANISH_LEN,
			      write ? MEMORY : DISK, 0);
		munmap(now, HUGE);
	}
}

static void test_vanish(const void *arg)
{
	const struct medium *m;

	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s, read", m->name);
		vanish(arg, m, false);
		context("%s, write", m->name);
		vanish(arg, m, true);
	}
}

/*
 * T45: the process is killed.  It has reads and writes of all kinds in flight,
 * on a huge page, of which the runner would miss the return.  A write() keeps the
 * inode locked until it is done, on ext2, so those that need no thread come first.
 */
static void start_all(const struct medium *m, char *mem)
{
	static struct io ios[2 * NR_IO_METHODS];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ios); i++) {
		ios[i] = (struct io) {
			.method = (i / 2 + BY_AIO) % NR_IO_METHODS,
			.write = i % 2,
			.fd = m->direct,
			.buf = mem + i * 32 * PAGE + OFFSET(i % 2),
			.len = 16 * PAGE,
			.pos = i * 16 * PAGE,
		};
		io_start(&ios[i]);
	}
}

static void test_killed(const void *arg)
{
	const struct medium *m;
	int fds[2], status;
	pid_t pid;
	char c;

	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		must(!pipe(fds));
		dm_hold(m->dev);
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			start_all(m, map_hugetlb());
			must(write(fds[1], "", 1) == 1);
			pause();
		}
		must(read(fds[0], &c, 1) == 1);
		must(!kill(pid, SIGKILL));
		dm_release(m->dev);
		must(waitpid(pid, &status, 0) == pid);
		check_eq(WTERMSIG(status), SIGKILL);
		close(fds[0]);
		close(fds[1]);
	}
}

/*
 * T45: io_uring first tries without waiting, is refused by the device, and
 * tries again from a worker, which has to take the pages once more.
 */
static void test_retry(const void *arg)
{
	char *mem = map_hugetlb();
	const struct medium *m;
	unsigned int i;

	for (m = media; m < media + NR_MEDIA; m++) {
		for (i = 0; i < 2; i++) {
			struct io io = {
				.method = BY_URING,
				.write = i,
				.fd = m->direct,
				.buf = mem + OFFSET(i),
				.len = VANISH_LEN,
			};

			context("%s, %s", m->name, i ? "write" : "read");
			pattern_fill(io.buf, VANISH_LEN, MEMORY, 0);
			disk_fill(m, DISK, VANISH_LEN);
			dm_hold(m->dev);
			io_start(&io);
			dm_release(m->dev);
			check_eq(io_wait(&io), VANISH_LEN);
			check_pattern(io.buf, VANISH_LEN, i ? MEMORY : DISK, 0);
			disk_check(m, i ? MEMORY : DISK, VANISH_LEN);
		}
	}
}

/* T45: a block device says -EAGAIN, for one bio and for several. */
static void test_nowait(const void *arg)
{
	struct iovec iov = { .iov_base = map_hugetlb() + SECTOR };
	static const size_t lens[] = { PAGE, MIB + 4 * PAGE };
	const struct medium *m = &media[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		context("%zu bytes", lens[i]);
		iov.iov_len = lens[i];
		dm_hold(m->dev);
		check_errno(preadv2(m->direct, &iov, 1, 0, RWF_NOWAIT), EAGAIN);
		check_errno(pwritev2(m->direct, &iov, 1, 0, RWF_NOWAIT),
			    EAGAIN);
		dm_release(m->dev);
		check_eq(preadv2(m->direct, &iov, 1, 0, 0), lens[i]);
	}
}

/* T45: a request that cannot be cancelled any more completes all the same. */
static void test_cancel(const void *arg)
{
	char *mem = map_hugetlb();
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	const struct medium *m;
	struct io_uring ring;
	int i, res[2];

	must(!io_uring_queue_init(2, &ring, 0));
	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		dm_hold(m->dev);
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_read(sqe, m->direct, mem, VANISH_LEN, 0);
		io_uring_sqe_set_data64(sqe, 0);
		must(io_uring_submit(&ring) == 1);
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_cancel64(sqe, 0, 0);
		io_uring_sqe_set_data64(sqe, 1);
		must(io_uring_submit(&ring) == 1);
		dm_release(m->dev);

		for (i = 0; i < 2; i++) {
			must(!io_uring_wait_cqe(&ring, &cqe));
			res[cqe->user_data] = cqe->res;
			io_uring_cqe_seen(&ring, cqe);
		}
		if (res[0] != (int)VANISH_LEN)
			check_eq(res[0], -ECANCELED);
	}
	io_uring_queue_exit(&ring);
}

#define NEIGHBOURS(name, how) \
	{ "T19 neighbour bytes written, " name, test_neighbours, \
	  &(const enum sharing) { how } }
#define SOURCE(name, ...) \
	{ "T20 " name, test_source, &(const struct source) { __VA_ARGS__ } }
#define VANISH(name, ...) \
	{ "T21 " name, test_vanish, &(const struct vanish) { __VA_ARGS__ } }

static const struct dio_test tests[] = {
	{ "T14 zero page in flight two million times", test_zero_page, NULL },

	NEIGHBOURS("no fork", NOBODY),
	NEIGHBOURS("fork, child gone before", CHILD_GONE),
	NEIGHBOURS("fork, child stays", CHILD_STAYS),

	SOURCE("child scribbles on what is written", map_anon, false),
	SOURCE("child scribbles, parent has unmapped", map_anon, true),
	SOURCE("child scribbles on a huge page", map_thp, false),
	SOURCE("child scribbles, parent has unmapped the huge page",
	       map_thp, true),
	SOURCE("child scribbles on hugetlb", map_hugetlb, false),

	VANISH("munmap", map_anon, by_munmap),
	VANISH("MADV_DONTNEED", map_anon, by_dontneed),
	VANISH("mremap", map_anon, by_mremap),
	VANISH("mprotect", map_anon, by_mprotect),
	VANISH("huge page, munmap", map_thp, by_munmap),
	VANISH("huge page, MADV_DONTNEED of it", map_thp, by_dontneed),
	VANISH("huge page, MADV_DONTNEED in it", map_thp, by_dontneed_page),
	VANISH("huge page, mremap", map_thp, by_mremap),
	VANISH("huge page, mprotect", map_thp, by_mprotect),
	VANISH("hugetlb, munmap", map_hugetlb, by_munmap),
	VANISH("hugetlb, mremap", map_hugetlb, by_mremap),

	{ "T45 killed", test_killed, NULL },
	{ "T45 io_uring tries again", test_retry, NULL },
	{ "T45 RWF_NOWAIT", test_nowait, NULL },
	{ "T45 io_uring cancelled", test_cancel, NULL },
};

int main(void)
{
	media_create(true);
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
