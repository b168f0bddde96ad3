// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of how network filesystems keep the buffer of a request
 *
 * The request is carried out by a thread that does not have the mm of its
 * caller.  What the functions do with all kinds of iterators is tested with
 * those that they are made of.
 */

#include <linux/netfs.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include <kunit/user_mm.h>

#define NR_PAGES	4
#define AT		123
#define LEN		(3 * PAGE_SIZE - 45)	/* on all of the pages */

struct request {
	struct work_struct work;
	struct iov_iter iter;
	u8 *data;
	size_t done;
};

static void read_work(struct work_struct *work)
{
	struct request *req = container_of(work, struct request, work);

	req->done = copy_to_iter(req->data, LEN, &req->iter);
}

static void write_work(struct work_struct *work)
{
	struct request *req = container_of(work, struct request, work);

	req->done = copy_from_iter(req->data, LEN, &req->iter);
}

static const struct direction {
	const char *name;
	enum iter_dir dir;
	unsigned int gup_flags;
	unsigned int mode;
	work_func_t fn;
} directions[] = {
	{ "read", ITER_DEST, FOLL_DEST_BUF, FOLL_PIN, read_work },
	{ "write", ITER_SOURCE, FOLL_SOURCE_BUF, FOLL_GET, write_work },
};

static void direction_name(const struct direction *d, char *desc)
{
	strscpy(desc, d->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(direction, directions, direction_name);

/* Two buffers of LEN random bytes that compare equal if the request was right */
struct buffers {
	unsigned long addr;
	struct page *pages[NR_PAGES];
	struct kunit_held held[NR_PAGES];
	u8 *data;
	u8 *user;
};

static void make_buffers(struct kunit *test, struct buffers *b)
{
	unsigned int n;

	b->data = kunit_kmalloc(test, LEN, GFP_KERNEL);
	b->user = kunit_kmalloc(test, LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->data);
	KUNIT_ASSERT_NOT_NULL(test, b->user);
	get_random_bytes(b->data, LEN);
	get_random_bytes(b->user, LEN);

	kunit_use_mm(test);
	b->addr = kunit_user_map(test, 0, NR_PAGES * PAGE_SIZE,
				 PROT_READ | PROT_WRITE);
	kunit_user_touch(test, b->addr, NR_PAGES, b->pages);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)b->addr + AT,
					      b->user, LEN));
	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++)
		b->held[n] = kunit_held(b->pages[n]);
}

static void expect_held(struct kunit *test, struct buffers *b, int nr,
			unsigned int mode)
{
	unsigned int n;

	for (n = 0; n < NR_PAGES; n++)
		KUNIT_EXPECT_TRUE(test, kunit_is_held(b->pages[n], b->held[n],
						      nr, mode));
}

static void expect_equal(struct kunit *test, struct buffers *b)
{
	KUNIT_ASSERT_EQ(test, 0, copy_from_user(b->user,
						(void __user *)b->addr + AT,
						LEN));
	KUNIT_EXPECT_EQ(test, 0, memcmp(b->user, b->data, LEN));
}

static void netfs_user_iter(struct kunit *test)
{
	const struct direction *d = test->param_value;
	struct bvec_owner own;
	struct iov_iter orig;
	struct request req;
	struct buffers b;

	make_buffers(test, &b);
	iov_iter_ubuf(&orig, d->dir, (void __user *)b.addr + AT, LEN);
	KUNIT_ASSERT_EQ(test, LEN, netfs_extract_user_iter(&orig, LEN,
							   d->gup_flags, &own));
	KUNIT_EXPECT_EQ(test, 0, orig.count);
	KUNIT_EXPECT_EQ(test, d->mode, own.mode);
	expect_held(test, &b, 1, d->mode);

	req = (struct request){ .iter = own.iter, .data = b.data };
	INIT_WORK_ONSTACK(&req.work, d->fn);
	schedule_work(&req.work);
	flush_work(&req.work);
	destroy_work_on_stack(&req.work);
	KUNIT_EXPECT_EQ(test, LEN, req.done);

	bvec_owner_release(&own, d->dir == ITER_DEST);
	expect_held(test, &b, 0, 0);
	expect_equal(test, &b);
}

static void netfs_iter_to_sg(struct kunit *test)
{
	const struct direction *d = test->param_value;
	struct scatterlist sgl[NR_PAGES + 1];
	struct sg_table sgt = { .sgl = sgl, .orig_nents = ARRAY_SIZE(sgl) };
	struct iov_iter orig;
	struct sg_held held;
	u8 *before = kunit_kmalloc(test, 1, GFP_KERNEL);
	struct buffers b;

	KUNIT_ASSERT_NOT_NULL(test, before);
	make_buffers(test, &b);
	sg_init_table(sgl, ARRAY_SIZE(sgl));
	sg_set_buf(&sgl[0], before, 1);
	sgt.nents = 1;

	iov_iter_ubuf(&orig, d->dir, (void __user *)b.addr + AT, LEN);
	KUNIT_ASSERT_EQ(test, LEN,
			netfs_extract_iter_to_sg(&orig, LEN, &sgt, NR_PAGES,
						 d->gup_flags, &held));
	KUNIT_EXPECT_EQ(test, 0, orig.count);
	KUNIT_EXPECT_EQ(test, d->mode, held.mode);
	KUNIT_EXPECT_EQ(test, sgt.nents, 1 + held.nents);
	KUNIT_EXPECT_EQ(test, sgt.nents, sg_nents(sgl));
	KUNIT_EXPECT_PTR_EQ(test, (void *)before, sg_virt(&sgl[0]));
	expect_held(test, &b, 1, d->mode);

	if (d->dir == ITER_DEST)
		sg_copy_from_buffer(held.sg, held.nents, b.data, LEN);
	else
		sg_copy_to_buffer(held.sg, held.nents, b.data, LEN);
	sg_put_unpin(held.sg, held.nents, held.mode, d->dir == ITER_DEST);
	expect_held(test, &b, 0, 0);
	expect_equal(test, &b);
}

static struct kunit_case netfs_iterator_cases[] = {
	KUNIT_CASE_PARAM(netfs_user_iter, direction_gen_params),
	KUNIT_CASE_PARAM(netfs_iter_to_sg, direction_gen_params),
	{}
};

static struct kunit_suite netfs_iterator_suite = {
	.name = "netfs-iterator",
	.test_cases = netfs_iterator_cases,
};

kunit_test_suite(netfs_iterator_suite);
