// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of iov_iter_extract_pages() and iov_iter_extract_mode()
 *
 * A layout is written in bytes of an arena of NR_PAGES pages.  There is one kind
 * of arena for each kind of memory that an iterator can be made of, and each
 * layout is tried on each kind that can have it, with both directions, with an
 * array of the caller's and with one that is allocated.  Whatever is extracted,
 *
 *  - what is held on each page is compared before and after, and after release;
 *  - the iterator is reverted and must give the same list again;
 *  - nothing changes if nothing is extracted.
 *
 * T numbers are those of the list of pitfalls that the series answers.
 */

#include <linux/bvec.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleloader.h>
#include <linux/pipe_fs_i.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <asm/tlbflush.h>

#include <kunit/user_mm.h>

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "Seed of the random layouts, 0 for a new one");

#define NR_PAGES	8
#define ARENA_SIZE	(NR_PAGES * PAGE_SIZE)
#define MAX_SEGS	8
#define MAX_LIST	(NR_PAGES * MAX_SEGS)

/* Where the arena lies in an xarray: the position does not fit in 32 bits */
#define XA_FIRST	((5UL << 30) / PAGE_SIZE)
#define XA_POS		((loff_t)XA_FIRST * PAGE_SIZE)

static u8 image_memory[ARENA_SIZE] __aligned(PAGE_SIZE);

static const enum iter_dir directions[] = { ITER_DEST, ITER_SOURCE };

static unsigned int direction_flag(enum iter_dir dir)
{
	return dir == ITER_DEST ? FOLL_DEST_BUF : FOLL_SOURCE_BUF;
}

struct layout {
	unsigned int nr_segs;
	struct seg {
		size_t at;
		size_t len;
	} segs[MAX_SEGS];
};

struct arena {
	const struct kind *kind;
	unsigned long addr;
	struct page *pages[NR_PAGES];
	unsigned long absent;	/* bitmap of pages that are not there */
	struct xarray xa;
	union {
		struct iovec iov[MAX_SEGS];
		struct kvec kvec[MAX_SEGS];
		struct bio_vec bvec[MAX_SEGS];
	};
};

/*
 * Kinds of arenas
 */
struct kind {
	const char *name;
	enum iter_type type;
	bool one_bvec_page;	/* all bvecs count from the first page */
	void (*make)(struct kunit *test, struct arena *a);
	void (*free)(struct arena *a);
	void (*punch)(struct arena *a, unsigned int n);	/* NULL if it cannot */
};

/* Look up the pages of an address, and see that a byte written gets there. */
static void note_pages(struct kunit *test, struct arena *a,
		       struct page *(*lookup)(const void *addr))
{
	unsigned int n;

	for (n = 0; n < NR_PAGES; n++) {
		u8 *byte = (u8 *)a->addr + n * PAGE_SIZE;

		a->pages[n] = lookup(byte);
		KUNIT_ASSERT_NOT_NULL(test, a->pages[n]);
		*byte = n + 1;
		KUNIT_ASSERT_EQ(test, *(u8 *)page_address(a->pages[n]), n + 1);
	}
}

static struct page *linear_lookup(const void *addr)
{
	return pfn_to_page(__pa(addr) >> PAGE_SHIFT);
}

/* From the end on, as the head of a compound page takes the rest with it */
static void put_pages(struct arena *a)
{
	unsigned int n = NR_PAGES;

	while (n--)
		if (a->pages[n] && !PageTail(a->pages[n]))
			put_page(a->pages[n]);
}

static void user_make(struct kunit *test, struct arena *a)
{
	kunit_use_mm(test);
	a->addr = kunit_user_map(test, 0, ARENA_SIZE, PROT_READ | PROT_WRITE);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
}

static void user_unmap(struct arena *a, unsigned int n)
{
	vm_munmap(a->addr + n * PAGE_SIZE, PAGE_SIZE);
}

static void user_prot_none(struct arena *a, unsigned int n)
{
	WARN_ON(IS_ERR_VALUE(vm_mmap(NULL, a->addr + n * PAGE_SIZE, PAGE_SIZE,
				     PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
				     MAP_FIXED, 0)));
}

static void kmalloc_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)kmalloc(ARENA_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_pages(test, a, linear_lookup);
}

static void kmalloc_free(struct arena *a)
{
	kfree((void *)a->addr);
}

static void exact_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)alloc_pages_exact(ARENA_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_pages(test, a, linear_lookup);
}

static void exact_free(struct arena *a)
{
	if (a->addr)
		free_pages_exact((void *)a->addr, ARENA_SIZE);
}

static void compound_make(struct kunit *test, struct arena *a)
{
	unsigned int order = get_order(ARENA_SIZE);

	a->addr = __get_free_pages(GFP_KERNEL | __GFP_COMP, order);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_pages(test, a, linear_lookup);
}

static struct page *vmalloc_lookup(const void *addr)
{
	return vmalloc_to_page(addr);
}

static void vmalloc_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)vmalloc(ARENA_SIZE);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_pages(test, a, vmalloc_lookup);
}

static void vmalloc_free(struct arena *a)
{
	vfree((void *)a->addr);
}

static void single_pages(struct kunit *test, struct arena *a)
{
	unsigned int n;

	for (n = 0; n < NR_PAGES; n++) {
		a->pages[n] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, a->pages[n]);
	}
}

static void vmap_make(struct kunit *test, struct arena *a)
{
	single_pages(test, a);
	a->addr = (unsigned long)vmap(a->pages, NR_PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NE(test, a->addr, 0);
}

static int vmap_clear(pte_t *pte, unsigned long addr, void *data)
{
	pte_clear(&init_mm, addr, pte);
	return 0;
}

static void vmap_punch(struct arena *a, unsigned int n)
{
	unsigned long addr = a->addr + n * PAGE_SIZE;

	WARN_ON(apply_to_page_range(&init_mm, addr, PAGE_SIZE, vmap_clear,
				    NULL));
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
}

static void vmap_free(struct arena *a)
{
	vunmap((void *)a->addr);
	put_pages(a);
}

static void module_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)module_alloc(ARENA_SIZE);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	note_pages(test, a, vmalloc_lookup);
}

static void module_free(struct arena *a)
{
	module_memfree((void *)a->addr);
}

static void image_make(struct kunit *test, struct arena *a)
{
	a->addr = (unsigned long)image_memory;
	note_pages(test, a, linear_lookup);
}

static void xarray_store(struct kunit *test, struct xarray *xa,
			 unsigned long index, unsigned int order, void *entry)
{
	XA_STATE_ORDER(xas, xa, index, order);

	do {
		xas_lock(&xas);
		xas_store(&xas, entry);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, xas_error(&xas), 0);
}

static void xarray_make(struct kunit *test, struct arena *a)
{
	unsigned int n;

	xa_init(&a->xa);
	single_pages(test, a);
	for (n = 0; n < NR_PAGES; n++)
		xarray_store(test, &a->xa, XA_FIRST + n, 0, a->pages[n]);
}

/* Folios of 4, 2, 1 and 1 pages */
static void xarray_make_folios(struct kunit *test, struct arena *a)
{
	static const unsigned int orders[] = { 2, 1, 0, 0 };
	unsigned int i, k, first = 0;

	xa_init(&a->xa);
	for (i = 0; i < ARRAY_SIZE(orders); first += 1 << orders[i++]) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
						orders[i]);

		KUNIT_ASSERT_NOT_NULL(test, page);
		for (k = 0; k < 1 << orders[i]; k++)
			a->pages[first + k] = page + k;
		xarray_store(test, &a->xa, XA_FIRST + first, orders[i], page);
	}
}

static void xarray_erase(struct arena *a, unsigned int n)
{
	xa_erase(&a->xa, XA_FIRST + n);
}

static void xarray_value(struct arena *a, unsigned int n)
{
	xa_store(&a->xa, XA_FIRST + n, xa_mk_value(n), GFP_KERNEL);
}

static void xarray_free(struct arena *a)
{
	xa_destroy(&a->xa);
	put_pages(a);
}

static const struct kind kinds[] = {
	{ "ubuf, unmapped", ITER_UBUF, .make = user_make,
	  .punch = user_unmap },
	{ "ubuf, PROT_NONE", ITER_UBUF, .make = user_make,
	  .punch = user_prot_none },
	{ "iovec, unmapped", ITER_IOVEC, .make = user_make,
	  .punch = user_unmap },
	{ "iovec, PROT_NONE", ITER_IOVEC, .make = user_make,
	  .punch = user_prot_none },
	{ "kvec, kmalloc", ITER_KVEC, .make = kmalloc_make,
	  .free = kmalloc_free },
	{ "kvec, pages", ITER_KVEC, .make = exact_make, .free = exact_free },
	{ "kvec, vmalloc", ITER_KVEC, .make = vmalloc_make,
	  .free = vmalloc_free },
	{ "kvec, vmap", ITER_KVEC, .make = vmap_make, .free = vmap_free,
	  .punch = vmap_punch },
	{ "kvec, module", ITER_KVEC, .make = module_make,
	  .free = module_free },
	{ "kvec, kernel image", ITER_KVEC, .make = image_make },
	{ "bvec, pages", ITER_BVEC, .make = exact_make, .free = exact_free },
	{ "bvec, compound", ITER_BVEC, .make = compound_make,
	  .free = put_pages, .one_bvec_page = true },
	{ "xarray, hole", ITER_XARRAY, .make = xarray_make,
	  .free = xarray_free, .punch = xarray_erase },
	{ "xarray, value", ITER_XARRAY, .make = xarray_make,
	  .free = xarray_free, .punch = xarray_value },
	{ "xarray, folios", ITER_XARRAY, .make = xarray_make_folios,
	  .free = xarray_free },
};

