// SPDX-License-Identifier: LGPL-2.1
/*
 * Tests of the functions on the data of a request
 *
 * Each is given the same random bytes in every kind of memory that a request can
 * have, and compared with what is known of a plain buffer.
 */
#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include <crypto/hash.h>
#include <crypto/sha2.h>
#include <kunit/test.h>
#include <net/net_namespace.h>

#include "cifsglob.h"
#include "cifsproto.h"
#include "iter.h"
#include "smbdirect.h"

#define NR_PAGES	7
#define SIZE		(NR_PAGES * PAGE_SIZE)
#define AT		123			/* where data begins in memory */
#define LEN		(5 * PAGE_SIZE + 321)
#define CUT		(2 * PAGE_SIZE + 77)	/* somewhere in the middle */
#define INDEX		3			/* in the xarray */

struct memory {
	u8 *linear;
	u8 *vmalloc;
	struct page *pages[NR_PAGES];
	struct xarray xa;
	struct kvec kvec[3];
	struct bio_vec bvec[NR_PAGES];
	u8 *data;
	u8 *result;
};

static void make_linear(struct memory *m, enum iter_dir dir, struct iov_iter *i)
{
	m->kvec[0] = (struct kvec){ m->linear + AT, CUT };
	m->kvec[1] = (struct kvec){ m->linear, 0 };
	m->kvec[2] = (struct kvec){ m->linear + AT + CUT, LEN - CUT };
	iov_iter_kvec(i, dir, m->kvec, 3, LEN);
}

static void make_vmalloc(struct memory *m, enum iter_dir dir,
			 struct iov_iter *i)
{
	m->kvec[0] = (struct kvec){ m->vmalloc + AT, LEN };
	iov_iter_kvec(i, dir, m->kvec, 1, LEN);
}

static void make_bvec(struct memory *m, enum iter_dir dir, struct iov_iter *i)
{
	int k;

	for (k = 0; k < NR_PAGES; k++)
		bvec_set_page(&m->bvec[k], m->pages[k], PAGE_SIZE, 0);
	iov_iter_bvec(i, dir, m->bvec, NR_PAGES, SIZE);
	iov_iter_advance(i, AT);
	iov_iter_truncate(i, LEN);
}

static void make_xarray(struct memory *m, enum iter_dir dir,
			struct iov_iter *i)
{
	iov_iter_xarray(i, dir, &m->xa, INDEX * PAGE_SIZE + AT, LEN);
}

static const struct kind {
	const char *name;
	void (*make)(struct memory *m, enum iter_dir dir, struct iov_iter *i);
} kinds[] = {
	{ "linear", make_linear },
	{ "vmalloc", make_vmalloc },
	{ "bvec", make_bvec },
	{ "xarray", make_xarray },
};

static void kind_name(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_name);

static int iter_test_init(struct kunit *test)
{
	struct memory *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	int k;

	if (!m)
		return -ENOMEM;
	test->priv = m;
	xa_init(&m->xa);
	m->linear = kunit_kzalloc(test, SIZE, GFP_KERNEL);
	m->data = kunit_kzalloc(test, LEN, GFP_KERNEL);
	m->result = kunit_kzalloc(test, LEN, GFP_KERNEL);
	m->vmalloc = vzalloc(SIZE);
	if (!m->linear || !m->data || !m->result || !m->vmalloc)
		return -ENOMEM;
	for (k = 0; k < NR_PAGES; k++) {
		m->pages[k] = alloc_page(GFP_KERNEL);
		if (!m->pages[k] ||
		    xa_err(xa_store(&m->xa, INDEX + k, m->pages[k],
				    GFP_KERNEL)))
			return -ENOMEM;
	}
	get_random_bytes(m->data, LEN);
	return 0;
}

static void iter_test_exit(struct kunit *test)
{
	struct memory *m = test->priv;
	int k;

	if (!m)
		return;
	for (k = 0; k < NR_PAGES; k++) {
		if (!m->pages[k])
			continue;
		KUNIT_EXPECT_EQ(test, page_count(m->pages[k]), 1);
		__free_page(m->pages[k]);
	}
	xa_destroy(&m->xa);
	vfree(m->vmalloc);
}

/* An iterator of the kind that is tested, with the data in it if it is a source */
static struct iov_iter make_iter(struct kunit *test, enum iter_dir dir)
{
	const struct kind *kind = test->param_value;
	struct memory *m = test->priv;
	struct iov_iter iter;

