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
 *
 * The suite msg_iter is what has always been right.  What was not is in
 * msg_iter_fixed: most of it is what a protocol takes before it finds that it
 * has no use for it.
 */
#include <crypto/aes.h>
#include <crypto/if_alg.h>
#include <crypto/sha2.h>
#include <linux/bvec.h>
#include <linux/icmp.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/prandom.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/uio.h>
#include <linux/un.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <uapi/linux/rds.h>
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
	/* for AF_ALG */
	const char *alg_type;
	const char *alg_name;
};

static u8 alg_key[AES_KEYSIZE_128] = "sixteen bytes ..";

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

/* One socket does both: it computes on what is sent, and sends the result. */
static void open_alg(struct rig *rig)
{
	struct sockaddr_alg addr = { .salg_family = AF_ALG };
	const struct route *path = rig->path;
	struct socket *alg = new_socket(rig);

	strscpy(addr.salg_type, path->alg_type, sizeof(addr.salg_type));
	strscpy(addr.salg_name, path->alg_name, sizeof(addr.salg_name));
	KUNIT_ASSERT_EQ(rig->test, 0, kernel_bind(alg, (void *)&addr,
						  sizeof(addr)));
	if (strcmp(path->alg_type, "hash"))
		set_option(rig->test, alg, SOL_ALG, ALG_SET_KEY, alg_key,
			   sizeof(alg_key));
	/* kernel_accept() would give the new socket the functions of the old. */
	KUNIT_ASSERT_EQ(rig->test, 0, sock_create_lite(AF_ALG, path->type, 0,
						       &rig->tx));
	KUNIT_ASSERT_EQ(rig->test, 0, alg->ops->accept(alg, rig->tx, 0, true));
	sock_release(alg);
	rig->rx = rig->tx;
}

static void connect_pair(struct rig *rig)
{
	struct sockaddr_in addr;
	struct socket *server;

	if (rig->path->family != AF_ALG)
		rig->tx = new_socket(rig);
	if (rig->path->family == AF_ALG) {
		open_alg(rig);
	} else if (rig->path->family == AF_UNIX) {
		rig->rx = new_socket(rig);
		KUNIT_ASSERT_EQ(rig->test, 0,
				rig->tx->ops->socketpair(rig->tx, rig->rx));
	} else if (rig->path->type == SOCK_STREAM) {
		server = new_server(rig, &addr);
		connect_to(rig, &addr);
		accept_from(rig, server);
	} else {
		rig->rx = new_socket(rig);
		/* RDS wants to know both ends. */
		bind_loopback(rig, rig->tx, &addr);
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
	if (rig->rx != rig->tx)
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
	const size_t first = min_t(size_t, 13, size / 2);
	const size_t sizes[NR_SEGS] = {
		first, size / 3, size - first - size / 3
	};
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
#if IS_BUILTIN(CONFIG_RDS)
	{ "RDS", AF_RDS, SOCK_SEQPACKET, 0 },
#endif
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

static const struct route ping_path = {
	"ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP
};

static void open_ping(struct rig *rig)
{
	kgid_t *range = init_net.ipv4.ping_group_range.range;
	kgid_t old = range[0];

	range[0] = GLOBAL_ROOT_GID;
	rig->tx = new_socket(rig);
	rig->rx = new_socket(rig);
	range[0] = old;
	connect_to(rig, &(struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	});
}

/* A ping is sent with a header of its own, and what comes back is the reply. */
static void msg_ping(struct kunit *test)
{
	struct pieces p;
	struct rig rig;

	start(test, &rig, &ping_path);
	open_ping(&rig);
	*(struct icmphdr *)rig.out = (struct icmphdr){ .type = ICMP_ECHO };
	make_source(&p, false, rig.out, 1000);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), 1000);
	make_source(&p, true, rig.out, 1000);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), 1000);
	end(&rig);
}

/* --- streams: all of it with one iterator on each side, in short calls */

/* Sockets decrypt unless told otherwise. */
static void undo_cipher(struct kunit *test, u8 *data, size_t size)
{
#if IS_BUILTIN(CONFIG_CRYPTO_AES)
	struct crypto_aes_ctx aes;
	size_t at;

	KUNIT_ASSERT_EQ(test, 0, aes_expandkey(&aes, alg_key, sizeof(alg_key)));
	for (at = 0; at < size; at += AES_BLOCK_SIZE)
		aes_encrypt(&aes, data + at, data + at);
#endif
}

