// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what describes an iterator run by run: iov_iter_extract_bvecs(),
 * iov_iter_extract_sg(), iov_iter_for_each_run(), iov_iter_extract_owned()
 *
 * A model walks the segments byte by byte and says which runs there have to be.
 * Each function is tried on each kind of memory, with the limits that cut its
 * result at every place, and with layouts at random.  What is held on each page
 * is compared before, between and after.
 */

#include <linux/bvec.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <kunit/user_mm.h>

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "Seed of the random layouts, 0 for a new one");

#define NR_PAGES	8
#define ARENA_SIZE	(NR_PAGES * PAGE_SIZE)
#define MAX_SEGS	4
#define MAX_RUNS	(NR_PAGES * MAX_SEGS + 1)
#define P(n)		((n) * PAGE_SIZE)

struct seg {
	size_t at;
	size_t len;
};

struct arena {
	const struct kind *kind;
	unsigned long addr;
	struct page *pages[NR_PAGES];
	struct kunit_held held[NR_PAGES];
	struct xarray xa;
	struct seg segs[MAX_SEGS];
	unsigned int nr_segs;
	union {
		struct iovec iov[MAX_SEGS];
		struct kvec kvec[MAX_SEGS];
		struct bio_vec bvec[MAX_SEGS];
	};
};

/*
 * Kinds of memory
 */
struct kind {
	const char *name;
	enum iter_type type;
	void (*make)(struct kunit *test, struct arena *a);
	void (*free)(struct arena *a);
};

static void user_make(struct kunit *test, struct arena *a)
{
	kunit_use_mm(test);
	a->addr = kunit_user_map(test, 0, ARENA_SIZE, PROT_READ | PROT_WRITE);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
}

/* The end of a huge page, and what is mapped behind it */
static void huge_make(struct kunit *test, struct arena *a)
{
	unsigned long addr;

	kunit_use_mm(test);
	addr = kunit_user_map_huge(test);
	a->addr = addr + PMD_SIZE - P(5);
	kunit_user_map(test, addr + PMD_SIZE, P(3), PROT_READ | PROT_WRITE);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
	KUNIT_ASSERT_PTR_EQ(test, compound_head(a->pages[0]) + HPAGE_PMD_NR - 1,
			    a->pages[4]);
}

/* A huge page that is mapped page by page, with one of them replaced */
static void split_make(struct kunit *test, struct arena *a)
{
	kunit_use_mm(test);
	a->addr = kunit_user_map_huge(test) + P(8);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
	kunit_user_map(test, a->addr + P(3), P(1), PROT_READ | PROT_WRITE);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
	KUNIT_ASSERT_TRUE(test, PageCompound(a->pages[2]));
	KUNIT_ASSERT_FALSE(test, PageCompound(a->pages[3]));
	KUNIT_ASSERT_PTR_EQ(test, a->pages[2] + 2, a->pages[4]);
}

static void note_linear(struct arena *a)
{
	unsigned int n;

	for (n = 0; n < NR_PAGES; n++)
		a->pages[n] = virt_to_page((void *)a->addr + P(n));
}

static void exact_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)alloc_pages_exact(ARENA_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_linear(a);
}

static void exact_free(struct arena *a)
{
	free_pages_exact((void *)a->addr, ARENA_SIZE);
}

static void compound_make(struct kunit *test, struct arena *a)
{
	a->addr = __get_free_pages(GFP_KERNEL | __GFP_COMP,
				   get_order(ARENA_SIZE));
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_linear(a);
}

static void compound_free(struct arena *a)
{
	free_pages(a->addr, get_order(ARENA_SIZE));
}

static void vmalloc_make(struct kunit *test, struct arena *a)
{
	unsigned int n;

	a->addr = (unsigned long)vmalloc(ARENA_SIZE);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	for (n = 0; n < NR_PAGES; n++)
		a->pages[n] = vmalloc_to_page((void *)a->addr + P(n));
}

static void vmalloc_free(struct arena *a)
{
	vfree((void *)a->addr);
}

/* Folios of 4, 2, 1 and 1 pages */
static void xarray_make(struct kunit *test, struct arena *a)
{
	static const unsigned int orders[] = { 2, 1, 0, 0 };
	unsigned int i, k, n = 0;

	xa_init(&a->xa);
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
						orders[i]);
		XA_STATE_ORDER(xas, &a->xa, n, orders[i]);

		KUNIT_ASSERT_NOT_NULL(test, page);
		do {
			xas_lock(&xas);
			xas_store(&xas, page);
			xas_unlock(&xas);
		} while (xas_nomem(&xas, GFP_KERNEL));
		for (k = 0; k < 1 << orders[i]; k++)
			a->pages[n++] = page + k;
	}
}