	if (dir == ITER_SOURCE) {
		kind->make(m, ITER_DEST, &iter);
		KUNIT_ASSERT_EQ(test, copy_to_iter(m->data, LEN, &iter), LEN);
	}
	kind->make(m, dir, &iter);
	return iter;
}

/* Whether the memory of the kind that is tested holds the data, up to @len */
static void expect_data(struct kunit *test, size_t len)
{
	const struct kind *kind = test->param_value;
	struct memory *m = test->priv;
	struct iov_iter iter;

	kind->make(m, ITER_SOURCE, &iter);
	memset(m->result, 0, LEN);
	KUNIT_EXPECT_EQ(test, copy_from_iter(m->result, len, &iter), len);
	KUNIT_EXPECT_EQ(test, memcmp(m->result, m->data, len), 0);
}

static void buffer_test(struct kunit *test)
{
	struct memory *m = test->priv;
	struct iov_iter iter = make_iter(test, ITER_SOURCE), part = iter;
	struct bvec_owner own;

	KUNIT_ASSERT_EQ(test, cifs_buffer_alloc(&own, ITER_SOURCE, LEN,
						GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&own.iter), LEN);

	/* in two parts, which do not meet at the end of a page */
	iov_iter_truncate(&part, CUT);
	KUNIT_EXPECT_EQ(test, cifs_buffer_fill(&own, 0, &part), CUT);
	iov_iter_advance(&iter, CUT);
	KUNIT_EXPECT_EQ(test, cifs_buffer_fill(&own, CUT, &iter), LEN - CUT);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 0);

	/* a full buffer */
	iter = make_iter(test, ITER_SOURCE);
	KUNIT_EXPECT_EQ(test, cifs_buffer_fill(&own, LEN - 1, &iter), 1);
	KUNIT_EXPECT_EQ(test, cifs_buffer_fill(&own, LEN, &iter), 0);
	KUNIT_EXPECT_EQ(test, cifs_buffer_fill(&own, SIZE, &iter), 0);

	iter = own.iter;
	KUNIT_EXPECT_EQ(test, copy_from_iter(m->result, LEN, &iter), LEN);
	KUNIT_EXPECT_EQ(test, memcmp(m->result, m->data, LEN - 1), 0);
	KUNIT_EXPECT_EQ(test, m->result[LEN - 1], m->data[0]);
	bvec_owner_release(&own, false);

	/* nothing at all */
	KUNIT_ASSERT_EQ(test, cifs_buffer_alloc(&own, ITER_SOURCE, 0,
						GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&own.iter), 0);
	bvec_owner_release(&own, false);
}

static void copy_test(struct kunit *test)
{
	struct memory *m = test->priv;
	struct kvec kvec = { m->data, LEN };
	struct iov_iter from, to = make_iter(test, ITER_DEST);

	iov_iter_kvec(&from, ITER_SOURCE, &kvec, 1, LEN);
	KUNIT_EXPECT_EQ(test, cifs_iter_copy(&from, &to), LEN);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&from), LEN);
	expect_data(test, LEN);

	/* less room than data */
	to = make_iter(test, ITER_DEST);
	iov_iter_truncate(&to, CUT);
	KUNIT_EXPECT_EQ(test, cifs_iter_copy(&from, &to), CUT);

	/* and from each kind of memory */
	from = make_iter(test, ITER_SOURCE);
	kvec.iov_base = m->result;
	memset(m->result, 0, LEN);
	iov_iter_kvec(&to, ITER_DEST, &kvec, 1, LEN);
	KUNIT_EXPECT_EQ(test, cifs_iter_copy(&from, &to), LEN);
	KUNIT_EXPECT_EQ(test, memcmp(m->result, m->data, LEN), 0);
}

