/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Direct reads of less than a page while the process forks and the rest of the
 * page is written, by every method that an O_DIRECT read can be made with.
 *
 * fork() shares the page copy-on-write.  Unless the kernel has pinned it for
 * the device, whoever touches the page first moves the process to a copy, the
 * device goes on filling the original, and read() returns success without data.
 *
 * Something at the other end of the path answers when the test says so.  A read
 * is known to be in flight because it has been asked for the data, so the
 * outcome is the same on every run.
 */
#ifndef FORK_UTIL_H
#define FORK_UTIL_H

#include "iov_iter_util.h"

#define PAGE	4096

/* What holds back the answers to reads, and gives them in order. */
struct fork_holder {
	void (*hold)(bool on);
	void (*wait)(void);		/* until one more is held */
	void (*release)(void);		/* the oldest */
};

struct fork_path {
	const char *name;
	const struct fork_holder *holder;
	unsigned int pins;		/* that are taken for each read */
	size_t len;			/* of a read, a sector or more */
	bool sync;			/* nothing is asynchronous on it */
	int fd;
};

/* Writes what is read; then reads, so that all of the metadata is cached. */
void fork_fill(int fd);

/* The results of @nr_paths paths, and the end of the program */
void fork_start(unsigned int nr_paths);
void fork_start_sync(unsigned int nr_paths);
void fork_test(const struct fork_path *path);
void fork_finish(void);

#endif
