// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of bio_iov_iter_get_pages() and bio_release_pages()
 *
 * A bio holds each of its pages once for each of its bvecs that the page is in,
 * whatever has been merged, trimmed or dropped on the way; that is what
 * bio_release_pages() gives back.  So layouts of user memory are put into bios,
 * and the bvecs and what is held on each page are compared with what they must
 * be.  The same layouts go to pass-through requests, which have their own way
 * of making a bio.
 *
 * T numbers are those of the list of pitfalls that the series answers.
 */

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pipe_fs_i.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <kunit/user_mm.h>

#include "blk.h"

#define P(n)		((n) * PAGE_SIZE)
#define NR_PAGES	8
#define MAX_SEGS	3
#define MAX_BVECS	6

/*
 * The user memory of a case, and a device.  Pages 0 to 3 are neighbours in
 * physical memory, pages 4 to 7 lie there the other way round: the bvecs of the
 * former merge, those of the latter do not.
 */
struct bio_test {
	struct kunit *test;
	struct gendisk *disk;
	unsigned long addr;
	struct page *pages[NR_PAGES];
	struct kunit_held held[NR_PAGES];
};

static int bio_test_init(struct kunit *test)
{
	struct bio_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->test = test;
	t->disk = blk_alloc_disk(NUMA_NO_NODE);
	KUNIT_ASSERT_NOT_NULL(test, t->disk);
	return 0;
}

static void bio_test_exit(struct kunit *test)
{
	struct bio_test *t = test->priv;
	unsigned int n;

	for (n = 0; n < NR_PAGES; n++)
		if (t->pages[n])
			put_page(t->pages[n]);
	put_disk(t->disk);
}

static void note_held(struct bio_test *t)
{
	unsigned int n;

	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++)
		t->held[n] = kunit_held(t->pages[n]);
}

static void map_pages(struct bio_test *t)
{
	struct page *first = alloc_pages(GFP_KERNEL, get_order(P(NR_PAGES)));
	struct vm_area_struct *vma;
	unsigned int n;
	int ret = 0;

	KUNIT_ASSERT_NOT_NULL(t->test, first);
	split_page(first, get_order(P(NR_PAGES)));
	kunit_use_mm(t->test);
	t->addr = vm_mmap(NULL, 0, P(NR_PAGES), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(t->test, IS_ERR_VALUE(t->addr));

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, t->addr);
	for (n = 0; n < NR_PAGES; n++) {
		t->pages[n] = first + (n < 4 ? n : NR_PAGES + 3 - n);
		ret = ret ?: vm_insert_page(vma, t->addr + P(n), t->pages[n]);
	}
	mmap_write_unlock(current->mm);
	KUNIT_ASSERT_EQ(t->test, ret, 0);
	note_held(t);
}

static enum iter_dir op_dir(enum req_op op)
{
	return op_is_write(op) ? ITER_SOURCE : ITER_DEST;
}

static unsigned int op_mode(enum req_op op)
{
	return op_is_write(op) ? FOLL_GET : FOLL_PIN;
}

/* See that each page is held as often as its digit says; NULL: not at all. */
static void expect_held(struct bio_test *t, const char *digits,
			unsigned int mode)
{
	unsigned int n;

	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++) {
		unsigned int nr = digits ? digits[n] - '0' : 0;

		KUNIT_EXPECT_TRUE_MSG(t->test,
				      kunit_is_held(t->pages[n], t->held[n],
						    nr, mode),
				      "page %u", n);
	}
}

static void expect_flags(struct bio_test *t, struct bio *bio, unsigned int mode)
{
	KUNIT_EXPECT_EQ(t->test, !!bio_flagged(bio, BIO_PAGE_REFFED),
			mode == FOLL_GET);
	KUNIT_EXPECT_EQ(t->test, !!bio_flagged(bio, BIO_PAGE_PINNED),
			mode == FOLL_PIN);
}

static void bio_flags(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, BIT(BIO_PAGE_REFFED), FOLL_GET);
	KUNIT_EXPECT_EQ(test, BIT(BIO_PAGE_PINNED), FOLL_PIN);
}

/*
 * The layouts: segments of the user memory, and the bvecs and the holds on the
 * pages that they make.  No limit is stated by 0.
 */
#define SEGS(...)	.nr_segs = ARRAY_SIZE(((struct seg[]){ __VA_ARGS__ })), \
			.segs = { __VA_ARGS__ }