static void hash_test(struct kunit *test)
{
	u8 want[SHA256_DIGEST_SIZE], got[SHA256_DIGEST_SIZE];
	struct iov_iter iter = make_iter(test, ITER_SOURCE);
	const struct kind *kind = test->param_value;
	struct shash_desc *shash = NULL;
	struct memory *m = test->priv;

	KUNIT_ASSERT_EQ(test, cifs_alloc_hash("sha256", &shash), 0);
	KUNIT_EXPECT_EQ(test, crypto_shash_digest(shash, m->data, LEN, want), 0);

	KUNIT_EXPECT_EQ(test, crypto_shash_init(shash), 0);
	KUNIT_EXPECT_EQ(test, cifs_hash_iter(&iter, shash), 0);
	KUNIT_EXPECT_EQ(test, crypto_shash_final(shash, got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(want, got, sizeof(want)), 0);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), LEN);

	/* what was received is behind an iterator of the other direction */
	kind->make(m, ITER_DEST, &iter);
	KUNIT_EXPECT_EQ(test, crypto_shash_init(shash), 0);
	KUNIT_EXPECT_EQ(test, cifs_hash_iter(&iter, shash), 0);
	KUNIT_EXPECT_EQ(test, crypto_shash_final(shash, got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(want, got, sizeof(want)), 0);
	cifs_free_hash(&shash);
}

static void sg_test(struct kunit *test)
{
	struct iov_iter iter = make_iter(test, ITER_SOURCE);
	unsigned int nr_pages = iov_iter_npages(&iter, INT_MAX);
	struct memory *m = test->priv;
	struct sg_table sgt;

	KUNIT_ASSERT_EQ(test, sg_alloc_table(&sgt, nr_pages + 2, GFP_KERNEL), 0);
	sgt.nents = 0;
	KUNIT_EXPECT_EQ(test, cifs_iter_to_sg(&iter, &sgt, FOLL_SOURCE_BUF), 0);
	KUNIT_EXPECT_LE(test, sgt.nents, nr_pages);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), LEN);

	/* appended to what is there, with the end of the list behind it */
	iov_iter_truncate(&iter, 1);
	KUNIT_EXPECT_EQ(test, cifs_iter_to_sg(&iter, &sgt, FOLL_SOURCE_BUF), 0);
	KUNIT_EXPECT_EQ(test, sg_nents(sgt.sgl), sgt.nents);
	KUNIT_EXPECT_EQ(test, sg_copy_to_buffer(sgt.sgl, sgt.nents, m->result,
						LEN), LEN);
	KUNIT_EXPECT_EQ(test, memcmp(m->result, m->data, LEN), 0);

	/* no room, and nothing to append */
	iter = make_iter(test, ITER_SOURCE);
	sgt.nents = sgt.orig_nents;
	KUNIT_EXPECT_NE(test, cifs_iter_to_sg(&iter, &sgt, FOLL_SOURCE_BUF), 0);
	iov_iter_truncate(&iter, 0);
	KUNIT_EXPECT_EQ(test, cifs_iter_to_sg(&iter, &sgt, FOLL_SOURCE_BUF), 0);

	sg_free_table(&sgt);
}

/* Read from a pair of sockets, in a piece and in two. */
static void socket_test(struct kunit *test)
{
	struct iov_iter iter = make_iter(test, ITER_DEST), rest;
	struct TCP_Server_Info *server;
	struct memory *m = test->priv;
	struct kvec kvec = { m->data, LEN };
	struct socket *other;
	struct msghdr msg = {};
	int size = LEN;

	server = kunit_kzalloc(test, sizeof(*server), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, server);
	spin_lock_init(&server->req_lock);
	spin_lock_init(&server->srv_lock);
	server->credits = 1;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, AF_UNIX, SOCK_STREAM,
					       0, &server->ssocket), 0);
	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, AF_UNIX, SOCK_STREAM,
					       0, &other), 0);
	KUNIT_ASSERT_EQ(test, other->ops->socketpair(other, server->ssocket), 0);

	KUNIT_ASSERT_EQ(test, kernel_sendmsg(other, &msg, &kvec, 1, LEN), size);
	KUNIT_EXPECT_EQ(test, cifs_read_iter_from_socket(server, &iter, LEN),
			size);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), LEN);
	expect_data(test, LEN);

	/* again, as for a retry, and the rest elsewhere in the buffer */
	KUNIT_ASSERT_EQ(test, kernel_sendmsg(other, &msg, &kvec, 1, LEN), size);
	iter = make_iter(test, ITER_DEST);
	KUNIT_EXPECT_EQ(test, iov_iter_zero(LEN, &iter), LEN);
	iter = make_iter(test, ITER_DEST);
	rest = iter;
	KUNIT_EXPECT_EQ(test, cifs_read_iter_from_socket(server, &iter, CUT),
			(int)CUT);
	iov_iter_advance(&rest, CUT);
	KUNIT_EXPECT_EQ(test, cifs_read_iter_from_socket(server, &rest,
							 LEN - CUT),
			size - (int)CUT);
	expect_data(test, LEN);

	sock_release(other);
	sock_release(server->ssocket);
}

