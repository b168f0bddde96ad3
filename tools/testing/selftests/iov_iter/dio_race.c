// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads while the process forks all the time.
 *
 * Fast GUP must not pin a page that fork() is about to share: it takes back what
 * it has when it finds that a fork() has begun meanwhile, and tries again with
 * the mmap_lock held.  Here it does so in the middle of single pages, of many
 * segments, and of runs.  The data has to arrive in the parent, and not one pin
 * may be left over or lost, which the runner checks after each test.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "dio_util.h"

#define SEED		47
#define SECONDS		4
#define MAX_SEGS	256

static atomic_bool stop;
static atomic_long nr_forks;

/* What makes fork() take its time */
#define BALLAST		(8 * MIB)

static void *fork_thread(void *arg)
{
	pid_t pid;

	while (!stop) {
		pid = fork();
		must(pid >= 0);
		if (!pid)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid);
		nr_forks++;
	}
	return NULL;
}

struct layout {
	size_t size;		/* of a read */
	size_t seg;		/* of each of its segments */
	size_t gap;		/* between them */
	bool huge;
};

static const struct layout one_page = { PAGE, PAGE, 0, false };
static const struct layout small_segs = { MIB, PAGE, PAGE, false };
static const struct layout part_of_page = { SECTOR, SECTOR, 0, false };
static const struct layout small_pages = { MIB, MIB, 0, false };
static const struct layout huge_page = { MIB, MIB, 0, true };
static const struct layout huge_segments = { MIB, 32 * PAGE, PAGE, true };

static unsigned int make_iov(const struct layout *l, char *buf,
			     struct iovec *iov)
{
	unsigned int nr;

	for (nr = 0; nr * l->seg < l->size; nr++) {
		iov[nr].iov_base = buf + nr * (l->seg + l->gap);
		iov[nr].iov_len = l->seg;
	}
	return nr;
}

static void read_and_fork(const void *arg)
{
	const struct layout *l = arg;
	char *buf = l->huge ? map_thp() : alloc_pages(2 * MIB);
	char *ballast = alloc_pages(BALLAST);
	struct iovec iov[MAX_SEGS];
	unsigned int nr_segs = make_iov(l, buf, iov), i;
	int fd = open("/dev/ram0", O_RDWR | O_DIRECT);
	struct timespec start, now;
	long reads = 0;
	pthread_t thread;

	must(fd >= 0);
	pattern_fill(buf, HUGE, SEED, 0);
	check_eq(pwrite(fd, buf, MIB, 0), MIB);
	madvise(ballast, BALLAST, MADV_NOHUGEPAGE);

	must(!clock_gettime(CLOCK_MONOTONIC, &start));
	must(!pthread_create(&thread, NULL, fork_thread, NULL));
	do {
		size_t pos = 0;

		memset(buf, 0, HUGE);
		check_eq(preadv(fd, iov, nr_segs, 0), l->size);
		for (i = 0; i < nr_segs; pos += iov[i++].iov_len)
			check_pattern(iov[i].iov_base, iov[i].iov_len, SEED, pos);
		reads++;
		must(!clock_gettime(CLOCK_MONOTONIC, &now));
	} while (now.tv_sec - start.tv_sec < SECONDS || reads < 2 ||
		 nr_forks < 2);
	stop = true;
	must(!pthread_join(thread, NULL));
}

static const struct dio_test tests[] = {
	{ "fork and read a page", read_and_fork, &one_page },
	{ "fork and read a part of a page", read_and_fork, &part_of_page },
	{ "fork and read segments of a page", read_and_fork, &small_segs },
	{ "fork and read many pages", read_and_fork, &small_pages },
	{ "fork and read a huge page", read_and_fork, &huge_page },
	{ "fork and read segments of a huge page", read_and_fork, &huge_segments },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