static const struct row {
	const char *name;
	unsigned int block_size;
	unsigned int nr_vecs;
	unsigned long absent;	/* bitmap of pages that are not there */
	unsigned int nr_segs;
	struct seg {
		size_t at;
		size_t len;
	} segs[MAX_SEGS];
	int ret;
	size_t left;		/* what remains in the iterator */
	const char *held;
	struct {
		unsigned int page;
		unsigned int offset;
		size_t len;
	} bvecs[MAX_BVECS];
} rows[] = {
	{ "one page", SEGS({ 0, P(1) }),
	  .held = "10000000", .bvecs = { { 0, 0, P(1) } } },
	{ "a block in the middle of a page", SEGS({ P(2) + 512, 512 }),
	  .held = "00100000", .bvecs = { { 2, 512, 512 } } },
	{ "neighbours merge", SEGS({ 512, P(3) }),
	  .held = "11110000", .bvecs = { { 0, 512, P(3) } } },
	{ "others do not merge", SEGS({ P(4) + 512, P(2) }),
	  .held = "00001110",
	  .bvecs = { { 4, 512, P(1) - 512 }, { 5, 0, P(1) }, { 6, 0, 512 } } },
	{ "neighbours of other segments merge",
	  SEGS({ P(3), P(1) }, { P(7), P(1) }),
	  .held = "00010001", .bvecs = { { 3, 0, P(2) } } },
	{ "a block across a border", SEGS({ 0xf00, 512 }),
	  .held = "11000000", .bvecs = { { 0, 0xf00, 512 } } },

	/* several segments in a page (T34, T48) */
	{ "adjacent in a page", SEGS({ 0, 512 }, { 512, 512 }),
	  .held = "10000000", .bvecs = { { 0, 0, 1024 } } },
	{ "three adjacent in a page",
	  SEGS({ P(4), 512 }, { P(4) + 512, 512 }, { P(4) + 1024, 512 }),
	  .held = "00001000", .bvecs = { { 4, 0, 1536 } } },
	{ "apart in a page", SEGS({ 0, 512 }, { 1024, 512 }),
	  .held = "20000000", .bvecs = { { 0, 0, 512 }, { 0, 1024, 512 } } },
	{ "backwards in a page", SEGS({ 512, 512 }, { 0, 512 }),
	  .held = "20000000", .bvecs = { { 0, 512, 512 }, { 0, 0, 512 } } },
	{ "the same twice", SEGS({ P(1), P(1) }, { P(1), P(1) }),
	  .held = "02000000", .bvecs = { { 1, 0, P(1) }, { 1, 0, P(1) } } },
	{ "the last page of one and the first of the next",
	  SEGS({ 512, P(1) }, { P(1) + 512, P(1) }),
	  .held = "11100000", .bvecs = { { 0, 512, P(2) } } },
	{ "the same, no neighbours",
	  SEGS({ P(4) + 512, P(1) }, { P(5) + 512, P(1) }),
	  .held = "00001110",
	  .bvecs = { { 4, 512, P(1) - 512 }, { 5, 0, P(1) }, { 6, 0, 512 } } },
	{ "a page in two bvecs", SEGS({ P(4), P(2) }, { P(5), 512 }),
	  .held = "00001200",
	  .bvecs = { { 4, 0, P(1) }, { 5, 0, P(1) }, { 5, 0, 512 } } },

	/* trimmed to blocks (T37, T38) */
	{ "bytes beyond a block", SEGS({ 0, 512 + 100 }), .left = 100,
	  .held = "10000000", .bvecs = { { 0, 0, 512 } } },
	{ "bytes in a page of their own", SEGS({ 0, P(1) + 100 }), .left = 100,
	  .held = "10000000", .bvecs = { { 0, 0, P(1) } } },
	{ "blocks beyond a large one", SEGS({ P(4), P(1) + 512 }),
	  .block_size = 4096, .left = 512,
	  .held = "00001000", .bvecs = { { 4, 0, P(1) } } },
	{ "a large block across a border", SEGS({ P(4) + 512, P(1) }),
	  .block_size = 4096,
	  .held = "00001100",
	  .bvecs = { { 4, 512, P(1) - 512 }, { 5, 0, 512 } } },
	{ "less than a block", SEGS({ 0, 100 }), .ret = -EFAULT, .left = 100 },
	{ "less than a large block", SEGS({ 0, 512 }), .block_size = 4096,
	  .ret = -EFAULT, .left = 512 },
	{ "less than a large block, in two pages", SEGS({ 0xf00, 512 }),
	  .block_size = 4096, .ret = -EFAULT, .left = 512 },
	{ "a large block, then less, in two pages",
	  SEGS({ P(4), P(1) }, { 0xf00, 512 }), .block_size = 4096,
	  .left = 512,
	  .held = "00001000", .bvecs = { { 4, 0, P(1) } } },
	{ "a large block, then less in the same pages",
	  SEGS({ P(1) + 512, P(1) }, { P(2) + 512, 512 }), .block_size = 4096,
	  .left = 512,
	  .held = "01100000", .bvecs = { { 1, 512, P(1) } } },

	/* full (T37) */
	{ "one bvec for two pages", SEGS({ P(4), P(2) }), .nr_vecs = 1,
	  .left = P(1),
	  .held = "00001000", .bvecs = { { 4, 0, P(1) } } },
	{ "no room for a whole block", SEGS({ P(4) + 0xf00, 512 }),
	  .nr_vecs = 1, .ret = -EFAULT, .left = 512 },
	{ "room for a part of the last block", SEGS({ P(4) + 256, P(3) }),
	  .nr_vecs = 2, .left = P(1) + 512,
	  .held = "00001100",
	  .bvecs = { { 4, 256, P(1) - 256 }, { 5, 0, P(1) - 256 } } },
	{ "room for a part of the last large block",
	  SEGS({ P(4) + 0xf00, P(3) }), .block_size = 4096, .nr_vecs = 3,
	  .left = P(1),
	  .held = "00001110",
	  .bvecs = { { 4, 0xf00, 256 }, { 5, 0, P(1) }, { 6, 0, 0xf00 } } },
	{ "a block, then no room for a whole one",
	  SEGS({ P(4), 512 }, { P(5) + 0xf00, 512 }), .nr_vecs = 2,
	  .left = 512,
	  .held = "00001000", .bvecs = { { 4, 0, 512 } } },

	/* not there (T39) */
	{ "no first page", SEGS({ 0, P(2) }), .absent = BIT(0),
	  .ret = -EFAULT, .left = P(2) },
	{ "no second page", SEGS({ P(4), P(3) }), .absent = BIT(5),
	  .left = P(2),
	  .held = "00001000", .bvecs = { { 4, 0, P(1) } } },
	{ "no page of the second segment",
	  SEGS({ 512, 512 }, { P(2), 512 }), .absent = BIT(2), .left = 512,
	  .held = "10000000", .bvecs = { { 0, 512, 512 } } },
	{ "no second page, so not a block",
	  SEGS({ P(2) + 512, P(1) }), .absent = BIT(3), .block_size = 4096,
	  .ret = -EFAULT, .left = P(1) },
};