#define MAX_PIECES	4

/* T54: a part of an iterator is within all limits. */
static const struct span {
	const char *name;
	struct {
		unsigned int offset;
		unsigned int len;
	} pieces[MAX_PIECES];
	size_t skip;
	size_t maxsize;
	unsigned int max_pages;
	size_t want;
} spans[] = {
	{ "all", { { 0, PAGE_SIZE }, { 0, PAGE_SIZE }, { 0, 10 } },
	  0, SIZE, 3, 2 * PAGE_SIZE + 10 },
	{ "start in a page", { { 100, PAGE_SIZE - 100 }, { 0, 7 } },
	  0, SIZE, 2, PAGE_SIZE - 93 },
	{ "one page too many", { { 100, PAGE_SIZE - 100 }, { 0, PAGE_SIZE },
				 { 0, 100 } },
	  0, SIZE, 2, 2 * PAGE_SIZE - 100 },
	{ "long piece", { { 50, 6 * PAGE_SIZE } },
	  0, SIZE, 3, 3 * PAGE_SIZE - 50 },
	{ "start in a long piece", { { 50, 6 * PAGE_SIZE } },
	  PAGE_SIZE, SIZE, 3, 3 * PAGE_SIZE - 50 },
	{ "size", { { 0, PAGE_SIZE }, { 0, PAGE_SIZE } },
	  0, PAGE_SIZE + 1, 3, PAGE_SIZE + 1 },
	{ "gap at an end", { { 0, 100 }, { 0, PAGE_SIZE } },
	  0, SIZE, 3, 100 },
	{ "gap at a start", { { 0, PAGE_SIZE }, { 1, PAGE_SIZE - 1 } },
	  0, SIZE, 3, PAGE_SIZE },
	{ "empty pieces", { { 0, 0 }, { 0, PAGE_SIZE }, { 9, 0 }, { 0, 5 } },
	  0, SIZE, 3, PAGE_SIZE + 5 },
	{ "no page", { { 0, PAGE_SIZE } }, 0, SIZE, 0, 0 },
	{ "no byte", { { 0, PAGE_SIZE } }, 0, 0, 3, 0 },
};

