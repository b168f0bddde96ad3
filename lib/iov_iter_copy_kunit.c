// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the functions that copy to and from an iterator
 *
 * Each function is tried on each kind of iterator, with the direction that it
 * is for and with the other one.  In the right direction all bytes arrive and
 * the iterator is used up; in the wrong one there is a warning, and nothing else
 * happens.
 */

#include <linux/bvec.h>
#include <linux/pipe_fs_i.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/xarray.h>

#include <crypto/hash.h>
#include <net/checksum.h>

#include <kunit/user_mm.h>

/* A stretch of an arena that crosses a page border at an odd place. */
#define ARENA_PAGES	3
#define ARENA_SIZE	(ARENA_PAGES * PAGE_SIZE)
#define AT		101
#define LEN		(PAGE_SIZE + 334)
#define FIRST_SEG	77	/* the rest is in the second segment */

#define UNTOUCHED	0xee

static u8 pattern(size_t n)
{
	return n * 7 + 3;
}

/*
 * Memory behind an iterator
 */
struct arena {
	u8 *kernel;
	u8 __user *user;
	struct xarray xa;
	struct pipe_inode_info *pipe;
	union {
		struct iovec iov[2];
		struct kvec kvec[2];
		struct bio_vec bvec[2];
	};
};

static void make_arena(struct kunit *test, struct arena *a)
{
	unsigned int n;

	memset(a, 0, sizeof(*a));
	a->kernel = alloc_pages_exact(ARENA_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, a->kernel);
	memset(a->kernel, UNTOUCHED, ARENA_SIZE);

	a->user = (u8 __user *)kunit_user_map(test, 0, ARENA_SIZE,
					      PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(a->user, a->kernel, ARENA_SIZE));

	xa_init(&a->xa);
	for (n = 0; n < ARENA_PAGES; n++)
		xa_store(&a->xa, n, virt_to_page(a->kernel + n * PAGE_SIZE),
			 GFP_KERNEL);
	a->pipe = alloc_pipe_info();
	KUNIT_ASSERT_NOT_NULL(test, a->pipe);
}

static void free_arena(struct arena *a)
{
	free_pipe_info(a->pipe);
	xa_destroy(&a->xa);
	vm_munmap((unsigned long)a->user, ARENA_SIZE);
	free_pages_exact(a->kernel, ARENA_SIZE);
}

static void set_up_iter(struct iov_iter *iter, struct arena *a,
			enum iter_type type, enum iter_dir dir, size_t count)
{
	switch (type) {
	case ITER_UBUF:
		iov_iter_ubuf(iter, dir, a->user + AT, count);
		break;
	case ITER_IOVEC:
		a->iov[0] = (struct iovec){ a->user + AT, FIRST_SEG };
		a->iov[1] = (struct iovec){ a->user + AT + FIRST_SEG,
					    LEN - FIRST_SEG };
		iov_iter_init(iter, dir, a->iov, 2, count);
		break;
	case ITER_KVEC:
		a->kvec[0] = (struct kvec){ a->kernel + AT, FIRST_SEG };
		a->kvec[1] = (struct kvec){ a->kernel + AT + FIRST_SEG,
					    LEN - FIRST_SEG };
		iov_iter_kvec(iter, dir, a->kvec, 2, count);
		break;
	case ITER_BVEC:
		bvec_set_page(&a->bvec[0], virt_to_page(a->kernel), FIRST_SEG,
			      AT);
		bvec_set_page(&a->bvec[1], virt_to_page(a->kernel),
			      LEN - FIRST_SEG, AT + FIRST_SEG);
		iov_iter_bvec(iter, dir, a->bvec, 2, count);
		break;
	case ITER_XARRAY:
		iov_iter_xarray(iter, dir, &a->xa, AT, count);
		break;
	case ITER_PIPE:
		iov_iter_pipe(iter, dir, a->pipe, count);
		break;
	case ITER_DISCARD:
		iov_iter_discard(iter, dir, count);
		break;
	}
}