static bool kind_has_segs(const struct kind *kind)
{
	return kind->type != ITER_UBUF && kind->type != ITER_XARRAY;
}

static bool kind_is_user(const struct kind *kind)
{
	return kind->type == ITER_UBUF || kind->type == ITER_IOVEC;
}

static unsigned int kind_mode(const struct kind *kind, enum iter_dir dir)
{
	if (!kind_is_user(kind))
		return 0;
	return dir == ITER_DEST ? FOLL_PIN : FOLL_GET;
}

/* Make the arena of this case; extract_exit() frees it. */
static struct arena *make_arena(struct kunit *test, const struct kind *kind)
{
	struct arena *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->kind = kind;
	test->priv = a;
	kind->make(test, a);
	return a;
}

static void punch_arena(struct arena *a, unsigned long absent)
{
	unsigned int n;

	a->absent = absent;
	for_each_set_bit(n, &absent, NR_PAGES)
		a->kind->punch(a, n);
}

/*
 * Make the n-th slab allocation of this task fail.  The fault injection of the
 * slab allocators cannot be used: it spares GFP_KERNEL unless debugfs says
 * otherwise.
 */
static struct task_struct *fail_task;
static unsigned int fail_nth;

static int fail_alloc(struct kprobe *kp, struct pt_regs *regs)
{
	gfp_t gfp = (__force gfp_t)regs_get_kernel_argument(regs, 1);

	/* an interrupt cannot sleep, so it is not counted */
	if (current != fail_task || !gfpflags_allow_blocking(gfp))
		return 0;
	if (!fail_nth || --fail_nth)
		return 0;
	regs_set_return_value(regs, -ENOMEM);
	override_function_with_return(regs);
	return 1;
}

NOKPROBE_SYMBOL(fail_alloc);

/* Without this the probe may become a jump, which cannot override. */
static void fail_alloc_post(struct kprobe *kp, struct pt_regs *regs,
			    unsigned long flags)
{
}

static struct kprobe fail_probe = {
	.symbol_name = "should_failslab",
	.pre_handler = fail_alloc,
	.post_handler = fail_alloc_post,
};

/* From here to the end of the case; fail_nth says which allocation. */
static void fail_allocs(struct kunit *test)
{
	/* what an earlier registration has left */
	fail_probe.addr = NULL;
	fail_probe.flags = 0;
	KUNIT_ASSERT_EQ(test, register_kprobe(&fail_probe), 0);
	fail_task = current;
}

static void extract_exit(struct kunit *test)
{
	struct arena *a = test->priv;

	if (a && a->kind->free)
		a->kind->free(a);
	if (fail_task)
		unregister_kprobe(&fail_probe);
	fail_task = NULL;
	fail_nth = 0;
}

/*
 * Iterators over an arena
 */
static void make_bvec(struct arena *a, const struct seg *seg,
		      struct bio_vec *bv)
{
	unsigned int first = a->kind->one_bvec_page ? 0 : seg->at / PAGE_SIZE;

	bv->bv_page = seg->len ? a->pages[first] : NULL;
	bv->bv_offset = seg->at - first * PAGE_SIZE;
	bv->bv_len = seg->len;
}

static void make_iter(struct arena *a, struct iov_iter *i, enum iter_dir dir,
		      const struct layout *l)
{
	const struct seg *seg = l->segs;
	size_t count = 0;
	unsigned int n;

	for (n = 0; n < l->nr_segs; n++, seg++) {
		void *addr = (void *)a->addr + seg->at;

		if (a->kind->type == ITER_BVEC)
			make_bvec(a, seg, &a->bvec[n]);
		else
			a->kvec[n] = (struct kvec){ addr, seg->len };
		count += seg->len;
	}

	seg = l->segs;
	switch (a->kind->type) {
	case ITER_UBUF:
		iov_iter_ubuf(i, dir, (void __user *)a->addr + seg->at, count);
		break;
	case ITER_IOVEC:
		iov_iter_init(i, dir, a->iov, l->nr_segs, count);
		break;
	case ITER_KVEC:
		iov_iter_kvec(i, dir, a->kvec, l->nr_segs, count);
		break;
	case ITER_BVEC:
		iov_iter_bvec(i, dir, a->bvec, l->nr_segs, count);
		break;
	default:
		iov_iter_xarray(i, dir, &a->xa, XA_POS + seg->at, count);
	}
}

/*
 * One extraction, and everything that must hold of it
 */
struct attempt {
	struct kunit *test;
	struct arena *a;
	enum iter_dir dir;
	bool own_array;		/* the caller brings an array */
	size_t maxsize;
	unsigned int maxpages;
};

struct list {
	ssize_t ret;
	size_t offset0;
	size_t nr;
	struct page *pages[MAX_LIST];
};

static void expect_eq(struct attempt *t, const char *what, long is, long want)
{
	KUNIT_EXPECT_EQ_MSG(t->test, is, want,
			    "%s: %s, %s array, maxsize %zu, maxpages %u", what,
			    t->dir == ITER_DEST ? "dest" : "source",
			    t->own_array ? "own" : "allocated",
			    t->maxsize, t->maxpages);
}

#define POISON	((struct page *)0x6b6b6b6b)

/*
 * What is held on the folio of each page of the arena.  An absent page of user
 * memory is gone, any other still belongs to the arena.
 */
static void note_held(struct arena *a, struct kunit_held held[])
{
	bool user = kind_is_user(a->kind);
	unsigned int n;

	if (user)
		kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++)
		if (!user || !test_bit(n, &a->absent))
			held[n] = kunit_held(a->pages[n]);
}

static void expect_held(struct attempt *t, const struct kunit_held before[],
			const struct list *list, unsigned int times)
{
	unsigned int mode = kind_mode(t->a->kind, t->dir);
	struct kunit_held now[NR_PAGES];
	unsigned int n, k;

	note_held(t->a, now);
	for (n = 0; n < NR_PAGES; n++) {
		struct page *page = t->a->pages[n];
		struct kunit_held held = before[n];
		unsigned int nr = 0;

		if (kind_is_user(t->a->kind) && test_bit(n, &t->a->absent))
			continue;
		for (k = 0; k < list->nr; k++)
			nr += compound_head(list->pages[k]) ==
			      compound_head(page);
		held = kunit_held_more(held, page, nr * times, mode);
		expect_eq(t, "references", now[n].refs, held.refs);
		expect_eq(t, "pins", now[n].pins, held.pins);
	}
}

/* All that fits into a list */
static ssize_t extract_to(struct page **list, unsigned int maxpages,
			  struct iov_iter *i, unsigned int gup_flags,
			  size_t *offset0)
{
	return iov_iter_extract_pages(i, &list, SIZE_MAX, maxpages, gup_flags,
				      offset0);
}

static void release(struct page **pages, unsigned int nr, unsigned int mode)
{
	while (nr--)
		page_put_unpin(pages[nr], mode);
}

/*
 * Extract once, and see that the result is what is expected.  Return the array
 * that the pages are in, if there are any.
 */
static struct page **extract_once(struct attempt *t, struct iov_iter *i,
				  const struct list *expect)
{
	unsigned int maxpages = t->maxpages, n;
	struct page **pages = NULL, **own = NULL;
	struct iov_iter before;
	size_t offset0 = -1;
	ssize_t ret;

	if (t->own_array) {
		maxpages = min_t(unsigned int, maxpages, MAX_LIST);
		own = kmalloc_array(maxpages + 1, sizeof(*own), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(t->test, own);
		memset_p((void **)own, POISON, maxpages + 1);
		pages = own;
	}

	memcpy(&before, i, sizeof(before));
	ret = iov_iter_extract_pages(i, &pages, t->maxsize, maxpages,
				     direction_flag(t->dir), &offset0);
	expect_eq(t, "return", ret, expect->ret);
	KUNIT_ASSERT_EQ(t->test, ret, expect->ret);
	if (own) {
		expect_eq(t, "array", (long)pages, (long)own);
		expect_eq(t, "end of array", (long)own[maxpages], (long)POISON);
	}

	if (ret <= 0) {
		expect_eq(t, "iterator", memcmp(&before, i, sizeof(before)), 0);
		expect_eq(t, "array", (long)pages, (long)own);
		kfree(own);
		return NULL;
	}

	KUNIT_ASSERT_NOT_NULL(t->test, pages);
	expect_eq(t, "count", i->count, before.count - ret);
	expect_eq(t, "offset0", offset0, expect->offset0);
	KUNIT_ASSERT_EQ(t->test, expect->nr,
			DIV_ROUND_UP(offset0 + ret, PAGE_SIZE));
	for (n = 0; n < expect->nr; n++)
		expect_eq(t, "page", (long)pages[n], (long)expect->pages[n]);
	return pages;
}

/* Extract, revert, extract again (T11), release. */
static void extract(struct attempt *t, struct iov_iter *i,
		    const struct list *expect)
{
	unsigned int mode = iov_iter_extract_mode(i, direction_flag(t->dir));
	long acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED);
	long released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);
	unsigned int pins = mode == FOLL_PIN ? 2 * expect->nr : 0;
	struct kunit_held held[NR_PAGES];
	struct page **first, **second;

	expect_eq(t, "mode", mode, kind_mode(t->a->kind, t->dir));
	note_held(t->a, held);

	first = extract_once(t, i, expect);
	expect_held(t, held, expect, 1);
	if (!first)
		return;
	iov_iter_revert(i, expect->ret);
	second = extract_once(t, i, expect);
	KUNIT_ASSERT_NOT_NULL(t->test, second);
	expect_held(t, held, expect, 2);
	acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED) - acquired;
	expect_eq(t, "acquired", acquired, pins);

	release(first, expect->nr, mode);
	release(second, expect->nr, mode);
	expect_held(t, held, expect, 0);
	released = kunit_pin_stat(NR_FOLL_PIN_RELEASED) - released;
	expect_eq(t, "released", released, pins);
	kvfree(first);
	kvfree(second);
}

