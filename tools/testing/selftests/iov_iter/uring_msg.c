// SPDX-License-Identifier: GPL-2.0
/*
 * A message that io_uring sends to a socket whose queue is full.
 *
 * The first attempt must not wait, and fails when the message has already been
 * copied.  The second is made when there is room, with the iterator of the
 * first: if that is at its end, what is sent is an empty packet.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../kselftest.h"
#include "iov_iter_util.h"

#define SIZE		3000
#define MAX_SEGS	20
#define SEED		5

/* @again: the kernel goes on with the iterator of the first attempt */
static const struct scenario {
	const char *name;
	unsigned int nr_segs;
	bool again;
} scenarios[] = {
	{ "send", 1, false },
	{ "1 segment", 1, true },
	{ "3 segments", 3, true },
	{ "20 segments", MAX_SEGS, true },
};

struct rig {
	int tx, rx;
	char out[SIZE], in[SIZE];
};

static void connect_pair(struct rig *rig)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);

	rig->rx = socket(AF_UNIX, SOCK_DGRAM, 0);
	rig->tx = socket(AF_UNIX, SOCK_DGRAM, 0);
	must(rig->rx >= 0 && rig->tx >= 0);
	must(!bind(rig->rx, (void *)&addr, offsetof(typeof(addr), sun_path)));
	must(!getsockname(rig->rx, (void *)&addr, &len));
	must(!connect(rig->tx, (void *)&addr, len));
}

static unsigned int fill_queue(struct rig *rig)
{
	unsigned int nr = 0;

	while (send(rig->tx, "x", 1, MSG_DONTWAIT) == 1)
		nr++;
	must(errno == EAGAIN);
	return nr;
}

static void submit(struct rig *rig, struct io_uring *ring,
		   const struct scenario *scenario)
{
	static struct iovec iov[MAX_SEGS];
	static struct msghdr msg;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	size_t part = SIZE / scenario->nr_segs, at = 0;
	unsigned int k;

	for (k = 0; k < scenario->nr_segs; at += iov[k++].iov_len) {
		iov[k].iov_base = rig->out + at;
		iov[k].iov_len = k + 1 < scenario->nr_segs ? part : SIZE - at;
	}
	msg = (struct msghdr){
		.msg_iov = iov,
		.msg_iovlen = scenario->nr_segs,
	};
	if (scenario->again)
		io_uring_prep_sendmsg(sqe, rig->tx, &msg, 0);
	else
		io_uring_prep_send(sqe, rig->tx, rig->out, SIZE, 0);
	must(io_uring_submit(ring) == 1);
}

static int result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	must(!io_uring_wait_cqe(ring, &cqe));
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static const char lost[] = "LOST";

static const char *check(struct rig *rig, int ret, ssize_t len)
{
	if (ret == 0 && len == 0)
		return lost;
	if (ret != SIZE)
		return "not sent";
	if (len != SIZE || pattern_check(rig->in, SIZE, SEED, 0) != SIZE)
		return "wrong data";
	return NULL;
}

static void test(const struct scenario *scenario)
{
	struct pins start = pins_now(), pins;
	const char *wrong, *error = "";
	static struct rig rig;
	struct io_uring ring;
	unsigned int nr;
	ssize_t len;
	int ret;

	connect_pair(&rig);
	pattern_fill(rig.out, SIZE, SEED, 0);
	must(!io_uring_queue_init(4, &ring, 0));
	nr = fill_queue(&rig);
	/* The attempt that fails is made before this returns. */
	submit(&rig, &ring, scenario);
	while (nr--)
		must(recv(rig.rx, rig.in, SIZE, 0) == 1);
	ret = result(&ring);
	len = recv(rig.rx, rig.in, SIZE, MSG_DONTWAIT);

	pins = pins_since(&start);
	wrong = check(&rig, ret, len);
	if (!wrong && pins.acquired != pins.released)
		wrong = "pins leaked";
	if (wrong && !(wrong == lost && scenario->again))
		error = "error: ";
	ksft_test_result(!wrong, "uring sendmsg: %s: %s%s, sent %d, pins +%ld -%ld\n",
			 scenario->name, error,
			 wrong ?: scenario->again ? "kept" : "ok", ret,
			 pins.acquired, pins.released);
	io_uring_queue_exit(&ring);
	close(rig.tx);
	close(rig.rx);
}

int main(void)
{
	size_t i;

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(scenarios));
	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		test(&scenarios[i]);
	ksft_finished();
}