static void stream(struct rig *rig, bool is_bvec)
{
	/* A cipher would wait for more, for ever. */
	int flags = rig->path->family == AF_ALG ? MSG_DONTWAIT : 0;
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
		ret = call(rig, &in, false, flags);
		KUNIT_ASSERT_TRUE(rig->test, ret > 0 || ret == -EAGAIN);
		nr_idle = ret > 0 ? 0 : nr_idle + 1;
	}
	KUNIT_EXPECT_NE(rig->test, nr_short, 0U);
	KUNIT_EXPECT_EQ(rig->test, (size_t)0,
			iov_iter_count(&out.msg.msg_iter));
	if (rig->path->family == AF_ALG)
		undo_cipher(rig->test, rig->in, STREAM_SIZE);
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

/* As SMB and Ceph send, a header and then the data, and as the iSCSI target
 * receives: all or nothing, but when less comes it goes on.
 */
static void message(struct rig *rig)
{
	const size_t head = 1000, size = DGRAM_SIZE;
	struct kunit *test = rig->test;
	struct pieces out, in;

	memset(rig->in, 0, STREAM_SIZE);
	make_source(&out, false, rig->out, head);
	KUNIT_EXPECT_EQ(test, call(rig, &out, true, MSG_MORE), (int)head);
	make_source(&out, true, rig->out + head, size - head);
	KUNIT_EXPECT_EQ(test, call(rig, &out, true, 0), (int)(size - head));
	make_dest(&in, false, rig->in, 2 * size);
	KUNIT_EXPECT_EQ(test, call(rig, &in, false, MSG_WAITALL), (int)size);
	make_source(&out, true, rig->out + size, size);
	KUNIT_EXPECT_EQ(test, call(rig, &out, true, 0), (int)size);
	KUNIT_EXPECT_EQ(test, call(rig, &in, false, MSG_WAITALL), (int)size);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig->in, rig->out, 2 * size));
}

static void msg_message(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, test->param_value);
	connect_pair(&rig);
	message(&rig);
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

/* --- hashes and ciphers */

#if IS_BUILTIN(CONFIG_CRYPTO_USER_API_HASH) && \
	IS_BUILTIN(CONFIG_CRYPTO_SHA256)
#define HAVE_HASH
static const struct route hash_path = {
	"hash", AF_ALG, SOCK_SEQPACKET,
	.alg_type = "hash", .alg_name = "sha256"
};

static void hash(struct rig *rig, bool is_bvec)
{
	struct kunit *test = rig->test;
	u8 want[SHA256_DIGEST_SIZE];
	struct pieces p;

	make_source(&p, is_bvec, rig->out, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(rig, &p, true, MSG_MORE), DGRAM_SIZE);
	make_source(&p, is_bvec, rig->out + DGRAM_SIZE,
		    STREAM_SIZE - DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(rig, &p, true, 0), STREAM_SIZE - DGRAM_SIZE);
	make_dest(&p, is_bvec, rig->in, 100);
	KUNIT_EXPECT_EQ(test, call(rig, &p, false, 0), SHA256_DIGEST_SIZE);
	sha256(rig->out, STREAM_SIZE, want);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig->in, want, sizeof(want)));

	/* less room than it takes */
	make_source(&p, is_bvec, rig->out, STREAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(rig, &p, true, 0), STREAM_SIZE);
	make_dest(&p, is_bvec, rig->in, 20);
	KUNIT_EXPECT_EQ(test, call(rig, &p, false, 0), 20);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig->in, want, 20));
}

static void msg_hash(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &hash_path);
	connect_pair(&rig);
	hash(&rig, true);
	end(&rig);
}
#endif

#if IS_BUILTIN(CONFIG_CRYPTO_USER_API_SKCIPHER) && \
	IS_BUILTIN(CONFIG_CRYPTO_ECB) && IS_BUILTIN(CONFIG_CRYPTO_AES)
#define HAVE_SKCIPHER
static const struct route skcipher_path = {
	"skcipher", AF_ALG, SOCK_SEQPACKET, .setup = small_buffer,
	.alg_type = "skcipher", .alg_name = "ecb(aes)"
};

static void msg_skcipher(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &skcipher_path);
	connect_pair(&rig);
	stream(&rig, true);
	end(&rig);
}
#endif

#if IS_BUILTIN(CONFIG_CRYPTO_USER_API_AEAD) && \
	IS_BUILTIN(CONFIG_CRYPTO_GCM) && IS_BUILTIN(CONFIG_CRYPTO_AES)
#define HAVE_AEAD
#define TAG_SIZE	16

