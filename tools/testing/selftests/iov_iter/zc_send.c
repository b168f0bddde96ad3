// SPDX-License-Identifier: GPL-2.0
/*
 * MSG_ZEROCOPY and io_uring from all kinds of memory, over links on which the
 * packets are cut, doubled, lost and sent again, encrypted, listened to, and
 * which go away.
 *
 * Two network namespaces with a veth between them.  What arrives is compared
 * byte by byte, and what was sent has to be as it was.  When all sends have been
 * completed, no pin may be left, and no reference either: pages of hugetlb go
 * back to their pool only if there is none.
 *
 * T60 to T68 of the list of pitfalls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/errqueue.h>
#include <linux/if_alg.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define PAGE		4096UL
#define TCP_SIZE	(512 * 1024UL)
#define USED	(TCP_SIZE + PAGE)	/* of the huge page */
#define CHUNK		60000UL
#define DGRAM		1400UL
#define NR_DGRAMS	64
#define GSO_SEGS	8
#define PORT		7777
#define SEED		5

struct rig;

struct link {
	const char *name;
	const char *netem;
	bool segments;		/* in software, before the driver */
	/* what else is in the way, and its end */
	void (*begin)(struct rig *rig, const char *arg);
	const char *arg;
	void (*end)(struct rig *rig);
};

struct rig {
	const struct link *link;
	enum memory memory;
	int ns[2];		/* of the sender, of the receiver */
	char *buf;
	int tx, rx;
	unsigned int nr_sent, nr_done;
	const char *wrong;
	int tap, xdp;
};

/* --- namespaces, link, memory */

static void enter(const struct rig *rig, int side)
{
	net_enter(rig->ns[side]);
}

static void set_link(struct rig *rig, const struct link *link)
{
	net_cut_segments(link->segments);
	run("tc qdisc del dev zc0 root 2>/dev/null || true");
	if (link->netem)
		run("tc qdisc add dev zc0 root netem %s", link->netem);
	if (link->begin)
		link->begin(rig, link->arg);
}

/* --- what is in the way */

#define KEY16	"0x0102030405060708090a0b0c0d0e0f10"
#define KEY20	KEY16 "11121314"

/* Once "cryptd" was used for GCM, by whatever test, GCM is asynchronous. */
#define GCM	"aead 'rfc4106(gcm(aes))' " KEY20 " 128"
#define CBC	"enc 'cbc(aes)' " KEY16 " auth-trunc 'hmac(sha256)' " KEY16 " 128"
#define GCM_AES	"gcm_base(ctr(aes-generic),ghash-generic)"

static const char addresses[] = "src " ADDR0 " dst " ADDR1;

static void ipsec_state(int spi, const char *mode, const char *cipher)
{
	run("ip xfrm state add %s proto esp spi %d mode %s %s", addresses, spi,
	    mode, cipher);
}

/* From the sender to the receiver, not back */
static void ipsec_policy(int side, const char *templates)
{
	run("ip xfrm policy add %s dir %s %s", addresses, side ? "in" : "out",
	    templates);
}

static void ipsec_with(struct rig *rig, const char *mode, const char *cipher)
{
	char template[128];
	int side;

	sprintf(template, "tmpl %s proto esp spi 7 mode %s", addresses, mode);
	for (side = 0; side < 2; side++) {
		enter(rig, side);
		ipsec_state(7, mode, cipher);
		ipsec_policy(side, template);
	}
	enter(rig, 0);
}

static void ipsec(struct rig *rig, const char *mode)
{
	ipsec_with(rig, mode, CBC);
}

static void ipsec_twice(struct rig *rig, const char *mode)
{
	char templates[256];
	int side;

	sprintf(templates, "tmpl %s proto esp spi 7 mode %s tmpl %s proto esp spi 8 mode %s",
		addresses, mode, addresses, mode);
	for (side = 0; side < 2; side++) {
		enter(rig, side);
		ipsec_state(7, mode, CBC);
		ipsec_state(8, mode, CBC);
		ipsec_policy(side, templates);
	}
	enter(rig, 0);
}

/* Bytes of a packet, on average, when the first state saw it */
static unsigned long mean_packet(void)
{
	unsigned long bytes, packets = 0;
	FILE *f = popen("ip -s xfrm state", "r");
	char line[256];

	must(f);
	while (!packets && fgets(line, sizeof(line), f))
		if (sscanf(line, " %lu(bytes), %lu(packets)", &bytes,
			   &packets) != 2)
			packets = 0;
	pclose(f);
	must(packets);
	return bytes / packets;
}

