// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what TLS for devices does with pages, and of what stands in for them
 *
 * No device that is only software encrypts TLS, so here is one.  What it sends
 * comes back from the address that it went to: so a socket is connected to one
 * in the same namespace, and not over loopback.  The reader decrypts in
 * software, and sees whether each record is right.
 *
 * The device has the kernel encrypt, as drivers do with what their hardware
 * cannot; or packets leave by a second one that knows nothing of TLS.  When all
 * is closed, nothing may be held on the pages that were sent.
 */
#include <linux/fs.h>
#include <linux/if_arp.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>

#include <kunit/user_mm.h>

#include "tls.h"

#define NR_PAGES	12
#define SIZE		(NR_PAGES * PAGE_SIZE)
#define OWN_ADDR	0xc0000201		/* 192.0.2.1 */
#define PEER_ADDR	0xc0000202		/* 192.0.2.2 */

struct way {
	const char *name;
	/* the packets of the connection leave by the second device */
	bool moved;
	/* the first one is taken down */
	bool down;
	/* how many packets from one that is lost to the next */
	unsigned int lost;
	bool segments;
	/* pages are sent as they are, and not copied */
	bool zerocopy;
};

static const struct way ways[] = {
	{ "by the driver", .segments = true, .zerocopy = true },
	{ "by the driver, small", .zerocopy = true },
	{ "by the driver, copied", .segments = true },
	{ "by the driver, losses", .lost = 7, .zerocopy = true },
	{ "by another device", .moved = true, .segments = true,
	  .zerocopy = true },
	{ "by another device, small", .moved = true, .zerocopy = true },
	{ "by another device, copied", .moved = true, .segments = true },
	{ "by another device, losses", .moved = true, .lost = 7,
	  .zerocopy = true },
	{ "device down", .moved = true, .down = true, .segments = true,
	  .zerocopy = true },
	{ "device down, losses", .moved = true, .down = true, .lost = 7,
	  .zerocopy = true },
};

static void way_desc(const struct way *way, char *desc)
{
	strscpy(desc, way->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, ways, way_desc);

/* --- devices */

struct ktls_dev {
	const struct way *way;
	bool has_tls;
	atomic_t nr_data;
	atomic_t nr_encrypted;
	atomic_t nr_lost;
	atomic_t nr_odd_frags;
};

/* Hand it back as if the other side had sent it. */
static void turn_round(struct sk_buff *skb, struct net_device *dev)
{
	struct iphdr *iph = ip_hdr(skb);

	swap(iph->saddr, iph->daddr);
	skb_orphan(skb);
	skb->decrypted = 0;
	skb_clear_tstamp(skb);
	skb_scrub_packet(skb, false);
	skb->dev = dev;
	skb->pkt_type = PACKET_HOST;
	skb->protocol = htons(ETH_P_IP);
	skb_reset_mac_header(skb);
	netif_rx(skb);
}

/* tls_device makes records of referenced pages only. */
static void look_at_frags(struct ktls_dev *priv, struct sk_buff *skb)
{
	int i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++)
		if (skb_frag_mode(&skb_shinfo(skb)->frags[i]) != FOLL_GET)
			atomic_inc(&priv->nr_odd_frags);
}

static netdev_tx_t device_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct ktls_dev *priv = netdev_priv(dev);
	unsigned int nr_data = 0;

	if (skb->protocol != htons(ETH_P_IP) ||
	    ip_hdr(skb)->protocol != IPPROTO_TCP)
		goto drop;

	look_at_frags(priv, skb);
	if (skb->len > skb_tcp_all_headers(skb))
		nr_data = atomic_inc_return(&priv->nr_data);
	if (nr_data && priv->way->lost && nr_data % priv->way->lost == 0) {
		atomic_inc(&priv->nr_lost);
		goto drop;
	}
	if (priv->has_tls && skb->sk &&
	    tls_is_sk_tx_device_offloaded(skb->sk)) {
		skb = tls_encrypt_skb(skb);
		if (!skb)
			return NETDEV_TX_OK;
		if (nr_data)
			atomic_inc(&priv->nr_encrypted);
	}
	if (skb_cow_head(skb, 0))
		goto drop;
	turn_round(skb, dev);
	return NETDEV_TX_OK;

drop:
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops device_ops = {
	.ndo_start_xmit	= device_xmit,
};

static int device_tls_add(struct net_device *dev, struct sock *sk,
			  enum tls_offload_ctx_dir direction,
			  struct tls_crypto_info *crypto_info, u32 seq)
{
	return 0;
}