static void row_desc(const struct row *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(row, rows, row_desc);

static void row_iter(struct bio_test *t, const struct row *row,
		     struct iov_iter *i, enum iter_dir dir, struct iovec *iov)
{
	size_t count = 0;
	unsigned int n;

	for (n = 0; n < row->nr_segs; n++) {
		iov[n].iov_base = (void __user *)t->addr + row->segs[n].at;
		iov[n].iov_len = row->segs[n].len;
		count += row->segs[n].len;
	}
	iov_iter_init(i, dir, iov, row->nr_segs, count);
}

static void expect_bvecs(struct bio_test *t, struct bio *bio,
			 const struct row *row)
{
	size_t size = 0;
	unsigned int n;

	for (n = 0; n < MAX_BVECS && row->bvecs[n].len; n++) {
		struct bio_vec *bv = &bio->bi_io_vec[n];

		KUNIT_ASSERT_LT(t->test, n, (unsigned int)bio->bi_vcnt);
		KUNIT_EXPECT_PTR_EQ(t->test, bv->bv_page,
				    t->pages[row->bvecs[n].page]);
		KUNIT_EXPECT_EQ(t->test, bv->bv_offset, row->bvecs[n].offset);
		KUNIT_EXPECT_EQ(t->test, bv->bv_len, row->bvecs[n].len);
		size += bv->bv_len;
	}
	KUNIT_EXPECT_EQ(t->test, (unsigned int)bio->bi_vcnt, n);
	KUNIT_EXPECT_EQ(t->test, bio->bi_iter.bi_size, size);
}

/* Put a layout into a bio, and get it out again. */
static void try_row(struct bio_test *t, const struct row *row, enum req_op op)
{
	long acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED);
	long released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);
	unsigned int nr_vecs = row->nr_vecs ?: MAX_BVECS;
	/* not bio_alloc(), which has at least four bvecs */
	struct bio *bio = bio_kmalloc(nr_vecs, GFP_KERNEL);
	struct iovec iov[MAX_SEGS];
	struct iov_iter i;

	KUNIT_ASSERT_NOT_NULL(t->test, bio);
	bio_init(bio, t->disk->part0, bio->bi_inline_vecs, nr_vecs, op);
	row_iter(t, row, &i, op_dir(op), iov);
	KUNIT_EXPECT_EQ(t->test, row->ret, bio_iov_iter_get_pages(bio, &i));
	KUNIT_EXPECT_EQ(t->test, row->left, iov_iter_count(&i));
	expect_bvecs(t, bio, row);
	if (!row->ret)
		expect_flags(t, bio, op_mode(op));
	expect_held(t, row->held, op_mode(op));

	bio_release_pages(bio, false);	/* T39: also if it is empty */
	expect_held(t, NULL, 0);
	bio_uninit(bio);
	kfree(bio);
	acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED) - acquired;
	released = kunit_pin_stat(NR_FOLL_PIN_RELEASED) - released;
	KUNIT_EXPECT_EQ(t->test, acquired, released);
	if (op_mode(op) == FOLL_GET)
		KUNIT_EXPECT_EQ(t->test, acquired, 0);
}