/*
 * The model: walk the layout byte by byte.
 */
static void model(const struct arena *a, const struct layout *l, size_t pos,
		  size_t maxsize, unsigned int maxpages, struct list *list)
{
	const struct seg *seg = l->segs, *end = seg + l->nr_segs;
	size_t skip = pos, last = 0;

	*list = (struct list){};
	while (list->ret < maxsize) {
		bool border = !list->ret;
		size_t at;

		while (seg < end && skip >= seg->len) {
			skip -= seg->len;
			seg++;
			border = true;
		}
		if (seg == end)
			break;
		at = seg->at + skip++;

		if (!list->ret)
			list->offset0 = offset_in_page(at);
		else if (border && (offset_in_page(at) ||
				    offset_in_page(last + 1)))
			break;
		if (border || !offset_in_page(at)) {
			if (list->nr == maxpages)
				break;
			if (test_bit(at / PAGE_SIZE, &a->absent)) {
				if (!list->ret)
					*list = (struct list){ .ret = -EFAULT };
				break;
			}
			list->pages[list->nr++] = a->pages[at / PAGE_SIZE];
		}
		list->ret++;
		last = at;
	}
}

/*
 * The layouts, and what they give.  No limit is stated by 0; the pages of the
 * list are written as digits.
 */
#define P(n)		((n) * PAGE_SIZE)
#define SEGS(...)	.l = { ARRAY_SIZE(((struct seg[]){ __VA_ARGS__ })), \
			       { __VA_ARGS__ } }
#define NOWHERE		BIT(60)

static const struct row {
	const char *name;
	struct layout l;
	unsigned long absent;
	size_t skip;
	size_t count;
	size_t maxsize;
	unsigned int maxpages;
	ssize_t ret;
	size_t offset0;
	const char *pages;
} rows[] = {
	/* one segment */
	{ "first byte of a page", SEGS({ 0, 1 }),
	  .ret = 1, .offset0 = 0, .pages = "0" },
	{ "a byte in the middle of a page", SEGS({ 100, 1 }),
	  .ret = 1, .offset0 = 100, .pages = "0" },
	{ "last byte of a page", SEGS({ P(1) - 1, 1 }),
	  .ret = 1, .offset0 = P(1) - 1, .pages = "0" },
	{ "two bytes across a border", SEGS({ P(1) - 1, 2 }),
	  .ret = 2, .offset0 = P(1) - 1, .pages = "01" },
	{ "one page", SEGS({ P(1), P(1) }),
	  .ret = P(1), .offset0 = 0, .pages = "1" },
	{ "one page less a byte", SEGS({ P(1), P(1) - 1 }),
	  .ret = P(1) - 1, .offset0 = 0, .pages = "1" },
	{ "one page and a byte", SEGS({ P(1), P(1) + 1 }),
	  .ret = P(1) + 1, .offset0 = 0, .pages = "12" },
	{ "as long as a page, not aligned", SEGS({ 100, P(1) }),
	  .ret = P(1), .offset0 = 100, .pages = "01" },
	{ "beyond a page", SEGS({ P(3) + 5, 10 }),	/* T06 */
	  .ret = 10, .offset0 = 5, .pages = "3" },
	{ "beyond a page, across a border", SEGS({ P(3) + 5, P(2) }),
	  .ret = P(2), .offset0 = 5, .pages = "345" },
	{ "everything", SEGS({ 0, P(8) }),
	  .ret = P(8), .offset0 = 0, .pages = "01234567" },
	{ "everything less a byte at each end", SEGS({ 1, P(8) - 2 }),
	  .ret = P(8) - 2, .offset0 = 1, .pages = "01234567" },

	/* limits (T07, T10) */
	{ "maxsize within a page", SEGS({ 10, P(2) }), .maxsize = 100,
	  .ret = 100, .offset0 = 10, .pages = "0" },
	{ "maxsize up to a border", SEGS({ 10, P(2) }), .maxsize = P(1) - 10,
	  .ret = P(1) - 10, .offset0 = 10, .pages = "0" },
	{ "maxsize one byte beyond a border", SEGS({ 10, P(2) }),
	  .maxsize = P(1) - 9,
	  .ret = P(1) - 9, .offset0 = 10, .pages = "01" },
	{ "maxsize equal", SEGS({ 10, P(2) }), .maxsize = P(2),
	  .ret = P(2), .offset0 = 10, .pages = "012" },
	{ "maxsize larger", SEGS({ 10, P(2) }), .maxsize = P(2) + 1,
	  .ret = P(2), .offset0 = 10, .pages = "012" },
	{ "maxpages smaller", SEGS({ 10, P(2) }), .maxpages = 1,
	  .ret = P(1) - 10, .offset0 = 10, .pages = "0" },
	{ "maxpages one too few", SEGS({ 10, P(2) }), .maxpages = 2,
	  .ret = P(2) - 10, .offset0 = 10, .pages = "01" },
	{ "maxpages equal", SEGS({ 10, P(2) }), .maxpages = 3,
	  .ret = P(2), .offset0 = 10, .pages = "012" },
	{ "maxpages larger", SEGS({ 10, P(2) }), .maxpages = 4,
	  .ret = P(2), .offset0 = 10, .pages = "012" },
	{ "maxpages before maxsize", SEGS({ 10, P(4) }), .maxpages = 1,
	  .maxsize = P(1),
	  .ret = P(1) - 10, .offset0 = 10, .pages = "0" },
	{ "maxsize before maxpages", SEGS({ 10, P(4) }), .maxpages = 2,
	  .maxsize = 50,
	  .ret = 50, .offset0 = 10, .pages = "0" },
	{ "count within a page", SEGS({ 10, P(4) }), .count = 20,
	  .ret = 20, .offset0 = 10, .pages = "0" },
	{ "count in a later page", SEGS({ 10, P(4) }), .count = P(2),
	  .ret = P(2), .offset0 = 10, .pages = "012" },

	/* an iterator that has been advanced */
	{ "advanced by a byte", SEGS({ 10, P(4) }), .skip = 1,
	  .ret = P(4) - 1, .offset0 = 11, .pages = "01234" },
	{ "advanced to a border", SEGS({ 10, P(4) }), .skip = P(1) - 10,
	  .ret = P(3) + 10, .offset0 = 0, .pages = "1234" },
	{ "advanced by pages", SEGS({ 10, P(4) }), .skip = P(2),
	  .ret = P(2), .offset0 = 10, .pages = "234" },
	{ "advanced to the last byte", SEGS({ 10, P(4) }), .skip = P(4) - 1,
	  .ret = 1, .offset0 = 9, .pages = "4" },

	/* segments that meet at page borders */
	{ "aligned segments", SEGS({ 0, P(1) }, { P(4), P(2) }),
	  .ret = P(3), .offset0 = 0, .pages = "045" },
	{ "aligned segments, downwards", SEGS({ P(5), P(1) }, { P(2), P(1) }),
	  .ret = P(2), .offset0 = 0, .pages = "52" },
	{ "one page three times",
	  SEGS({ P(2), P(1) }, { P(2), P(1) }, { P(2), P(1) }),
	  .ret = P(3), .offset0 = 0, .pages = "222" },
	{ "end of a page, start of a page",
	  SEGS({ P(2) - 100, 100 }, { P(3), 50 }),
	  .ret = 150, .offset0 = P(1) - 100, .pages = "13" },
	{ "the third ends in a page",
	  SEGS({ 5, P(1) - 5 }, { P(3), P(2) }, { P(6), 1 }, { P(7), P(1) }),
	  .ret = P(3) - 4, .offset0 = 5, .pages = "0346" },
	{ "maxpages at a segment border", SEGS({ 0, P(1) }, { P(3), P(1) }),
	  .maxpages = 1,
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "maxpages in the second segment", SEGS({ 7, P(2) - 7 }, { P(3), P(3) }),
	  .maxpages = 3,
	  .ret = P(3) - 7, .offset0 = 7, .pages = "013" },
	{ "maxsize at a segment border", SEGS({ 0, P(1) }, { P(3), P(1) }),
	  .maxsize = P(1),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "maxsize in the second segment", SEGS({ 0, P(1) }, { P(3), P(1) }),
	  .maxsize = P(1) + 1,
	  .ret = P(1) + 1, .offset0 = 0, .pages = "03" },
	{ "count in the second segment", SEGS({ 0, P(1) }, { P(3), P(2) }),
	  .count = P(2) + 3,
	  .ret = P(2) + 3, .offset0 = 0, .pages = "034" },
	{ "count at a segment border", SEGS({ 0, P(1) }, { P(3), P(2) }),
	  .count = P(1),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "advanced to the second segment", SEGS({ 9, 50 }, { P(3) + 9, 100 }),
	  .skip = 50,
	  .ret = 100, .offset0 = 9, .pages = "3" },
	{ "advanced into the second segment",
	  SEGS({ 0, P(1) }, { P(3), P(1) }, { P(6), P(1) }), .skip = P(1) + 8,
	  .ret = P(2) - 8, .offset0 = 8, .pages = "36" },

	/* segments that do not (T07) */
	{ "the first ends in a page", SEGS({ 0, P(1) - 1 }, { P(1), P(1) }),
	  .ret = P(1) - 1, .offset0 = 0, .pages = "0" },
	{ "the first ends in a later page", SEGS({ 0, P(1) + 1 }, { P(3), 5 }),
	  .ret = P(1) + 1, .offset0 = 0, .pages = "01" },
	{ "the second starts in a page", SEGS({ 0, P(1) }, { P(2) + 1, 10 }),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "neighbours in one page", SEGS({ 0, 100 }, { 100, 100 }),
	  .ret = 100, .offset0 = 0, .pages = "0" },
	{ "neighbours, not at a border",
	  SEGS({ 0, P(1) + 100 }, { P(1) + 100, 100 }),
	  .ret = P(1) + 100, .offset0 = 0, .pages = "01" },
	{ "the third starts in a page",
	  SEGS({ 0, P(1) }, { P(3), P(1) }, { P(5) + 1, P(1) }),
	  .ret = P(2), .offset0 = 0, .pages = "03" },

	/* empty segments (T04) */
	{ "empty, then data", SEGS({ 3, 0 }, { P(1) + 7, 9 }),
	  .ret = 9, .offset0 = 7, .pages = "1" },
	{ "several empty at no address, then data",
	  SEGS({ NOWHERE, 0 }, { NOWHERE, 0 }, { NOWHERE, 0 }, { P(1), P(1) }),
	  .ret = P(1), .offset0 = 0, .pages = "1" },
	{ "empty between aligned segments",
	  SEGS({ 0, P(1) }, { 3, 0 }, { NOWHERE, 0 }, { P(5), P(1) }),
	  .ret = P(2), .offset0 = 0, .pages = "05" },
	{ "empty between others",
	  SEGS({ 0, 100 }, { P(3), 0 }, { P(5), P(1) }),
	  .ret = 100, .offset0 = 0, .pages = "0" },
	{ "data, then empty", SEGS({ 0, P(1) }, { 5, 0 }),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "advanced over empty segments",
	  SEGS({ NOWHERE, 0 }, { 1, 9 }, { NOWHERE, 0 }, { P(4) + 4, 40 }),
	  .skip = 9,
	  .ret = 40, .offset0 = 4, .pages = "4" },

	/* pages that are not there (T01, T02, T08) */
	{ "no first page", SEGS({ 10, 100 }), .absent = BIT(0),
	  .ret = -EFAULT },
	{ "no first page of several", SEGS({ 10, P(3) }), .absent = BIT(0),
	  .ret = -EFAULT },
	{ "no page at all", SEGS({ P(2), P(3) }), .absent = 0xff,
	  .ret = -EFAULT },
	{ "no second page", SEGS({ 10, P(3) }), .absent = BIT(1),
	  .ret = P(1) - 10, .offset0 = 10, .pages = "0" },
	{ "no third page", SEGS({ P(1) + 10, P(3) }), .absent = BIT(3),
	  .ret = P(2) - 10, .offset0 = 10, .pages = "12" },
	{ "no page for the last byte", SEGS({ 0, P(2) + 1 }), .absent = BIT(2),
	  .ret = P(2), .offset0 = 0, .pages = "01" },
	{ "no pages around", SEGS({ P(1), P(1) }), .absent = BIT(0) | BIT(2),
	  .ret = P(1), .offset0 = 0, .pages = "1" },
	{ "no page after maxsize", SEGS({ P(1), P(3) }), .absent = BIT(2),
	  .maxsize = P(1),
	  .ret = P(1), .offset0 = 0, .pages = "1" },
	{ "no page after maxpages", SEGS({ P(1), P(3) }), .absent = BIT(3),
	  .maxpages = 2,
	  .ret = P(2), .offset0 = 0, .pages = "12" },
	{ "advanced to no page", SEGS({ 10, P(3) }), .absent = BIT(1),
	  .skip = P(1) - 10,
	  .ret = -EFAULT },
	{ "advanced beyond no page", SEGS({ 10, P(3) }), .absent = BIT(1),
	  .skip = P(2),
	  .ret = P(1), .offset0 = 10, .pages = "23" },
	{ "no first page of the second segment",
	  SEGS({ 0, P(1) }, { P(3), P(1) }), .absent = BIT(3),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "no second page of the second segment",
	  SEGS({ 6, P(1) - 6 }, { P(3), P(2) }), .absent = BIT(4),
	  .ret = P(2) - 6, .offset0 = 6, .pages = "03" },
	{ "no last page of the first segment",
	  SEGS({ 0, P(2) }, { P(4), P(1) }), .absent = BIT(1),
	  .ret = P(1), .offset0 = 0, .pages = "0" },
	{ "empty, then no page", SEGS({ 0, 0 }, { P(1), 5 }), .absent = BIT(1),
	  .ret = -EFAULT },
};

