// SPDX-License-Identifier: GPL-2.0
/* See iov_iter_util.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <endian.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "iov_iter_util.h"

/* Nothing here takes a second; a guest on a busy machine may take many. */
#define PATIENCE_MS	60000
#define TICK_MS		10

#define MAX_HELD	64

void must_failed(const char *what, const char *file, int line)
{
	printf("Bail out! %s:%d: %s: %s\n", file, line, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void tick(void)
{
	usleep(TICK_MS * 1000);
}

unsigned char pattern_byte(unsigned int seed, off_t pos)
{
	__u64 x = ((__u64)seed << 48 ^ pos) * 0x9e3779b97f4a7c15ull;

	return (x >> 32) % 255 + 1;
}

void pattern_fill(void *buf, size_t len, unsigned int seed, off_t pos)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern_byte(seed, pos + i);
}

size_t pattern_check(const void *buf, size_t len, unsigned int seed, off_t pos)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern_byte(seed, pos + i))
			break;
	return i;
}

void run(const char *fmt, ...)
{
	char cmd[512];
	va_list args;

	va_start(args, fmt);
	must(vsnprintf(cmd, sizeof(cmd), fmt, args) < (int)sizeof(cmd));
	va_end(args);

	errno = 0;
	if (system(cmd))
		must_failed(cmd, __FILE__, __LINE__);
}

void *alloc_pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

/* Pins */

static long read_vmstat(const char *name)
{
	size_t len = strlen(name);
	long value = -1;
	char line[128];
	FILE *f;

	f = fopen("/proc/vmstat", "r");
	must(f);
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = strtol(line + len, NULL, 10);
	fclose(f);
	must(value >= 0);
	return value;
}

struct pins pins_now(void)
{
	FILE *f;

	/* The counters lag behind, per CPU, until somebody asks. */
	f = fopen("/proc/sys/vm/stat_refresh", "w");
	must(f && fputs("1", f) >= 0 && !fclose(f));

	return (struct pins) {
		.acquired = read_vmstat("nr_foll_pin_acquired"),
		.released = read_vmstat("nr_foll_pin_released"),
	};
}

struct pins pins_since(const struct pins *start)
{
	int tries = 2000 / TICK_MS;
	struct pins delta;

	for (;;) {
		struct pins now = pins_now();

		delta.acquired = now.acquired - start->acquired;
		delta.released = now.released - start->released;
		if (delta.acquired == delta.released || !tries--)
			return delta;
		tick();
	}
}

/* One I/O in flight */

const char *const io_method_name[NR_IO_METHODS] = {
	[BY_SYSCALL]	= "read",
	[BY_AIO]	= "aio",
	[BY_URING]	= "io_uring",
};

static void *io_syscall(void *arg)
{
	struct io *io = arg;

	io->ret = io->write ? pwrite(io->fd, io->buf, io->len, io->pos) :
			      pread(io->fd, io->buf, io->len, io->pos);
	if (io->ret < 0)
		io->ret = -errno;
	return NULL;
}

static void io_start_aio(struct io *io)
{
	struct iocb *iocb = &io->iocb;

	*iocb = (struct iocb) {
		.aio_lio_opcode	= io->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes	= io->fd,
		.aio_buf	= (uintptr_t)io->buf,
		.aio_nbytes	= io->len,
		.aio_offset	= io->pos,
	};
	io->aio = 0;
	must(!syscall(__NR_io_setup, 1, &io->aio));
	must(syscall(__NR_io_submit, io->aio, 1, &iocb) == 1);
}

static ssize_t io_wait_aio(struct io *io)
{
	struct io_event event;

	must(syscall(__NR_io_getevents, io->aio, 1, 1, &event, NULL) == 1);
	must(!syscall(__NR_io_destroy, io->aio));
	return event.res;
}

