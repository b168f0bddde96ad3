// SPDX-License-Identifier: GPL-2.0
/* See fail_util.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dio_util.h"
#include "fail_util.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"

/* Something is wrong with a system call that has more. */
#define MAX_ALLOCATIONS	10000

/* Nothing may be allocated between the two but by the system call. */
static int fail_start(unsigned int n)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);

	must(fd >= 0 && dprintf(fd, "%u", n) > 0);
	return fd;
}

/* Has it happened? */
static bool fail_stop(int fd)
{
	char left[16] = "";

	must(pread(fd, left, sizeof(left) - 1, 0) > 0);
	must(write(fd, "0", 1) == 1);
	close(fd);
	return !atoi(left);
}

unsigned int fail_each_allocation(void (*fn)(void *arg), void *arg)
{
	unsigned int n;
	int fd;

	/* those that may sleep as well, and not a word in the kernel's log */
	put_file(FAILSLAB "ignore-gfp-wait", "N");
	put_file(FAILSLAB "verbose", "0");
	for (n = 1; n < MAX_ALLOCATIONS; n++) {
		fd = fail_start(n);
		fn(arg);
		if (!fail_stop(fd))
			break;
	}
	must(n < MAX_ALLOCATIONS);
	return n - 1;
}