static void row_list(const struct arena *a, const struct row *row,
		     struct list *list)
{
	const char *p;

	*list = (struct list){ .ret = row->ret, .offset0 = row->offset0 };
	for (p = row->pages; p && *p; p++)
		list->pages[list->nr++] = a->pages[*p - '0'];
}

/* The parameter of a case: a layout on a kind of arena that can have it */
static struct layout_param {
	unsigned int kind;
	unsigned int row;
} layout_param;

static bool layout_fits(const struct layout_param *p)
{
	const struct kind *kind = &kinds[p->kind];
	const struct row *row = &rows[p->row];

	return (row->l.nr_segs == 1 || kind_has_segs(kind)) &&
	       (!row->absent || kind->punch);
}

static const void *layout_gen_params(const void *prev, char *desc)
{
	struct layout_param *p = &layout_param;

	if (!prev)
		*p = (struct layout_param){};
	else
		p->row++;
	for (; p->kind < ARRAY_SIZE(kinds); p->kind++, p->row = 0) {
		for (; p->row < ARRAY_SIZE(rows); p->row++) {
			if (!layout_fits(p))
				continue;
			snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s: %s",
				 kinds[p->kind].name, rows[p->row].name);
			return p;
		}
	}
	return NULL;
}

static void extract_layout(struct kunit *test)
{
	const struct layout_param *p = test->param_value;
	const struct row *row = &rows[p->row];
	struct arena *a = make_arena(test, &kinds[p->kind]);
	struct attempt t = {
		.test = test,
		.a = a,
		.maxsize = row->maxsize ?: SIZE_MAX,
		.maxpages = row->maxpages ?: UINT_MAX,
	};
	struct list expect, modelled;
	struct iov_iter i;
	unsigned int n;

	punch_arena(a, row->absent);
	row_list(a, row, &expect);
	model(a, &row->l, row->skip, min_not_zero(row->count, t.maxsize),
	      t.maxpages, &modelled);
	KUNIT_EXPECT_EQ(test, memcmp(&expect, &modelled, sizeof(expect)), 0);

	for (n = 0; n < 4; n++) {
		t.dir = n & 1 ? ITER_SOURCE : ITER_DEST;
		t.own_array = n & 2;
		make_iter(a, &i, t.dir, &row->l);
		iov_iter_advance(&i, row->skip);
		iov_iter_truncate(&i, row->count ?: SIZE_MAX);
		extract(&t, &i, &expect);
	}
}

static void kind_desc(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

/* T09: nothing is asked for, or nothing is there. */
static void extract_nothing(struct kunit *test)
{
	static const struct layout data = { 1, { { 10, P(2) } } };
	static const struct layout empty = { 3, { { 7, 0 }, { 0, 0 } } };
	static const struct {
		const struct layout *l;
		size_t count;
		size_t maxsize;
		unsigned int maxpages;
	} cases[] = {
		{ &data, P(2), 0, UINT_MAX },
		{ &data, P(2), SIZE_MAX, 0 },
		{ &data, P(2), 0, 0 },
		{ &data, 0, SIZE_MAX, UINT_MAX },
		{ &empty, 0, SIZE_MAX, UINT_MAX },
	};
	struct arena *a = make_arena(test, test->param_value);
	const struct list nothing = {};
	struct attempt t = { test, a };
	struct iov_iter i;
	unsigned int n;

	for (n = 0; n < 4 * ARRAY_SIZE(cases); n++) {
		t.dir = n & 1 ? ITER_SOURCE : ITER_DEST;
		t.own_array = n & 2;
		t.maxsize = cases[n / 4].maxsize;
		t.maxpages = cases[n / 4].maxpages;
		make_iter(a, &i, t.dir, cases[n / 4].l);
		iov_iter_truncate(&i, cases[n / 4].count);
		extract(&t, &i, &nothing);
	}
}

/* T03: no memory for the array; with an array of the caller's all is well. */
static void extract_enomem(struct kunit *test)
{
	static const struct layout l = { 1, { { 10, P(2) } } };
	struct arena *a = make_arena(test, test->param_value);
	const struct list enomem = { .ret = -ENOMEM };
	struct kunit_held held[NR_PAGES];
	struct attempt t = { test, a, .maxsize = P(2), .maxpages = 3 };
	struct list expect;
	struct iov_iter i;
	unsigned int n;

	model(a, &l, 0, P(2), 3, &expect);
	fail_allocs(test);
	for (n = 0; n < ARRAY_SIZE(directions); n++) {
		t.dir = directions[n];
		make_iter(a, &i, t.dir, &l);
		note_held(a, held);
		t.own_array = false;
		fail_nth = 1;
		extract_once(&t, &i, &enomem);
		KUNIT_EXPECT_EQ(test, fail_nth, 0);
		expect_held(&t, held, &enomem, 1);

		/* the array is the second allocation, the test's the first */
		t.own_array = true;
		fail_nth = 2;
		kfree(extract_once(&t, &i, &expect));
		KUNIT_EXPECT_EQ(test, fail_nth, 1);
		fail_nth = 0;
		release(expect.pages, expect.nr, kind_mode(a->kind, t.dir));
		expect_held(&t, held, &expect, 0);
	}
}

/* A vector of page aligned buffers costs one call, however long it is. */
static void extract_many_segments(struct kunit *test)
{
	const unsigned int nr = 256;
	struct kvec *kvec = kunit_kcalloc(test, nr, sizeof(*kvec), GFP_KERNEL);
	struct bio_vec *bvec = kunit_kcalloc(test, nr, sizeof(*bvec),
					     GFP_KERNEL);
	struct arena *a = make_arena(test, test->param_value);
	unsigned int mode = kind_mode(a->kind, ITER_DEST), n;
	struct kunit_held held[NR_PAGES];
	struct page **pages = NULL;
	struct iov_iter i;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, kvec);
	KUNIT_ASSERT_NOT_NULL(test, bvec);
	for (n = 0; n < nr; n++) {
		kvec[n].iov_base = (void *)a->addr + P(n % NR_PAGES);
		kvec[n].iov_len = PAGE_SIZE;
		bvec_set_page(&bvec[n], a->pages[n % NR_PAGES], PAGE_SIZE, 0);
	}
	if (a->kind->type == ITER_IOVEC)
		iov_iter_init(&i, ITER_DEST, (struct iovec *)kvec, nr, P(nr));
	else if (a->kind->type == ITER_KVEC)
		iov_iter_kvec(&i, ITER_DEST, kvec, nr, P(nr));
	else
		iov_iter_bvec(&i, ITER_DEST, bvec, nr, P(nr));

	note_held(a, held);
	KUNIT_ASSERT_EQ(test, P(nr),
			iov_iter_extract_pages(&i, &pages, SIZE_MAX, UINT_MAX,
					       FOLL_DEST_BUF, &offset0));
	KUNIT_EXPECT_EQ(test, offset0, 0);
	KUNIT_EXPECT_EQ(test, i.count, 0);
	for (n = 0; n < nr; n++)
		KUNIT_EXPECT_PTR_EQ(test, pages[n], a->pages[n % NR_PAGES]);
	kunit_settle_pages();
	for (n = 0; n < NR_PAGES; n++)
		KUNIT_EXPECT_TRUE(test, kunit_is_held(a->pages[n], held[n],
						      nr / NR_PAGES, mode));
	release(pages, nr, mode);
	kvfree(pages);
}