static void io_start_uring(struct io *io)
{
	struct io_uring_sqe *sqe;

	must(!io_uring_queue_init(1, &io->ring, 0));
	sqe = io_uring_get_sqe(&io->ring);
	if (io->write)
		io_uring_prep_write(sqe, io->fd, io->buf, io->len, io->pos);
	else
		io_uring_prep_read(sqe, io->fd, io->buf, io->len, io->pos);
	must(io_uring_submit(&io->ring) == 1);
}

static ssize_t io_wait_uring(struct io *io)
{
	struct io_uring_cqe *cqe;
	ssize_t ret;

	must(!io_uring_wait_cqe(&io->ring, &cqe));
	ret = cqe->res;
	io_uring_queue_exit(&io->ring);
	return ret;
}

void io_start(struct io *io)
{
	switch (io->method) {
	case BY_AIO:
		io_start_aio(io);
		break;
	case BY_URING:
		io_start_uring(io);
		break;
	default:
		must(!pthread_create(&io->thread, NULL, io_syscall, io));
	}
}

ssize_t io_wait(struct io *io)
{
	switch (io->method) {
	case BY_AIO:
		return io_wait_aio(io);
	case BY_URING:
		return io_wait_uring(io);
	default:
		must(!pthread_join(io->thread, NULL));
		return io->ret;
	}
}

ssize_t io_do(enum io_method method, int fd, bool write, void *buf, size_t len,
	      off_t pos)
{
	struct io io = {
		.method = method, .write = write,
		.fd = fd, .buf = buf, .len = len, .pos = pos,
	};

	io_start(&io);
	return io_wait(&io);
}

/* The block device: what runs in the server */

struct nbd_queue {
	struct nbd_request held[MAX_HELD];
	unsigned int nr_held;
};

static void nbd_reply(struct nbd *nbd, int sock, const struct nbd_request *req)
{
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
	size_t len = ntohl(req->len);

	memcpy(reply.handle, req->handle, sizeof(reply.handle));
	must(send(sock, &reply, sizeof(reply), 0) == sizeof(reply));
	if (ntohl(req->type) == NBD_CMD_READ)
		must(send(sock, nbd->disk + be64toh(req->from), len, 0) ==
		     (ssize_t)len);
}

static void nbd_write(struct nbd *nbd, int sock, const struct nbd_request *req)
{
	size_t len = ntohl(req->len);

	must(recv(sock, nbd->disk + be64toh(req->from), len, MSG_WAITALL) ==
	     (ssize_t)len);
	nbd_reply(nbd, sock, req);
}

/*
 * Only what is a sector long, as the I/O of the tests is.  A filesystem reads
 * its own data in blocks, and at times of its own: it is not to be mistaken for
 * the I/O that a test waits for.
 */
static bool nbd_is_held(const struct nbd *nbd, const struct nbd_request *req)
{
	return ntohl(req->len) == SECTOR &&
	       __atomic_load_n(nbd->hold, __ATOMIC_SEQ_CST) & 1u << ntohl(req->type);
}

/* Returns false when the device was disconnected. */
static bool nbd_request(struct nbd *nbd, int sock, struct nbd_queue *queue)
{
	struct nbd_request req;
	unsigned int type;
	eventfd_t one;

	if (recv(sock, &req, sizeof(req), MSG_WAITALL) != sizeof(req))
		return false;
	type = ntohl(req.type);
	if (type == NBD_CMD_DISC)
		return false;

	if (nbd_is_held(nbd, &req)) {
		must(!eventfd_write(nbd->held_fd, 1));
		if (type == NBD_CMD_READ) {
			must(queue->nr_held < MAX_HELD);
			queue->held[queue->nr_held++] = req;
			return true;
		}
		must(!eventfd_read(nbd->release_fd, &one));
	}
	if (type == NBD_CMD_WRITE)
		nbd_write(nbd, sock, &req);
	else
		nbd_reply(nbd, sock, &req);
	return true;
}

static void nbd_release_oldest(struct nbd *nbd, int sock,
			       struct nbd_queue *queue)
{
	eventfd_t one;

