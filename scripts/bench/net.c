// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest of "make bench" and prints lines as bench.c does: what it
 * costs to send 1 MiB by TCP to oneself, both ends together; or, if a file is
 * given, to write and to read 1 MiB of that.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define CHUNK		(64 * KIB)
#define LOOPS		32

static char *in;
static struct io_uring ring;

struct pair {
	int tx, rx;
};

static struct pair connect_pair(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int server = socket(AF_INET, SOCK_STREAM, 0), size = MIB, one = 1;
	socklen_t len = sizeof(addr);
	struct pair pair;

	if (bind(server, (void *)&addr, len) || listen(server, 1) ||
	    getsockname(server, (void *)&addr, &len))
		err(1, "listen");
	pair.tx = socket(AF_INET, SOCK_STREAM, 0);
	if (setsockopt(pair.tx, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(pair.tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) ||
	    connect(pair.tx, (void *)&addr, len))
		err(1, "connect");
	pair.rx = accept(server, NULL, NULL);
	if (pair.rx < 0)
		err(1, "accept");
	close(server);
	return pair;
}

static void send_plain(struct pair *pair, const char *buf, size_t len)
{
	if (send(pair->tx, buf, len, 0) != (ssize_t)len)
		err(1, "send");
}

/* Reads what there is to read of how earlier sends ended. */
static void send_zerocopy(struct pair *pair, const char *buf, size_t len)
{
	char control[128];
	struct msghdr msg = {
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	if (send(pair->tx, buf, len, MSG_ZEROCOPY) != (ssize_t)len)
		err(1, "send");
	recvmsg(pair->tx, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
}

/* From a buffer that is registered: what is sent is lent. */
static void send_fixed(struct pair *pair, const char *buf, size_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;

	io_uring_prep_send_zc_fixed(sqe, pair->tx, buf, len, 0, 0, 0);
	if (io_uring_submit(&ring) != 1)
		errx(1, "io_uring_submit");
	do {
		if (io_uring_wait_cqe(&ring, &cqe))
			errx(1, "io_uring_wait_cqe");
		if (!(cqe->flags & IORING_CQE_F_NOTIF) && cqe->res != (int)len)
			errx(1, "io_uring sends %d of %zu", cqe->res, len);
		io_uring_cqe_seen(&ring, cqe);
	} while (!(cqe->flags & IORING_CQE_F_MORE));
}

typedef void (*send_fn)(struct pair *pair, const char *buf, size_t len);

static void transfer(struct pair *pair, send_fn send, const char *buf)
{
	size_t pos;

	for (pos = 0; pos < MIB; pos += CHUNK) {
		send(pair, buf + pos, CHUNK);
		if (recv(pair->rx, in, CHUNK, MSG_WAITALL) != CHUNK)
			err(1, "recv");
	}
}

static void measure(const char *name, struct pair *pair, send_fn send,
		    const char *buf)
{
	double start = 0;
	int k;

	for (k = -4; k < LOOPS; k++) {
		if (!k)
			start = now();
		transfer(pair, send, buf);
	}
	row(name, (now() - start) / LOOPS);
}

static void register_buffer(char *buf)
{
	struct iovec iov = { buf, BUF_SIZE };

	io_uring_unregister_buffers(&ring);
	if (io_uring_register_buffers(&ring, &iov, 1))
		errx(1, "io_uring_register_buffers");
}

static void start_tls(int fd, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info.version = TLS_1_2_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
	};

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	    setsockopt(fd, SOL_TLS, direction, &info, sizeof(info)))
		err(1, "TLS");
}

static void tcp(char *small, char *huge)
{
	struct pair pair = connect_pair();

	if (io_uring_queue_init(8, &ring, 0))
		errx(1, "io_uring_queue_init");
	measure("tcp", &pair, send_plain, small);
	measure("tcp-zc", &pair, send_zerocopy, small);
	measure("tcp-zc-huge", &pair, send_zerocopy, huge);
	register_buffer(small);
	measure("tcp-fixed", &pair, send_fixed, small);
	register_buffer(huge);
	measure("tcp-fixed-huge", &pair, send_fixed, huge);
	start_tls(pair.tx, TLS_TX);
	start_tls(pair.rx, TLS_RX);
	measure("tls", &pair, send_plain, small);
	measure("tls-huge", &pair, send_plain, huge);
}

/* Best of some times, as the server has work of its own to do now and then */
static double best(double (*once)(int fd, char *buf), int fd, char *buf)
{
	double least = 0, ns;
	int k;

	for (k = 0; k < 8; k++) {
		ns = once(fd, buf);
		if (!k || ns < least)
			least = ns;
	}
	return least * MIB / BUF_SIZE;
}

static double write_file(int fd, char *buf)
{
	double start = now();
	size_t pos;

	for (pos = 0; pos < BUF_SIZE; pos += MIB)
		if (pwrite(fd, buf + pos, MIB, pos) != MIB)
			err(1, "write");
	if (fsync(fd))
		err(1, "fsync");
	return now() - start;
}

static double read_file(int fd, char *buf)
{
	double start;
	size_t pos;

	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		errx(1, "fadvise");
	start = now();
	for (pos = 0; pos < BUF_SIZE; pos += MIB)
		if (pread(fd, buf + pos, MIB, pos) != MIB)
			err(1, "read");
	return now() - start;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, O_RDWR | flags, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void file(const char *path, char *small, char *huge)
{
	int fd = open_file(path, O_CREAT);

	row("smb-write", best(write_file, fd, small));
	row("smb-read", best(read_file, fd, small));
	close(fd);

	fd = open_file(path, O_DIRECT);
	row("smb-write-direct", best(write_file, fd, small));
	row("smb-read-direct", best(read_file, fd, small));
	row("smb-write-direct-huge", best(write_file, fd, huge));
	row("smb-read-direct-huge", best(read_file, fd, huge));
	close(fd);
}

int main(int argc, char **argv)
{
	char *small = buffer(MADV_NOHUGEPAGE), *huge = buffer(MADV_HUGEPAGE);

	in = buffer(MADV_NOHUGEPAGE);
	if (argc > 1)
		file(argv[1], small, huge);
	else
		tcp(small, huge);
	return 0;
}