static void device_tls_del(struct net_device *dev, struct tls_context *ctx,
			   enum tls_offload_ctx_dir direction)
{
}

static const struct tlsdev_ops device_tls_ops = {
	.tls_dev_add	= device_tls_add,
	.tls_dev_del	= device_tls_del,
};

static void setup_device(struct net_device *dev)
{
	dev->netdev_ops = &device_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP;
	dev->mtu = ETH_DATA_LEN;
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA;
}

static struct net_device *new_device(struct kunit *test, const struct way *way,
				     bool has_tls)
{
	struct net_device *dev;
	struct ktls_dev *priv;

	dev = alloc_netdev(sizeof(struct ktls_dev), "ktls%d", NET_NAME_UNKNOWN,
			   setup_device);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	priv = netdev_priv(dev);
	priv->way = way;
	priv->has_tls = has_tls;
	if (way->segments)
		dev->hw_features |= NETIF_F_TSO;
	if (has_tls) {
		dev->hw_features |= NETIF_F_HW_TLS_TX;
		dev->tlsdev_ops = &device_tls_ops;
	}
	dev->features = dev->hw_features;
	KUNIT_ASSERT_EQ(test, 0, register_netdev(dev));
	return dev;
}

/* The longer the prefix, the sooner packets go that way. */
static void device_up(struct kunit *test, struct net_device *dev, int prefix)
{
	struct sockaddr_in *addr;
	struct ifreq ifr = {};

	rtnl_lock();
	KUNIT_EXPECT_EQ(test, 0, dev_open(dev, NULL));
	rtnl_unlock();
	strscpy(ifr.ifr_name, dev->name, IFNAMSIZ);
	addr = (struct sockaddr_in *)&ifr.ifr_addr;
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(OWN_ADDR);
	KUNIT_ASSERT_EQ(test, 0, devinet_ioctl(&init_net, SIOCSIFADDR, &ifr));
	addr->sin_addr.s_addr = inet_make_mask(prefix);
	KUNIT_ASSERT_EQ(test, 0, devinet_ioctl(&init_net, SIOCSIFNETMASK,
					       &ifr));
}

static void device_down(struct kunit *test, struct net_device *dev)
{
	rtnl_lock();
	dev_close(dev);
	rtnl_unlock();
}

/* --- the connection */

struct rig {
	struct kunit *test;
	const struct way *way;
	struct net_device *tls_dev;
	struct net_device *other_dev;
	struct socket *tx;
	struct socket *rx;
	struct page *pages[NR_PAGES];
	struct kunit_held held[NR_PAGES];
	u8 *data;
	u8 *in;
	unsigned long user;
};

static void connect_pair(struct rig *rig)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(OWN_ADDR),
	};
	struct kunit *test = rig->test;
	struct socket *server;

	KUNIT_ASSERT_EQ(test, 0, sock_create_kern(&init_net, AF_INET,
						  SOCK_STREAM, 0, &server));
	KUNIT_ASSERT_EQ(test, 0, kernel_bind(server, (void *)&addr,
					     sizeof(addr)));
	KUNIT_ASSERT_EQ(test, 0, kernel_listen(server, 1));
	KUNIT_ASSERT_LT(test, 0, kernel_getsockname(server, (void *)&addr));
	KUNIT_ASSERT_EQ(test, 0, sock_create_kern(&init_net, AF_INET,
						  SOCK_STREAM, 0, &rig->tx));
	addr.sin_addr.s_addr = htonl(PEER_ADDR);
	KUNIT_ASSERT_EQ(test, 0, kernel_connect(rig->tx, (void *)&addr,
						sizeof(addr), 0));
	server->sk->sk_rcvtimeo = 10 * HZ;
	KUNIT_ASSERT_EQ(test, 0, kernel_accept(server, &rig->rx, 0));
	rig->rx->sk->sk_rcvtimeo = 10 * HZ;
	sock_release(server);
	/* Close at once, and leave nothing that times out. */
	rig->tx->sk->sk_sndtimeo = 10 * HZ;
	sock_no_linger(rig->tx->sk);
	sock_no_linger(rig->rx->sk);
}

static void set_tls(struct kunit *test, struct socket *sock, int level,
		    int option, void *value, unsigned int len)
{
	KUNIT_ASSERT_EQ(test, 0, sock->ops->setsockopt(sock, level, option,
						       KERNEL_SOCKPTR(value),
						       len));
}