static const void *segs_gen_params(const void *prev, char *desc)
{
	const struct kind *kind = prev;

	do {
		kind = kind_gen_params(kind, desc);
	} while (kind && !kind_has_segs(kind));
	return kind;
}

/*
 * The contract, row by row
 */
#define REFUSED	0

static const struct contract {
	const char *name;
	enum iter_type type;
	unsigned int dest;
	unsigned int source;
} contract[] = {
	{ "ubuf", ITER_UBUF, FOLL_PIN, FOLL_GET },
	{ "iovec", ITER_IOVEC, FOLL_PIN, FOLL_GET },
	{ "pipe", ITER_PIPE, FOLL_GET, REFUSED },
	{ "kvec", ITER_KVEC, 0, 0 },
	{ "bvec", ITER_BVEC, 0, 0 },
	{ "xarray", ITER_XARRAY, 0, 0 },
	{ "discard", ITER_DISCARD, REFUSED, REFUSED },
};

static void contract_desc(const struct contract *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(contract, contract, contract_desc);

static void expect_refused(struct kunit *test, struct iov_iter *i,
			   unsigned int gup_flags, ssize_t error)
{
	struct page *list[4], **own = list, **pages = NULL;
	struct iov_iter before;
	size_t offset0;

	memcpy(&before, i, sizeof(before));
	KUNIT_EXPECT_EQ(test, error,
			iov_iter_extract_pages(i, &pages, SIZE_MAX, UINT_MAX,
					       gup_flags, &offset0));
	KUNIT_EXPECT_NULL(test, pages);
	KUNIT_EXPECT_EQ(test, error,
			iov_iter_extract_pages(i, &own, SIZE_MAX, 4, gup_flags,
					       &offset0));
	KUNIT_EXPECT_PTR_EQ(test, own, &list[0]);
	KUNIT_EXPECT_EQ(test, memcmp(&before, i, sizeof(before)), 0);
}

/* T12, and directions that do not match. */
static void extract_contract(struct kunit *test)
{
	static const unsigned int neither, both = FOLL_SOURCE_BUF | FOLL_DEST_BUF;
	const struct contract *row = test->param_value;
	struct pipe_inode_info *pipe = alloc_pipe_info();
	struct iovec iov = { NULL, P(1) };
	struct kvec kvec = { NULL, P(1) };
	struct bio_vec bvec = { .bv_len = P(1) };
	unsigned int n, nr_dirs;
	struct iov_iter i;
	struct xarray xa;

	KUNIT_ASSERT_NOT_NULL(test, pipe);
	kunit_use_mm(test);
	xa_init(&xa);
	pr_info("# expect-warning-begin\n");
	nr_dirs = row->type == ITER_PIPE || row->type == ITER_DISCARD ?
		1 : ARRAY_SIZE(directions);
	for (n = 0; n < nr_dirs; n++) {
		enum iter_dir dir = directions[n];

		switch (row->type) {
		case ITER_UBUF:
			iov_iter_ubuf(&i, dir, NULL, P(1));
			break;
		case ITER_IOVEC:
			iov_iter_init(&i, dir, &iov, 1, P(1));
			break;
		case ITER_PIPE:
			iov_iter_pipe(&i, dir, pipe, P(1));
			break;
		case ITER_KVEC:
			iov_iter_kvec(&i, dir, &kvec, 1, P(1));
			break;
		case ITER_BVEC:
			iov_iter_bvec(&i, dir, &bvec, 1, P(1));
			break;
		case ITER_XARRAY:
			iov_iter_xarray(&i, dir, &xa, 0, P(1));
			break;
		case ITER_DISCARD:
			iov_iter_discard(&i, dir, P(1));
			break;
		}

		KUNIT_EXPECT_EQ(test, row->dest,
				iov_iter_extract_mode(&i, FOLL_DEST_BUF));
		KUNIT_EXPECT_EQ(test, row->source,
				iov_iter_extract_mode(&i, FOLL_SOURCE_BUF));

		expect_refused(test, &i, both ^ direction_flag(dir), -EINVAL);
		expect_refused(test, &i, neither, -EINVAL);
		expect_refused(test, &i, both, -EINVAL);
	}
	pr_info("# expect-warning-end\n");
	KUNIT_EXPECT_TRUE(test, test_taint(TAINT_WARN));
	KUNIT_EXPECT_EQ(test, pipe->head, 0);
	free_pipe_info(pipe);
}

/* An iterator without pages is refused, but that is nobody's bug. */
static void extract_discard(struct kunit *test)
{
	struct iov_iter i;

	iov_iter_discard(&i, ITER_DEST, P(3));
	expect_refused(test, &i, FOLL_DEST_BUF, -EFAULT);
}

/* T12: an iterator that nobody has set up is not one of user memory. */
static void extract_zeroed(struct kunit *test)
{
	struct iov_iter i = {};

	KUNIT_EXPECT_EQ(test, iov_iter_extract_mode(&i, FOLL_DEST_BUF), 0);
	expect_refused(test, &i, FOLL_DEST_BUF, 0);
}

/*
 * User memory
 */
static ssize_t extract_ubuf(unsigned long addr, size_t len,
			    unsigned int gup_flags, struct page ***pages)
{
	enum iter_dir dir = gup_flags & FOLL_DEST_BUF ? ITER_DEST : ITER_SOURCE;
	struct iov_iter i;
	size_t offset0;

	iov_iter_ubuf(&i, dir, (void __user *)addr, len);
	return iov_iter_extract_pages(&i, pages, len, UINT_MAX, gup_flags,
				      &offset0);
}

static void expect_efault(struct kunit *test, unsigned long addr, size_t len,
			  enum iter_dir dir)
{
	struct iovec iov = { (void __user *)addr, len };
	struct iov_iter i;

	iov_iter_ubuf(&i, dir, (void __user *)addr, len);
	expect_refused(test, &i, direction_flag(dir), -EFAULT);
	iov_iter_init(&i, dir, &iov, 1, len);
	expect_refused(test, &i, direction_flag(dir), -EFAULT);
}

/* Kernel addresses are not user memory, whatever there is behind them. */
static void extract_kernel_address(struct kunit *test)
{
	unsigned long last = TASK_SIZE_MAX - PAGE_SIZE;
	unsigned long user;
	struct kunit_held held;
	struct iov_iter i;
	struct iovec iov[2];
	struct page *page, *list[2];
	void *kernel = (void *)get_zeroed_page(GFP_KERNEL);
	enum iter_dir dir;
	unsigned int n;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, kernel);
	kunit_use_mm(test);
	kunit_user_map(test, last, PAGE_SIZE, PROT_READ | PROT_WRITE);
	kunit_user_touch(test, last, 1, &page);
	user = kunit_user_map(test, 0, PAGE_SIZE, PROT_READ | PROT_WRITE);
	kunit_user_touch(test, user, 1, &page);
	iov[0] = (struct iovec){ (void __user *)user, PAGE_SIZE };
	iov[1] = (struct iovec){ (void __user *)kernel, PAGE_SIZE };
	kunit_settle_pages();
	held = kunit_held(virt_to_page(kernel));

	for (n = 0; n < ARRAY_SIZE(directions); n++) {
		dir = directions[n];
		expect_efault(test, (unsigned long)kernel, 10, dir);
		expect_efault(test, (unsigned long)image_memory, P(1), dir);
		expect_efault(test, TASK_SIZE_MAX, 1, dir);
		expect_efault(test, 1UL << 63, 1, dir);
		/* from user memory to the end of it and on */
		expect_efault(test, last, P(1) + 1, dir);
		/* around the end of the address space */
		expect_efault(test, -P(1), P(2), dir);

		iov_iter_init(&i, dir, iov, 2, P(2));
		KUNIT_EXPECT_EQ(test, (ssize_t)P(1),
				extract_to(list, 2, &i, direction_flag(dir),
					   &offset0));
		KUNIT_EXPECT_PTR_EQ(test, list[0], page);
		page_put_unpin(page, kind_mode(&kinds[0], dir));
		expect_refused(test, &i, direction_flag(dir), -EFAULT);
	}
	KUNIT_EXPECT_TRUE(test, kunit_is_held(virt_to_page(kernel), held, 0, 0));
	free_page((unsigned long)kernel);
}

