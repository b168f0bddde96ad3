// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what sendmsg() and recvmsg() do to the iterator of their caller
 *
 * Callers in the kernel (the iSCSI target, SMB, rxrpc, Ceph) go on with what is
 * left in the iterator after a short send.  So it must have been advanced by
 * what the function returns, and not at all by an error; and the array behind
 * it, which is the caller's, must be as it was.
 *
 * Everything goes over loopback, and is compared when it has arrived.
 */
#include <linux/bvec.h>
#include <linux/icmp.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/prandom.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <uapi/linux/tls.h>

#include <kunit/test.h>

#define NR_SEGS		3
#define STREAM_SIZE	(320 * 1024)
#define DGRAM_SIZE	6000
#define SMALL_SNDBUF	(24 * 1024)

struct route {
	const char *name;
	int family;
	int type;
	int protocol;
	/* after the sockets are connected */
	void (*setup)(struct kunit *test, struct socket *tx, struct socket *rx);
	/* what the network puts before the data */
	unsigned int header;
};

struct rig {
	struct kunit *test;
	const struct route *path;
	struct socket *tx;
	struct socket *rx;
	u8 *out;
	u8 *in;
};

/* --- sockets */

static void set_option(struct kunit *test, struct socket *sock, int level,
		       int option, void *value, unsigned int len)
{
	int ret = sock->ops->setsockopt(sock, level, option,
					KERNEL_SOCKPTR(value), len);

	KUNIT_ASSERT_EQ(test, ret, 0);
}

static void set_int(struct kunit *test, struct socket *sock, int option,
		    int value)
{
	set_option(test, sock, SOL_TCP, option, &value, sizeof(value));
}

static struct socket *new_socket(struct rig *rig)
{
	const struct route *path = rig->path;
	struct socket *sock;

	KUNIT_ASSERT_EQ(rig->test, 0,
			sock_create_kern(&init_net, path->family, path->type,
					 path->protocol, &sock));
	sock->sk->sk_rcvtimeo = HZ;
	return sock;
}

static void bind_loopback(struct rig *rig, struct socket *sock,
			  struct sockaddr_in *addr)
{
	*addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	KUNIT_ASSERT_EQ(rig->test, 0, kernel_bind(sock, (void *)addr,
						  sizeof(*addr)));
	KUNIT_ASSERT_LE(rig->test, 0, kernel_getsockname(sock, (void *)addr));
}

static struct socket *new_server(struct rig *rig, struct sockaddr_in *addr)
{
	struct socket *server = new_socket(rig);

	bind_loopback(rig, server, addr);
	KUNIT_ASSERT_EQ(rig->test, 0, kernel_listen(server, 1));
	return server;
}

static void accept_from(struct rig *rig, struct socket *server)
{
	KUNIT_ASSERT_EQ(rig->test, 0, kernel_accept(server, &rig->rx, 0));
	rig->rx->sk->sk_rcvtimeo = HZ;
	sock_release(server);
}

static void connect_to(struct rig *rig, struct sockaddr_in *addr)
{
	KUNIT_ASSERT_EQ(rig->test, 0, kernel_connect(rig->tx, (void *)addr,
						     sizeof(*addr), 0));
}

static void connect_pair(struct rig *rig)
{
	struct sockaddr_in addr;
	struct socket *server;

	rig->tx = new_socket(rig);
	if (rig->path->family == AF_UNIX) {
		rig->rx = new_socket(rig);
		KUNIT_ASSERT_EQ(rig->test, 0,
				rig->tx->ops->socketpair(rig->tx, rig->rx));
	} else if (rig->path->type == SOCK_STREAM) {
		server = new_server(rig, &addr);
		connect_to(rig, &addr);
		accept_from(rig, server);
	} else {
		rig->rx = new_socket(rig);
		bind_loopback(rig, rig->rx, &addr);
		connect_to(rig, &addr);
	}
	if (rig->path->setup)
		rig->path->setup(rig->test, rig->tx, rig->rx);
}