static void ipsec_flush(struct rig *rig)
{
	int side;

	for (side = 0; side < 2; side++) {
		enter(rig, side);
		run("ip -s xfrm state | grep -q '[1-9][0-9]*(packets)'");
		run("ip xfrm policy flush && ip xfrm state flush");
	}
	enter(rig, 0);
}

/*
 * With INET_ESP_OFFLOAD, the packets of TCP are cut and then encrypted where
 * the device gets them, whether the device can do some of that or not.
 */
static void ipsec_end(struct rig *rig)
{
	must(mean_packet() > ETH_DATA_LEN);
	ipsec_flush(rig);
}

/* If there is another transformation, TCP makes the packets small itself. */
static void ipsec_twice_end(struct rig *rig)
{
	must(mean_packet() <= ETH_DATA_LEN);
	ipsec_flush(rig);
}

static bool is_ipsec(const struct link *link)
{
	return link->end == ipsec_end || link->end == ipsec_twice_end;
}

/* The cipher works in the background, for which the link needs a queue. */
static void ipsec_async(struct rig *rig, const char *mode)
{
	struct sockaddr_alg sa = {
		.salg_family = AF_ALG,
		.salg_type = "aead",
		.salg_name = "cryptd(rfc4106(" GCM_AES "))",
	};
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

	must(fd >= 0 && !bind(fd, (void *)&sa, sizeof(sa)));
	close(fd);
	ipsec_with(rig, mode, GCM);
}

/* Each packet that arrives is sent back as well; the sender drops it. */
static void nft_dup(struct rig *rig, const char *arg)
{
	enter(rig, 1);
	run("nft add table netdev t");
	run("nft add chain netdev t c '{ type filter hook ingress device zc1 priority 0; }'");
	run("nft add rule netdev t c dup to zc1");
	enter(rig, 0);
}

static void nft_end(struct rig *rig)
{
	enter(rig, 1);
	run("nft flush ruleset");
	enter(rig, 0);
}

/* Somebody listens, and does not read before the end. */
static void tap(struct rig *rig, const char *arg)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex("zc0"),
	};

	rig->tap = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	must(rig->tap >= 0 && addr.sll_ifindex);
	must(!bind(rig->tap, (void *)&addr, sizeof(addr)));
}

static void tap_end(struct rig *rig)
{
	char byte;

	must(recv(rig->tap, &byte, 1, MSG_DONTWAIT) == 1);
	close(rig->tap);
}

/* A program at the receiver that lets everything pass */
static void xdp(struct rig *rig, const char *arg)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr link = { .link_create.attach_type = BPF_XDP };
	int prog = bpf_load(BPF_PROG_TYPE_XDP, BPF_XDP, insns,
			    ARRAY_SIZE(insns));

	enter(rig, 1);
	link.link_create.prog_fd = prog;
	link.link_create.target_ifindex = if_nametoindex("zc1");
	rig->xdp = bpf(BPF_LINK_CREATE, &link);
	must(rig->xdp >= 0);
	close(prog);
	enter(rig, 0);
}

static void xdp_end(struct rig *rig)
{
	close(rig->xdp);
}

static const struct link links[] = {
	{ .name = "veth" },
	{ .name = "veth, segmented", .segments = true },
	{ .name = "duplicates", .netem = "duplicate 30%", .segments = true },
	{ .name = "loss", .netem = "loss 3% delay 2ms reorder 25%",
	  .segments = true },
	{ .name = "loss of large packets", .netem = "loss 3%" },
	{ .name = "a packet tap", .begin = tap, .end = tap_end },
	{ .name = "nft dup", .begin = nft_dup, .end = nft_end },
	{ .name = "XDP", .begin = xdp, .end = xdp_end },
	{ .name = "ESP in ESP", .begin = ipsec_twice, .arg = "transport",
	  .end = ipsec_twice_end },
	{ .name = "ESP transport, offload", .begin = ipsec,
	  .arg = "transport", .end = ipsec_end },
	{ .name = "ESP tunnel, offload", .netem = "loss 3%", .begin = ipsec,
	  .arg = "tunnel", .end = ipsec_end },
	{ .name = "ESP transport, offload, async", .netem = "delay 1ms",
	  .begin = ipsec_async, .arg = "transport", .end = ipsec_end },
};