static void set_keys(struct rig *rig)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info.version = TLS_1_2_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
		.key = "sixteen bytes .",
	};
	struct kunit *test = rig->test;
	unsigned int on = 1;

	set_tls(test, rig->tx, SOL_TCP, TCP_ULP, "tls", 4);
	set_tls(test, rig->tx, SOL_TLS, TLS_TX, &info, sizeof(info));
	if (rig->way->zerocopy)
		set_tls(test, rig->tx, SOL_TLS, TLS_TX_ZEROCOPY_RO, &on,
			sizeof(on));
	set_tls(test, rig->rx, SOL_TCP, TCP_ULP, "tls", 4);
	set_tls(test, rig->rx, SOL_TLS, TLS_RX, &info, sizeof(info));
	KUNIT_ASSERT_TRUE(test, tls_get_ctx(rig->tx->sk)->tx_conf == TLS_HW);
	KUNIT_ASSERT_TRUE(test, tls_get_ctx(rig->rx->sk)->rx_conf == TLS_SW);
}

/* What is sent: the same in pages, in kernel memory and in that of a user */
static void make_memory(struct rig *rig)
{
	struct kunit *test = rig->test;
	unsigned int k;

	rig->data = kunit_kmalloc(test, SIZE, GFP_KERNEL);
	rig->in = kunit_kmalloc(test, 3 * SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rig->data);
	KUNIT_ASSERT_NOT_NULL(test, rig->in);
	get_random_bytes(rig->data, SIZE);
	kunit_use_mm(test);
	rig->user = kunit_user_map(test, 0, SIZE, PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, 0UL, copy_to_user((void __user *)rig->user,
						rig->data, SIZE));
	for (k = 0; k < NR_PAGES; k++) {
		rig->pages[k] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, rig->pages[k]);
		memcpy(page_address(rig->pages[k]), rig->data + k * PAGE_SIZE,
		       PAGE_SIZE);
		rig->held[k] = kunit_held(rig->pages[k]);
	}
}

static void start(struct kunit *test, struct rig *rig)
{
	const struct way *way = test->param_value;

	*rig = (struct rig){ .test = test, .way = way };
	make_memory(rig);
	rig->tls_dev = new_device(test, way, true);
	rig->other_dev = new_device(test, way, false);
	device_up(test, rig->tls_dev, 24);
	connect_pair(rig);
	set_keys(rig);
	if (way->moved)
		device_up(test, rig->other_dev, 28);
	if (way->down)
		device_down(test, rig->tls_dev);
}

/* The socket goes when its last packet does, and with it its records. */
static struct {
	void (*destruct)(struct sock *sk);
	struct completion done;
} gone;

static void socket_gone(struct sock *sk)
{
	gone.destruct(sk);
	complete(&gone.done);
}

static void close_tx(struct rig *rig)
{
	init_completion(&gone.done);
	gone.destruct = rig->tx->sk->sk_destruct;
	rig->tx->sk->sk_destruct = socket_gone;
	sock_release(rig->tx);
	KUNIT_EXPECT_NE(rig->test, 0UL,
			wait_for_completion_timeout(&gone.done, 10 * HZ));
}

static void end(struct rig *rig)
{
	struct ktls_dev *tls = netdev_priv(rig->tls_dev);
	struct ktls_dev *other = netdev_priv(rig->other_dev);
	struct kunit *test = rig->test;
	unsigned int k;

	close_tx(rig);
	sock_release(rig->rx);
	for (k = 0; k < NR_PAGES; k++) {
		KUNIT_EXPECT_TRUE(test, kunit_is_held(rig->pages[k],
						      rig->held[k], 0, 0));
		__free_page(rig->pages[k]);
	}

	if (rig->way->moved) {
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&tls->nr_data));
		KUNIT_EXPECT_NE(test, 0, atomic_read(&other->nr_data));
	} else {
		KUNIT_EXPECT_NE(test, 0, atomic_read(&tls->nr_encrypted));
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&other->nr_data));
	}
	if (rig->way->lost)
		KUNIT_EXPECT_NE(test, 0, atomic_read(&tls->nr_lost) +
					 atomic_read(&other->nr_lost));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&tls->nr_odd_frags) +
				 atomic_read(&other->nr_odd_frags));
	unregister_netdev(rig->tls_dev);
	unregister_netdev(rig->other_dev);
	free_netdev(rig->tls_dev);
	free_netdev(rig->other_dev);
}

/* --- sending */