static void set_up_row(struct bio_test *t, const struct row *row)
{
	unsigned int n;

	map_pages(t);
	for_each_set_bit(n, &row->absent, NR_PAGES)
		vm_munmap(t->addr + P(n), PAGE_SIZE);
	note_held(t);
	blk_queue_logical_block_size(t->disk->queue, row->block_size ?: 512);
}

static void bio_layout(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct bio_test *t = test->priv;

	set_up_row(t, row);
	try_row(t, row, REQ_OP_READ);
	try_row(t, row, REQ_OP_WRITE);
}

/* Make a zoned device; a bio for it takes no more than some sectors. */
static void make_zoned(struct bio_test *t, unsigned int max_sectors)
{
	struct queue_limits *lim = &t->disk->queue->limits;

	lim->zoned = BLK_ZONED_HM;
	lim->chunk_sectors = 256;
	blk_queue_max_zone_append_sectors(t->disk->queue, max_sectors);
}

/* Zone append has its own way of adding a page, which is that of requests. */
static void bio_layout_zone_append(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct bio_test *t = test->priv;

	set_up_row(t, row);
	make_zoned(t, 128);
	try_row(t, row, REQ_OP_ZONE_APPEND);
}

/* What the device does not take is given back, and left in the iterator. */
static void bio_zone_append_limit(struct kunit *test)
{
	static const struct row some = {
		SEGS({ P(4), P(3) }), .left = P(2),
		.held = "00001000", .bvecs = { { 4, 0, P(1) } },
	};
	static const struct row none = {
		SEGS({ P(1), P(3) }), .left = P(3), .ret = -EINVAL,
	};
	struct bio_test *t = test->priv;

	map_pages(t);
	make_zoned(t, P(1) / SECTOR_SIZE);
	try_row(t, &some, REQ_OP_ZONE_APPEND);
	t->disk->queue->limits.max_zone_append_sectors = 1;
	try_row(t, &none, REQ_OP_ZONE_APPEND);
}

/*
 * Pass-through requests
 */
static void try_request(struct bio_test *t, const struct row *row,
			enum req_op op)
{
	struct request *rq = kunit_kzalloc(t->test, sizeof(*rq), GFP_KERNEL);
	struct request_queue *q = t->disk->queue;
	struct iovec iov[MAX_SEGS];
	struct iov_iter i;

	KUNIT_ASSERT_NOT_NULL(t->test, rq);
	rq->q = q;
	rq->cmd_flags = op;
	row_iter(t, row, &i, op_dir(op), iov);
	KUNIT_ASSERT_EQ(t->test, row->ret,
			blk_rq_map_user_iov(q, rq, NULL, &i, GFP_KERNEL));
	expect_held(t, row->held, op_mode(op));
	if (row->ret) {
		KUNIT_EXPECT_NULL(t->test, rq->bio);
		return;
	}
	expect_flags(t, rq->bio, op_mode(op));
	expect_bvecs(t, rq->bio, row);
	KUNIT_EXPECT_EQ(t->test, 0, blk_rq_unmap_user(rq->bio));
	expect_held(t, NULL, 0);
}

/* A request knows no blocks and takes everything, but only what is aligned. */
static bool row_fits_request(const struct row *row)
{
	unsigned int n;

	for (n = 0; n < row->nr_segs; n++)
		if ((row->segs[n].at | row->segs[n].len) % 512)
			return false;
	return !row->block_size && !row->nr_vecs && !row->absent;
}

