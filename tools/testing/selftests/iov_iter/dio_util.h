/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the regression tests of direct I/O share: a runner that isolates every
 * test, kinds of memory, block devices, and file systems.
 *
 * A test is a function that returns when it has passed.  It runs in a process
 * of its own, so it need not clean up and may fail at any depth.  After each
 * test the machine has to be at rest again: no page pinned that was not before,
 * no huge page lost, no complaint in the kernel's log.
 */
#ifndef DIO_UTIL_H
#define DIO_UTIL_H

#include <errno.h>
#include <string.h>
#include "iov_iter_util.h"
#include <stdnoreturn.h>

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define PAGE		(4 * KIB)
#define HUGE		(2 * MIB)

struct dio_test {
	const char	*name;
	void		(*run)(const void *arg);
	const void	*arg;
};

/* Runs the tests, removes what they created, and exits. */
void dio_run_tests(const struct dio_test *tests, unsigned int nr);

/*
 * A check that does not hold ends the test as failed.  For what can only go
 * wrong if the environment is broken use must(), which bails out.
 */
noreturn void check_failed(const char *file, int line, const char *fmt, ...);

#define check(cond)							\
	do {								\
		if (!(cond))						\
			check_failed(__FILE__, __LINE__, "%s", #cond);	\
	} while (0)

#define check_eq(call, want)						\
	do {								\
		long got_ = (call), want_ = (want);			\
									\
		if (got_ != want_)					\
			check_failed(__FILE__, __LINE__,		\
				     "%s = %ld (%s), not %ld", #call,	\
				     got_, got_ < 0 ? strerror(errno) :	\
				     "no error", want_);		\
	} while (0)

#define check_errno(call, err)						\
	do {								\
		long got_ = (call);					\
									\
		if (got_ != -1 || errno != (err))			\
			check_failed(__FILE__, __LINE__,		\
				     "%s = %ld (%s), not %s", #call,	\
				     got_, got_ < 0 ? strerror(errno) :	\
				     "no error", #err);			\
	} while (0)

#define check_pattern(buf, len, seed, pos)				\
	do {								\
		size_t len_ = (len);					\
									\
		check_eq(pattern_check(buf, len_, seed, pos), len_);	\
	} while (0)

#define check_same(got, want, len)					\
	do {								\
		size_t len_ = (len);					\
									\
		check_eq(first_difference(got, want, len_), len_);	\
	} while (0)

/* Says where a test is, for the message if it fails from here on. */
void context(const char *fmt, ...);

/* Offset of the first byte in which @a and @b differ, @len if none does. */
size_t first_difference(const void *a, const void *b, size_t len);

/*
 * Splices from @fd, a file of @size bytes of pattern @seed, in the middle and
 * across its end, and looks at the pipe; then @len bytes of pattern @seed_new
 * the other way, to @pos, where the caller has to look.
 */
void splice_to_and_fro(int fd, size_t size, unsigned int seed, size_t len,
		       unsigned int seed_new, off_t pos);

/*
 * What direct I/O on @fd has to do right, a file of at least four pages, @size
 * bytes of pattern @seed: across its end; if the third of four pages of memory
 * cannot be had; to memory that is a mapping of @other, which it makes dirty.
 */
void dio_at_end(int fd, size_t size, unsigned int seed);
void dio_at_bad_page(int fd, unsigned int seed);
void dio_to_mapping(int fd, size_t size, unsigned int seed, const char *other);

/* The file at @path has @len bytes of pattern @seed at @pos. */
void check_file_data(const char *path, size_t len, unsigned int seed, off_t pos);

/*
 * Children: one that has all of the memory of its parent, who then writes to
 * @other; one that reads a sector; one that splices a page of pattern @seed to
 * the beginning of a file.  The first has to be killed.
 */
pid_t fork_and_write(char *other);
pid_t fork_reader(int fd);
pid_t fork_splicer(int fd, unsigned int seed);
void child_kill(pid_t pid);

void put_file(const char *path, const char *fmt, ...);
long get_file(const char *path);

/*
 * Memory: a transparent huge page, pages of hugetlbfs (MAP_PRIVATE or
 * MAP_SHARED), pages of which no two that are neighbours are also neighbours in
 * physical memory; and what the kernel says of a page.
 */
void touch_read(const char *p);
void touch_write(char *p);
void *map_thp(void);
void *map_huge(size_t len, int flags);
void *map_scattered(size_t len);
__u64 page_frame(const void *page);
bool frame_is(__u64 frame, unsigned int kpf);
bool page_is(const void *page, unsigned int kpf);

/*
 * Devices.  Names begin with "iov".  What is called "iovtest..." is removed
 * after every test, the rest after the last one.  The path that is returned
 * stays valid.
 */
const char *nullb_create(const char *name, const char *attrs);
const char *dm_create(const char *name, __u64 len, const char *target,
		      const char *params);

/* The path of scsi_debug's node of @class: "block", "bsg", "scsi_generic". */
const char *scsi_debug_node(const char *class);

/*
 * I/O sent to a mapped device from here on waits in the device mapper, with
 * everything that it keeps hold of, until dm_release().
 */
void dm_hold(const char *name);
void dm_release(const char *name);

/*
 * Media: a block device and a file on each file system, MEDIUM_SIZE bytes that
 * are all written, so that a direct write has nothing to allocate.  If they are
 * @holdable, each is on a mapped device of its own, for dm_hold(medium->dev).
 */
#define MEDIUM_SIZE	(4 * MIB)
#define NR_MEDIA	4

struct medium {
	const char	*name;
	const char	*dev;
	const char	*dir;		/* NULL: the block device itself */
	bool		short_read;	/* memory that is bad ends a read early */
	int		direct;		/* opened with O_DIRECT */
	int		cached;		/* the same, without */
};

extern struct medium media[NR_MEDIA];

void media_create(bool holdable);

#endif