static void send_kernel(struct rig *rig, size_t at, size_t len, int flags)
{
	struct msghdr msg = { .msg_flags = flags };
	struct kvec vec = { rig->data + at, len };

	KUNIT_EXPECT_EQ(rig->test, (int)len,
			kernel_sendmsg(rig->tx, &msg, &vec, 1, len));
	KUNIT_EXPECT_EQ(rig->test, (size_t)0, msg_data_left(&msg));
}

static void send_user(struct rig *rig, size_t at, size_t len, int flags)
{
	struct msghdr msg = { .msg_flags = flags };

	iov_iter_ubuf(&msg.msg_iter, ITER_SOURCE,
		      (void __user *)(rig->user + at), len);
	KUNIT_EXPECT_EQ(rig->test, (int)len, sock_sendmsg(rig->tx, &msg));
	KUNIT_EXPECT_EQ(rig->test, (size_t)0, msg_data_left(&msg));
}

/* As sendfile() does, page by page */
static void send_pages(struct rig *rig, size_t at, size_t len, int flags)
{
	while (len) {
		size_t part = min(len, PAGE_SIZE - at % PAGE_SIZE);

		KUNIT_EXPECT_EQ(rig->test, (int)part,
				kernel_sendpage(rig->tx,
						rig->pages[at / PAGE_SIZE],
						at % PAGE_SIZE, part,
						part < len ? flags | MSG_MORE :
							     flags));
		at += part;
		len -= part;
	}
}

static void receive(struct rig *rig, size_t len)
{
	struct msghdr msg = {};
	struct kvec vec = { rig->in, len };

	memset(rig->in, 0, len);
	KUNIT_ASSERT_EQ(rig->test, (int)len,
			kernel_recvmsg(rig->rx, &msg, &vec, 1, len,
				       MSG_WAITALL));
}

static void expect(struct rig *rig, size_t in, size_t at, size_t len)
{
	KUNIT_EXPECT_EQ(rig->test, 0,
			memcmp(rig->in + in, rig->data + at, len));
}

typedef void (*send_fn)(struct rig *rig, size_t at, size_t len, int flags);

/* One kind alone: less than a record, one, some that do not end at a page */
static void send_alone(struct rig *rig, send_fn send)
{
	static const size_t sizes[] = { 1, 700, 16384, 16385, 40000 };
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(sizes); k++) {
		send(rig, 100 * k, sizes[k], 0);
		receive(rig, sizes[k]);
		expect(rig, 0, 100 * k, sizes[k]);
	}
}

/* Records made of all kinds */
static void send_mixed(struct rig *rig)
{
	static const size_t len = 9001;

	send_kernel(rig, 5, len, MSG_MORE);
	send_pages(rig, 123, len, MSG_MORE);
	send_user(rig, 77, len, MSG_MORE);
	send_pages(rig, 4000, len, 0);
	receive(rig, 4 * len);
	expect(rig, 0, 5, len);
	expect(rig, len, 123, len);
	expect(rig, 2 * len, 77, len);
	expect(rig, 3 * len, 4000, len);
}

static void tls_device_sends(struct kunit *test)
{
	struct rig rig;

	start(test, &rig);
	send_alone(&rig, send_kernel);
	send_alone(&rig, send_user);
	send_alone(&rig, send_pages);
	send_mixed(&rig);
	end(&rig);
}

/* The records are as yet unread, or not even closed, when the sender is gone. */
static void tls_device_unread(struct kunit *test)
{
	struct tls_offload_context_tx *ctx;
	struct tls_record_info *record;
	struct rig rig;
	int i;

	start(test, &rig);
	send_pages(&rig, 10, 30000, 0);
	send_kernel(&rig, 10, 100, MSG_MORE);
	send_pages(&rig, 10, 1000, MSG_MORE);
	ctx = tls_offload_ctx_tx(tls_get_ctx(rig.tx->sk));
	lock_sock(rig.tx->sk);
	record = ctx->open_record;
	KUNIT_EXPECT_NOT_NULL(test, record);
	for (i = 0; record && i < record->num_frags; i++)
		KUNIT_EXPECT_EQ(test, (unsigned int)FOLL_GET,
				skb_frag_mode(&record->frags[i]));
	release_sock(rig.tx->sk);
	end(&rig);
}

static struct kunit_case tls_device_cases[] = {
	KUNIT_CASE_PARAM(tls_device_sends, way_gen_params),
	KUNIT_CASE_PARAM(tls_device_unread, way_gen_params),
	{}
};

static struct kunit_suite tls_device_suite = {
	.name = "tls_device",
	.test_cases = tls_device_cases,
};

kunit_test_suite(tls_device_suite);