static void xarray_free(struct arena *a)
{
	unsigned int n;

	xa_destroy(&a->xa);
	for (n = NR_PAGES; n--;)
		if (a->pages[n] && !PageTail(a->pages[n]))
			put_page(a->pages[n]);
}

static const struct kind kinds[] = {
	{ "ubuf", ITER_UBUF, user_make },
	{ "ubuf, huge page", ITER_UBUF, huge_make },
	{ "ubuf, split huge page", ITER_UBUF, split_make },
	{ "iovec", ITER_IOVEC, user_make },
	{ "iovec, huge page", ITER_IOVEC, huge_make },
	{ "kvec, pages", ITER_KVEC, exact_make, exact_free },
	{ "kvec, compound page", ITER_KVEC, compound_make, compound_free },
	{ "kvec, vmalloc", ITER_KVEC, vmalloc_make, vmalloc_free },
	{ "bvec, pages", ITER_BVEC, exact_make, exact_free },
	{ "bvec, compound page", ITER_BVEC, compound_make, compound_free },
	{ "xarray, folios", ITER_XARRAY, xarray_make, xarray_free },
};

static void kind_desc(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static bool is_user(const struct arena *a)
{
	return a->kind->type == ITER_UBUF || a->kind->type == ITER_IOVEC;
}

static bool has_segs(const struct arena *a)
{
	return a->kind->type != ITER_UBUF && a->kind->type != ITER_XARRAY;
}

static int convert_init(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct arena *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->kind = kind;
	test->priv = a;
	return 0;
}

static void convert_exit(struct kunit *test)
{
	struct arena *a = test->priv;

	if (a->kind->free)
		a->kind->free(a);
}

static void make_iter(struct arena *a, struct iov_iter *i, enum iter_dir dir)
{
	size_t count = 0;
	unsigned int n;

	for (n = 0; n < a->nr_segs; n++) {
		const struct seg *seg = &a->segs[n];

		if (a->kind->type == ITER_BVEC)
			bvec_set_page(&a->bvec[n], a->pages[0], seg->len,
				      seg->at);
		else
			a->kvec[n] = (struct kvec){ (void *)a->addr + seg->at,
						    seg->len };
		count += seg->len;
	}

	switch (a->kind->type) {
	case ITER_UBUF:
		iov_iter_ubuf(i, dir, (void __user *)a->addr + a->segs[0].at,
			      count);
		break;
	case ITER_IOVEC:
		iov_iter_init(i, dir, a->iov, a->nr_segs, count);
		break;
	case ITER_KVEC:
		iov_iter_kvec(i, dir, a->kvec, a->nr_segs, count);
		break;
	case ITER_BVEC:
		iov_iter_bvec(i, dir, a->bvec, a->nr_segs, count);
		break;
	default:
		iov_iter_xarray(i, dir, &a->xa, a->segs[0].at, count);
	}
}

/*
 * The model
 */
struct runs {
	ssize_t size;
	unsigned int nr;
	struct bio_vec bv[MAX_RUNS];
};

/* Can a byte go on with the run before it? */
static bool goes_on(const struct arena *a, const struct bio_vec *bv,
		    struct page *page, size_t offset, bool border)
{
	size_t end = bv->bv_offset + bv->bv_len;

	/* a page of two segments is held twice */
	if (border && is_user(a) && offset)
		return false;
	return page_to_pfn(page) == page_to_pfn(bv->bv_page) + end / PAGE_SIZE &&
	       offset == end % PAGE_SIZE &&
	       compound_head(page) == compound_head(bv->bv_page);
}

static void model(const struct arena *a, size_t maxsize, unsigned int max_runs,
		  struct runs *r)
{
	unsigned int s;
	size_t k;

	r->size = 0;
	r->nr = 0;
	for (s = 0; s < a->nr_segs; s++) {
		for (k = 0; k < a->segs[s].len; k++, r->size++) {
			size_t at = a->segs[s].at + k;
			struct page *page = a->pages[at / PAGE_SIZE];
			struct bio_vec *bv = &r->bv[r->nr];

			if (r->size == maxsize)
				return;
			/* it would take a place before it is found to go on */
			if (!k && is_user(a) && r->nr == max_runs)
				return;
			if (r->nr && goes_on(a, bv - 1, page, at % PAGE_SIZE,
					     !k)) {
				bv[-1].bv_len++;
				continue;
			}
			if (r->nr == max_runs)
				return;
			bvec_set_page(bv, page, 1, at % PAGE_SIZE);
			r->nr++;
		}
	}
}

/*
 * What must hold
 */
static unsigned int flag_of(enum iter_dir dir)
{
	return dir == ITER_DEST ? FOLL_DEST_BUF : FOLL_SOURCE_BUF;
}

static void note_held(struct arena *a)
{
	unsigned int n;

	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++)
		a->held[n] = kunit_held(a->pages[n]);
}