/* Memory that the process itself may not write to */
static void extract_read_only(struct kunit *test)
{
	struct page *page, **pages = NULL;
	unsigned long addr;

	kunit_use_mm(test);
	addr = kunit_user_map(test, 0, P(1), PROT_READ);
	expect_efault(test, addr, 10, ITER_DEST);
	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, 0, &page));
	put_page(page);
	KUNIT_EXPECT_EQ(test, 10,
			extract_ubuf(addr, 10, FOLL_SOURCE_BUF, &pages));
	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_EXPECT_PTR_EQ(test, pages[0], page);
	page_put_unpin(pages[0], FOLL_GET);
	kvfree(pages);
}

/* Where nothing may be faulted in there is what is there. */
static void extract_nofault(struct kunit *test)
{
	static const unsigned int flags[] = {
		FOLL_DEST_BUF, FOLL_DEST_BUF | FOLL_NOFAULT,
	};
	struct page *page, *list[2];
	struct kunit_held held;
	struct iov_iter i;
	unsigned long addr;
	unsigned int n;
	size_t offset0;

	kunit_use_mm(test);
	addr = kunit_user_map(test, 0, P(3), PROT_READ | PROT_WRITE);
	kunit_user_touch(test, addr, 1, &page);
	kunit_settle_pages();
	held = kunit_held(page);

	for (n = 0; n < ARRAY_SIZE(flags); n++) {
		iov_iter_ubuf(&i, ITER_DEST, (void __user *)addr + 9, P(2));
		i.nofault = flags[n] == FOLL_DEST_BUF;
		KUNIT_EXPECT_EQ(test, (ssize_t)P(1) - 9,
				extract_to(list, 2, &i, flags[n], &offset0));
		KUNIT_EXPECT_PTR_EQ(test, list[0], page);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(page, held, 1, FOLL_PIN));
		expect_refused(test, &i, flags[n], -EFAULT);
		page_put_unpin(page, FOLL_PIN);
	}

	i.nofault = false;
	KUNIT_EXPECT_EQ(test, (ssize_t)P(1),
			extract_to(list, 1, &i, FOLL_DEST_BUF, &offset0));
	page_put_unpin(list[0], FOLL_PIN);
	KUNIT_EXPECT_TRUE(test, kunit_is_held(page, held, 0, 0));
}

/*
 * T13: memory that was never written to is the zero page.  A source lists it
 * and takes references; a destination gets pages of its own.
 */
static void extract_zero_page(struct kunit *test)
{
	struct page *zero = ZERO_PAGE(0), **pages = NULL;
	long acquired, released;
	struct kunit_held held;
	unsigned long addr;
	unsigned int n;

	kunit_use_mm(test);
	addr = kunit_user_map(test, 0, P(4), PROT_READ | PROT_WRITE);
	held = kunit_held(zero);
	acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED);
	released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);

	KUNIT_ASSERT_EQ(test, (ssize_t)P(4),
			extract_ubuf(addr, P(4), FOLL_SOURCE_BUF, &pages));
	for (n = 0; n < 4; n++)
		KUNIT_EXPECT_TRUE(test, is_zero_page(pages[n]));
	KUNIT_EXPECT_TRUE(test, kunit_is_held(zero, held, 4, FOLL_GET));
	release(pages, 4, FOLL_GET);
	KUNIT_EXPECT_TRUE(test, kunit_is_held(zero, held, 0, 0));
	KUNIT_EXPECT_EQ(test, acquired, kunit_pin_stat(NR_FOLL_PIN_ACQUIRED));
	KUNIT_EXPECT_EQ(test, released, kunit_pin_stat(NR_FOLL_PIN_RELEASED));

	KUNIT_ASSERT_EQ(test, (ssize_t)P(4),
			extract_ubuf(addr, P(4), FOLL_DEST_BUF, &pages));
	for (n = 0; n < 4; n++) {
		KUNIT_EXPECT_FALSE(test, is_zero_page(pages[n]));
		KUNIT_EXPECT_TRUE(test, page_maybe_dma_pinned(pages[n]));
	}
	KUNIT_EXPECT_EQ(test, acquired + 4,
			kunit_pin_stat(NR_FOLL_PIN_ACQUIRED));
	release(pages, 4, FOLL_PIN);
	KUNIT_EXPECT_EQ(test, released + 4,
			kunit_pin_stat(NR_FOLL_PIN_RELEASED));
	KUNIT_EXPECT_TRUE(test, kunit_is_held(zero, held, 0, 0));
	kvfree(pages);
}

static unsigned long touch_huge(struct kunit *test, struct page **head)
{
	unsigned long addr = kunit_user_map_huge(test);

	kunit_user_touch(test, addr, 1, head);
	KUNIT_ASSERT_EQ(test, compound_order(*head), HPAGE_PMD_ORDER);
	kunit_settle_pages();
	return addr;
}

/* A huge page: listed and held page by page; an array that is vmalloc()ed. */
static void extract_huge_page(struct kunit *test)
{
	struct page *head, **pages = NULL;
	struct kunit_held held;
	unsigned int d, n, nr;
	unsigned long addr;

	kunit_use_mm(test);
	addr = touch_huge(test, &head);
	held = kunit_held(head);
	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		enum iter_dir dir = directions[d];
		unsigned int mode = kind_mode(&kinds[0], dir);

		KUNIT_ASSERT_EQ(test, (ssize_t)PMD_SIZE - 1,
				extract_ubuf(addr + 1, PMD_SIZE - 1,
					     direction_flag(dir), &pages));
		for (n = 0, nr = 0; n < HPAGE_PMD_NR; n++)
			nr += pages[n] == head + n;
		KUNIT_EXPECT_EQ(test, nr, HPAGE_PMD_NR);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, HPAGE_PMD_NR, mode));
		release(pages, HPAGE_PMD_NR, mode);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, 0, 0));
		kvfree(pages);
		pages = NULL;
	}

	/* the array is beyond what kmalloc() is asked for; nothing behind it */
	vm_munmap(addr, PMD_SIZE);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			extract_ubuf(addr, PMD_SIZE * 4, FOLL_DEST_BUF,
				     &pages));
	KUNIT_EXPECT_NULL(test, pages);
}

/* T22: a huge page of which one page in the middle has been replaced. */
static void extract_huge_page_replaced(struct kunit *test)
{
	struct kunit_held held, held_other;
	struct page *head, *other, **pages = NULL;
	unsigned long addr, start;
	unsigned int n;

	kunit_use_mm(test);
	addr = touch_huge(test, &head);
	start = addr + P(97);
	KUNIT_ASSERT_EQ(test, 0, do_madvise(current->mm, addr + P(100), P(1),
					    MADV_DONTNEED));
	kunit_user_touch(test, addr + P(100), 1, &other);
	KUNIT_ASSERT_PTR_NE(test, compound_head(other), head);
	kunit_settle_pages();
	held = kunit_held(head);
	held_other = kunit_held(other);

	KUNIT_ASSERT_EQ(test, (ssize_t)P(6),
			extract_ubuf(start + 5, P(6), FOLL_DEST_BUF, &pages));
	for (n = 0; n < 7; n++)
		KUNIT_EXPECT_PTR_EQ(test, pages[n],
				    n == 3 ? other : head + 97 + n);
	kunit_settle_pages();
	KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, 6, FOLL_PIN));
	KUNIT_EXPECT_TRUE(test, kunit_is_held(other, held_other, 1, FOLL_PIN));
	release(pages, 7, FOLL_PIN);
	kunit_settle_pages();
	KUNIT_EXPECT_TRUE(test, kunit_is_held(head, held, 0, 0));
	KUNIT_EXPECT_TRUE(test, kunit_is_held(other, held_other, 0, 0));
	kvfree(pages);
}

/* T13: a huge page that was only ever read is the huge zero page. */
static void extract_huge_zero_page(struct kunit *test)
{
	struct page *page, **pages = NULL;
	struct kunit_held held;
	unsigned long addr;
	unsigned int n;
	int word;

	kunit_use_mm(test);
	addr = kunit_user_map_huge(test);
	KUNIT_ASSERT_EQ(test, 0, get_user(word, (int __user *)addr));
	KUNIT_EXPECT_EQ(test, word, 0);
	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, 0, &page));
	put_page(page);
	KUNIT_ASSERT_TRUE(test, is_huge_zero_page(page));

	held = kunit_held(page);
	KUNIT_ASSERT_EQ(test, (ssize_t)P(5),
			extract_ubuf(addr + P(9), P(5), FOLL_SOURCE_BUF,
				     &pages));
	for (n = 0; n < 5; n++)
		KUNIT_EXPECT_PTR_EQ(test, pages[n], page + 9 + n);
	KUNIT_EXPECT_TRUE(test, kunit_is_held(page, held, 5, FOLL_GET));
	release(pages, 5, FOLL_GET);
	KUNIT_EXPECT_TRUE(test, kunit_is_held(page, held, 0, 0));
	kvfree(pages);
}

/*
 * Kernel memory
 */