static const struct route aead_path = {
	"aead", AF_ALG, SOCK_SEQPACKET,
	.alg_type = "aead", .alg_name = "gcm(aes)"
};

static int send_op(struct rig *rig, struct pieces *p, u32 op)
{
	struct {
		struct cmsghdr cmsg;
		u32 op;
	} control = {
		.cmsg.cmsg_len = CMSG_LEN(sizeof(u32)),
		.cmsg.cmsg_level = SOL_ALG,
		.cmsg.cmsg_type = ALG_SET_OP,
		.op = op,
	};

	p->msg.msg_control = &control;
	p->msg.msg_controllen = sizeof(control);
	return call(rig, p, true, 0);
}

static void aead(struct rig *rig, bool is_bvec)
{
	const int sealed = DGRAM_SIZE + TAG_SIZE;
	u8 *result = rig->in + STREAM_SIZE / 2;
	struct kunit *test = rig->test;
	struct pieces p;

	make_source(&p, is_bvec, rig->out, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, send_op(rig, &p, ALG_OP_ENCRYPT), DGRAM_SIZE);
	make_dest(&p, is_bvec, rig->in, sealed);
	KUNIT_EXPECT_EQ(test, call(rig, &p, false, 0), sealed);

	make_source(&p, is_bvec, rig->in, sealed);
	KUNIT_EXPECT_EQ(test, send_op(rig, &p, ALG_OP_DECRYPT), sealed);
	/* there is room for more */
	make_dest(&p, is_bvec, result, 2 * DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(rig, &p, false, MSG_DONTWAIT), DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, 0, memcmp(result, rig->out, DGRAM_SIZE));
}

static void msg_aead(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &aead_path);
	connect_pair(&rig);
	aead(&rig, true);
	end(&rig);
}
#endif

/* --- what has been taken and is not used */

/* Packets until no more fit: the last of them is sent later, and is whole. */
static void full(struct rig *rig)
{
	struct kunit *test = rig->test;
	struct pieces out, in;
	int ret, k;

	for (k = 0; k < 1000; k++) {
		make_source(&out, k % 2, rig->out, DGRAM_SIZE);
		ret = call(rig, &out, true, MSG_DONTWAIT);
		if (ret != DGRAM_SIZE)
			break;
	}
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);
	do {
		make_dest(&in, false, rig->in, 2 * DGRAM_SIZE);
		ret = call(rig, &in, false, MSG_DONTWAIT);
	} while (ret == DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);

	KUNIT_EXPECT_EQ(test, call(rig, &out, true, MSG_DONTWAIT), DGRAM_SIZE);
	memset(rig->in, 0, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(rig, &in, false, 0), DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig->in, rig->out, DGRAM_SIZE));
}

/* A queue counts only for a sender that it does not send to itself. */
static void unix_full(struct kunit *test)
{
	const struct route *path = &(struct route){
		"AF_UNIX", AF_UNIX, SOCK_DGRAM
	};
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct rig rig;
	int len;

	start(test, &rig, path);
	rig.rx = new_socket(&rig);
	rig.tx = new_socket(&rig);
	KUNIT_ASSERT_EQ(test, 0, kernel_bind(rig.rx, (void *)&addr,
					     sizeof(addr.sun_family)));
	len = kernel_getsockname(rig.rx, (void *)&addr);
	KUNIT_ASSERT_LT(test, 0, len);
	KUNIT_ASSERT_EQ(test, 0, kernel_connect(rig.tx, (void *)&addr, len, 0));
	full(&rig);
	end(&rig);
}