/* --- completions */

/* Takes what there is.  Returns false if there is nothing. */
static bool reap(struct rig *rig)
{
	char control[128];
	struct msghdr msg = {
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct sock_extended_err *err;

	if (recvmsg(rig->tx, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		must(errno == EAGAIN);
		return false;
	}
	must(CMSG_FIRSTHDR(&msg));
	err = (void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	must(err->ee_origin == SO_EE_ORIGIN_ZEROCOPY);
	rig->nr_done += err->ee_data - err->ee_info + 1;
	return true;
}

static void reap_all(struct rig *rig)
{
	struct pollfd poll_fd = { .fd = rig->tx };
	int tries = 300;

	while (rig->nr_done < rig->nr_sent && tries--) {
		poll(&poll_fd, 1, 100);
		while (reap(rig))
			;
	}
	if (rig->nr_done != rig->nr_sent)
		rig->wrong = rig->wrong ?: "sends were not completed";
}

/* From @pos of the buffer, in three pieces, as much as the socket takes */
static ssize_t send_zc(struct rig *rig, size_t pos, size_t len)
{
	size_t a = len / 7, b = len / 3;
	struct iovec iov[] = {
		{ rig->buf + pos, a },
		{ rig->buf + pos + a, b },
		{ rig->buf + pos + a + b, len - a - b },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	ssize_t ret;

	/* Notifications that were not read yet take up memory of the socket. */
	while ((ret = sendmsg(rig->tx, &msg, MSG_ZEROCOPY)) < 0 &&
	       errno == ENOBUFS)
		if (!reap(rig))
			usleep(1000);
	if (ret < 0)
		return -errno;
	rig->nr_sent++;
	return ret;
}

/* --- TCP: all that was sent arrives */

static void *tcp_receiver(void *arg)
{
	struct rig *rig = arg;
	const char *wrong = net_receive(rig->rx, TCP_SIZE, SEED, 1);

	if (wrong)
		rig->wrong = wrong;
	return NULL;
}

static int new_socket(int type, bool sender)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;
	int option = sender ? SO_ZEROCOPY : SO_REUSEADDR;

	must(fd >= 0);
	must(!setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)));
	return fd;
}

static void open_pair(struct rig *rig, int type)
{
	struct sockaddr_in addr = net_address(ADDR1, PORT);
	int fd, size = 4 << 20;

	rig->wrong = NULL;
	rig->nr_sent = 0;
	rig->nr_done = 0;
	enter(rig, 1);
	fd = new_socket(type, false);
	must(!bind(fd, (void *)&addr, sizeof(addr)));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	must(type != SOCK_STREAM || !listen(fd, 1));
	enter(rig, 0);
	rig->tx = new_socket(type, true);
	must(!connect(rig->tx, (void *)&addr, sizeof(addr)));
	rig->rx = fd;
	if (type == SOCK_STREAM) {
		rig->rx = accept(fd, NULL, NULL);
		must(rig->rx >= 0);
		close(fd);
	}
}

static void tcp(struct rig *rig)
{
	pthread_t thread;
	size_t done;
	ssize_t ret;

	open_pair(rig, SOCK_STREAM);
	must(!pthread_create(&thread, NULL, tcp_receiver, rig));
	for (done = 0; done < TCP_SIZE; done += ret) {
		size_t len = TCP_SIZE - done < CHUNK ? TCP_SIZE - done : CHUNK;

		ret = send_zc(rig, 1 + done, len);
		must(ret > 0);
	}
	must(!pthread_join(thread, NULL));
	reap_all(rig);
}

/* Killed with data in the queues: nothing arrives, nothing is left. */
static void tcp_killed(struct rig *rig)
{
	pid_t pid;

	open_pair(rig, SOCK_STREAM);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		while (send_zc(rig, 1, CHUNK) > 0)
			;
		_exit(1);
	}
	usleep(100000);
	close(rig->tx);
	must(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	rig->tx = -1;
}

/* --- io_uring: without and with a registered buffer, which is lent */

struct uring {
	struct io_uring ring;
	struct rig *rig;
	bool fixed;
	unsigned int nr_due;		/* notifications */
};

static void uring_open(struct uring *u, struct rig *rig, bool fixed)
{
	struct iovec iov = { rig->buf, HUGE };

	u->rig = rig;
	u->fixed = fixed;
	u->nr_due = 0;
	must(!io_uring_queue_init(64, &u->ring, 0));
	if (fixed)
		must(!io_uring_register_buffers(&u->ring, &iov, 1));
}

/* The result of a send, or 0 for the notification of one */
static int uring_reap(struct uring *u)
{
	struct __kernel_timespec patience = { .tv_sec = 30 };
	struct io_uring_cqe *cqe;
	int ret;

	if (io_uring_wait_cqe_timeout(&u->ring, &cqe, &patience)) {
		u->rig->wrong = u->rig->wrong ?: "sends were not completed";
		u->nr_due = 0;
		return 0;
	}
	ret = cqe->res;
	if (cqe->flags & IORING_CQE_F_NOTIF) {
		u->nr_due--;
		ret = 0;
	} else if (cqe->flags & IORING_CQE_F_MORE) {
		u->nr_due++;
	}
	io_uring_cqe_seen(&u->ring, cqe);
	return ret;
}

static ssize_t uring_send(struct uring *u, size_t pos, size_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	char *buf = u->rig->buf + pos;
	int ret;

	if (u->fixed)
		io_uring_prep_send_zc_fixed(sqe, u->rig->tx, buf, len, 0, 0, 0);
	else
		io_uring_prep_send_zc(sqe, u->rig->tx, buf, len, 0, 0);
	must(io_uring_submit(&u->ring) == 1);
	do {
		ret = uring_reap(u);
	} while (!ret && !u->rig->wrong);
	return ret;
}

static void uring_close(struct uring *u)
{
	while (u->nr_due)
		uring_reap(u);
	io_uring_queue_exit(&u->ring);
}

/* @plain: each second send is of the usual kind, so that skbs have both */
static void tcp_uring_with(struct rig *rig, bool fixed, bool plain)
{
	pthread_t thread;
	struct uring u;
	size_t done;
	ssize_t ret;
	int k = 0;

	open_pair(rig, SOCK_STREAM);
	uring_open(&u, rig, fixed);
	must(!pthread_create(&thread, NULL, tcp_receiver, rig));
	for (done = 0; done < TCP_SIZE; done += ret) {
		size_t len = TCP_SIZE - done < CHUNK ? TCP_SIZE - done : CHUNK;

		if (plain && ++k % 2)
			ret = send(rig->tx, rig->buf + 1 + done, len / 40 + 1, 0);
		else
			ret = uring_send(&u, 1 + done, plain ? len / 9 + 1 : len);
		must(ret > 0);
	}
	must(!pthread_join(thread, NULL));
	uring_close(&u);
}

static void tcp_uring(struct rig *rig)
{
	tcp_uring_with(rig, false, false);
}

static void tcp_fixed(struct rig *rig)
{
	tcp_uring_with(rig, true, false);
}

static void tcp_mixed(struct rig *rig)
{
	tcp_uring_with(rig, true, true);
}

static void tcp_fixed_killed(struct rig *rig)
{
	struct uring u;
	pid_t pid;

	open_pair(rig, SOCK_STREAM);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		uring_open(&u, rig, true);
		while (uring_send(&u, 1, CHUNK) > 0)
			;
		_exit(1);
	}
	usleep(100000);
	close(rig->tx);
	must(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	rig->tx = -1;
}

/* --- UDP: what arrives is right */

static void check_dgrams(struct rig *rig, unsigned int want)
{
	static char in[65536];
	unsigned int nr = 0;
	ssize_t ret;
	size_t pos;

	usleep(50000);
	while ((ret = recv(rig->rx, in, sizeof(in), MSG_DONTWAIT)) > 0) {
		for (pos = 0; pos < NR_DGRAMS * DGRAM; pos += DGRAM)
			if (pattern_check(in, ret, SEED, 1 + pos) == (size_t)ret)
				break;
		if (ret != DGRAM || pos == NR_DGRAMS * DGRAM)
			rig->wrong = "wrong data";
		nr++;
	}
	if (!rig->link->netem && nr != want)
		rig->wrong = rig->wrong ?: "packets are missing";
}

static void udp(struct rig *rig)
{
	unsigned int k;

	open_pair(rig, SOCK_DGRAM);
	for (k = 0; k < NR_DGRAMS; k++)
		must(send_zc(rig, 1 + k * DGRAM, DGRAM) == DGRAM);
	reap_all(rig);
	check_dgrams(rig, NR_DGRAMS);
}

static void set_cork(const struct rig *rig, int on)
{
	must(!setsockopt(rig->tx, IPPROTO_UDP, UDP_CORK, &on, sizeof(on)));
}

/* Datagrams in parts, some of them plain data */
static void udp_corked(struct rig *rig)
{
	size_t a = 500, b = 400, c = DGRAM - a - b, pos;
	unsigned int k;

	open_pair(rig, SOCK_DGRAM);
	for (k = 0; k < NR_DGRAMS; k++) {
		pos = 1 + k * DGRAM;
		set_cork(rig, 1);
		must(send_zc(rig, pos, a) == (ssize_t)a);
		must(send(rig->tx, rig->buf + pos + a, b, 0) == (ssize_t)b);
		must(send_zc(rig, pos + a + b, c) == (ssize_t)c);
		set_cork(rig, 0);
	}
	reap_all(rig);
	check_dgrams(rig, NR_DGRAMS);
}

static void udp_gso(struct rig *rig)
{
	unsigned int k, len = GSO_SEGS * DGRAM;
	int size = DGRAM;

	open_pair(rig, SOCK_DGRAM);
	must(!setsockopt(rig->tx, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)));
	for (k = 0; k < NR_DGRAMS / GSO_SEGS; k++)
		must(send_zc(rig, 1 + k * len, len) == len);
	reap_all(rig);
	check_dgrams(rig, NR_DGRAMS);
}