/* T05: small objects of all kinds, in the middle of pages */
static void extract_kvec_objects(struct kunit *test)
{
	static u32 in_data = 1;
	u32 in_stack = 2;
	u32 *in_slab = kunit_kzalloc(test, sizeof(u32), GFP_KERNEL);
	const void *objects[] = {
		&in_data, &in_stack, in_slab, &directions[1],
		extract_kvec_objects,
	};
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(objects); n++) {
		struct kvec kvec = { (void *)objects[n], 3 };
		struct page *page, *list[2];
		struct kunit_held held;
		struct iov_iter i;
		size_t offset0;

		page = is_vmalloc_addr(objects[n]) ?
			vmalloc_to_page(objects[n]) : linear_lookup(objects[n]);
		held = kunit_held(page);
		iov_iter_kvec(&i, ITER_SOURCE, &kvec, 1, 3);
		KUNIT_EXPECT_EQ(test, 3, extract_to(list, 2, &i,
						    FOLL_SOURCE_BUF,
						    &offset0));
		KUNIT_EXPECT_EQ(test, offset0, offset_in_page(objects[n]));
		KUNIT_EXPECT_PTR_EQ(test, list[0], page);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(page, held, 0, 0));
	}
}

/* vmalloc() leaves a guard page behind an area; it has no page. */
static void extract_kvec_guard_page(struct kunit *test)
{
	u8 *area = vmalloc(P(2));
	struct kvec kvec = { area + 5, P(2) };
	struct page *list[3];
	struct iov_iter i;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, area);
	iov_iter_kvec(&i, ITER_DEST, &kvec, 1, P(2));
	KUNIT_EXPECT_EQ(test, (ssize_t)P(2) - 5,
			extract_to(list, 3, &i, FOLL_DEST_BUF, &offset0));
	KUNIT_EXPECT_PTR_EQ(test, list[0], vmalloc_to_page(area));
	KUNIT_EXPECT_PTR_EQ(test, list[1], vmalloc_to_page(area + P(1)));
	expect_refused(test, &i, FOLL_DEST_BUF, -EFAULT);
	vfree(area);

	/* and now there is nothing at all */
	iov_iter_revert(&i, P(2) - 5);
	expect_refused(test, &i, FOLL_DEST_BUF, -EFAULT);
}

/* More than MAX_RW_COUNT in one iterator: one huge page, over and over */
static void extract_max_rw_count(struct kunit *test)
{
	const unsigned int nr = MAX_RW_COUNT / PMD_SIZE + 2;
	struct page *head = alloc_pages(GFP_KERNEL | __GFP_COMP,
					HPAGE_PMD_ORDER);
	struct bio_vec *bvec = kvmalloc_array(nr, sizeof(*bvec), GFP_KERNEL);
	unsigned int n, right = 0;
	struct page **pages = NULL;
	struct iov_iter i;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, head);
	KUNIT_ASSERT_NOT_NULL(test, bvec);
	for (n = 0; n < nr; n++)
		bvec_set_page(&bvec[n], head, PMD_SIZE, 0);
	iov_iter_bvec(&i, ITER_SOURCE, bvec, nr, (size_t)nr * PMD_SIZE);

	KUNIT_ASSERT_EQ(test, (ssize_t)MAX_RW_COUNT,
			iov_iter_extract_pages(&i, &pages, SIZE_MAX, UINT_MAX,
					       FOLL_SOURCE_BUF, &offset0));
	KUNIT_EXPECT_EQ(test, offset0, 0);
	KUNIT_EXPECT_EQ(test, i.count, (size_t)nr * PMD_SIZE - MAX_RW_COUNT);
	for (n = 0; n < MAX_RW_COUNT / PAGE_SIZE; n++)
		right += pages[n] == head + n % HPAGE_PMD_NR;
	KUNIT_EXPECT_EQ(test, right, n);
	kvfree(pages);
	kvfree(bvec);
	__free_pages(head, HPAGE_PMD_ORDER);
}

/* T08: folios, a value and holes in one xarray, from everywhere in it */
static void extract_xarray_mixed(struct kunit *test)
{
	static const size_t offsets[] = { 0, 9, PAGE_SIZE - 1 };
	struct page *four = alloc_pages(GFP_KERNEL | __GFP_COMP, 2);
	struct page *two = alloc_pages(GFP_KERNEL | __GFP_COMP, 1);
	struct page *one = alloc_page(GFP_KERNEL);
	struct page *at[12] = {
		four, four + 1, four + 2, four + 3,
		[5] = one,
		[8] = two, two + 1,
	};
	struct page *list[12];
	unsigned int n, k, nr;
	struct iov_iter i;
	struct xarray xa;
	size_t offset0;

	KUNIT_ASSERT_TRUE(test, four && two && one);
	xa_init(&xa);
	xarray_store(test, &xa, XA_FIRST, 2, four);
	xarray_store(test, &xa, XA_FIRST + 4, 0, xa_mk_value(4));
	xarray_store(test, &xa, XA_FIRST + 5, 0, one);
	xarray_store(test, &xa, XA_FIRST + 8, 1, two);

	for (n = 0; n < ARRAY_SIZE(at) * ARRAY_SIZE(offsets); n++) {
		unsigned int first = n / ARRAY_SIZE(offsets);
		size_t offset = offsets[n % ARRAY_SIZE(offsets)];

		for (nr = 0; first + nr < ARRAY_SIZE(at); nr++)
			if (!at[first + nr])
				break;

		iov_iter_xarray(&i, ITER_DEST, &xa, XA_POS + P(first) + offset,
				P(ARRAY_SIZE(at)));
		if (!nr) {
			expect_refused(test, &i, FOLL_DEST_BUF, -EFAULT);
			continue;
		}
		KUNIT_EXPECT_EQ(test, (ssize_t)(P(nr) - offset),
				extract_to(list, ARRAY_SIZE(list), &i,
					   FOLL_DEST_BUF, &offset0));
		KUNIT_EXPECT_EQ(test, offset0, offset);
		for (k = 0; k < nr; k++)
			KUNIT_EXPECT_PTR_EQ(test, list[k], at[first + k]);
	}

	xa_destroy(&xa);
	put_page(four);
	put_page(two);
	put_page(one);
}

/* T08: a folio that spans nodes of the xarray, with nothing behind it */
static void extract_xarray_huge_folio(struct kunit *test)
{
	static const unsigned int firsts[] = { 0, 1, 63, 64, 65, 300, 511 };
	struct page *head = alloc_pages(GFP_KERNEL | __GFP_COMP,
					HPAGE_PMD_ORDER);
	unsigned int n, k, nr, right;
	struct iov_iter i;
	struct xarray xa;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, head);
	xa_init(&xa);
	xarray_store(test, &xa, XA_FIRST, HPAGE_PMD_ORDER, head);
	for (n = 0; n < ARRAY_SIZE(firsts); n++) {
		struct page **pages = NULL;

		nr = HPAGE_PMD_NR - firsts[n];
		right = 0;
		iov_iter_xarray(&i, ITER_SOURCE, &xa, XA_POS + P(firsts[n]),
				P(nr + 1));
		KUNIT_ASSERT_EQ(test, (ssize_t)P(nr),
				iov_iter_extract_pages(&i, &pages, SIZE_MAX,
						       UINT_MAX,
						       FOLL_SOURCE_BUF,
						       &offset0));
		for (k = 0; k < nr; k++)
			right += pages[k] == head + firsts[n] + k;
		KUNIT_EXPECT_EQ(test, right, nr);
		kvfree(pages);
	}
	xa_destroy(&xa);
	put_page(head);
}

/*
 * Pipes (T16)
 *
 * The pages come from the pipe as they are needed: the model is the position
 * in it, and the page at each slot.
 */
#define PIPE_SLOTS	4
#define MAX_TAKEN	256

struct pipe_test {
	struct kunit *test;
	struct pipe_inode_info *pipe;
	struct iov_iter i;
	size_t pos;
	struct page *slots[PIPE_SLOTS];
	struct page *taken[MAX_TAKEN];
	unsigned int nr_taken;
};

static void pipe_begin(struct pipe_test *t, size_t count)
{
	t->pipe = alloc_pipe_info();
	KUNIT_ASSERT_NOT_NULL(t->test, t->pipe);
	t->pipe->max_usage = PIPE_SLOTS;
	iov_iter_pipe(&t->i, ITER_DEST, t->pipe, count);
	KUNIT_EXPECT_EQ(t->test, FOLL_GET,
			iov_iter_extract_mode(&t->i, FOLL_DEST_BUF));
}

/* A page has a reference for each time it was taken, and one of the pipe. */
static void pipe_expect_held(struct pipe_test *t)
{
	unsigned int n, k, used = DIV_ROUND_UP(t->pos, PAGE_SIZE);

	KUNIT_EXPECT_EQ(t->test, t->pipe->head - t->pipe->tail, used);
	for (n = 0; n < t->nr_taken; n++) {
		int refs = 0;

		for (k = 0; k < t->nr_taken; k++)
			refs += t->taken[k] == t->taken[n];
		for (k = 0; k < used; k++)
			refs += t->slots[k] == t->taken[n];
		KUNIT_EXPECT_EQ(t->test, page_count(t->taken[n]), refs);
	}
}