/* What the protocol finds wrong when it has copied it */
static void refused(struct rig *rig)
{
	struct pieces p;

	make_source(&p, false, rig->out, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(rig->test, call(rig, &p, true, 0), -EINVAL);
	make_source(&p, true, rig->out, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(rig->test, call(rig, &p, true, 0), -EINVAL);
}

static void udp_refused(struct kunit *test)
{
	int segment = 10;
	struct rig rig;

	start(test, &rig, &packet_paths[0]);
	connect_pair(&rig);
	/* that makes too many */
	set_option(test, rig.tx, SOL_UDP, UDP_SEGMENT, &segment,
		   sizeof(segment));
	refused(&rig);
	end(&rig);
}

static void raw_refused(struct kunit *test)
{
	struct rig rig;
	int on = 1;

	start(test, &rig, &packet_paths[1]);
	connect_pair(&rig);
	set_option(test, rig.tx, SOL_IP, IP_HDRINCL, &on, sizeof(on));
	/* no header is as short as that */
	*(struct iphdr *)rig.out = (struct iphdr){ .version = 4, .ihl = 1 };
	refused(&rig);
	end(&rig);
}

static void ping_refused(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &ping_path);
	open_ping(&rig);
	*(struct icmphdr *)rig.out = (struct icmphdr){
		.type = ICMP_ECHOREPLY
	};
	refused(&rig);
	end(&rig);
}

#if IS_BUILTIN(CONFIG_RDS)
/* The control message is too short. */
static void rds_refused(struct kunit *test)
{
	const struct route *path = &(struct route){
		"RDS", AF_RDS, SOCK_SEQPACKET
	};
	struct cmsghdr control = {
		.cmsg_len = CMSG_LEN(0),
		.cmsg_level = SOL_RDS,
		.cmsg_type = RDS_CMSG_RDMA_DEST,
	};
	struct pieces p;
	struct rig rig;

	start(test, &rig, path);
	connect_pair(&rig);
	make_source(&p, false, rig.out, DGRAM_SIZE);
	p.msg.msg_control = &control;
	p.msg.msg_controllen = sizeof(control);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), -EINVAL);
	end(&rig);
}
#endif

#if IS_BUILTIN(CONFIG_TLS)
/* As a record, but nobody has the key for it. */
static void send_forged_record(struct rig *rig, size_t size)
{
	const size_t len = TLS_CIPHER_AES_GCM_128_IV_SIZE + size +
			   TLS_CIPHER_AES_GCM_128_TAG_SIZE;
	u8 header[] = { 23, 3, 3, len >> 8, len };
	struct kvec vec[] = {
		{ header, sizeof(header) }, { rig->out, len }
	};
	struct msghdr msg = {};

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, vec, 2, sizeof(header) + len);
	KUNIT_ASSERT_EQ(rig->test, (int)(sizeof(header) + len),
			tcp_sendmsg(rig->tx->sk, &msg, sizeof(header) + len));
}

/* A record that cannot be decrypted, behind one that can, or alone */
static void tls_forged(struct kunit *test)
{
	const int size = 1000;
	struct pieces p;
	struct rig rig;
	int nr_good;

	for (nr_good = 1; nr_good >= 0; nr_good--) {
		start(test, &rig, &tcp_path);
		connect_pair(&rig);
		tcp_sock_set_nodelay(rig.tx->sk);
		set_keys(test, rig.tx, TLS_TX);
		set_keys(test, rig.rx, TLS_RX);
		make_source(&p, false, rig.out, size);
		if (nr_good)
			KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), size);
		send_forged_record(&rig, size);

		make_dest(&p, true, rig.in, 3 * size);
		if (nr_good)
			KUNIT_EXPECT_EQ(test, call(&rig, &p, false, 0), size);
		KUNIT_EXPECT_EQ(test, call(&rig, &p, false, 0), -EBADMSG);
		if (nr_good)
			KUNIT_EXPECT_EQ(test, 0, memcmp(rig.in, rig.out, size));
		end(&rig);
	}
}
#endif

#ifdef HAVE_HASH
static void hash_kvec(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &hash_path);
	connect_pair(&rig);
	hash(&rig, false);
	end(&rig);
}
#endif

#ifdef HAVE_SKCIPHER
static void skcipher_kvec(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &skcipher_path);
	connect_pair(&rig);
	stream(&rig, false);
	end(&rig);
}

/* There is more room than for some blocks, and less than for one more. */
static void skcipher_blocks(struct kunit *test)
{
	struct pieces p;
	struct rig rig;

	start(test, &rig, &skcipher_path);
	connect_pair(&rig);
	make_source(&p, true, rig.out, 160);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, 0), 160);
	make_dest(&p, true, rig.in, 100);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_DONTWAIT), 96);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_DONTWAIT), -EINVAL);
	make_dest(&p, true, rig.in + 96, 64);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_DONTWAIT), 64);
	undo_cipher(test, rig.in, 160);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig.in, rig.out, 160));
	end(&rig);
}

struct late {
	struct work_struct work;
	struct rig *rig;
	struct pieces p;
};

/* The reader has taken the first block, and waits for the rest of the second. */
static void send_late(struct work_struct *work)
{
	struct late *late = container_of(work, struct late, work);
	struct af_alg_ctx *ctx = alg_sk(late->rig->tx->sk)->private;
	unsigned long end = jiffies + 10 * HZ;

	while (READ_ONCE(ctx->used) != 4 && time_before(jiffies, end))
		usleep_range(100, 200);
	KUNIT_EXPECT_EQ(late->rig->test, 44,
			call(late->rig, &late->p, true, 0));
}