static const void *request_gen_params(const void *prev, char *desc)
{
	const struct row *row = prev;

	do {
		row = row_gen_params(row, desc);
	} while (row && !row_fits_request(row));
	return row;
}

static void request_layout(struct kunit *test)
{
	struct bio_test *t = test->priv;

	set_up_row(t, test->param_value);
	try_request(t, test->param_value, REQ_OP_DRV_IN);
	try_request(t, test->param_value, REQ_OP_DRV_OUT);
}

/* A request gets all of its pages, or gives back what it got. */
static void request_fault(struct kunit *test)
{
	static const struct row faults[] = {
		{ "at once", SEGS({ P(6), 512 }), .ret = -EFAULT },
		{ "in the second segment", SEGS({ P(4), P(1) }, { P(6), 512 }),
		  .ret = -EFAULT },
		{ "at once, in an array of its own",
		  SEGS({ P(6), P(2) }, { 0, P(6) }, { 0, P(1) }),
		  .ret = -EFAULT },
		{ "later, in an array of its own",
		  SEGS({ 512, P(6) }, { 512, P(7) }), .ret = -EFAULT },
	};
	static const struct row absent = { .absent = BIT(6) };
	struct bio_test *t = test->priv;
	unsigned int n;

	set_up_row(t, &absent);
	for (n = 0; n < ARRAY_SIZE(faults); n++) {
		try_request(t, &faults[n], REQ_OP_DRV_IN);
		try_request(t, &faults[n], REQ_OP_DRV_OUT);
	}
}

/* More than the device can take: the rest is given back, then the whole. */
static void request_limit(struct kunit *test)
{
	static const struct row row = {
		SEGS({ P(4), P(3) }), .ret = -EINVAL,
	};
	struct bio_test *t = test->priv;

	set_up_row(t, &row);
	blk_queue_max_hw_sectors(t->disk->queue, P(1) / SECTOR_SIZE);
	try_request(t, &row, REQ_OP_DRV_IN);
	try_request(t, &row, REQ_OP_DRV_OUT);
}

/*
 * T36: what the device cannot reach is copied, and nothing is held.  The caller
 * may bring a page for the copy, and then have the data copied there as well
 * before the device writes to a part of it.
 */
static void try_copy(struct bio_test *t, struct rq_map_data *map_data,
		     u8 first, u8 second)
{
	static const struct row row = {
		SEGS({ P(4) + 4, 512 }, { P(6) + 4, 512 }),
	};
	struct request *rq = kunit_kzalloc(t->test, sizeof(*rq), GFP_KERNEL);
	struct kunit *test = t->test;
	struct iovec iov[MAX_SEGS];
	struct iov_iter i;
	u8 *copy, byte;

	KUNIT_ASSERT_NOT_NULL(test, rq);
	rq->q = t->disk->queue;
	rq->cmd_flags = REQ_OP_DRV_IN;
	row_iter(t, &row, &i, ITER_DEST, iov);
	for (byte = 1; byte <= 2; byte++)
		KUNIT_ASSERT_EQ(test, 0, put_user(byte, (u8 __user *)
						  iov[byte - 1].iov_base));

	KUNIT_ASSERT_EQ(test, 0, blk_rq_map_user_iov(rq->q, rq, map_data, &i,
						     GFP_KERNEL));
	expect_flags(t, rq->bio, 0);
	expect_held(t, NULL, 0);
	KUNIT_EXPECT_NULL(test, rq->bio->bi_next);
	KUNIT_EXPECT_EQ(test, rq->__data_len, 1024);
	copy = page_address(bio_page(rq->bio));
	KUNIT_EXPECT_EQ(test, copy[0], first);
	KUNIT_EXPECT_EQ(test, copy[512], second);
	copy[512] = 0x5a;
	KUNIT_EXPECT_EQ(test, 0, blk_rq_unmap_user(rq->bio));
	expect_held(t, NULL, 0);

	KUNIT_EXPECT_EQ(test, 0, get_user(byte, (u8 __user *)iov[0].iov_base));
	KUNIT_EXPECT_EQ(test, byte, first);
	KUNIT_EXPECT_EQ(test, 0, get_user(byte, (u8 __user *)iov[1].iov_base));
	KUNIT_EXPECT_EQ(test, byte, 0x5a);
}