static const struct kind {
	const char *name;
	enum iter_type type;
	bool dest_only;
} kinds[] = {
	{ "ubuf", ITER_UBUF },
	{ "iovec", ITER_IOVEC },
	{ "kvec", ITER_KVEC },
	{ "bvec", ITER_BVEC },
	{ "xarray", ITER_XARRAY },
	{ "pipe", ITER_PIPE, true },
	{ "discard", ITER_DISCARD, true },
};

static bool is_user(const struct kind *kind)
{
	return kind->type == ITER_UBUF || kind->type == ITER_IOVEC;
}

/* Write what a source is to give. */
static void fill(struct kunit *test, struct arena *a, const struct kind *kind)
{
	size_t n;

	for (n = 0; n < LEN; n++)
		a->kernel[AT + n] = pattern(n);
	if (is_user(kind))
		KUNIT_ASSERT_EQ(test, 0, copy_to_user(a->user, a->kernel,
						      ARENA_SIZE));
}

/* Read back what has arrived in a destination, into the kernel's arena. */
static void collect(struct kunit *test, struct arena *a,
		    const struct kind *kind)
{
	size_t n = 0;

	if (is_user(kind))
		KUNIT_ASSERT_EQ(test, 0, copy_from_user(a->kernel, a->user,
							ARENA_SIZE));
	if (kind->type != ITER_PIPE)
		return;
	while (!pipe_empty(a->pipe->head, a->pipe->tail)) {
		unsigned int slot = a->pipe->tail++ & (a->pipe->ring_size - 1);
		struct pipe_buffer *buf = &a->pipe->bufs[slot];

		/* may be longer than a page, if it is one of a compound page */
		memcpy(a->kernel + AT + n,
		       page_address(buf->page) + buf->offset, buf->len);
		n += buf->len;
		pipe_buf_release(a->pipe, buf);
	}
}

static bool is_untouched(const u8 *from, const u8 *to)
{
	return from == to || !memchr_inv(from, UNTOUCHED, to - from);
}

/*
 * Functions that copy between @buf and an iterator
 */
static size_t to_plain(u8 *buf, struct iov_iter *i)
{
	return _copy_to_iter(buf, LEN, i);
}

#ifdef CONFIG_ARCH_HAS_COPY_MC
static size_t to_mc(u8 *buf, struct iov_iter *i)
{
	return _copy_mc_to_iter(buf, LEN, i);
}
#endif

static size_t to_from_page(u8 *buf, struct iov_iter *i)
{
	return copy_page_to_iter(virt_to_page(buf), 0, LEN, i);
}

static size_t to_zero(u8 *buf, struct iov_iter *i)
{
	memset(buf, 0, LEN);
	return iov_iter_zero(LEN, i);
}

/* In two steps, the second of which starts at an odd offset. */
static size_t to_csum(u8 *buf, struct iov_iter *i)
{
	struct csum_state state = { };
	size_t done;

	done = csum_and_copy_to_iter(buf, FIRST_SEG, &state, i);
	if (done == FIRST_SEG)
		done += csum_and_copy_to_iter(buf + done, LEN - done, &state,
					      i);
	if (csum_fold(state.csum) != csum_fold(csum_partial(buf, done, 0)))
		return -1;
	return done;
}

static size_t to_hash(u8 *buf, struct iov_iter *i)
{
	struct crypto_ahash *tfm = crypto_alloc_ahash("sha256", 0,
						      CRYPTO_ALG_ASYNC);
	u8 result[32], expect[32];
	struct ahash_request *req;
	struct scatterlist sg;
	size_t done = -1;

	if (IS_ERR(tfm))
		return -1;
	req = ahash_request_alloc(tfm, GFP_KERNEL);
	if (!req)
		goto out;

	ahash_request_set_crypt(req, NULL, result, 0);
	if (crypto_ahash_init(req))
		goto out;
	done = hash_and_copy_to_iter(buf, LEN, req, i);
	ahash_request_set_crypt(req, NULL, result, 0);
	sg_init_one(&sg, buf, done);
	if (crypto_ahash_final(req))
		done = -1;
	ahash_request_set_crypt(req, &sg, expect, done);
	if (crypto_ahash_digest(req) || memcmp(result, expect, sizeof(result)))
		done = -1;
out:
	ahash_request_free(req);
	crypto_free_ahash(tfm);
	return done;
}

