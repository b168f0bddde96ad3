// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-net with zero copy: packets that are made of memory of the "guest"
 * until they are sent, or until somebody copies them.
 *
 * A TAP and one end of the veth are ports of a bridge, so that such packets get
 * to a queueing discipline, as they do on their way to a network card.  The
 * kernel has to be booted with vhost_net.experimental_zcopytx=1.
 *
 * What arrives is compared byte by byte.  Each entry of the ring has to come
 * back, and then there may be no pin, and no reference either: pages of hugetlb
 * go back to their pool only if there is none.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"
#include "vring_util.h"

#define PAGE		4096UL
#define NR_PACKETS	32
#define STEP		30011UL		/* from packet to packet */
#define MAX_LEN		45000UL		/* such a frame has a fragment a page */
#define MTU		65000
#define GSO_SIZE	1400
#define SEED		21
#define TYPE		0x88b5		/* for experiments */

#define TX_RING		1
#define NR_PIECES	3
#define CHAIN		(1 + NR_PIECES)
#define NR_DESCS	(NR_PACKETS * 2 * CHAIN)
#define PATIENCE_MS	30000

#define PARAMETER	"/sys/module/vhost_net/parameters/experimental_zcopytx"

/* What precedes the data of a packet, up to TCP's header if it is to be cut */
struct head {
	struct virtio_net_hdr vnet;
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
};

struct rig {
	enum memory memory;
	int ns[2];
	int tap, reader;	/* the second one is another TAP */
	int rx;
	struct vring_dev dev;
	struct head heads[NR_PACKETS];
	char *buf;
	bool gso;
	unsigned int nr_back;
	const char *wrong;
};

/* --- links */

static int open_tap(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	must(fd >= 0 && !ioctl(fd, TUNSETIFF, &ifr));
	run("ip link set %s mtu %d up", name, MTU);
	return fd;
}

/* Packets of the kernel's own would be in the way. */
static void make_links(struct rig *rig)
{
	net_make_link(rig->ns);
	run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	run("ip link add zcbr type bridge forward_delay 0");
	rig->tap = open_tap("zctap", IFF_VNET_HDR);
	rig->reader = open_tap("zcreader", 0);
	run("ip link set zctap master zcbr");
	run("ip link set zc0 mtu %d master zcbr", MTU);
	run("ip link set zcbr up");

	net_enter(rig->ns[1]);
	run("ip link set zc1 mtu %d", MTU);
	net_enter(rig->ns[0]);
}

static void set_netem(const char *netem)
{
	run("tc qdisc add dev zc0 root netem %s", netem);
}

static void clear_netem(void)
{
	run("tc qdisc del dev zc0 root");
}

/* Packets that netem has */
static unsigned int nr_queued(void)
{
	FILE *f = popen("tc -s qdisc show dev zc0", "r");
	unsigned int nr = 0;
	char line[256];

	must(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, " backlog %*s %up", &nr);
	pclose(f);
	return nr;
}

static void open_rx(struct rig *rig)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(rig->gso ? ETH_P_IP : TYPE),
	};
	int size = 16 << 20;

	net_enter(rig->ns[1]);
	addr.sll_ifindex = if_nametoindex("zc1");
	rig->rx = socket(AF_PACKET, SOCK_RAW, 0);
	must(rig->rx >= 0 && addr.sll_ifindex);
	must(!setsockopt(rig->rx, SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size)));
	must(!bind(rig->rx, (void *)&addr, sizeof(addr)));
	net_enter(rig->ns[0]);
}

static void unmap_memory(struct rig *rig)
{
	if (rig->buf)
		munmap(rig->buf, HUGE);
	rig->buf = NULL;
}

/* --- packets */

static size_t packet_pos(unsigned int nr)
{
	return 1 + nr * STEP;
}

static size_t packet_len(unsigned int nr)
{
	static const size_t lens[] = { 300, 1400, 9000, MAX_LEN };

	return lens[nr % ARRAY_SIZE(lens)];
}

/* The number of a packet is in the address of its sender. */
static size_t make_head(const struct rig *rig, struct head *head,
			unsigned int nr)
{
	memset(head, 0, sizeof(*head));
	head->eth = (struct ethhdr) {
		.h_dest = { 2, 0, 0, 0, 1, 0 },
		.h_source = { 2, 0, 0, 0, 0, nr },
		.h_proto = htons(rig->gso ? ETH_P_IP : TYPE),
	};
	if (!rig->gso)
		return offsetof(struct head, ip);

	head->vnet = (struct virtio_net_hdr) {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = sizeof(*head) - sizeof(head->vnet),
		.gso_size = GSO_SIZE,
		.csum_start = ETH_HLEN + sizeof(head->ip),
		.csum_offset = offsetof(struct tcphdr, check),
	};
	head->ip = (struct iphdr) {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(head->ip) + sizeof(head->tcp) +
				 packet_len(nr)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = inet_addr(ADDR0),
		.daddr = inet_addr(ADDR1),
	};
	head->tcp.doff = sizeof(head->tcp) / 4;
	head->tcp.ack = 1;
	return sizeof(*head);
}