static void request_copy(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct rq_map_data from_user = {
		.pages = &page,
		.nr_entries = 1,
		.from_user = true,
	};
	struct bio_test *t = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, page);
	map_pages(t);
	try_copy(t, NULL, 0, 0);
	try_copy(t, &from_user, 1, 2);
	__free_page(page);
}

/*
 * Bios in full, in parts and in copies
 */

/* T37: all bvecs of the largest bio, and a last one that is not a block. */
static void bio_full_of_bvecs(struct kunit *test)
{
	const unsigned int nr = BIO_MAX_VECS + 3;
	struct iovec *iov = kunit_kcalloc(test, nr, sizeof(*iov), GFP_KERNEL);
	struct bio_test *t = test->priv;
	unsigned int n, last;
	struct iov_iter i;
	struct bio *bio;

	KUNIT_ASSERT_NOT_NULL(test, iov);
	map_pages(t);
	for (last = 0; last < 2; last++) {
		unsigned int nr_bvecs = BIO_MAX_VECS - last;

		for (n = 0; n < nr; n++) {
			iov[n].iov_base = (void __user *)t->addr + P(4 + n % 4);
			iov[n].iov_len = 512;
		}
		if (last)
			iov[nr_bvecs].iov_base += 0xf00;
		bio = bio_alloc(t->disk->part0, BIO_MAX_VECS, REQ_OP_READ,
				GFP_KERNEL);
		iov_iter_init(&i, ITER_DEST, iov, nr, nr * 512);
		KUNIT_EXPECT_EQ(test, 0, bio_iov_iter_get_pages(bio, &i));
		KUNIT_EXPECT_EQ(test, (unsigned int)bio->bi_vcnt, nr_bvecs);
		KUNIT_EXPECT_EQ(test, bio->bi_iter.bi_size, nr_bvecs * 512);
		KUNIT_EXPECT_EQ(test, i.count, (nr - nr_bvecs) * 512);
		kunit_settle_pages();
		for (n = 4; n < NR_PAGES; n++)
			KUNIT_EXPECT_TRUE(test,
					  kunit_is_held(t->pages[n],
							t->held[n],
							(nr_bvecs + 7 - n) / 4,
							FOLL_PIN));
		bio_release_pages(bio, false);
		expect_held(t, NULL, 0);
		bio_put(bio);
	}
}

/* A part of a huge page: one bvec, held and released page by page */
static void bio_huge_page(struct kunit *test)
{
	struct bio_test *t = test->priv;
	struct kunit_held held;
	struct iov_iter i;
	struct page *head;
	struct bio *bio;
	unsigned long addr;

	kunit_use_mm(test);
	addr = kunit_user_map_huge(test);
	kunit_user_touch(test, addr, 1, &head);
	KUNIT_ASSERT_TRUE(test, PageTransHuge(head));
	kunit_settle_pages();
	held = kunit_held(head);

	bio = bio_alloc(t->disk->part0, 64, REQ_OP_READ, GFP_KERNEL);
	iov_iter_ubuf(&i, ITER_DEST, (void __user *)addr + P(3) + 512, P(40));
	KUNIT_EXPECT_EQ(test, 0, bio_iov_iter_get_pages(bio, &i));
	KUNIT_EXPECT_EQ(test, bio->bi_vcnt, 1);
	KUNIT_EXPECT_PTR_EQ(test, bio->bi_io_vec[0].bv_page, head + 3);
	KUNIT_EXPECT_EQ(test, bio->bi_io_vec[0].bv_offset, 512);
	KUNIT_EXPECT_EQ(test, bio->bi_io_vec[0].bv_len, P(40));
	KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, 41, FOLL_PIN));
	bio_release_pages(bio, true);
	KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, 0, 0));
	bio_put(bio);
}

/* A bio of pages 4 to 6, from the middle of one to the middle of the other */
static struct bio *make_bio(struct bio_test *t, enum req_op op)
{
	struct bio *bio = bio_alloc(t->disk->part0, MAX_BVECS, op, GFP_KERNEL);
	struct iov_iter i;

	iov_iter_ubuf(&i, op_dir(op), (void __user *)t->addr + P(4) + 512,
		      P(2));
	KUNIT_ASSERT_EQ(t->test, 0, bio_iov_iter_get_pages(bio, &i));
	expect_held(t, "00001110", op_mode(op));
	return bio;
}

static void expect_not_released(struct bio_test *t, struct bio *copy,
				enum req_op op)
{
	expect_flags(t, copy, 0);
	bio_release_pages(copy, true);
	expect_held(t, "00001110", op_mode(op));
}