/* Each page is held once for each run that it is in. */
static void expect_held(struct kunit *test, const struct runs *r,
			unsigned int times, unsigned int mode)
{
	struct arena *a = test->priv;
	unsigned int n, k, nr;

	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++) {
		for (k = 0, nr = 0; k < r->nr; k++)
			if (page_folio(r->bv[k].bv_page) ==
			    page_folio(a->pages[n]))
				nr += bvec_nr_pages(&r->bv[k]);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(a->pages[n], a->held[n],
						      nr * times, mode));
	}
}

static void expect_run(struct kunit *test, const struct bio_vec *want,
		       struct page *page, size_t offset, size_t len)
{
	KUNIT_EXPECT_PTR_EQ(test, page, want->bv_page);
	KUNIT_EXPECT_EQ(test, offset, want->bv_offset);
	KUNIT_EXPECT_EQ(test, len, want->bv_len);
}

#define POISON	((struct page *)0x6b6b6b6c)

static void try_bvecs(struct kunit *test, struct iov_iter *i, size_t maxsize,
		      const struct runs *want, unsigned int max_runs)
{
	unsigned int flag = flag_of(iov_iter_dir(i)), times, n, nr;
	unsigned int mode = iov_iter_extract_mode(i, flag);
	static struct bio_vec bv[2][MAX_RUNS + 1];
	size_t count = i->count;

	for (times = 0; times < 2; times++) {
		bv[times][max_runs].bv_page = POISON;
		nr = max_runs;
		KUNIT_ASSERT_EQ(test, want->size,
				iov_iter_extract_bvecs(i, bv[times], &nr,
						       maxsize, flag));
		KUNIT_ASSERT_EQ(test, nr, want->nr);
		KUNIT_EXPECT_PTR_EQ(test, bv[times][max_runs].bv_page, POISON);
		KUNIT_EXPECT_EQ(test, i->count, count - want->size);
		for (n = 0; n < nr; n++)
			expect_run(test, &want->bv[n], bv[times][n].bv_page,
				   bv[times][n].bv_offset, bv[times][n].bv_len);
		expect_held(test, want, times + 1, mode);
		iov_iter_revert(i, want->size);
	}
	for (times = 0; times < 2; times++)
		bvecs_put_unpin(bv[times], want->nr, mode,
				flag == FOLL_DEST_BUF);
	expect_held(test, want, 0, 0);
}

/* Into a table with entries in use, which is a chain if it is long */
static void try_sg(struct kunit *test, struct iov_iter *i, size_t maxsize,
		   const struct runs *want, unsigned int max_runs,
		   unsigned int used)
{
	unsigned int flag = flag_of(iov_iter_dir(i)), n;
	struct scatterlist *sg;
	struct sg_held held;
	struct sg_table sgt;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, used + max_runs,
						GFP_KERNEL));
	for_each_sg(sgt.sgl, sg, used, n)
		sg_set_page(sg, POISON, 1, n);
	sgt.nents = used;
	KUNIT_ASSERT_EQ(test, want->size,
			iov_iter_extract_sg(i, &sgt, UINT_MAX, maxsize, flag,
					    &held));
	KUNIT_EXPECT_EQ(test, sgt.nents, used + want->nr);
	KUNIT_EXPECT_EQ(test, held.mode, iov_iter_extract_mode(i, flag));
	KUNIT_EXPECT_EQ(test, held.nents, held.mode ? want->nr : 0);

	for (n = 0, sg = sgt.sgl; n < sgt.nents; n++, sg = sg_next(sg)) {
		KUNIT_ASSERT_NOT_NULL(test, sg);
		KUNIT_EXPECT_EQ(test, !!sg_is_last(sg), n == sgt.nents - 1);
		if (n < used) {
			KUNIT_EXPECT_PTR_EQ(test, sg_page(sg), POISON);
			KUNIT_EXPECT_EQ(test, sg->offset, n);
			continue;
		}
		if (n == used)
			KUNIT_EXPECT_PTR_EQ(test, held.sg, sg);
		expect_run(test, &want->bv[n - used], sg_page(sg), sg->offset,
			   sg->length);
	}
	expect_held(test, want, 1, held.mode);
	if (held.nents)
		sg_put_unpin(held.sg, held.nents, held.mode, false);
	expect_held(test, want, 0, 0);

	/* what is full takes nothing, and stays as it is */
	n = sgt.nents;
	sgt.orig_nents = n;
	KUNIT_EXPECT_EQ(test, 0, iov_iter_extract_sg(i, &sgt, UINT_MAX, maxsize,
						     flag, &held));
	KUNIT_EXPECT_EQ(test, sgt.nents, n);
	KUNIT_EXPECT_EQ(test, held.nents, 0);
	sgt.orig_nents = used + max_runs;
	sg_free_table(&sgt);
	iov_iter_revert(i, want->size);
}