static void pipe_extract(struct pipe_test *t, size_t maxsize,
			 unsigned int maxpages, bool own_array)
{
	size_t room = P(PIPE_SLOTS) - t->pos, offset = offset_in_page(t->pos);
	struct page *list[PIPE_SLOTS + 1], **pages = own_array ? list : NULL;
	size_t count = t->i.count, offset0 = -1;
	unsigned int n, slot = t->pos / PAGE_SIZE;
	ssize_t ret;

	memset_p((void **)list, POISON, ARRAY_SIZE(list));
	if (!room) {
		expect_refused(t->test, &t->i, FOLL_DEST_BUF, -EFAULT);
		return;
	}
	ret = iov_iter_extract_pages(&t->i, &pages, maxsize, maxpages,
				     FOLL_DEST_BUF, &offset0);
	KUNIT_ASSERT_EQ(t->test, (size_t)ret,
			min(min3(maxsize, room, count),
			    P((size_t)maxpages) - offset));
	KUNIT_EXPECT_EQ(t->test, t->i.count, count - ret);
	KUNIT_EXPECT_EQ(t->test, offset0, offset);
	for (n = 0; n < DIV_ROUND_UP(offset + ret, PAGE_SIZE); n++, slot++) {
		if (n || !offset)
			t->slots[slot] = t->pipe->bufs[slot].page;
		KUNIT_EXPECT_PTR_EQ(t->test, pages[n], t->slots[slot]);
		t->taken[t->nr_taken++] = pages[n];
	}
	t->pos += ret;
	if (!own_array)
		kvfree(pages);
	pipe_expect_held(t);
}

/* What has been taken stays, even if the pipe does not have it any more. */
static void pipe_revert(struct pipe_test *t, size_t len)
{
	iov_iter_revert(&t->i, len);
	t->pos -= len;
	pipe_expect_held(t);
}

static void pipe_end(struct pipe_test *t)
{
	while (t->nr_taken) {
		struct page *page = t->taken[t->nr_taken - 1];

		pipe_expect_held(t);
		t->nr_taken--;
		page_put_unpin(page, FOLL_GET);
	}
	free_pipe_info(t->pipe);
}

static void extract_pipe(struct kunit *test)
{
	static const struct {
		size_t revert;
		size_t maxsize;
		unsigned int maxpages;
	} steps[] = {
		{ 0, 1, 1 },
		{ 0, 100, 9 },			/* more of the same page */
		{ 0, P(1) - 101, 9 },		/* up to its end */
		{ 0, P(1), 9 },			/* a page of its own */
		{ 1, 1, 1 },			/* its last byte again */
		{ P(1), P(2), 1 },		/* a new page in its place */
		{ P(2), P(2) + 1, UINT_MAX },	/* all over again */
		{ 0, P(9), 2 },			/* what there is room for */
		{ 0, 1, 1 },			/* full */
		{ 10, P(1), 2 },		/* the end of the last page */
		{ P(4), P(9), 5 },		/* everything */
		{ 0, P(9), 5 },
	};
	struct pipe_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	pipe_begin(t, P(9));
	for (n = 0; n < ARRAY_SIZE(steps); n++) {
		if (steps[n].revert)
			pipe_revert(t, steps[n].revert);
		pipe_extract(t, steps[n].maxsize, steps[n].maxpages, n & 1);
	}
	pipe_revert(t, t->pos);
	pipe_end(t);
}

/* T03, T09: nothing is put into the pipe either. */
static void extract_pipe_nothing(struct kunit *test)
{
	struct pipe_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct page **pages = NULL;
	size_t offset0;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	pipe_begin(t, P(2));
	KUNIT_EXPECT_EQ(test, 0, iov_iter_extract_pages(&t->i, &pages, 0, 1,
							FOLL_DEST_BUF,
							&offset0));
	KUNIT_EXPECT_EQ(test, 0, iov_iter_extract_pages(&t->i, &pages, 1, 0,
							FOLL_DEST_BUF,
							&offset0));
	fail_allocs(test);
	fail_nth = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			iov_iter_extract_pages(&t->i, &pages, P(2), 2,
					       FOLL_DEST_BUF, &offset0));
	KUNIT_EXPECT_EQ(test, fail_nth, 0);
	KUNIT_EXPECT_NULL(test, pages);
	KUNIT_EXPECT_EQ(test, t->i.count, P(2));
	pipe_expect_held(t);

	pipe_extract(t, P(3), 3, false);	/* the count ends it */
	KUNIT_EXPECT_EQ(test, 0, iov_iter_extract_pages(&t->i, &pages, 1, 1,
							FOLL_DEST_BUF,
							&offset0));
	KUNIT_EXPECT_NULL(test, pages);
	pipe_end(t);
}

/*
 * Random layouts, against the model
 */
static void start_random(struct kunit *test, struct rnd_state *rnd)
{
	u64 used = seed ?: get_random_u64();

	kunit_info(test, "seed=%llu", used);
	prandom_seed_state(rnd, used);
}

static unsigned int below(struct rnd_state *rnd, unsigned int n)
{
	return prandom_u32_state(rnd) % n;
}

/* A place in the arena, more often than not at a border or next to one */
static size_t random_place(struct rnd_state *rnd, size_t max)
{
	size_t at = P(below(rnd, max / PAGE_SIZE + 1));

	switch (below(rnd, 6)) {
	case 0:
		at += 1;
		break;
	case 1:
		at -= 1;
		break;
	case 2:
		at += below(rnd, PAGE_SIZE);
		break;
	}
	return min(at, max);
}

/* One bit in four, of as many as there are pages */
static unsigned long few_bits(struct rnd_state *rnd)
{
	unsigned long bits = below(rnd, 1 << NR_PAGES);

	return bits & below(rnd, 1 << NR_PAGES);
}

static void random_layout(struct rnd_state *rnd, const struct kind *kind,
			  struct layout *l)
{
	unsigned int n;

	l->nr_segs = kind_has_segs(kind) ? 1 + below(rnd, MAX_SEGS) : 1;
	for (n = 0; n < l->nr_segs; n++) {
		struct seg *seg = &l->segs[n];

		seg->at = random_place(rnd, ARENA_SIZE - 1);
		seg->len = random_place(rnd, ARENA_SIZE - seg->at);
		if (!below(rnd, 4))
			seg->len = 0;
		else if (below(rnd, 2))	/* up to a border */
			seg->len = ALIGN(seg->at + seg->len, PAGE_SIZE) -
				   seg->at;
	}
}

/* Take an iterator apart from end to end, in pieces. */
static void extract_all(struct attempt *t, struct rnd_state *rnd,
			const struct layout *l)
{
	size_t pos = 0, step;
	struct list expect;
	struct iov_iter i;

	make_iter(t->a, &i, t->dir, l);
	for (; i.count; pos += step) {
		t->own_array = below(rnd, 2);
		t->maxsize = below(rnd, 3) ? SIZE_MAX :
			     1 + random_place(rnd, P(4));
		t->maxpages = below(rnd, 3) ? UINT_MAX : 1 + below(rnd, 5);
		model(t->a, l, pos, t->maxsize, t->maxpages, &expect);
		extract(t, &i, &expect);
		step = expect.ret;
		if (expect.ret < 0) {
			step = min_t(size_t, i.count, 1 + below(rnd, P(1)));
			iov_iter_advance(&i, step);
		}
	}
}

static void extract_random(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct arena *a = make_arena(test, kind);
	struct attempt t = { test, a };
	struct rnd_state rnd;
	struct layout l;
	unsigned int n;

	start_random(test, &rnd);
	if (kind->punch)
		punch_arena(a, few_bits(&rnd));
	for (n = 0; n < 200 && !test->status; n++) {
		random_layout(&rnd, kind, &l);
		t.dir = directions[below(&rnd, 2)];
		extract_all(&t, &rnd, &l);
	}
}

static void extract_random_pipe(struct kunit *test)
{
	struct pipe_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct rnd_state rnd;
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	start_random(test, &rnd);
	for (n = 0; n < 50; n++) {
		pipe_begin(t, P(20));
		t->pos = 0;
		while (t->nr_taken + PIPE_SLOTS <= MAX_TAKEN && t->i.count) {
			if (t->pos && below(&rnd, 2))
				pipe_revert(t, 1 + below(&rnd, t->pos));
			pipe_extract(t, 1 + random_place(&rnd, P(3)),
				     1 + below(&rnd, 5), below(&rnd, 2));
			if (!below(&rnd, 40))
				break;
		}
		pipe_end(t);
	}
}

static struct kunit_case extract_cases[] = {
	KUNIT_CASE_PARAM(extract_layout, layout_gen_params),
	KUNIT_CASE_PARAM(extract_nothing, kind_gen_params),
	KUNIT_CASE_PARAM(extract_enomem, kind_gen_params),
	KUNIT_CASE_PARAM(extract_many_segments, segs_gen_params),
	KUNIT_CASE_PARAM(extract_contract, contract_gen_params),
	KUNIT_CASE(extract_discard),
	KUNIT_CASE(extract_zeroed),
	KUNIT_CASE(extract_kernel_address),
	KUNIT_CASE(extract_read_only),
	KUNIT_CASE(extract_nofault),
	KUNIT_CASE(extract_zero_page),
	KUNIT_CASE(extract_huge_page),
	KUNIT_CASE(extract_huge_page_replaced),
	KUNIT_CASE(extract_huge_zero_page),
	KUNIT_CASE(extract_kvec_objects),
	KUNIT_CASE(extract_kvec_guard_page),
	KUNIT_CASE(extract_max_rw_count),
	KUNIT_CASE(extract_xarray_mixed),
	KUNIT_CASE(extract_xarray_huge_folio),
	KUNIT_CASE(extract_pipe),
	KUNIT_CASE(extract_pipe_nothing),
	KUNIT_CASE_PARAM(extract_random, kind_gen_params),
	KUNIT_CASE(extract_random_pipe),
	{}
};

static struct kunit_suite extract_suite = {
	.name = "iov_iter_extract",
	.exit = extract_exit,
	.test_cases = extract_cases,
};

kunit_test_suite(extract_suite);

MODULE_LICENSE("GPL");