static void span_name(const struct span *span, char *desc)
{
	strscpy(desc, span->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(span, spans, span_name);

static void span_test(struct kunit *test)
{
	const struct span *span = test->param_value;
	struct memory *m = test->priv;
	struct iov_iter iter;
	size_t count = 0;
	int k;

	for (k = 0; k < MAX_PIECES; k++) {
		/* Nobody looks at the pages. */
		bvec_set_page(&m->bvec[k], m->pages[k], span->pieces[k].len,
			      span->pieces[k].offset);
		count += span->pieces[k].len;
	}
	iov_iter_bvec(&iter, ITER_SOURCE, m->bvec, MAX_PIECES, count);
	iov_iter_advance(&iter, span->skip);
	KUNIT_EXPECT_EQ(test, cifs_iter_span(&iter, span->maxsize,
					     span->max_pages), span->want);
}

static struct kunit_case iter_test_cases[] = {
	KUNIT_CASE_PARAM(buffer_test, kind_gen_params),
	KUNIT_CASE_PARAM(copy_test, kind_gen_params),
	KUNIT_CASE_PARAM(hash_test, kind_gen_params),
	KUNIT_CASE_PARAM(sg_test, kind_gen_params),
	KUNIT_CASE_PARAM(socket_test, kind_gen_params),
	KUNIT_CASE_PARAM(span_test, span_gen_params),
	{}
};

static struct kunit_suite iter_test_suite = {
	.name = "cifs_iter",
	.init = iter_test_init,
	.exit = iter_test_exit,
	.test_cases = iter_test_cases,
};

kunit_test_suite(iter_test_suite);

#ifdef CONFIG_CIFS_SMB_DIRECT

/*
 * An RDMA adapter that does at once what it is told.  Its addresses for DMA are
 * those of the kernel, so it can look at the memory behind an SGE.
 */
#define HEAD_PIECES	9
#define HEAD_PIECE	7
#define HEAD_LEN	(HEAD_PIECES * HEAD_PIECE)
#define MESSAGE_LEN	(HEAD_LEN + LEN)

struct adapter {
	struct kunit *test;
	struct ib_device dev;
	struct rdma_cm_id id;
	struct ib_qp qp;
	struct ib_pd pd;
	struct ib_mr mr;

	/* what came to it: the data, and the last request to register memory */
	u8 *got;
	size_t nr_got;
	unsigned int nr_packets;
	struct ib_reg_wr reg;
	u64 pages[NR_PAGES];
	unsigned int nr_pages;

	/* who uses it */
	struct smbd_connection info;
	struct smbd_mr smbd_mr;
	struct smb_version_values vals;
	struct TCP_Server_Info server;
	u8 head[HEAD_LEN];
	struct kvec head_iov[HEAD_PIECES];
};

static void *dma_to_virt(u64 addr)
{
	return (void *)(uintptr_t)addr;
}

/* A packet of SMB Direct: its header, and a part of the message */
static void adapter_send(struct adapter *a, const struct ib_send_wr *wr)
{
	const struct smbd_data_transfer *packet;
	struct kunit *test = a->test;
	size_t len = 0;
	int i;

	packet = dma_to_virt(wr->sg_list[0].addr);
	KUNIT_EXPECT_EQ(test, wr->sg_list[0].length, sizeof(*packet));
	KUNIT_EXPECT_LE(test, wr->num_sge, SMBDIRECT_MAX_SEND_SGE);
	KUNIT_EXPECT_GE(test, wr->num_sge, 2);
	for (i = 1; i < wr->num_sge; i++) {
		const struct ib_sge *sge = &wr->sg_list[i];

		KUNIT_EXPECT_EQ(test, sge->lkey, a->pd.local_dma_lkey);
		KUNIT_ASSERT_LE(test, a->nr_got + sge->length, MESSAGE_LEN);
		memcpy(a->got + a->nr_got, dma_to_virt(sge->addr), sge->length);
		a->nr_got += sge->length;
		len += sge->length;
	}
	a->nr_packets++;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(packet->data_length), len);
	KUNIT_EXPECT_LE(test, sizeof(*packet) + len, a->info.max_send_size);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(packet->remaining_data_length),
			MESSAGE_LEN - a->nr_got);
}

static int adapter_post_send(struct ib_qp *qp, const struct ib_send_wr *wr,
			     const struct ib_send_wr **bad)
{
	struct adapter *a = container_of(qp, struct adapter, qp);
	struct ib_wc wc = { .wr_cqe = wr->wr_cqe, .opcode = IB_WC_SEND };

	switch (wr->opcode) {
	case IB_WR_SEND:
		adapter_send(a, wr);
		break;
	case IB_WR_REG_MR:
		a->reg = *reg_wr(wr);
		break;
	case IB_WR_LOCAL_INV:
		KUNIT_EXPECT_EQ(a->test, wr->ex.invalidate_rkey, a->mr.rkey);
		break;
	default:
		return -EINVAL;
	}
	wr->wr_cqe->done(NULL, &wc);
	return 0;
}

static int adapter_set_page(struct ib_mr *mr, u64 addr)
{
	struct adapter *a = container_of(mr, struct adapter, mr);

	if (a->nr_pages == ARRAY_SIZE(a->pages))
		return -ENOMEM;
	a->pages[a->nr_pages++] = addr;
	return 0;
}

static int adapter_map_mr_sg(struct ib_mr *mr, struct scatterlist *sg,
			     int nents, unsigned int *offset)
{
	struct adapter *a = container_of(mr, struct adapter, mr);

	a->nr_pages = 0;
	return ib_sg_to_pages(mr, sg, nents, offset, adapter_set_page);
}

/* Reads what is registered, as its other end would. */
static void adapter_read_mr(struct adapter *a)
{
	size_t offset = a->mr.iova % PAGE_SIZE, part;
	unsigned int k;

	a->nr_got = 0;
	for (k = 0; k < a->nr_pages && a->nr_got < LEN; k++, offset = 0) {
		part = min(PAGE_SIZE - offset, LEN - a->nr_got);
		memcpy(a->got + a->nr_got, dma_to_virt(a->pages[k]) + offset,
		       part);
		a->nr_got += part;
	}
}