static void set_desc(struct rig *rig, unsigned int nr, const void *base,
		     size_t len)
{
	rig->dev.ring.desc[nr] = (struct vring_desc) {
		.addr	= (unsigned long)base,
		.len	= len,
		.flags	= (nr + 1) % CHAIN ? VRING_DESC_F_NEXT : 0,
		.next	= nr + 1,
	};
}

static void submit(struct rig *rig, unsigned int nr, bool readable)
{
	size_t len = packet_len(nr), a = len / 7, b = len / 3;
	unsigned int desc = nr * CHAIN;
	char *data = rig->buf + packet_pos(nr);

	set_desc(rig, desc, &rig->heads[nr],
		 make_head(rig, &rig->heads[nr], nr));
	set_desc(rig, desc + 1, data, a);
	set_desc(rig, desc + 2, data + a, b);
	set_desc(rig, desc + 3, readable ? data + a + b : (void *)PAGE,
		 len - a - b);
	vring_submit(&rig->dev, desc);
}

static void submit_all(struct rig *rig)
{
	unsigned int nr;

	for (nr = 0; nr < NR_PACKETS; nr++)
		submit(rig, nr, true);
}

static void check_back(struct rig *rig, int desc)
{
	if (desc % CHAIN || desc >= NR_PACKETS * CHAIN)
		rig->wrong = "there is a wrong entry in the ring";
	rig->nr_back++;
}

static void wait_back(struct rig *rig)
{
	while (rig->nr_back < NR_PACKETS)
		check_back(rig, vring_wait(&rig->dev));
	if (vring_reap(&rig->dev) >= 0)
		rig->wrong = "there are too many entries in the ring";
}

/*
 * Until all are on their way.  Had they been copied, the device would be done
 * with them, except perhaps with the last one.
 */
static void wait_queued(struct rig *rig)
{
	int tries = PATIENCE_MS / 10;

	while (nr_queued() < NR_PACKETS && tries--)
		usleep(10000);
	must(tries >= 0);
	if (rig->dev.fd >= 0 && vring_reap(&rig->dev) >= 0)
		rig->wrong = "this was not zero copy";
}

static void vhost_start(struct rig *rig)
{
	struct vhost_vring_file backend = { .index = TX_RING, .fd = rig->tap };

	vring_open(&rig->dev, "/dev/vhost-net", 0, TX_RING, NR_DESCS);
	must(!ioctl(rig->dev.fd, VHOST_NET_SET_BACKEND, &backend));
	rig->nr_back = 0;
}

static void vhost_stop(struct rig *rig)
{
	vring_close(&rig->dev);
	rig->dev.fd = -1;
}

/* --- what arrives */

/* Returns the length of the data of a packet, 0 if it is not right. */
static size_t check_packet(struct rig *rig, const struct head *head, size_t len)
{
	size_t head_len = rig->gso ? sizeof(*head) : offsetof(struct head, ip);
	const char *data = (const char *)head + head_len;
	unsigned int nr = head->eth.h_source[ETH_ALEN - 1];
	size_t pos = rig->gso ? ntohl(head->tcp.seq) : 0;

	if (len <= head_len || nr >= NR_PACKETS)
		return 0;
	len -= head_len;
	if (rig->gso ? pos + len > packet_len(nr) : len != packet_len(nr))
		return 0;
	if (pattern_check(data, len, SEED, packet_pos(nr) + pos) != len)
		return 0;
	return len;
}

static size_t total_len(void)
{
	size_t total = 0;
	unsigned int nr;

	for (nr = 0; nr < NR_PACKETS; nr++)
		total += packet_len(nr);
	return total;
}

/* Reads packets until there was @want of data, or until there is nothing. */
static void receive(struct rig *rig, int fd, size_t want)
{
	static union {
		struct head head;
		char bytes[65536];
	} in;
	const size_t skip = sizeof(in.head.vnet);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	size_t total = 0, ok;
	ssize_t len;

	while (!want || total < want) {
		if (poll(&poll_fd, 1, want ? PATIENCE_MS : 0) <= 0)
			break;
		len = read(fd, in.bytes + skip, sizeof(in) - skip);
		must(len > 0);
		ok = check_packet(rig, &in.head, skip + len);
		if (!ok)
			rig->wrong = rig->wrong ?: "wrong data";
		total += ok;
	}
	if (total < want)
		rig->wrong = rig->wrong ?: "packets are missing";
}

/* --- the tests */

/* Packets that wait for a while get there as they were. */
static void delayed(struct rig *rig)
{
	set_netem("delay 300ms");
	submit_all(rig);
	receive(rig, rig->rx, total_len());
	wait_back(rig);
	clear_netem();
}

static void lossy(struct rig *rig)
{
	set_netem("loss 20% duplicate 30%");
	submit_all(rig);
	wait_back(rig);
	receive(rig, rig->rx, 0);
	clear_netem();
}