struct looked {
	struct kunit *test;
	const struct runs *want;
	unsigned int nr;
	unsigned int fail_at;
};

static int look(const struct bio_vec *run, void *priv)
{
	struct looked *l = priv;

	if (l->nr == l->fail_at)
		return -EILSEQ;
	expect_run(l->test, &l->want->bv[l->nr++], run->bv_page, run->bv_offset,
		   run->bv_len);
	return 0;
}

static void try_look(struct kunit *test, struct iov_iter *i, size_t maxsize,
		     const struct runs *want, unsigned int fail_at)
{
	struct looked l = { test, want, .fail_at = fail_at };
	size_t count = i->count;
	ssize_t size = 0;
	unsigned int n;

	for (n = 0; n < min(fail_at, want->nr); n++)
		size += want->bv[n].bv_len;
	KUNIT_EXPECT_EQ(test, size ?: fail_at < want->nr ? -EILSEQ : 0,
			iov_iter_for_each_run(i, maxsize,
					      flag_of(iov_iter_dir(i)), look,
					      &l));
	KUNIT_EXPECT_EQ(test, l.nr, min(fail_at, want->nr));
	KUNIT_EXPECT_EQ(test, i->count, count - size);
	expect_held(test, want, 0, 0);
	iov_iter_revert(i, size);
}

static void try_owned(struct kunit *test, struct iov_iter *i, size_t maxsize,
		      const struct runs *want)
{
	unsigned int flag = flag_of(iov_iter_dir(i)), n;
	struct bvec_owner own;

	KUNIT_ASSERT_EQ(test, want->size,
			iov_iter_extract_owned(i, maxsize, flag, &own));
	if (!want->size)
		return;
	KUNIT_ASSERT_EQ(test, own.nr_bvecs, want->nr);
	KUNIT_EXPECT_EQ(test, own.mode, iov_iter_extract_mode(i, flag));
	KUNIT_EXPECT_EQ(test, own.iter.count, want->size);
	KUNIT_EXPECT_TRUE(test, iov_iter_is_bvec(&own.iter));
	KUNIT_EXPECT_TRUE(test, iov_iter_dir(&own.iter) == iov_iter_dir(i));
	for (n = 0; n < want->nr; n++)
		expect_run(test, &want->bv[n], own.iter.bvec[n].bv_page,
			   own.iter.bvec[n].bv_offset, own.iter.bvec[n].bv_len);
	expect_held(test, want, 1, own.mode);
	bvec_owner_release(&own, flag == FOLL_DEST_BUF);
	expect_held(test, want, 0, 0);
	iov_iter_revert(i, want->size);
}

static void try_all(struct kunit *test, size_t maxsize, unsigned int max_runs,
		    unsigned int some)
{
	static const enum iter_dir dirs[] = { ITER_DEST, ITER_SOURCE };
	static struct runs cut, all;
	struct arena *a = test->priv;
	struct iov_iter i;
	unsigned int n;

	model(a, maxsize, max_runs, &cut);
	model(a, maxsize, MAX_RUNS, &all);
	for (n = 0; n < ARRAY_SIZE(dirs) && !test->status; n++) {
		make_iter(a, &i, dirs[n]);
		try_bvecs(test, &i, maxsize, &cut, max_runs);
		try_sg(test, &i, maxsize, &cut, max_runs, some);
		try_look(test, &i, maxsize, &all, some);
		try_look(test, &i, maxsize, &all, UINT_MAX);
		try_owned(test, &i, maxsize, &all);
	}
	if (test->status)
		pr_err("failed with maxsize %zu, max_runs %u, some %u, first segment %zu at %zu\n",
		       maxsize, max_runs, some, a->segs[0].len, a->segs[0].at);
}

