// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest of "make bench" and prints a line for each row: its name
 * and what it costs, in nanoseconds of a clock that counts instructions.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "util.h"

static int driver;
static char *small, *huge;	/* BUF_SIZE of 4 KiB pages, of huge pages */

/* Nanoseconds of one loop, or -1 if this kernel cannot do it */
static double run(enum bench_iter iter, enum bench_op op, const char *buf,
		  size_t len)
{
	struct bench_request req = {
		.iter = iter, .op = op, .addr = (unsigned long)buf, .len = len,
		.loops = len > MIB ? 20 : 200,
	};
	int k;

	/* the first time is to warm up */
	for (k = 0; k < 2; k++)
		if (ioctl(driver, BENCH_IOC_RUN, &req))
			return -1;
	return (double)req.ns / req.loops;
}

/* Nanoseconds of one direct read */
static double direct_read(const char *dev, char *buf, size_t len)
{
	int fd = open(dev, O_RDONLY | O_DIRECT), loops = 200, k;
	double start = 0;

	if (fd < 0)
		err(1, "%s", dev);
	for (k = -10; k < loops; k++) {
		if (!k)
			start = now();
		if (pread(fd, buf, len, 0) != (ssize_t)len)
			err(1, "read from %s", dev);
	}
	close(fd);
	return (now() - start) / loops;
}

static void fill(const char *dev, char *buf, size_t len)
{
	int fd = open(dev, O_WRONLY | O_DIRECT);

	if (fd < 0 || pwrite(fd, buf, len, 0) != (ssize_t)len)
		err(1, "write to %s", dev);
	close(fd);
}

static void table(void)
{
	row("ubuf-1", run(BENCH_UBUF, BENCH_PAGES, small, PAGE));
	row("ubuf-1-huge", run(BENCH_UBUF, BENCH_PAGES, huge, PAGE));
	row("ubuf-1024", run(BENCH_UBUF, BENCH_PAGES, small, 4 * MIB) / 1024);
	row("ubuf-1024-runs", run(BENCH_UBUF, BENCH_RUNS, small, 2 * MIB) / 512);
	row("ubuf-huge", run(BENCH_UBUF, BENCH_PAGES, huge, 4 * MIB) / 1024);
	row("ubuf-huge-runs", run(BENCH_UBUF, BENCH_RUNS, huge, 4 * MIB) / 1024);
	row("iovec-256", run(BENCH_IOVEC, BENCH_PAGES, small, MIB) / 256);
	row("bvec-256", run(BENCH_BVEC_PAGES, BENCH_PAGES, NULL, MIB) / 256);
	row("bvec-folio", run(BENCH_BVEC_FOLIO, BENCH_PAGES, NULL, HUGE) / 512);
	row("bvec-folio-runs",
	    run(BENCH_BVEC_FOLIO, BENCH_RUNS, NULL, HUGE) / 512);
	row("kvec-vmalloc",
	    run(BENCH_KVEC_VMALLOC, BENCH_PAGES, NULL, HUGE) / 512);
	row("xarray-256", run(BENCH_XARRAY, BENCH_PAGES, NULL, MIB) / 256);

	row("nullb-4k", direct_read("/dev/nullb0", small, PAGE));
	row("nullb-4k-huge", direct_read("/dev/nullb0", huge, PAGE));
	row("nullb-1m", direct_read("/dev/nullb0", small, MIB));
	row("nullb-1m-huge", direct_read("/dev/nullb0", huge, MIB));
	fill("/dev/ram0", small, MIB);
	row("brd-1m", direct_read("/dev/ram0", small, MIB));
}

static void copies(void)
{
	static const struct {
		const char *name;
		enum bench_iter iter;
	} types[] = {
		{ "ubuf", BENCH_UBUF }, { "iovec", BENCH_IOVEC },
		{ "bvec", BENCH_BVEC_PAGES }, { "bvec-folio", BENCH_BVEC_FOLIO },
		{ "kvec", BENCH_KVEC }, { "xarray", BENCH_XARRAY },
	};
	char name[64];
	size_t k;

	for (k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
		snprintf(name, sizeof(name), "copy-to-%s", types[k].name);
		row(name, run(types[k].iter, BENCH_COPY, small, 64 * KIB));
		snprintf(name, sizeof(name), "copy-from-%s", types[k].name);
		row(name, run(types[k].iter, BENCH_COPY_FROM, small, 64 * KIB));
	}
}

static void plot(void)
{
	size_t len;

	for (len = PAGE; len <= BUF_SIZE; len *= 2) {
		printf("plot\tsmall\t%zu\t%.1f\n", len,
		       direct_read("/dev/nullb0", small, len));
		printf("plot\thuge\t%zu\t%.1f\n", len,
		       direct_read("/dev/nullb0", huge, len));
	}
}

int main(void)
{
	driver = open("/dev/iov_iter_bench", O_RDWR);
	if (driver < 0)
		err(1, "/dev/iov_iter_bench");
	small = buffer(MADV_NOHUGEPAGE);
	huge = buffer(MADV_HUGEPAGE);

	table();
	copies();
	plot();
	return 0;
}
