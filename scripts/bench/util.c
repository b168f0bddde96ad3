// SPDX-License-Identifier: GPL-2.0
/* See util.h. */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "util.h"

/* A buffer is what its name says, or the numbers mean nothing. */
static void check_buffer(const char *p, unsigned long want_kib)
{
	unsigned long start, end, kib, found = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];
	int in = 0;

	if (!f)
		err(1, "smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in = start < (unsigned long)p + BUF_SIZE &&
			     end > (unsigned long)p;
		else if (in && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			found += kib;
	}
	fclose(f);
	if (found != want_kib)
		errx(1, "%lu KiB of huge pages, not %lu", found, want_kib);
}

char *buffer(int advice)
{
	char *p = mmap(NULL, BUF_SIZE + HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	p += -(unsigned long)p % HUGE;
	if (madvise(p, BUF_SIZE, advice))
		err(1, "madvise");
	memset(p, 1, BUF_SIZE);
	check_buffer(p, advice == MADV_HUGEPAGE ? BUF_SIZE / KIB : 0);
	return p;
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

void row(const char *name, double ns)
{
	if (ns < 0)
		printf("row\t%s\t-\n", name);
	else
		printf("row\t%s\t%.1f\n", name, ns);
}