static void loopback_up(struct kunit *test)
{
	struct net_device *dev = init_net.loopback_dev;
	int ret;

	rtnl_lock();
	ret = dev_change_flags(dev, dev->flags | IFF_UP, NULL);
	rtnl_unlock();
	KUNIT_ASSERT_EQ(test, ret, 0);
}

static void start(struct kunit *test, struct rig *rig, const struct route *path)
{
	*rig = (struct rig){
		.test = test,
		.path = path,
		.out = kunit_kzalloc(test, STREAM_SIZE, GFP_KERNEL),
		.in = kunit_kzalloc(test, STREAM_SIZE, GFP_KERNEL),
	};
	KUNIT_ASSERT_NOT_NULL(test, rig->out);
	KUNIT_ASSERT_NOT_NULL(test, rig->in);
	get_random_bytes(rig->out, STREAM_SIZE);
	loopback_up(test);
}

static void end(struct rig *rig)
{
	sock_release(rig->tx);
	sock_release(rig->rx);
}

/* --- iterators: the same memory in three pieces, as KVEC or BVEC */

struct pieces {
	bool is_bvec;
	struct kvec kvec[NR_SEGS];
	struct bio_vec bvec[NR_SEGS];
	struct msghdr msg;
};

static void make_pieces(struct pieces *p, bool is_bvec, u8 *buf, size_t size)
{
	const size_t sizes[NR_SEGS] = { 13, size / 3, size - 13 - size / 3 };
	unsigned int k;

	*p = (struct pieces){ .is_bvec = is_bvec };
	for (k = 0; k < NR_SEGS; buf += sizes[k], k++) {
		p->kvec[k] = (struct kvec){ buf, sizes[k] };
		bvec_set_page(&p->bvec[k], virt_to_page(buf), sizes[k],
			      offset_in_page(buf));
	}
}

static void make_source(struct pieces *p, bool is_bvec, u8 *buf, size_t size)
{
	struct iov_iter *iter = &p->msg.msg_iter;

	make_pieces(p, is_bvec, buf, size);
	if (is_bvec)
		iov_iter_bvec(iter, ITER_SOURCE, p->bvec, NR_SEGS, size);
	else
		iov_iter_kvec(iter, ITER_SOURCE, p->kvec, NR_SEGS, size);
}

static void make_dest(struct pieces *p, bool is_bvec, u8 *buf, size_t size)
{
	struct iov_iter *iter = &p->msg.msg_iter;

	make_pieces(p, is_bvec, buf, size);
	if (is_bvec)
		iov_iter_bvec(iter, ITER_DEST, p->bvec, NR_SEGS, size);
	else
		iov_iter_kvec(iter, ITER_DEST, p->kvec, NR_SEGS, size);
}

/* One call: the iterator has to be advanced by what it returns. */
static int call(struct rig *rig, struct pieces *p, bool send, int flags)
{
	size_t before = iov_iter_count(&p->msg.msg_iter);
	struct pieces old = *p;
	int ret;

	p->msg.msg_flags = flags;
	if (send)
		ret = sock_sendmsg(rig->tx, &p->msg);
	else
		ret = sock_recvmsg(rig->rx, &p->msg, flags);
	KUNIT_EXPECT_EQ(rig->test, iov_iter_count(&p->msg.msg_iter),
			before - max(ret, 0));
	KUNIT_EXPECT_EQ(rig->test, 0, memcmp(old.kvec, p->kvec,
					     sizeof(old.kvec)));
	KUNIT_EXPECT_EQ(rig->test, 0, memcmp(old.bvec, p->bvec,
					     sizeof(old.bvec)));
	return ret;
}

/* --- packets */

