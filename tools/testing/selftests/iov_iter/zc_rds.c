// SPDX-License-Identifier: GPL-2.0
/*
 * Zero copy by RDS over TCP, between two network namespaces.
 *
 * The socket tells its cookie of each message that is through.  By then, all
 * its pages have to be given back: those of hugetlb must be free when they are
 * unmapped, at once.
 *
 * T71 of the list of pitfalls.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/rds.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"

#define SIZE		60001UL
#define NR_MESSAGES	20
#define SEED		9

struct rig {
	int ns[2];
	int tx, rx;
	char *buf;
	unsigned int nr_done;
};

static int new_socket(const struct rig *rig, int side)
{
	struct sockaddr_in addr = net_address(side ? ADDR1 : ADDR0, 7000);
	int fd;

	net_enter(rig->ns[side]);
	fd = socket(AF_RDS, SOCK_SEQPACKET, 0);
	must(fd >= 0 && !bind(fd, (void *)&addr, sizeof(addr)));
	net_enter(rig->ns[0]);
	return fd;
}

static int send_message(struct rig *rig, __u32 cookie, void *buf, size_t len)
{
	struct sockaddr_in addr = net_address(ADDR1, 7000);
	struct iovec iov = { buf, len };
	char control[CMSG_SPACE(sizeof(cookie))] = "";
	struct msghdr msg = {
		.msg_name = &addr, .msg_namelen = sizeof(addr),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_RDS;
	cmsg->cmsg_type = RDS_CMSG_ZCOPY_COOKIE;
	cmsg->cmsg_len = CMSG_LEN(sizeof(cookie));
	memcpy(CMSG_DATA(cmsg), &cookie, sizeof(cookie));
	return sendmsg(rig->tx, &msg, MSG_ZEROCOPY | MSG_DONTWAIT) < 0 ?
	       -errno : 0;
}

/* Takes what is there. */
static void reap(struct rig *rig)
{
	char control[CMSG_SPACE(sizeof(struct rds_zcopy_cookies))];
	struct msghdr msg = {
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(rig->tx, &msg, MSG_DONTWAIT) < 0)
		return;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		struct rds_zcopy_cookies *done = (void *)CMSG_DATA(cmsg);

		if (cmsg->cmsg_type == RDS_CMSG_ZCOPY_COMPLETION)
			rig->nr_done += done->num;
	}
}

static const char *send_all(struct rig *rig)
{
	struct pollfd fds[] = {
		{ .fd = rig->rx, .events = POLLIN }, { .fd = rig->tx },
	};
	unsigned int nr_sent = 0, nr_received = 0;
	static char in[SIZE + 1];
	int tries = 300;
	ssize_t ret;

	rig->nr_done = 0;
	while ((rig->nr_done < NR_MESSAGES || nr_received < NR_MESSAGES) &&
	       tries) {
		if (nr_sent < NR_MESSAGES &&
		    !send_message(rig, nr_sent,
				  rig->buf + 1 + nr_sent * SIZE, SIZE)) {
			nr_sent++;
			continue;
		}
		if (!poll(fds, 2, 100))
			tries--;
		/* News of congestion are POLLIN as well. */
		ret = recv(rig->rx, in, sizeof(in), MSG_DONTWAIT);
		if (ret > 0) {
			if (ret != SIZE ||
			    pattern_check(in, SIZE, SEED,
					  1 + nr_received * SIZE) != SIZE)
				return "wrong data";
			nr_received++;
		}
		reap(rig);
	}
	if (nr_received < NR_MESSAGES)
		return "messages are missing";
	return rig->nr_done == NR_MESSAGES ? NULL : "cookies are missing";
}

/* The second page cannot be read: what was taken of the first is given back. */
static const char *unreadable(struct rig *rig)
{
	must(!mprotect(rig->buf + 4096, HUGE - 4096, PROT_NONE));
	return send_message(rig, 1, rig->buf, SIZE) == -EFAULT ? NULL :
	       "no error for memory that cannot be read";
}

static void test(struct rig *rig, const char *name, bool hugetlb,
		 const char *(*func)(struct rig *))
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (hugetlb ? MAP_HUGETLB : 0);
	long free_before = hugetlb_free(), free_after;
	struct pins start = pins_now(), pins;
	const char *wrong;

	rig->buf = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	must(rig->buf != MAP_FAILED);
	pattern_fill(rig->buf, HUGE, SEED, 0);
	wrong = func(rig);
	munmap(rig->buf, HUGE);
	free_after = hugetlb_free();
	if (free_after != free_before)
		wrong = wrong ?: "pages are held after the notification";
	pins = pins_since(&start);
	if (pins.acquired != pins.released)
		wrong = wrong ?: "pins leaked";
	ksft_test_result(!wrong, "RDS from %s%s: %s\n",
			 hugetlb ? "hugetlb" : "pages", name, wrong ?: "ok");
}

int main(void)
{
	static struct rig rig;
	int one = 1;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(3);

	hugetlb_start();
	net_make_link(rig.ns);
	rig.tx = new_socket(&rig, 0);
	rig.rx = new_socket(&rig, 1);
	must(!setsockopt(rig.tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	test(&rig, "", false, send_all);
	test(&rig, "", true, send_all);
	test(&rig, ", unreadable", false, unreadable);
	close(rig.tx);
	close(rig.rx);
	hugetlb_end();
	ksft_finished();
}