/* Parts of blocks in one call: they are joined without a gap. */
static void skcipher_late(struct kunit *test)
{
	struct late late;
	struct pieces p;
	struct rig rig;

	start(test, &rig, &skcipher_path);
	connect_pair(&rig);
	make_source(&p, true, rig.out, 20);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, MSG_MORE), 20);
	late.rig = &rig;
	make_source(&late.p, true, rig.out + 20, 44);
	INIT_WORK_ONSTACK(&late.work, send_late);
	schedule_work(&late.work);
	make_dest(&p, true, rig.in, 64);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, 0), 64);
	flush_work(&late.work);
	destroy_work_on_stack(&late.work);
	undo_cipher(test, rig.in, 64);
	KUNIT_EXPECT_EQ(test, 0, memcmp(rig.in, rig.out, 64));
	end(&rig);
}

/* There is no room for the rest of a block, so it is not waited for. */
static void skcipher_full(struct kunit *test)
{
	struct pieces p;
	struct rig rig;

	start(test, &rig, &skcipher_path);
	connect_pair(&rig);
	make_source(&p, true, rig.out, 20);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, true, MSG_MORE), 20);
	make_dest(&p, true, rig.in, 20);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, 0), 16);
	end(&rig);
}
#endif

#ifdef HAVE_AEAD
static void aead_kvec(struct kunit *test)
{
	struct rig rig;

	start(test, &rig, &aead_path);
	connect_pair(&rig);
	aead(&rig, false);
	end(&rig);
}

/* Not what was encrypted, and more of it than there is room for */
static void aead_refused(struct kunit *test)
{
	struct pieces p;
	struct rig rig;

	start(test, &rig, &aead_path);
	connect_pair(&rig);
	make_source(&p, true, rig.out, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, send_op(&rig, &p, ALG_OP_DECRYPT), DGRAM_SIZE);
	make_dest(&p, true, rig.in, DGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_DONTWAIT), -EBADMSG);

	make_source(&p, true, rig.out, 30);
	KUNIT_EXPECT_EQ(test, send_op(&rig, &p, ALG_OP_ENCRYPT), 30);
	make_dest(&p, true, rig.in, TAG_SIZE - 1);
	KUNIT_EXPECT_EQ(test, call(&rig, &p, false, MSG_DONTWAIT), -EINVAL);
	end(&rig);
}
#endif

static struct kunit_case msg_iter_cases[] = {
	KUNIT_CASE_PARAM(msg_packet, packet_gen_params),
	KUNIT_CASE(msg_ping),
	KUNIT_CASE_PARAM(msg_stream, stream_gen_params),
	KUNIT_CASE_PARAM(msg_message, stream_gen_params),
	KUNIT_CASE(msg_repair),
	KUNIT_CASE(msg_fastopen),
#ifdef HAVE_HASH
	KUNIT_CASE(msg_hash),
#endif
#ifdef HAVE_SKCIPHER
	KUNIT_CASE(msg_skcipher),
#endif
#ifdef HAVE_AEAD
	KUNIT_CASE(msg_aead),
#endif
	{}
};

static struct kunit_suite msg_iter_suite = {
	.name = "msg_iter",
	.test_cases = msg_iter_cases,
};

/* Each of these fails without the series. */
static struct kunit_case msg_iter_fixed_cases[] = {
	KUNIT_CASE(unix_full),
	KUNIT_CASE(udp_refused),
	KUNIT_CASE(raw_refused),
	KUNIT_CASE(ping_refused),
#if IS_BUILTIN(CONFIG_RDS)
	KUNIT_CASE(rds_refused),
#endif
#if IS_BUILTIN(CONFIG_TLS)
	KUNIT_CASE(tls_forged),
#endif
#ifdef HAVE_HASH
	KUNIT_CASE(hash_kvec),
#endif
#ifdef HAVE_SKCIPHER
	KUNIT_CASE(skcipher_kvec),
	KUNIT_CASE(skcipher_blocks),
	KUNIT_CASE(skcipher_late),
	KUNIT_CASE(skcipher_full),
#endif
#ifdef HAVE_AEAD
	KUNIT_CASE(aead_kvec),
	KUNIT_CASE(aead_refused),
#endif
	{}
};

static struct kunit_suite msg_iter_fixed_suite = {
	.name = "msg_iter_fixed",
	.test_cases = msg_iter_fixed_cases,
};

kunit_test_suites(&msg_iter_suite, &msg_iter_fixed_suite);