static void udp_fixed(struct rig *rig)
{
	struct uring u;
	unsigned int k;

	open_pair(rig, SOCK_DGRAM);
	uring_open(&u, rig, true);
	for (k = 0; k < NR_DGRAMS; k++)
		must(uring_send(&u, 1 + k * DGRAM, DGRAM) == DGRAM);
	uring_close(&u);
	check_dgrams(rig, NR_DGRAMS);
}

static void udp_gso_fixed(struct rig *rig)
{
	unsigned int k, len = GSO_SEGS * DGRAM;
	int size = DGRAM;
	struct uring u;

	open_pair(rig, SOCK_DGRAM);
	must(!setsockopt(rig->tx, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)));
	uring_open(&u, rig, true);
	for (k = 0; k < NR_DGRAMS / GSO_SEGS; k++)
		must(uring_send(&u, 1 + k * len, len) == len);
	uring_close(&u);
	check_dgrams(rig, NR_DGRAMS);
}

/* A segment that cannot be read: what was taken of the others is given back. */
static void fault(struct rig *rig, int type)
{
	struct iovec iov[] = {
		{ rig->buf, 3 * PAGE },
		{ (void *)PAGE, PAGE },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t ret;

	open_pair(rig, type);
	ret = sendmsg(rig->tx, &msg, MSG_ZEROCOPY);
	if (ret >= 0 ? type != SOCK_STREAM : errno != EFAULT)
		rig->wrong = "no error for memory that cannot be read";
}

static void tcp_fault(struct rig *rig)
{
	fault(rig, SOCK_STREAM);
}

static void udp_fault(struct rig *rig)
{
	fault(rig, SOCK_DGRAM);
}

/* What is sent to a process goes to it when it reads. */
static void udp_tun(struct rig *rig)
{
	struct ifreq ifr = {
		.ifr_name = "zctun", .ifr_flags = IFF_TUN | IFF_NO_PI
	};
	struct sockaddr_in addr = net_address("10.9.0.2", PORT);
	static char in[2048];
	ssize_t ret;
	int tun, k;

	open_pair(rig, SOCK_DGRAM);
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	must(tun >= 0 && !ioctl(tun, TUNSETIFF, &ifr));
	run("ip addr add 10.9.0.1/24 dev zctun && ip link set zctun up");
	must(!connect(rig->tx, (void *)&addr, sizeof(addr)));
	for (k = 0; k < NR_DGRAMS; k++)
		must(send_zc(rig, 1 + k * DGRAM, DGRAM) == DGRAM);
	reap_all(rig);
	for (k = 0; k < NR_DGRAMS && !rig->wrong;) {
		ret = read(tun, in, sizeof(in));
		/* The kernel may have sent something by itself. */
		if (ret > 0 && ret != 28 + (ssize_t)DGRAM)
			continue;
		if (ret < 0)
			rig->wrong = "packets are missing";
		else if (pattern_check(in + 28, DGRAM, SEED, 1 + k * DGRAM) !=
			 DGRAM)
			rig->wrong = "wrong data";
		k++;
	}
	close(tun);
}

/* --- memory that changes */

#define NR_QUEUED	8	/* datagrams, no more than TCP sends at once */

static void queue_some(struct rig *rig, int type, const char *netem)
{
	int k;

	open_pair(rig, type);
	run("tc qdisc add dev zc0 root netem %s", netem);
	for (k = 0; k < NR_QUEUED; k++)
		must(send_zc(rig, 1 + k * DGRAM, DGRAM) == DGRAM);
}

/* After fork(), who writes gets pages of their own; the queue has the others. */
static void fork_and_write(struct rig *rig, bool child_writes)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		if (child_writes)
			pattern_fill(rig->buf, USED, SEED + 1, 0);
		else
			pause();
		_exit(0);
	}
	if (!child_writes) {
		pattern_fill(rig->buf, USED, SEED + 1, 0);
		must(!kill(pid, SIGKILL));
	}
	must(waitpid(pid, NULL, 0) == pid);
}