static void adapter_no_work(struct work_struct *work)
{
}

static struct adapter *make_adapter(struct kunit *test)
{
	struct adapter *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	int k;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->got = kunit_kzalloc(test, MESSAGE_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, a->got);
	a->test = test;
	a->dev.ops.post_send = adapter_post_send;
	a->dev.ops.map_mr_sg = adapter_map_mr_sg;
	a->qp.device = &a->dev;
	a->mr.device = &a->dev;
	a->mr.rkey = 0x12345600;
	a->pd.local_dma_lkey = 77;
	a->id.device = &a->dev;
	a->id.qp = &a->qp;

	a->server.vals = &a->vals;
	a->server.smbd_conn = &a->info;
	get_random_bytes(a->head, HEAD_LEN);
	for (k = 0; k < HEAD_PIECES; k++)
		a->head_iov[k] = (struct kvec){
			a->head + k * HEAD_PIECE, HEAD_PIECE
		};
	return a;
}

static void connect_adapter(struct adapter *a)
{
	struct smbd_connection *info = &a->info;

	info->transport_status = SMBD_CONNECTED;
	info->id = &a->id;
	info->pd = &a->pd;
	info->send_credit_target = 255;
	atomic_set(&info->send_credits, INT_MAX / 2);
	info->max_fragmented_send_size = INT_MAX;
	info->keep_alive_interval = 120;
	info->workqueue = system_wq;
	spin_lock_init(&info->lock_new_credits_offered);
	init_waitqueue_head(&info->wait_send_queue);
	init_waitqueue_head(&info->wait_post_send);
	init_waitqueue_head(&info->wait_send_pending);
	INIT_DELAYED_WORK(&info->idle_timer_work, adapter_no_work);
	INIT_WORK(&info->disconnect_work, adapter_no_work);

	INIT_LIST_HEAD(&info->mr_list);
	spin_lock_init(&info->mr_list_lock);
	init_waitqueue_head(&info->wait_mr);
	init_waitqueue_head(&info->wait_for_mr_cleanup);
	atomic_set(&info->mr_ready_count, 1);
	info->max_frmr_depth = NR_PAGES;
	a->smbd_mr.conn = info;
	a->smbd_mr.mr = &a->mr;
	a->smbd_mr.sgl = kunit_kcalloc(a->test, NR_PAGES,
				       sizeof(*a->smbd_mr.sgl), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(a->test, a->smbd_mr.sgl);
	list_add(&a->smbd_mr.list, &info->mr_list);
}

static void disconnect_adapter(struct adapter *a)
{
	cancel_delayed_work_sync(&a->info.idle_timer_work);
	flush_work(&a->info.disconnect_work);
}

/*
 * A message in packets: pieces of its head that are more than a packet can have,
 * and data in every kind of memory, in packets within a page and over some.
 */
static void send_test(struct kunit *test)
{
	static const int packet_sizes[] = {
		128, 1364, 3 * PAGE_SIZE, 2 * SIZE,
	};
	struct adapter *a = make_adapter(test);
	struct memory *m = test->priv;
	struct smb_rqst rqst = {
		.rq_iov = a->head_iov, .rq_nvec = HEAD_PIECES,
	};
	int k;

	connect_adapter(a);
	a->info.request_mempool =
		mempool_create_kmalloc_pool(1, sizeof(struct smbd_request) +
					    sizeof(struct smbd_data_transfer));
	KUNIT_ASSERT_NOT_NULL(test, a->info.request_mempool);
	for (k = 0; k < ARRAY_SIZE(packet_sizes); k++) {
		a->info.max_send_size = packet_sizes[k];
		a->nr_got = 0;
		a->nr_packets = 0;
		memset(a->got, 0, MESSAGE_LEN);
		rqst.rq_iter = make_iter(test, ITER_SOURCE);
		KUNIT_EXPECT_EQ(test, smbd_send(&a->server, 1, &rqst), 0);
		KUNIT_EXPECT_EQ(test, a->nr_got, MESSAGE_LEN);
		KUNIT_EXPECT_EQ(test, memcmp(a->got, a->head, HEAD_LEN), 0);
		KUNIT_EXPECT_EQ(test, memcmp(a->got + HEAD_LEN, m->data, LEN),
				0);
		/* none is lost, and the request can be sent again */
		KUNIT_EXPECT_EQ(test, atomic_read(&a->info.send_pending), 0);
		KUNIT_EXPECT_EQ(test, iov_iter_count(&rqst.rq_iter), LEN);
	}
	disconnect_adapter(a);
	mempool_destroy(a->info.request_mempool);
}

static void try_register(struct adapter *a, enum iter_dir dir)
{
	struct iov_iter iter = make_iter(a->test, ITER_SOURCE);
	const struct kind *kind = a->test->param_value;
	struct memory *m = a->test->priv;
	struct kunit *test = a->test;
	struct smbd_mr *mr;

	kind->make(m, dir, &iter);
	mr = smbd_register_iter(&a->info, &iter, dir == ITER_DEST, true);
	KUNIT_ASSERT_PTR_EQ(test, mr, &a->smbd_mr);
	KUNIT_EXPECT_EQ(test, mr->state, MR_REGISTERED);
	KUNIT_EXPECT_EQ(test, mr->dir, dir == ITER_DEST ? DMA_FROM_DEVICE :
							  DMA_TO_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, a->reg.mr, &a->mr);
	KUNIT_EXPECT_EQ(test, a->reg.key, a->mr.rkey);
	KUNIT_EXPECT_EQ(test, a->reg.access, dir == ITER_DEST ?
			IB_ACCESS_REMOTE_WRITE | IB_ACCESS_LOCAL_WRITE :
			IB_ACCESS_REMOTE_READ);
	KUNIT_EXPECT_EQ(test, a->mr.length, LEN);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), LEN);

	memset(a->got, 0, LEN);
	adapter_read_mr(a);
	KUNIT_EXPECT_EQ(test, a->nr_got, LEN);
	KUNIT_EXPECT_EQ(test, memcmp(a->got, m->data, LEN), 0);

	KUNIT_EXPECT_EQ(test, smbd_deregister_mr(mr), 0);
	KUNIT_EXPECT_EQ(test, mr->state, MR_READY);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->info.mr_used_count), 0);
}