/* All limits, on layouts that cross what there is to cross */
static void convert_limits(struct kunit *test)
{
	static const struct seg layouts[][MAX_SEGS] = {
		{ { 0, P(8) } },
		{ { 1, P(8) - 2 } },
		{ { P(3) + 5, 10 } },
		{ { 0, P(2) }, { P(2), P(2) } },
		{ { 10, 20 }, { 30, P(1) }, { P(6) - 1, 2 } },
		{ { P(4), P(1) }, { 0, 0 }, { P(5), P(1) }, { P(1), P(1) } },
	};
	static const size_t sizes[] = { 1, P(1) - 1, P(1), P(1) + 1, P(5),
					SIZE_MAX };
	struct arena *a = test->priv;
	unsigned int l, s, max;

	a->kind->make(test, a);
	note_held(a);
	for (l = 0; l < ARRAY_SIZE(layouts) && !test->status; l++) {
		if (!has_segs(a) && layouts[l][1].len)
			continue;
		memcpy(a->segs, layouts[l], sizeof(a->segs));
		a->nr_segs = has_segs(a) ? MAX_SEGS : 1;
		for (s = 0; s < ARRAY_SIZE(sizes); s++)
			for (max = 1; max < NR_PAGES + 3; max++)
				try_all(test, sizes[s], max, max - 1);
	}
}

static u32 below(struct rnd_state *rnd, u32 ceiling)
{
	return prandom_u32_state(rnd) % ceiling;
}

static void convert_random(struct kunit *test)
{
	struct arena *a = test->priv;
	struct rnd_state rnd;
	unsigned int n, s;

	if (!seed)
		seed = get_random_u64();
	prandom_seed_state(&rnd, seed);
	kunit_info(test, "seed %llu\n", seed);
	a->kind->make(test, a);
	note_held(a);
	for (n = 0; n < 60 && !test->status; n++) {
		a->nr_segs = has_segs(a) ? 1 + below(&rnd, MAX_SEGS) : 1;
		for (s = 0; s < a->nr_segs; s++) {
			size_t at = below(&rnd, ARENA_SIZE);

			if (below(&rnd, 2))
				at = round_down(at, PAGE_SIZE);
			a->segs[s].at = at;
			a->segs[s].len = 1 + below(&rnd, ARENA_SIZE - at);
		}
		try_all(test, 1 + below(&rnd, 2 * ARENA_SIZE),
			1 + below(&rnd, MAX_RUNS - 1), below(&rnd, 300));
	}
}

static void convert_refuses(struct kunit *test)
{
	static const enum iter_dir dirs[] = { ITER_DEST, ITER_SOURCE };
	struct arena *a = test->priv;
	struct bvec_owner own;
	struct bio_vec bv[2];
	struct iov_iter i;
	unsigned int n, nr;

	a->kind->make(test, a);
	note_held(a);
	a->segs[0] = (struct seg){ 0, P(2) };
	a->nr_segs = 1;
	for (n = 0; n < ARRAY_SIZE(dirs); n++) {
		make_iter(a, &i, dirs[n]);
		nr = 0;
		KUNIT_EXPECT_EQ(test, 0,
				iov_iter_extract_bvecs(&i, bv, &nr, P(1),
						       flag_of(dirs[n])));
		nr = 2;
		KUNIT_EXPECT_EQ(test, 0,
				iov_iter_extract_bvecs(&i, bv, &nr, 0,
						       flag_of(dirs[n])));
		KUNIT_EXPECT_EQ(test, nr, 0);
		KUNIT_EXPECT_EQ(test, 0,
				iov_iter_extract_owned(&i, 0, flag_of(dirs[n]),
						       &own));
		pr_info("# expect-warning-begin\n");
		nr = 2;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				iov_iter_extract_bvecs(&i, bv, &nr, P(1),
						       flag_of(dirs[!n])));
		pr_info("# expect-warning-end\n");
		KUNIT_EXPECT_EQ(test, nr, 0);
		KUNIT_EXPECT_EQ(test, i.count, P(2));
	}
	iov_iter_discard(&i, ITER_DEST, P(1));
	nr = 2;
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iov_iter_extract_bvecs(&i, bv, &nr, P(1),
					       FOLL_DEST_BUF));
	KUNIT_EXPECT_EQ(test, nr, 0);
}

static struct kunit_case convert_cases[] = {
	KUNIT_CASE_PARAM(convert_limits, kind_gen_params),
	KUNIT_CASE_PARAM(convert_random, kind_gen_params),
	KUNIT_CASE_PARAM(convert_refuses, kind_gen_params),
	{}
};

static struct kunit_suite convert_suite = {
	.name = "iov_iter_convert",
	.init = convert_init,
	.exit = convert_exit,
	.test_cases = convert_cases,
};

kunit_test_suite(convert_suite);

MODULE_LICENSE("GPL");