static size_t from_plain(u8 *buf, struct iov_iter *i)
{
	return _copy_from_iter(buf, LEN, i);
}

static size_t from_nocache(u8 *buf, struct iov_iter *i)
{
	return _copy_from_iter_nocache(buf, LEN, i);
}

static size_t from_flushcache(u8 *buf, struct iov_iter *i)
{
	return _copy_from_iter_flushcache(buf, LEN, i);
}

static size_t from_to_page(u8 *buf, struct iov_iter *i)
{
	return copy_page_from_iter(virt_to_page(buf), 0, LEN, i);
}

static size_t from_atomic(u8 *buf, struct iov_iter *i)
{
	size_t done;

	pagefault_disable();
	done = copy_page_from_iter_atomic(virt_to_page(buf), 0, LEN, i);
	pagefault_enable();
	return done;
}

static size_t from_csum(u8 *buf, struct iov_iter *i)
{
	__wsum csum = 0;
	size_t done = csum_and_copy_from_iter(buf, LEN, &csum, i);

	if (csum_fold(csum) != csum_fold(csum_partial(buf, done, 0)))
		return -1;
	return done;
}

static const struct op {
	const char *name;
	enum iter_dir dir;
	size_t (*copy)(u8 *buf, struct iov_iter *i);
} ops[] = {
	{ "_copy_to_iter", ITER_DEST, to_plain },
#ifdef CONFIG_ARCH_HAS_COPY_MC
	{ "_copy_mc_to_iter", ITER_DEST, to_mc },
#endif
	{ "copy_page_to_iter", ITER_DEST, to_from_page },
	{ "iov_iter_zero", ITER_DEST, to_zero },
	{ "csum_and_copy_to_iter", ITER_DEST, to_csum },
	{ "hash_and_copy_to_iter", ITER_DEST, to_hash },
	{ "_copy_from_iter", ITER_SOURCE, from_plain },
	{ "_copy_from_iter_nocache", ITER_SOURCE, from_nocache },
	{ "_copy_from_iter_flushcache", ITER_SOURCE, from_flushcache },
	{ "copy_page_from_iter", ITER_SOURCE, from_to_page },
	{ "copy_page_from_iter_atomic", ITER_SOURCE, from_atomic },
	{ "csum_and_copy_from_iter", ITER_SOURCE, from_csum },
};

/* Each function with each kind of iterator, as one parameter */
#define NR_PAIRS	(ARRAY_SIZE(ops) * ARRAY_SIZE(kinds))

static const struct op *pair_op(const void *pair)
{
	return &ops[((unsigned long)pair - 1) / ARRAY_SIZE(kinds)];
}

static const struct kind *pair_kind(const void *pair)
{
	return &kinds[((unsigned long)pair - 1) % ARRAY_SIZE(kinds)];
}

/* The next pair whose iterator there is; @against the function, or with it */
static const void *next_of(const void *prev, char *desc, bool against)
{
	unsigned long n;

	for (n = (unsigned long)prev + 1; n <= NR_PAIRS; n++) {
		const void *pair = (void *)n;
		bool source = (pair_op(pair)->dir == ITER_SOURCE) != against;

		if (source && pair_kind(pair)->dest_only)
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s",
			 pair_op(pair)->name, pair_kind(pair)->name);
		return pair;
	}
	return NULL;
}

static const void *next_pair(const void *prev, char *desc)
{
	return next_of(prev, desc, false);
}

static const void *next_pair_against(const void *prev, char *desc)
{
	return next_of(prev, desc, true);
}

static void free_buf(void *buf)
{
	free_pages((unsigned long)buf, get_order(LEN));
}