/* What netem has is lost, and sent again from where it is. */
static void tcp_forked(struct rig *rig, bool child_writes)
{
	queue_some(rig, SOCK_STREAM, "delay 200s");
	fork_and_write(rig, child_writes);
	run("tc qdisc del dev zc0 root");
	rig->wrong = net_receive(rig->rx, NR_QUEUED * DGRAM, SEED, 1);
	reap_all(rig);
	pattern_fill(rig->buf, USED, SEED, 0);
}

static void udp_forked(struct rig *rig, bool child_writes)
{
	queue_some(rig, SOCK_DGRAM, "delay 1s");
	fork_and_write(rig, child_writes);
	reap_all(rig);
	check_dgrams(rig, NR_QUEUED);
	run("tc qdisc del dev zc0 root");
	pattern_fill(rig->buf, USED, SEED, 0);
}

static void tcp_child_writes(struct rig *rig)
{
	tcp_forked(rig, true);
}

static void tcp_parent_writes(struct rig *rig)
{
	tcp_forked(rig, false);
}

static void udp_child_writes(struct rig *rig)
{
	udp_forked(rig, true);
}

static void udp_parent_writes(struct rig *rig)
{
	udp_forked(rig, false);
}

/* What has been completed is the owner's again. */
static void tcp_written_late(struct rig *rig)
{
	open_pair(rig, SOCK_STREAM);
	must(send_zc(rig, 1, CHUNK) == CHUNK);
	reap_all(rig);
	pattern_fill(rig->buf, USED, SEED + 1, 0);
	rig->wrong = rig->wrong ?: net_receive(rig->rx, CHUNK, SEED, 1);
	pattern_fill(rig->buf, USED, SEED, 0);
}