static void packet(struct rig *rig, bool is_bvec)
{
	unsigned int header = rig->path->header;
	struct pieces out, in;
	int ret;

	make_source(&out, is_bvec, rig->out, DGRAM_SIZE);
	make_dest(&in, is_bvec, rig->in, 2 * DGRAM_SIZE);
	ret = call(rig, &out, true, 0);
	KUNIT_EXPECT_EQ(rig->test, ret, DGRAM_SIZE);
	ret = call(rig, &in, false, 0);
	KUNIT_EXPECT_EQ(rig->test, ret, DGRAM_SIZE + (int)header);
	KUNIT_EXPECT_EQ(rig->test, 0, memcmp(rig->in + header, rig->out,
					     DGRAM_SIZE));

	/* more than the reader has room for */
	make_source(&out, is_bvec, rig->out, DGRAM_SIZE);
	make_dest(&in, is_bvec, rig->in, 100);
	KUNIT_EXPECT_EQ(rig->test, call(rig, &out, true, 0), DGRAM_SIZE);
	KUNIT_EXPECT_EQ(rig->test, call(rig, &in, false, 0), 100);

	/* nothing to read */
	KUNIT_EXPECT_EQ(rig->test, call(rig, &in, false, MSG_DONTWAIT), -EAGAIN);
}

static const struct route packet_paths[] = {
	{ "UDP", AF_INET, SOCK_DGRAM, IPPROTO_UDP },
	{ "RAW", AF_INET, SOCK_RAW, 253, NULL, sizeof(struct iphdr) },
	{ "AF_UNIX, packets", AF_UNIX, SOCK_DGRAM, 0 },
};

static void path_desc(const struct route *path, char *desc)
{
	strscpy(desc, path->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(packet, packet_paths, path_desc);

static void msg_packet(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, test->param_value);
	connect_pair(&rig);
	packet(&rig, false);
	packet(&rig, true);
	end(&rig);
}

/* A ping is sent with a header of its own, and what comes back is the reply. */
static void msg_ping(struct kunit *test)
{
	const struct route path = { "ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP };
	kgid_t *range = init_net.ipv4.ping_group_range.range;
	kgid_t old = range[0];
	struct icmphdr *hdr;
	struct pieces p;
	struct rig rig;

	start(test, &rig, &path);
	hdr = (struct icmphdr *)rig.out;
	*hdr = (struct icmphdr){ .type = ICMP_ECHO };
	range[0] = GLOBAL_ROOT_GID;
	rig.tx = new_socket(&rig);
	rig.rx = new_socket(&rig);
	range[0] = old;
	connect_to(&rig, &(struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	});

	make_source(&p, false, rig.out, 1000);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), 1000);
	make_source(&p, true, rig.out, 1000);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), 1000);
	/* not an echo request */
	hdr->type = ICMP_ECHOREPLY;
	make_source(&p, false, rig.out, 1000);
	KUNIT_EXPECT_EQ(test, sock_sendmsg(rig.tx, &p.msg), -EINVAL);
	end(&rig);
}

/* --- streams: all of it with one iterator on each side, in short calls */

static void stream(struct rig *rig, bool is_bvec)
{
	struct pieces out, in;
	unsigned int nr_short = 0, nr_idle = 0;
	int ret;

	memset(rig->in, 0, STREAM_SIZE);
	make_source(&out, is_bvec, rig->out, STREAM_SIZE);
	make_dest(&in, is_bvec, rig->in, STREAM_SIZE);
	while (iov_iter_count(&in.msg.msg_iter) && nr_idle < 10) {
		size_t left = iov_iter_count(&out.msg.msg_iter);

		ret = left ? call(rig, &out, true, MSG_DONTWAIT) : 0;
		if (ret > 0 && ret < left)
			nr_short++;
		KUNIT_ASSERT_TRUE(rig->test, ret >= 0 || ret == -EAGAIN);
		ret = call(rig, &in, false, 0);
		KUNIT_ASSERT_TRUE(rig->test, ret > 0 || ret == -EAGAIN);
		nr_idle = ret > 0 ? 0 : nr_idle + 1;
	}
	KUNIT_EXPECT_NE(rig->test, nr_short, 0U);
	KUNIT_EXPECT_EQ(rig->test, 0UL, iov_iter_count(&out.msg.msg_iter));
	KUNIT_EXPECT_EQ(rig->test, 0, memcmp(rig->in, rig->out, STREAM_SIZE));
}

