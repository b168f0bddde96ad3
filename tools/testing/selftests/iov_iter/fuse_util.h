/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A filesystem of one file, DIR/file, served over /dev/fuse by a child of the
 * test.  All I/O on the file is direct.  Its contents are @disk, memory that is
 * shared with the test.
 *
 * With fuse_hold() reads and writes are not answered: fuse_wait_held() returns
 * when the server has received one more, which proves that it is in flight, and
 * fuse_release() lets the oldest one that is held finish.
 */
#ifndef FUSE_UTIL_H
#define FUSE_UTIL_H

#include <stdbool.h>
#include <sys/types.h>

#define FUSE_DISK_SIZE	(4UL << 20)

/* How requests and replies get from and to the kernel */
enum fuse_transport {
	FUSE_BY_COPY,		/* read(), writev() */
	FUSE_BY_SPLICE,		/* splice(), and a pipe that is vmsplice()d to */
};

struct fuse {
	const char *dir;
	char *disk;
	/* private */
	struct fuse_control *control;
	int held_fd;
	int release_fd;
	pid_t server;
};

void fuse_start(struct fuse *fuse, const char *dir, enum fuse_transport by);
void fuse_stop(struct fuse *fuse);
off_t fuse_size(const struct fuse *fuse);
void fuse_set_size(struct fuse *fuse, off_t size);
void fuse_hold(struct fuse *fuse, bool on);
void fuse_wait_held(struct fuse *fuse);
void fuse_release(struct fuse *fuse);

/* The server does not read requests; it goes on; it is gone. */
void fuse_freeze(struct fuse *fuse);
void fuse_thaw(struct fuse *fuse);
void fuse_kill(struct fuse *fuse);

#endif