/* Closed with data queued that nobody is to get */
static void tcp_reset(struct rig *rig)
{
	struct linger at_once = { .l_onoff = 1 };

	queue_some(rig, SOCK_STREAM, "delay 200s");
	must(!setsockopt(rig->tx, SOL_SOCKET, SO_LINGER, &at_once,
			 sizeof(at_once)));
	close(rig->tx);
	rig->tx = -1;
	run("tc qdisc del dev zc0 root");
}

/* --- the receiver and its namespace go away while packets are on their way */

static void gone(struct rig *rig, int type)
{
	struct rig other = { .link = rig->link, .buf = rig->buf };
	struct linger at_once = { .l_onoff = 1 };
	int k;

	net_make_link(other.ns);
	open_pair(&other, type);
	run("tc qdisc add dev zc0 root netem delay 200s");
	for (k = 0; k < 8; k++)
		must(send_zc(&other, 1 + k * DGRAM, DGRAM) == DGRAM);
	must(!setsockopt(other.rx, SOL_SOCKET, SO_LINGER, &at_once,
			 sizeof(at_once)));
	close(other.rx);
	close(other.ns[1]);
	if (type == SOCK_DGRAM)
		reap_all(&other);
	close(other.tx);
	close(other.ns[0]);
	rig->wrong = other.wrong;
	rig->tx = -1;
	rig->rx = -1;
	enter(rig, 0);
}

