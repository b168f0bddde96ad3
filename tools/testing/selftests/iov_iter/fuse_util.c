// SPDX-License-Identifier: GPL-2.0
/* See fuse_util.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fuse_util.h"
#include "iov_iter_util.h"

#define PATIENCE_MS	60000
#define MAX_HELD	64
#define MAX_PAGES	32
#define MAX_WRITE	(MAX_PAGES * 4096)
#define REQUEST_SIZE	(MAX_WRITE + 4096)
#define PIPE_SIZE	(1024 * 1024)
#define FILE_ID		2

/* What the test and the server share, besides the contents */
struct fuse_control {
	off_t size;
	bool hold;
};

/* A request, as the kernel sends it */
struct request {
	struct fuse_in_header header;
	union {
		struct fuse_init_in init;
		struct fuse_setattr_in setattr;
		struct fuse_read_in read;
		struct fuse_write_in write;
		char name[256];
	};
};

/* The server */

struct server {
	struct fuse *fuse;
	enum fuse_transport by;
	int dev;
	int pipe[2];
	struct request *request;	/* the one that is being read */
	struct request *held[MAX_HELD];
	unsigned int nr_held;
};

static void send_by_splice(struct server *server, struct iovec *iov, size_t len)
{
	ssize_t header_len = iov[0].iov_len;
	struct iovec *data = &iov[1];
	ssize_t n;

	must(write(server->pipe[1], iov[0].iov_base, header_len) == header_len);
	while (data->iov_len) {
		n = vmsplice(server->pipe[1], data, 1, 0);
		must(n > 0);
		data->iov_base += n;
		data->iov_len -= n;
	}
	n = splice(server->pipe[0], NULL, server->dev, NULL, len, 0);
	/* The request may be gone, as whoever made it is. */
	must(n == (ssize_t)len || errno == ENOENT);
}

static void reply(struct server *server, const struct request *req, int error,
		  void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + len,
		.error = -error,
		.unique = req->header.unique,
	};
	struct iovec iov[] = { { &header, sizeof(header) }, { data, len } };

	if (server->by == FUSE_BY_SPLICE)
		send_by_splice(server, iov, header.len);
	else
		must(writev(server->dev, iov, 2) == header.len ||
		     errno == ENOENT);
}

static void reply_init(struct server *server, const struct request *req)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = req->init.max_readahead,
		.flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_BIG_WRITES |
			 FUSE_MAX_PAGES,
		.max_background = MAX_HELD,
		.congestion_threshold = MAX_HELD,
		.max_write = MAX_WRITE,
		.max_pages = MAX_PAGES,
	};

	reply(server, req, 0, &out, sizeof(out));
}

static struct fuse_attr attr_of(const struct server *server, __u64 id)
{
	struct fuse_attr attr = { .ino = id, .nlink = 1, .blksize = 512 };

	if (id == FUSE_ROOT_ID) {
		attr.mode = S_IFDIR | 0755;
	} else {
		attr.mode = S_IFREG | 0755;
		attr.size = server->fuse->control->size;
	}
	return attr;
}

static void reply_attr(struct server *server, const struct request *req)
{
	struct fuse_attr_out out = {
		.attr = attr_of(server, req->header.nodeid),
	};

	reply(server, req, 0, &out, sizeof(out));
}

static void reply_entry(struct server *server, const struct request *req)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_ID,
		.attr = attr_of(server, FILE_ID),
	};

	if (strcmp(req->name, "file"))
		reply(server, req, ENOENT, NULL, 0);
	else
		reply(server, req, 0, &out, sizeof(out));
}

static void reply_open(struct server *server, const struct request *req)
{
	/* A process that exits is not to wait for the server. */
	struct fuse_open_out out = {
		.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH,
	};

	reply(server, req, 0, &out, sizeof(out));
}

static void reply_read(struct server *server, const struct request *req)
{
	off_t left = server->fuse->control->size - req->read.offset;
	size_t len = req->read.size;

	if (left < (off_t)len)
		len = left > 0 ? left : 0;
	reply(server, req, 0, server->fuse->disk + req->read.offset, len);
}

static void reply_write(struct server *server, const struct request *req)
{
	struct fuse_write_out out = { .size = req->write.size };
	struct fuse_control *control = server->fuse->control;
	off_t end = req->write.offset + req->write.size;

	must(end <= (off_t)FUSE_DISK_SIZE);
	memcpy(server->fuse->disk + req->write.offset, &req->write + 1,
	       req->write.size);
	if (control->size < end)
		control->size = end;
	reply(server, req, 0, &out, sizeof(out));
}

static void reply_setattr(struct server *server, const struct request *req)
{
	if (req->setattr.valid & FATTR_SIZE)
		server->fuse->control->size = req->setattr.size;
	reply_attr(server, req);
}

static void handle(struct server *server, const struct request *req)
{
	switch (req->header.opcode) {
	case FUSE_INIT:
		reply_init(server, req);
		break;
	case FUSE_LOOKUP:
		reply_entry(server, req);
		break;
	case FUSE_GETATTR:
		reply_attr(server, req);
		break;
	case FUSE_SETATTR:
		reply_setattr(server, req);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply_open(server, req);
		break;
	case FUSE_READ:
		reply_read(server, req);
		break;
	case FUSE_WRITE:
		reply_write(server, req);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
		reply(server, req, 0, NULL, 0);
		break;
	default:
		reply(server, req, EOPNOTSUPP, NULL, 0);
	}
}

