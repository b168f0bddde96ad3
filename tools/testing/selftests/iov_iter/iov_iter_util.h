/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest tests of page extraction share: a pattern, the kernel's pin
 * counters, one I/O in flight by any of three methods, and a block device that
 * answers when the test tells it to.
 *
 * What can only fail if the test environment is broken ends the program with
 * "Bail out!", so that callers check results of the kernel under test alone.
 */
#ifndef IOV_ITER_UTIL_H
#define IOV_ITER_UTIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>
#include <linux/aio_abi.h>
#include <linux/nbd.h>
#include <liburing.h>

#define SECTOR 512

/* Bails out with the failing expression and errno unless @cond holds. */
#define must(cond)							\
	do {								\
		if (!(cond))						\
			must_failed(#cond, __FILE__, __LINE__);		\
	} while (0)

noreturn void must_failed(const char *what, const char *file, int line);

/* The byte at @pos of pattern number @seed: never 0, no period of a sector. */
unsigned char pattern_byte(unsigned int seed, off_t pos);
void pattern_fill(void *buf, size_t len, unsigned int seed, off_t pos);
/* Offset in @buf of the first byte that differs, @len if none does. */
size_t pattern_check(const void *buf, size_t len, unsigned int seed, off_t pos);

/* Runs a shell command; bails out if it fails. */
void run(const char *fmt, ...);

/* Zeroed anonymous memory of whole pages, mapped and present. */
void *alloc_pages(size_t len);

/*
 * FOLL_PIN pins, from /proc/vmstat.  pins_since() waits for the releases that
 * the kernel does later, in a worker: unequal counts mean that pins leaked.
 */
struct pins {
	long acquired;
	long released;
};

struct pins pins_now(void);
struct pins pins_since(const struct pins *start);

/*
 * One I/O in flight.  io_start() returns once it is submitted (BY_SYSCALL:
 * once its thread exists), io_wait() when it is complete.
 */
enum io_method { BY_SYSCALL, BY_AIO, BY_URING, NR_IO_METHODS };

extern const char *const io_method_name[NR_IO_METHODS];

struct io {
	enum io_method method;
	bool write;
	int fd;
	void *buf;
	size_t len;
	off_t pos;
	/* private */
	ssize_t ret;
	pthread_t thread;
	aio_context_t aio;
	struct iocb iocb;
	struct io_uring ring;
};

void io_start(struct io *io);
ssize_t io_wait(struct io *io);		/* bytes, or -errno */
/* The two of them */
ssize_t io_do(enum io_method method, int fd, bool write, void *buf, size_t len,
	      off_t pos);

/*
 * A block device with sectors of 512 bytes, served by a child of the test over
 * an AF_UNIX socket.  Its contents are @disk, memory shared with the test.
 *
 * With nbd_hold() the replies to the reads, the writes or both are held back:
 * nbd_wait_held() returns when the server has received one more such request,
 * which proves that the I/O is in flight, and nbd_release() lets the oldest
 * one that is held finish.  The payload of a held write is still in the socket,
 * or in the kernel as far as the socket has no room for it.  Writes are held
 * one at a time and keep the server from receiving anything else.
 */
enum nbd_hold {		/* bit n: requests of type n, of one sector */
	NBD_HOLD_NONE,
	NBD_HOLD_READ,
	NBD_HOLD_WRITE,
	NBD_HOLD_BOTH,
};

struct nbd {
	const char *path;
	char *disk;
	size_t size;
	/* private */
	enum nbd_hold *hold;
	int held_fd;
	int release_fd;
	pid_t server;
};

void nbd_start(struct nbd *nbd, const char *path, size_t size);
void nbd_stop(struct nbd *nbd);
void nbd_hold(struct nbd *nbd, enum nbd_hold hold);
void nbd_wait_held(struct nbd *nbd);
void nbd_release(struct nbd *nbd);

#endif