	must(!eventfd_read(nbd->release_fd, &one));
	nbd_reply(nbd, sock, &queue->held[0]);
	memmove(&queue->held[0], &queue->held[1],
		--queue->nr_held * sizeof(queue->held[0]));
}

static void nbd_serve(struct nbd *nbd, int sock)
{
	struct nbd_queue queue = { .nr_held = 0 };

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = sock, .events = POLLIN },
			{ .fd = nbd->release_fd, .events = POLLIN },
		};

		must(poll(fds, queue.nr_held ? 2 : 1, -1) > 0);
		if (fds[0].revents && !nbd_request(nbd, sock, &queue))
			return;
		if (fds[1].revents)
			nbd_release_oldest(nbd, sock, &queue);
	}
}

static void *nbd_do_it(void *arg)
{
	int dev = *(int *)arg;

	ioctl(dev, NBD_DO_IT);
	ioctl(dev, NBD_CLEAR_SOCK);
	return NULL;
}

static void nbd_server(struct nbd *nbd)
{
	pthread_t thread;
	int socks[2];
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dev = open(nbd->path, O_RDWR);
	must(dev >= 0);
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	must(!ioctl(dev, NBD_SET_BLKSIZE, (unsigned long)SECTOR));
	must(!ioctl(dev, NBD_SET_SIZE_BLOCKS, nbd->size / SECTOR));
	must(!ioctl(dev, NBD_SET_SOCK, socks[1]));
	must(!pthread_create(&thread, NULL, nbd_do_it, &dev));
	nbd_serve(nbd, socks[0]);
	close(socks[0]);
	close(socks[1]);
	must(!pthread_join(thread, NULL));
	_exit(0);
}

/* The block device: what the test calls */

static void nbd_wait_size(const struct nbd *nbd)
{
	int tries = PATIENCE_MS / TICK_MS;
	__u64 size = 0;

	while (size != nbd->size) {
		int fd = open(nbd->path, O_RDONLY);

		must(tries--);
		must(fd >= 0 && !ioctl(fd, BLKGETSIZE64, &size));
		close(fd);
		tick();
	}
}

void nbd_start(struct nbd *nbd, const char *path, size_t size)
{
	nbd->path = path;
	nbd->size = size;
	nbd->disk = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(nbd->disk != MAP_FAILED);
	nbd->hold = mmap(NULL, sizeof(*nbd->hold), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(nbd->hold != MAP_FAILED);
	nbd->held_fd = eventfd(0, EFD_SEMAPHORE);
	nbd->release_fd = eventfd(0, EFD_SEMAPHORE);
	must(nbd->held_fd >= 0 && nbd->release_fd >= 0);

	nbd->server = fork();
	must(nbd->server >= 0);
	if (!nbd->server)
		nbd_server(nbd);
	nbd_wait_size(nbd);
}

void nbd_stop(struct nbd *nbd)
{
	int dev = open(nbd->path, O_RDWR);

	must(dev >= 0 && !ioctl(dev, NBD_DISCONNECT));
	close(dev);
	must(waitpid(nbd->server, NULL, 0) == nbd->server);
	close(nbd->held_fd);
	close(nbd->release_fd);
	munmap(nbd->disk, nbd->size);
	munmap(nbd->hold, sizeof(*nbd->hold));
}

void nbd_hold(struct nbd *nbd, enum nbd_hold hold)
{
	__atomic_store_n(nbd->hold, hold, __ATOMIC_SEQ_CST);
}

void nbd_wait_held(struct nbd *nbd)
{
	struct pollfd fd = { .fd = nbd->held_fd, .events = POLLIN };
	eventfd_t one;

	must(poll(&fd, 1, PATIENCE_MS) == 1);
	must(!eventfd_read(nbd->held_fd, &one));
}

void nbd_release(struct nbd *nbd)
{
	must(!eventfd_write(nbd->release_fd, 1));
}