static bool is_held(const struct server *server, const struct request *req)
{
	return (req->header.opcode == FUSE_READ ||
		req->header.opcode == FUSE_WRITE) &&
	       __atomic_load_n(&server->fuse->control->hold, __ATOMIC_SEQ_CST);
}

static ssize_t receive(struct server *server)
{
	ssize_t n;

	if (server->by == FUSE_BY_COPY)
		return read(server->dev, server->request, REQUEST_SIZE);
	n = splice(server->dev, NULL, server->pipe[1], NULL, REQUEST_SIZE, 0);
	if (n > 0)
		must(read(server->pipe[0], server->request, n) == n);
	return n;
}

/* Returns false when the filesystem is unmounted. */
static bool serve_one(struct server *server)
{
	struct request *held;
	ssize_t n;

	n = receive(server);
	if (n < 0 && errno == ENODEV)
		return false;
	/* Whoever made the request may have taken it back. */
	if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
		return true;
	must(n >= (ssize_t)sizeof(server->request->header));

	if (!is_held(server, server->request)) {
		handle(server, server->request);
		return true;
	}
	must(server->nr_held < MAX_HELD);
	held = malloc(n);
	must(held);
	memcpy(held, server->request, n);
	server->held[server->nr_held++] = held;
	must(!eventfd_write(server->fuse->held_fd, 1));
	return true;
}

static void release_oldest(struct server *server)
{
	eventfd_t one;

	must(!eventfd_read(server->fuse->release_fd, &one));
	handle(server, server->held[0]);
	free(server->held[0]);
	memmove(&server->held[0], &server->held[1],
		--server->nr_held * sizeof(server->held[0]));
}

static void serve(struct server *server)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = server->dev, .events = POLLIN },
			{ .fd = server->fuse->release_fd, .events = POLLIN },
		};

		must(poll(fds, server->nr_held ? 2 : 1, -1) > 0);
		if (fds[0].revents && !serve_one(server))
			return;
		if (fds[1].revents)
			release_oldest(server);
	}
}

static noreturn void run_server(struct fuse *fuse, enum fuse_transport by)
{
	struct server server = { .fuse = fuse, .by = by };
	char options[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(!pipe(server.pipe));
	must(fcntl(server.pipe[1], F_SETPIPE_SZ, PIPE_SIZE) == PIPE_SIZE);
	server.request = alloc_pages(REQUEST_SIZE);
	server.dev = open("/dev/fuse", O_RDWR | O_NONBLOCK);
	must(server.dev >= 0);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", server.dev);
	must(!mount("iovtest", fuse->dir, "fuse", MS_NOATIME, options));
	must(!eventfd_write(fuse->held_fd, 1));
	serve(&server);
	_exit(0);
}

/* What the test calls */

static void *alloc_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

void fuse_start(struct fuse *fuse, const char *dir, enum fuse_transport by)
{
	fuse->dir = dir;
	fuse->disk = alloc_shared(FUSE_DISK_SIZE);
	fuse->control = alloc_shared(sizeof(*fuse->control));
	fuse->held_fd = eventfd(0, EFD_SEMAPHORE);
	fuse->release_fd = eventfd(0, EFD_SEMAPHORE);
	must(fuse->held_fd >= 0 && fuse->release_fd >= 0);
	must(!mkdir(dir, 0700));

	fuse->server = fork();
	must(fuse->server >= 0);
	if (!fuse->server)
		run_server(fuse, by);
	fuse_wait_held(fuse);
}

void fuse_stop(struct fuse *fuse)
{
	int tries = PATIENCE_MS / 10;

	/* The kernel closes the files of a process that was killed later. */
	while (umount(fuse->dir)) {
		must(errno == EBUSY && tries--);
		usleep(10000);
	}
	must(!rmdir(fuse->dir));
	if (fuse->server)
		must(waitpid(fuse->server, NULL, 0) == fuse->server);
	close(fuse->held_fd);
	close(fuse->release_fd);
	munmap(fuse->disk, FUSE_DISK_SIZE);
	munmap(fuse->control, sizeof(*fuse->control));
}

off_t fuse_size(const struct fuse *fuse)
{
	return fuse->control->size;
}

void fuse_set_size(struct fuse *fuse, off_t size)
{
	fuse->control->size = size;
}

void fuse_hold(struct fuse *fuse, bool on)
{
	__atomic_store_n(&fuse->control->hold, on, __ATOMIC_SEQ_CST);
}

void fuse_wait_held(struct fuse *fuse)
{
	struct pollfd fd = { .fd = fuse->held_fd, .events = POLLIN };
	eventfd_t one;

	must(poll(&fd, 1, PATIENCE_MS) == 1);
	must(!eventfd_read(fuse->held_fd, &one));
}

void fuse_release(struct fuse *fuse)
{
	must(!eventfd_write(fuse->release_fd, 1));
}

void fuse_freeze(struct fuse *fuse)
{
	int status;

	must(!kill(fuse->server, SIGSTOP));
	must(waitpid(fuse->server, &status, WUNTRACED) == fuse->server);
	must(WIFSTOPPED(status));
}

void fuse_thaw(struct fuse *fuse)
{
	must(!kill(fuse->server, SIGCONT));
}

void fuse_kill(struct fuse *fuse)
{
	must(!kill(fuse->server, SIGKILL));
	must(waitpid(fuse->server, NULL, 0) == fuse->server);
	fuse->server = 0;
}