static void tcp_gone(struct rig *rig)
{
	gone(rig, SOCK_STREAM);
}

static void udp_gone(struct rig *rig)
{
	gone(rig, SOCK_DGRAM);
}

/* Some are for the first link only, or for no memory but hugetlb. */
static const struct method {
	const char *name;
	void (*run)(struct rig *rig);
	bool all_links, all_memory;
} methods[] = {
	{ "TCP", tcp, true, true },
	{ "TCP, killed", tcp_killed, true, true },
	{ "TCP, unreadable", tcp_fault, true, true },
	{ "UDP", udp, true, true },
	{ "UDP GSO", udp_gso, true, true },
	{ "UDP, unreadable", udp_fault, true, true },
	{ "TCP, io_uring", tcp_uring, true, false },
	{ "TCP, registered", tcp_fixed, true, false },
	{ "TCP, registered and not", tcp_mixed, true, false },
	{ "TCP, registered, killed", tcp_fixed_killed, true, false },
	{ "UDP, registered", udp_fixed, true, false },
	{ "UDP GSO, registered", udp_gso_fixed, true, false },
	{ "UDP, corked", udp_corked, true, false },
	{ "UDP to a TUN", udp_tun, false, false },
	{ "TCP, the child writes", tcp_child_writes, false, true },
	{ "TCP, the parent writes", tcp_parent_writes, false, true },
	{ "UDP, the child writes", udp_child_writes, false, true },
	{ "UDP, the parent writes", udp_parent_writes, false, true },
	{ "TCP, written when done", tcp_written_late, false, true },
	{ "TCP, reset", tcp_reset, false, true },
	{ "TCP, receiver gone", tcp_gone, false, false },
	{ "UDP, receiver gone", udp_gone, false, false },
};

static void test(struct rig *rig, const struct method *method)
{
	struct pins start = pins_now(), pins;
	long free_before = hugetlb_free();
	int tries = 100;

	rig->buf = map_memory(rig->memory);
	pattern_fill(rig->buf, USED, SEED, 0);
	rig->wrong = NULL;
	method->run(rig);
	if (rig->tx >= 0)
		close(rig->tx);
	if (rig->rx >= 0)
		close(rig->rx);
	if (pattern_check(rig->buf, USED, SEED, 0) != USED)
		rig->wrong = rig->wrong ?: "what was sent has changed";
	munmap(rig->buf, HUGE);

	pins = pins_since(&start);
	if (pins.acquired != pins.released)
		rig->wrong = rig->wrong ?: "pins leaked";
	/* A socket that was closed may take its time. */
	while (hugetlb_free() != free_before && tries--)
		usleep(100000);
	if (hugetlb_free() != free_before)
		rig->wrong = rig->wrong ?: "pages leaked";
	ksft_test_result(!rig->wrong, "%s over %s from %s: %s\n", method->name,
			 rig->link->name, memory_name[rig->memory],
			 rig->wrong ?: "ok");
}

/* All kinds of memory go over the links that only delay and lose. */
static bool wanted(const struct rig *rig, const struct method *method)
{
	/* There is no UDP GSO with IPsec. */
	if (is_ipsec(rig->link) &&
	    (method->run == udp_gso || method->run == udp_gso_fixed))
		return false;
	if (rig->link != links && !method->all_links)
		return false;
	return rig->memory == HUGETLB ||
	       (method->all_memory && !rig->link->begin);
}

static unsigned int for_all(struct rig *rig,
			    void (*func)(struct rig *, const struct method *))
{
	unsigned int nr = 0;
	size_t k, n;

	for (k = 0; k < ARRAY_SIZE(links); k++) {
		rig->link = &links[k];
		if (func)
			set_link(rig, rig->link);
		for (rig->memory = 0; rig->memory < NR_MEMORIES; rig->memory++) {
			for (n = 0; n < ARRAY_SIZE(methods); n++) {
				if (!wanted(rig, &methods[n]))
					continue;
				nr++;
				if (func)
					func(rig, &methods[n]);
			}
		}
		if (func && rig->link->end)
			rig->link->end(rig);
	}
	return nr;
}

int main(void)
{
	static struct rig rig;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(for_all(&rig, NULL));

	hugetlb_start();
	net_make_link(rig.ns);
	for_all(&rig, test);
	hugetlb_end();
	ksft_finished();
}