/* TCP's segments, cut by the kernel */
static void segments(struct rig *rig)
{
	net_cut_segments(true);
	delayed(rig);
	net_cut_segments(false);
}

/* The owner of the memory does not own it any more. */
static void unmapped(struct rig *rig)
{
	long free_before = hugetlb_free();

	set_netem("delay 200s");
	submit_all(rig);
	wait_queued(rig);
	unmap_memory(rig);
	if (hugetlb_free() != free_before)
		rig->wrong = "the memory is free and on its way";
	clear_netem();
	wait_back(rig);
}

static void *stopper(void *arg)
{
	vhost_stop(arg);
	return NULL;
}

/* The device is closed with packets queued, which it has to wait for. */
static void closed(struct rig *rig)
{
	pthread_t thread;

	set_netem("delay 200s");
	submit_all(rig);
	wait_queued(rig);
	must(!pthread_create(&thread, NULL, stopper, rig));
	usleep(100000);
	if (pthread_tryjoin_np(thread, NULL)) {
		clear_netem();
		must(!pthread_join(thread, NULL));
	} else {
		rig->wrong = "the device did not wait";
		clear_netem();
	}
}

static void killed(struct rig *rig)
{
	pid_t pid;

	vhost_stop(rig);
	set_netem("delay 200s");
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		vhost_start(rig);
		submit_all(rig);
		pause();
		_exit(1);
	}
	wait_queued(rig);
	must(!kill(pid, SIGKILL));
	clear_netem();
	must(waitpid(pid, NULL, 0) == pid);
}

/* For a process, which need not read: it has got copies. */
static void unread(struct rig *rig)
{
	run("ip link set zc0 nomaster && ip link set zcreader master zcbr");
	submit_all(rig);
	wait_back(rig);
	receive(rig, rig->reader, total_len());
	run("ip link set zcreader nomaster && ip link set zc0 master zcbr");
}

/* A part that cannot be read: what was taken of the others is given back. */
static void unreadable(struct rig *rig)
{
	size_t want = 0;
	unsigned int nr;

	for (nr = 0; nr < NR_PACKETS; nr++) {
		submit(rig, nr, nr % 2);
		if (nr % 2)
			want += packet_len(nr);
	}
	receive(rig, rig->rx, want);
	wait_back(rig);
}

static const struct method {
	const char *name;
	void (*run)(struct rig *rig);
	bool gso;
} methods[] = {
	{ "delayed", delayed, false },
	{ "lost and doubled", lossy, false },
	{ "TCP, delayed", delayed, true },
	{ "TCP, cut to segments", segments, true },
	{ "unmapped while queued", unmapped, false },
	{ "device closed", closed, false },
	{ "killed", killed, false },
	{ "for a TAP that nobody reads", unread, false },
	{ "unreadable", unreadable, false },
};

static void test(struct rig *rig, const struct method *method)
{
	long free_before = hugetlb_free();
	struct pins start = pins_now(), pins;
	int tries = 100;

	rig->wrong = NULL;
	rig->gso = method->gso;
	rig->buf = map_memory(rig->memory);
	pattern_fill(rig->buf, HUGE, SEED, 0);
	open_rx(rig);
	vhost_start(rig);
	method->run(rig);
	if (rig->dev.fd >= 0)
		vhost_stop(rig);
	close(rig->rx);
	if (rig->buf && pattern_check(rig->buf, HUGE, SEED, 0) != HUGE)
		rig->wrong = rig->wrong ?: "what was sent has changed";
	unmap_memory(rig);

	pins = pins_since(&start);
	if (pins.acquired != pins.released)
		rig->wrong = rig->wrong ?: "pins leaked";
	while (hugetlb_free() != free_before && tries--)
		usleep(100000);
	if (hugetlb_free() != free_before)
		rig->wrong = rig->wrong ?: "pages leaked";
	ksft_test_result(!rig->wrong, "vhost-net, %s, from %s: %s\n",
			 method->name, memory_name[rig->memory],
			 rig->wrong ?: "ok");
}

static bool zero_copy(void)
{
	FILE *f = fopen(PARAMETER, "r");
	int on = 0;

	must(f && fscanf(f, "%d", &on) == 1);
	fclose(f);
	return on;
}

int main(void)
{
	static struct rig rig;
	size_t k;

	setlinebuf(stdout);
	ksft_print_header();
	if (!zero_copy())
		ksft_exit_skip("without vhost_net.experimental_zcopytx=1\n");
	ksft_set_plan(ARRAY_SIZE(methods) * NR_MEMORIES);

	hugetlb_start();
	make_links(&rig);
	for (rig.memory = 0; rig.memory < NR_MEMORIES; rig.memory++)
		for (k = 0; k < ARRAY_SIZE(methods); k++)
			test(&rig, &methods[k]);
	hugetlb_end();
	ksft_finished();
}