static void register_test(struct kunit *test)
{
	struct adapter *a = make_adapter(test);
	struct iov_iter iter;
	int nr_pages;

	connect_adapter(a);
	try_register(a, ITER_DEST);
	try_register(a, ITER_SOURCE);

	/* as many pages as it can have, and one more than that */
	iter = make_iter(test, ITER_SOURCE);
	nr_pages = iov_iter_npages(&iter, INT_MAX);
	a->info.max_frmr_depth = nr_pages;
	try_register(a, ITER_SOURCE);
	a->info.max_frmr_depth = nr_pages - 1;
	KUNIT_EXPECT_NULL(test, smbd_register_iter(&a->info, &iter, false,
						   true));
	KUNIT_EXPECT_EQ(test, a->smbd_mr.state, MR_READY);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->info.mr_ready_count), 1);
	disconnect_adapter(a);
}

/* A gap in the memory is refused, and the connection ends. */
static void register_gap_test(struct kunit *test)
{
	struct adapter *a = make_adapter(test);
	struct memory *m = test->priv;
	struct iov_iter iter;

	connect_adapter(a);
	bvec_set_page(&m->bvec[0], m->pages[0], 100, 0);
	bvec_set_page(&m->bvec[1], m->pages[2], 100, 0);
	iov_iter_bvec(&iter, ITER_SOURCE, m->bvec, 2, 200);
	KUNIT_EXPECT_NULL(test, smbd_register_iter(&a->info, &iter, false,
						   true));
	KUNIT_EXPECT_EQ(test, a->smbd_mr.state, MR_ERROR);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->info.mr_used_count), 0);
	KUNIT_EXPECT_PTR_EQ(test, a->reg.mr, NULL);
	disconnect_adapter(a);
}

static struct kunit_case smbdirect_test_cases[] = {
	KUNIT_CASE_PARAM(send_test, kind_gen_params),
	KUNIT_CASE_PARAM(register_test, kind_gen_params),
	KUNIT_CASE(register_gap_test),
	{}
};

static struct kunit_suite smbdirect_test_suite = {
	.name = "cifs_smbdirect",
	.init = iter_test_init,
	.exit = iter_test_exit,
	.test_cases = smbdirect_test_cases,
};

kunit_test_suite(smbdirect_test_suite);

#endif

MODULE_LICENSE("GPL");
