/* SPDX-License-Identifier: GPL-2.0 */
/* What the program asks the driver to measure */
#ifndef BENCH_H
#define BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum bench_iter {
	BENCH_UBUF,		/* the caller's memory */
	BENCH_IOVEC,		/* the same: a page, a gap of a page, and so on */
	BENCH_BVEC_PAGES,	/* a segment for each page */
	BENCH_BVEC_FOLIO,	/* one segment, which is one folio of 2 MiB */
	BENCH_KVEC,		/* one segment of linear memory, 2 MiB at most */
	BENCH_KVEC_VMALLOC,	/* one segment of vmalloc memory */
	BENCH_XARRAY,		/* a page an entry */
};

enum bench_op {
	BENCH_PAGES,		/* extract a list of pages, release it */
	BENCH_RUNS,		/* extract runs, release them */
	BENCH_COPY,		/* copy_to_iter() */
	BENCH_COPY_FROM,	/* copy_from_iter() */
};

struct bench_request {
	__u32 iter;		/* enum bench_iter */
	__u32 op;		/* enum bench_op */
	__u64 addr;		/* of the caller's memory */
	__u64 len;		/* bytes, 2 MiB at most if it is the driver's own */
	__u32 loops;
	__u32 calls;		/* out: extractions a loop */
	__u64 ns;		/* out: for all loops */
};

#define BENCH_IOC_RUN _IOWR('b', 1, struct bench_request)

#endif