/* T44: a clone or a split has the bvecs, and holds nothing. */
static void bio_copies(struct kunit *test)
{
	static const enum req_op ops[] = { REQ_OP_READ, REQ_OP_WRITE };
	struct bio_test *t = test->priv;
	struct block_device *bdev = t->disk->part0;
	unsigned int n;

	map_pages(t);
	for (n = 0; n < ARRAY_SIZE(ops); n++) {
		struct bio *bio = make_bio(t, ops[n]), *copy, on_stack;

		copy = bio_alloc_clone(bdev, bio, GFP_KERNEL, &fs_bio_set);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		expect_not_released(t, copy, ops[n]);
		bio_put(copy);

		KUNIT_ASSERT_EQ(test, 0, bio_init_clone(bdev, &on_stack, bio,
							GFP_KERNEL));
		expect_not_released(t, &on_stack, ops[n]);
		bio_uninit(&on_stack);

		copy = bio_split(bio, 3, GFP_KERNEL, &fs_bio_set);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		expect_not_released(t, copy, ops[n]);
		bio_put(copy);

		/* however far the bio has been advanced */
		bio_release_pages(bio, false);
		expect_held(t, NULL, 0);
		bio_put(bio);
	}
}

/* Pages that were read to are made dirty when they are released. */
static void bio_release_dirty(struct kunit *test)
{
	struct bio_test *t = test->priv;
	struct bio *bio;
	unsigned int n;

	map_pages(t);
	bio = make_bio(t, REQ_OP_READ);
	for (n = 0; n < NR_PAGES; n++)
		ClearPageDirty(t->pages[n]);
	bio_release_pages(bio, true);
	for (n = 0; n < NR_PAGES; n++)
		KUNIT_EXPECT_EQ(test, PageDirty(t->pages[n]), n >= 4 && n < 7);
	expect_held(t, NULL, 0);
	bio_put(bio);
}

/* The same at the end of an I/O, at once or later by a worker */
static void bio_check_dirty(struct kunit *test)
{
	struct bio_test *t = test->priv;
	struct bio *bio;
	unsigned int n;

	map_pages(t);
	bio = make_bio(t, REQ_OP_READ);
	bio_set_pages_dirty(bio);
	bio_check_pages_dirty(bio);
	expect_held(t, NULL, 0);

	bio = make_bio(t, REQ_OP_READ);
	for (n = 0; n < NR_PAGES; n++)
		ClearPageDirty(t->pages[n]);
	bio_check_pages_dirty(bio);
	for (n = 0; n < 500 && !PageDirty(t->pages[6]); n++)
		msleep(20);
	msleep(20);
	expect_held(t, NULL, 0);
}

/*
 * Other iterators
 */

/* Fill a bio with pages 4 to 6, which are lent; nothing is done to them. */
static void expect_lent(struct bio_test *t, enum req_op op, struct iov_iter *i,
			size_t left)
{
	struct bio *bio = bio_alloc(t->disk->part0,
				    iov_iter_is_bvec(i) ? 0 : MAX_BVECS,
				    op, GFP_KERNEL);
	unsigned int n;

	KUNIT_EXPECT_EQ(t->test, 0, bio_iov_iter_get_pages(bio, i));
	KUNIT_EXPECT_EQ(t->test, i->count, left);
	KUNIT_ASSERT_EQ(t->test, bio->bi_vcnt, 3);
	for (n = 0; n < 3; n++)
		KUNIT_EXPECT_PTR_EQ(t->test, bio->bi_io_vec[n].bv_page,
				    t->pages[4 + n]);
	expect_flags(t, bio, 0);
	expect_held(t, NULL, 0);
	bio_release_pages(bio, true);
	expect_held(t, NULL, 0);
	for (n = 0; n < NR_PAGES; n++)
		KUNIT_EXPECT_FALSE(t->test, PageDirty(t->pages[n]));
	bio_put(bio);
}