static void small_buffer(struct kunit *test, struct socket *tx,
			 struct socket *rx)
{
	lock_sock(tx->sk);
	tx->sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(tx->sk->sk_sndbuf, SMALL_SNDBUF);
	release_sock(tx->sk);
}

#if IS_BUILTIN(CONFIG_TLS)
static void set_keys(struct kunit *test, struct socket *sock, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info.version = TLS_1_2_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
	};

	set_option(test, sock, SOL_TCP, TCP_ULP, "tls", 4);
	set_option(test, sock, SOL_TLS, direction, &info, sizeof(info));
}

static void setup_tls(struct kunit *test, struct socket *tx, struct socket *rx)
{
	set_keys(test, tx, TLS_TX);
	set_keys(test, rx, TLS_RX);
	small_buffer(test, tx, rx);
}
#endif

static const struct route stream_paths[] = {
	{ "TCP", AF_INET, SOCK_STREAM, IPPROTO_TCP, small_buffer },
	{ "AF_UNIX, stream", AF_UNIX, SOCK_STREAM, 0, small_buffer },
#if IS_BUILTIN(CONFIG_TLS)
	{ "TLS", AF_INET, SOCK_STREAM, IPPROTO_TCP, setup_tls },
#endif
};

KUNIT_ARRAY_PARAM(stream, stream_paths, path_desc);

static void msg_stream(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, test->param_value);
	connect_pair(&rig);
	stream(&rig, false);
	stream(&rig, true);
	end(&rig);
}

static const struct route tcp_path = {
	"TCP", AF_INET, SOCK_STREAM, IPPROTO_TCP
};

/* In repair mode, what is sent goes to the own receive queue. */
static void msg_repair(struct kunit *test)
{
	struct socket *tx;
	struct pieces p;
	struct rig rig;

	start(test, &rig, &tcp_path);
	connect_pair(&rig);
	set_int(test, rig.rx, TCP_REPAIR, TCP_REPAIR_ON);
	set_int(test, rig.rx, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	make_source(&p, false, rig.out, DGRAM_SIZE);
	tx = rig.tx;
	rig.tx = rig.rx;
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), DGRAM_SIZE);
	rig.tx = tx;
	set_int(test, rig.rx, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);

	make_dest(&p, false, rig.in, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, 0), DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig.in, rig.out, DGRAM_SIZE));
	end(&rig);
}

/* As much as fits goes with the SYN, the rest when the connection is there. */
static void msg_fastopen(struct kunit *test)
{
	int old = init_net.ipv4.sysctl_tcp_fastopen;
	struct sockaddr_in addr;
	struct socket *server;
	struct pieces p;
	struct rig rig;

	start(test, &rig, &tcp_path);
	server = new_server(&rig, &addr);
	/* for client and server, and without a cookie */
	init_net.ipv4.sysctl_tcp_fastopen = 0x207;
	set_int(test, server, TCP_FASTOPEN, 5);
	rig.tx = new_socket(&rig);
	make_source(&p, false, rig.out, STREAM_SIZE / 4);
	p.msg.msg_name = &addr;
	p.msg.msg_namelen = sizeof(addr);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, MSG_FASTOPEN),
			STREAM_SIZE / 4);
	init_net.ipv4.sysctl_tcp_fastopen = old;
	accept_from(&rig, server);

	make_dest(&p, false, rig.in, STREAM_SIZE / 4);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_WAITALL),
			STREAM_SIZE / 4);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig.in, rig.out, STREAM_SIZE / 4));
	end(&rig);
}

static struct kunit_case msg_iter_cases[] = {
	KUNIT_CASE_PARAM(msg_packet, packet_gen_params),
	KUNIT_CASE(msg_ping),
	KUNIT_CASE_PARAM(msg_stream, stream_gen_params),
	KUNIT_CASE(msg_repair),
	KUNIT_CASE(msg_fastopen),
	{}
};

static struct kunit_suite msg_iter_suite = {
	.name = "msg_iter",
	.test_cases = msg_iter_cases,
};

kunit_test_suite(msg_iter_suite);