static u8 *make_buf(struct kunit *test)
{
	u8 *buf = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_COMP,
					 get_order(LEN));
	size_t n;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (n = 0; n < LEN; n++)
		buf[n] = pattern(n);
	return buf;
}

static void copy_in_direction(struct kunit *test)
{
	const struct kind *kind = pair_kind(test->param_value);
	const struct op *op = pair_op(test->param_value);
	struct iov_iter iter;
	struct arena a;
	u8 *buf;

	kunit_use_mm(test);
	make_arena(test, &a);
	buf = make_buf(test);
	if (op->dir == ITER_SOURCE) {
		fill(test, &a, kind);
		memset(buf, 0, LEN);
	}

	set_up_iter(&iter, &a, kind->type, op->dir, LEN);
	KUNIT_EXPECT_EQ(test, op->copy(buf, &iter), LEN);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 0);

	if (op->dir == ITER_DEST)
		collect(test, &a, kind);
	if (kind->type == ITER_DISCARD)
		KUNIT_EXPECT_TRUE(test, is_untouched(a.kernel,
						     a.kernel + ARENA_SIZE));
	else
		KUNIT_EXPECT_EQ(test, 0, memcmp(a.kernel + AT, buf, LEN));
	KUNIT_EXPECT_TRUE(test, is_untouched(a.kernel, a.kernel + AT));
	KUNIT_EXPECT_TRUE(test, is_untouched(a.kernel + AT + LEN,
					     a.kernel + ARENA_SIZE));
	free_buf(buf);
	free_arena(&a);
}

/* The other direction, of an iterator with @count bytes */
static void copy_against_direction(struct kunit *test, size_t count)
{
	const struct kind *kind = pair_kind(test->param_value);
	const struct op *op = pair_op(test->param_value);
	enum iter_dir dir = op->dir == ITER_DEST ? ITER_SOURCE : ITER_DEST;
	struct iov_iter iter, before;
	struct arena a;
	u8 *buf, *copy;

	kunit_use_mm(test);
	make_arena(test, &a);
	buf = make_buf(test);
	copy = kunit_kzalloc(test, LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);

	set_up_iter(&iter, &a, kind->type, dir, count);
	before = iter;
	if (op->copy == to_zero)
		memset(buf, 0, LEN);
	memcpy(copy, buf, LEN);
	KUNIT_EXPECT_EQ(test, op->copy(buf, &iter), 0);
	/* a buffered write that copies nothing tries for ever if this is 0 */
	KUNIT_EXPECT_EQ(test, count, op->dir == ITER_DEST ?
			fault_in_iov_iter_writeable(&iter, count) :
			fault_in_iov_iter_readable(&iter, count));
	KUNIT_EXPECT_EQ(test, 0, memcmp(&before, &iter, sizeof(iter)));
	KUNIT_EXPECT_EQ(test, 0, memcmp(copy, buf, LEN));

	collect(test, &a, kind);
	KUNIT_EXPECT_TRUE(test, is_untouched(a.kernel, a.kernel + ARENA_SIZE));
	free_buf(buf);
	free_arena(&a);
}

/* A function warns once, so only the first of its cases makes that. */
static void copy_wrong_direction(struct kunit *test)
{
	pr_info("# expect-warning-begin\n");
	copy_against_direction(test, LEN);
	pr_info("# expect-warning-end\n");
}

/* A message without data has an iterator of zeroes, which is no mistake. */
static void copy_wrong_direction_empty(struct kunit *test)
{
	copy_against_direction(test, 0);
}

static struct kunit_case iov_iter_copy_cases[] = {
	KUNIT_CASE_PARAM(copy_wrong_direction_empty, next_pair_against),
	KUNIT_CASE_PARAM(copy_in_direction, next_pair),
	KUNIT_CASE_PARAM(copy_wrong_direction, next_pair_against),
	{}
};

static struct kunit_suite iov_iter_copy_suite = {
	.name = "iov_iter_copy",
	.test_cases = iov_iter_copy_cases,
};

kunit_test_suite(iov_iter_copy_suite);