static void bio_kernel_memory(struct kunit *test)
{
	static const enum req_op ops[] = { REQ_OP_READ, REQ_OP_WRITE };
	struct bio_test *t = test->priv;
	struct bio_vec bvec[3];
	struct kvec kvec[1];
	enum iter_dir dir;
	struct iov_iter i;
	struct xarray xa;
	unsigned int n;
	void *area;

	map_pages(t);
	area = vmap(&t->pages[4], 3, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, area);
	kvec[0] = (struct kvec){ area + 512, P(3) - 512 };
	xa_init(&xa);
	for (n = 0; n < 3; n++) {
		bvec_set_page(&bvec[n], t->pages[4 + n], P(1), 0);
		KUNIT_ASSERT_NULL(test, xa_store(&xa, 4 + n, t->pages[4 + n],
						 GFP_KERNEL));
	}

	for (n = 0; n < ARRAY_SIZE(ops); n++) {
		dir = op_dir(ops[n]);
		iov_iter_kvec(&i, dir, kvec, 1, P(3) - 512);
		expect_lent(t, ops[n], &i, 0);
		iov_iter_bvec(&i, dir, bvec, 3, P(3));
		expect_lent(t, ops[n], &i, 0);
		iov_iter_xarray(&i, dir, &xa, P(4) + 512, P(4));
		expect_lent(t, ops[n], &i, P(1) + 512);
	}
	xa_destroy(&xa);
	vunmap(area);
}

/* T16: the pages of a pipe stay while the bio has them, if the pipe goes on. */
static void bio_pipe(struct kunit *test)
{
	struct pipe_inode_info *pipe = alloc_pipe_info();
	struct bio_test *t = test->priv;
	struct bio *bio = bio_alloc(t->disk->part0, 2, REQ_OP_READ, GFP_KERNEL);
	struct page *pages[2];
	struct iov_iter i;
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, pipe);
	iov_iter_pipe(&i, ITER_DEST, pipe, P(2));
	KUNIT_EXPECT_EQ(test, 0, bio_iov_iter_get_pages(bio, &i));
	KUNIT_EXPECT_EQ(test, i.count, 0);
	expect_flags(t, bio, FOLL_GET);
	for (n = 0; n < 2; n++) {
		pages[n] = pipe->bufs[n].page;
		get_page(pages[n]);	/* ours, the pipe's and the bio's */
		KUNIT_EXPECT_EQ(test, page_count(pages[n]), 3);
	}
	iov_iter_revert(&i, P(2));
	for (n = 0; n < 2; n++)
		KUNIT_EXPECT_EQ(test, page_count(pages[n]), 2);
	bio_release_pages(bio, false);
	for (n = 0; n < 2; n++) {
		KUNIT_EXPECT_EQ(test, page_count(pages[n]), 1);
		put_page(pages[n]);
	}
	bio_put(bio);
	free_pipe_info(pipe);
}

/* A bio whose operation is not that of the iterator takes nothing. */
static void bio_wrong_direction(struct kunit *test)
{
	static const enum req_op ops[] = { REQ_OP_READ, REQ_OP_WRITE };
	struct bio_test *t = test->priv;
	struct iov_iter i;
	struct bio *bio;
	unsigned int n;

	map_pages(t);
	pr_info("# expect-warning-begin\n");
	for (n = 0; n < ARRAY_SIZE(ops); n++) {
		bio = bio_alloc(t->disk->part0, 1, ops[n], GFP_KERNEL);
		iov_iter_ubuf(&i, op_dir(ops[!n]), (void __user *)t->addr,
			      P(1));
		KUNIT_EXPECT_EQ(test, -EINVAL, bio_iov_iter_get_pages(bio, &i));
		KUNIT_EXPECT_EQ(test, i.count, P(1));
		bio_release_pages(bio, false);
		expect_held(t, NULL, 0);
		bio_put(bio);
	}
	pr_info("# expect-warning-end\n");
	KUNIT_EXPECT_TRUE(test, test_taint(TAINT_WARN));
}

static struct kunit_case bio_extract_cases[] = {
	KUNIT_CASE(bio_flags),
	KUNIT_CASE_PARAM(bio_layout, row_gen_params),
	KUNIT_CASE_PARAM(bio_layout_zone_append, row_gen_params),
	KUNIT_CASE(bio_zone_append_limit),
	KUNIT_CASE_PARAM(request_layout, request_gen_params),
	KUNIT_CASE(request_fault),
	KUNIT_CASE(request_limit),
	KUNIT_CASE(request_copy),
	KUNIT_CASE(bio_full_of_bvecs),
	KUNIT_CASE(bio_huge_page),
	KUNIT_CASE(bio_copies),
	KUNIT_CASE(bio_release_dirty),
	KUNIT_CASE(bio_check_dirty),
	KUNIT_CASE(bio_kernel_memory),
	KUNIT_CASE(bio_pipe),
	KUNIT_CASE(bio_wrong_direction),
	{}
};

static struct kunit_suite bio_extract_suite = {
	.name = "bio_extract",
	.init = bio_test_init,
	.exit = bio_test_exit,
	.test_cases = bio_extract_cases,
};

kunit_test_suite(bio_extract_suite);

MODULE_LICENSE("GPL");
