// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what describes an iterator run by run: iov_iter_extract_bvecs(),
 * iov_iter_extract_sg(), iov_iter_visit_runs(), iov_iter_extract_owned()
 *
 * There is one kind of arena for each kind of memory that an iterator can be
 * made of, and a model that says which runs a layout in it has to give.  Each
 * of the converters is tried on each kind, with the limits that cut its result
 * at every place, and with layouts at random.  Whatever it gives out,
 *
 *  - is turned back into bytes, which must be those of the memory, and what is
 *    written through it must be what the owner of the memory reads;
 *  - is taken twice, and what is held on each page, and the number of pins, are
 *    compared before, between and after;
 *  - goes no further than the room for it.
 *
 * T numbers are those of the list of pitfalls that the series answers.
 */

#include <linux/bvec.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pipe_fs_i.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <asm/tlbflush.h>

#include <kunit/user_mm.h>

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "Seed of the random layouts, 0 for a new one");

/* Layouts are for a window of NR_PAGES, which may be in a larger arena. */
#define NR_PAGES	8
#define WINDOW		(NR_PAGES * PAGE_SIZE)
#define MAX_PAGES	(HPAGE_PMD_NR + NR_PAGES)
#define MAX_SEGS	100
#define LAYOUT_SEGS	4
#define MAX_RUNS	128
#define P(n)		((n) * PAGE_SIZE)

/* Where an arena lies in an xarray: the position does not fit in 32 bits */
#define XA_FIRST	((5UL << 30) / PAGE_SIZE)
#define XA_POS		((loff_t)XA_FIRST * PAGE_SIZE)

static const enum iter_dir dirs[] = { ITER_DEST, ITER_SOURCE };

struct seg {
	size_t at;
	size_t len;
};

struct runs {
	ssize_t size;
	unsigned int nr;
	struct bio_vec bv[MAX_RUNS + 1];
};

/* What a converter has given out */
struct taken {
	const struct converter *by;
	unsigned int mode;
	struct runs r;
	/* each converter has its own */
	struct sg_table sgt;
	struct scatterlist *first;
	struct sg_held held;
	struct bvec_owner own;
};

struct arena {
	const struct kind *kind;
	unsigned long addr;	/* 0 if it can be had by its pages only */
	unsigned int nr_pages;
	unsigned int first;	/* the page that the window begins with */
	struct page *pages[MAX_PAGES];
	DECLARE_BITMAP(absent, MAX_PAGES);
	struct file *file;
	struct xarray own_xa, *xa;

	/* an iterator over it */
	size_t far;		/* that much of the first segment is behind */
	struct seg segs[MAX_SEGS];
	unsigned int nr_segs;
	union {
		struct iovec iov[MAX_SEGS];
		struct kvec kvec[MAX_SEGS];
		struct bio_vec bvec[MAX_SEGS];
	};

	/* what there has to be */
	u8 *image;		/* the content */
	struct kunit_held held[MAX_PAGES];
	long pins;
	struct runs cut, all;

	/* what there is */
	struct taken taken[4];
	u8 *bytes, *seen;
};

/*
 * Kinds of memory
 */
struct kind {
	const char *name;
	enum iter_type type;
	void (*make)(struct kunit *test, struct arena *a);
	void (*free)(struct arena *a);
	void (*punch)(struct arena *a, unsigned int n);
	unsigned int whole;	/* runs in the first HPAGE_PMD_NR pages */
	bool source_only;	/* writing would replace pages */
	bool cold;		/* most pages are not in the page tables */
};

static void user_make(struct kunit *test, struct arena *a)
{
	kunit_use_mm(test);
	a->nr_pages = NR_PAGES;
	a->addr = kunit_user_map(test, 0, WINDOW, PROT_READ | PROT_WRITE);
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
}

static void user_punch(struct arena *a, unsigned int n)
{
	WARN_ON(vm_munmap(a->addr + P(n), PAGE_SIZE));
	set_bit(n, a->absent);
}

/* Keep khugepaged from making other pages of those that are there. */
static void keep_pages(struct kunit *test, unsigned long addr)
{
	KUNIT_ASSERT_EQ(test, 0, do_madvise(current->mm, addr, PMD_SIZE,
					    MADV_NOHUGEPAGE));
}

/* A huge page and what is mapped behind it; the window is across the border. */
static void touch_huge(struct kunit *test, struct arena *a, unsigned long addr)
{
	a->addr = addr;
	a->nr_pages = HPAGE_PMD_NR + 3;
	a->first = HPAGE_PMD_NR - 5;
	kunit_user_map(test, addr + PMD_SIZE, P(3), PROT_READ | PROT_WRITE);
	kunit_user_touch(test, addr, a->nr_pages, a->pages);
	if (!PageHuge(a->pages[0]))
		keep_pages(test, addr);
	KUNIT_ASSERT_EQ(test, compound_order(a->pages[0]), HPAGE_PMD_ORDER);
	KUNIT_ASSERT_PTR_EQ(test, a->pages[0] + HPAGE_PMD_NR - 1,
			    a->pages[HPAGE_PMD_NR - 1]);
}

static void huge_make(struct kunit *test, struct arena *a)
{
	kunit_use_mm(test);
	touch_huge(test, a, kunit_user_map_huge(test));
}

/* Small pages in front of a huge one */
static void front_make(struct kunit *test, struct arena *a)
{
	unsigned long addr;

	kunit_use_mm(test);
	addr = kunit_user_map_huge(test);
	kunit_user_map(test, addr - P(3), P(3), PROT_READ | PROT_WRITE);
	a->addr = addr - P(3);
	a->nr_pages = NR_PAGES;
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
	keep_pages(test, addr);
	KUNIT_ASSERT_EQ(test, compound_order(a->pages[3]), HPAGE_PMD_ORDER);
}

/* A huge page that is mapped page by page */
static void pte_make(struct kunit *test, struct arena *a)
{
	struct mm_struct *mm;

	huge_make(test, a);
	mm = current->mm;
	mmap_write_lock(mm);
	split_huge_pmd_address(find_vma(mm, a->addr), a->addr, false, NULL);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_EQ(test, compound_order(a->pages[0]), HPAGE_PMD_ORDER);
}

/* T22: the same, with one of the pages replaced */
static void split_make(struct kunit *test, struct arena *a)
{
	unsigned long addr;

	huge_make(test, a);
	a->first = 8;
	addr = a->addr + P(a->first + 3);
	kunit_user_map(test, addr, P(1), PROT_READ | PROT_WRITE);
	kunit_user_touch(test, addr, 1, &a->pages[a->first + 3]);
	KUNIT_ASSERT_FALSE(test, PageCompound(a->pages[a->first + 3]));
}

/* T23 */
static void hugetlb_make(struct kunit *test, struct arena *a)
{
	struct hstate *h = &default_hstate;
	unsigned long addr, allowed = h->nr_overcommit_huge_pages;
	struct file *file;

	KUNIT_ASSERT_EQ(test, huge_page_size(h), PMD_SIZE);
	kunit_use_mm(test);
	addr = kunit_user_map_huge(test);
	file = hugetlb_file_setup("iov_iter_convert", PMD_SIZE, VM_NORESERVE,
				  HUGETLB_ANONHUGE_INODE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	h->nr_overcommit_huge_pages = h->surplus_huge_pages + 1;
	KUNIT_EXPECT_EQ(test, addr,
			vm_mmap(file, addr, PMD_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, 0));
	fput(file);
	touch_huge(test, a, addr);
	h->nr_overcommit_huge_pages = allowed;
	KUNIT_ASSERT_TRUE(test, PageHuge(a->pages[0]));
}

/* Make a file, and map its pages from XA_FIRST on. */
static void map_file(struct kunit *test, struct arena *a, const char *type,
		     const char *options, unsigned long flags)
{
	char data[32];		/* which the parser writes to */
	struct vfsmount *mnt;
	size_t len = P(a->nr_pages);

	kunit_use_mm(test);
	strscpy(data, options, sizeof(data));
	mnt = vfs_kern_mount(get_fs_type(type), SB_KERNMOUNT, type, data);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mnt));
	a->file = file_open_root_mnt(mnt, "file", O_RDWR | O_CREAT, 0600);
	kern_unmount(mnt);	/* the file keeps it */
	KUNIT_ASSERT_FALSE(test, IS_ERR(a->file));
	i_size_write(file_inode(a->file), XA_POS + len);
	mapping_set_large_folios(a->file->f_mapping);
	a->xa = &a->file->f_mapping->i_pages;
	a->addr = kunit_user_map_huge(test);
	KUNIT_ASSERT_EQ(test, a->addr,
			vm_mmap(a->file, a->addr, len, PROT_READ | PROT_WRITE,
				flags | MAP_FIXED, XA_POS));
}

static void file_free(struct arena *a)
{
	if (!IS_ERR_OR_NULL(a->file))
		fput(a->file);
}

/* A huge page and three small ones of a file */
static void shmem_make(struct kunit *test, struct arena *a)
{
	a->nr_pages = HPAGE_PMD_NR + 3;
	a->first = HPAGE_PMD_NR - 5;
	map_file(test, a, "tmpfs", "huge=within_size", MAP_SHARED);
	kunit_user_touch(test, a->addr, a->nr_pages, a->pages);
	keep_pages(test, a->addr);
	KUNIT_ASSERT_EQ(test, compound_order(a->pages[0]), HPAGE_PMD_ORDER);
	KUNIT_ASSERT_FALSE(test, PageCompound(a->pages[HPAGE_PMD_NR]));
}

/* T22: a private mapping of the huge page, written to in the middle */
static void cow_make(struct kunit *test, struct arena *a)
{
	unsigned int n;

	a->nr_pages = HPAGE_PMD_NR;
	a->first = 8;
	map_file(test, a, "tmpfs", "huge=within_size", MAP_PRIVATE);
	for (n = 0; n < a->nr_pages; n++) {
		unsigned long addr = a->addr + P(n);

		KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, 0,
							     &a->pages[n]));
		put_page(a->pages[n]);
	}
	keep_pages(test, a->addr);
	n = a->first + 3;
	kunit_user_touch(test, a->addr + P(n), 1, &a->pages[n]);
	KUNIT_ASSERT_EQ(test, compound_order(a->pages[0]), HPAGE_PMD_ORDER);
	KUNIT_ASSERT_TRUE(test, PageAnon(a->pages[n]));
	/* which took the others out of the page tables */
	KUNIT_ASSERT_EQ(test, 0, fault_in_readable((void __user *)a->addr,
						   P(a->nr_pages)));
}

/* Folios of 4, 2, 1 and 1 pages */
static const unsigned int orders[] = { 2, 1, 0, 0 };

static void note_folio(struct kunit *test, struct arena *a, unsigned int n,
		       struct folio *folio)
{
	unsigned int k;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	for (k = 0; k < folio_nr_pages(folio); k++)
		a->pages[n + k] = folio_page(folio, k);
}

/* The page cache of a filesystem */
static void cache_make(struct kunit *test, struct arena *a)
{
	unsigned int i, n = 0;

	a->nr_pages = NR_PAGES;
	map_file(test, a, "ramfs", "", MAP_SHARED);
	for (i = 0; i < ARRAY_SIZE(orders); n += 1 << orders[i++]) {
		struct folio *folio = filemap_alloc_folio(GFP_KERNEL, orders[i]);

		note_folio(test, a, n, folio);
		KUNIT_ASSERT_EQ(test, 0, filemap_add_folio(a->file->f_mapping,
							   folio, XA_FIRST + n,
							   GFP_KERNEL));
		folio_mark_uptodate(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	kunit_user_touch(test, a->addr, NR_PAGES, a->pages);
}

/* The same without a file */
static void xarray_make(struct kunit *test, struct arena *a)
{
	unsigned int i, n = 0;

	a->nr_pages = NR_PAGES;
	a->xa = &a->own_xa;
	xa_init(a->xa);
	for (i = 0; i < ARRAY_SIZE(orders); n += 1 << orders[i++]) {
		struct folio *folio = folio_alloc(GFP_KERNEL, orders[i]);
		unsigned long index = XA_FIRST + n;
		XA_STATE_ORDER(xas, a->xa, index, orders[i]);

		note_folio(test, a, n, folio);
		do {
			xas_lock(&xas);
			xas_store(&xas, folio);
			xas_unlock(&xas);
		} while (xas_nomem(&xas, GFP_KERNEL));
	}
}

static void xarray_punch(struct arena *a, unsigned int n)
{
	struct folio *folio = page_folio(a->pages[n]);

	xa_erase(a->xa, XA_FIRST + n);
	bitmap_set(a->absent, n - folio_page_idx(folio, a->pages[n]),
		   folio_nr_pages(folio));
}

static void xarray_free(struct arena *a)
{
	unsigned int n;

	xa_destroy(&a->own_xa);
	for (n = NR_PAGES; n--;)
		if (a->pages[n] && !PageTail(a->pages[n]))
			put_page(a->pages[n]);
}

static void note_linear(struct kunit *test, struct arena *a, void *base,
			unsigned int nr_pages)
{
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, base);
	a->addr = (unsigned long)base;
	a->nr_pages = nr_pages;
	a->first = nr_pages - NR_PAGES;
	for (n = 0; n < nr_pages; n++)
		a->pages[n] = virt_to_page(base + P(n));
}

static void exact_make(struct kunit *test, struct arena *a)
{
	note_linear(test, a, alloc_pages_exact(WINDOW, GFP_KERNEL), NR_PAGES);
}

static void exact_free(struct arena *a)
{
	if (a->addr)
		free_pages_exact((void *)a->addr, WINDOW);
}

static void compound_make(struct kunit *test, struct arena *a)
{
	note_linear(test, a, (void *)__get_free_pages(GFP_KERNEL | __GFP_COMP,
						      HPAGE_PMD_ORDER),
		    HPAGE_PMD_NR);
}

static void compound_free(struct arena *a)
{
	free_pages(a->addr, HPAGE_PMD_ORDER);
}

static void vmalloc_make(struct kunit *test, struct arena *a)
{
	unsigned int n;

	a->addr = (unsigned long)vmalloc(WINDOW);
	KUNIT_ASSERT_NE(test, a->addr, 0);
	a->nr_pages = NR_PAGES;
	for (n = 0; n < NR_PAGES; n++)
		a->pages[n] = vmalloc_to_page((void *)a->addr + P(n));
}

static void vmalloc_free(struct arena *a)
{
	vfree((void *)a->addr);
}

/* A compound page of which some pages are mapped in another order */
static void vmap_make(struct kunit *test, struct arena *a)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
					get_order(WINDOW));
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, page);
	a->nr_pages = NR_PAGES;
	for (n = 0; n < NR_PAGES; n++)
		a->pages[n] = page + (n ^ n / 4);
	a->addr = (unsigned long)vmap(a->pages, NR_PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NE(test, a->addr, 0);
}

static int clear_entry(pte_t *pte, unsigned long addr, void *data)
{
	pte_clear(&init_mm, addr, pte);
	return 0;
}

static void vmap_punch(struct arena *a, unsigned int n)
{
	unsigned long addr = a->addr + P(n);

	WARN_ON(apply_to_page_range(&init_mm, addr, PAGE_SIZE, clear_entry,
				    NULL));
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	set_bit(n, a->absent);
}

static void vmap_free(struct arena *a)
{
	vunmap((void *)a->addr);
	if (a->pages[0])
		put_page(a->pages[0]);
}

static const struct kind kinds[] = {
	{ "ubuf", ITER_UBUF, user_make, .punch = user_punch },
	{ "ubuf, huge page", ITER_UBUF, huge_make, .punch = user_punch,
	  .whole = 1 },
	{ "ubuf, in front of a huge page", ITER_UBUF, front_make },
	{ "ubuf, huge page of small ones", ITER_UBUF, pte_make, .whole = 1 },
	{ "ubuf, split huge page", ITER_UBUF, split_make, .whole = 3 },
	{ "ubuf, hugetlb", ITER_UBUF, hugetlb_make, .whole = 1 },
	{ "ubuf, shmem", ITER_UBUF, shmem_make, file_free, .whole = 1 },
	{ "ubuf, shmem, not mapped", ITER_UBUF, shmem_make, file_free,
	  .whole = 1, .cold = true },
	{ "ubuf, shmem, copied on write", ITER_UBUF, cow_make, file_free,
	  .whole = 3, .source_only = true },
	{ "ubuf, page cache", ITER_UBUF, cache_make, file_free,
	  .punch = user_punch },
	{ "ubuf, page cache, not mapped", ITER_UBUF, cache_make, file_free,
	  .cold = true },
	{ "iovec", ITER_IOVEC, user_make, .punch = user_punch },
	{ "iovec, huge page", ITER_IOVEC, huge_make, .whole = 1 },
	{ "iovec, hugetlb", ITER_IOVEC, hugetlb_make, .whole = 1 },
	{ "iovec, page cache, not mapped", ITER_IOVEC, cache_make, file_free,
	  .cold = true },
	{ "kvec, pages", ITER_KVEC, exact_make, exact_free },
	{ "kvec, compound page", ITER_KVEC, compound_make, compound_free,
	  .whole = 1 },
	{ "kvec, vmalloc", ITER_KVEC, vmalloc_make, vmalloc_free },
	{ "kvec, vmap", ITER_KVEC, vmap_make, vmap_free, .punch = vmap_punch },
	{ "bvec, pages", ITER_BVEC, exact_make, exact_free },
	{ "bvec, compound page", ITER_BVEC, compound_make, compound_free,
	  .whole = 1 },
	{ "xarray, folios", ITER_XARRAY, xarray_make, xarray_free,
	  .punch = xarray_punch },
	{ "xarray, page cache", ITER_XARRAY, cache_make, file_free },
	{ "xarray, shmem", ITER_XARRAY, shmem_make, file_free, .whole = 1 },
};

static const struct kind pipe_kind = { "pipe", ITER_PIPE };

static bool has_segs(const struct kind *kind)
{
	return kind->type != ITER_UBUF && kind->type != ITER_XARRAY;
}

/* For KUNIT_CASE_PARAM(): the next kind that can have a test */
static const void *next_kind(const struct kind *prev, char *desc,
			     bool (*can)(const struct kind *kind))
{
	const struct kind *kind = prev ? prev + 1 : kinds;

	while (kind < kinds + ARRAY_SIZE(kinds) && can && !can(kind))
		kind++;
	if (kind == kinds + ARRAY_SIZE(kinds))
		return NULL;
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
	return kind;
}

static const void *all_kinds(const void *prev, char *desc)
{
	return next_kind(prev, desc, NULL);
}

static bool has_whole(const struct kind *kind)
{
	return kind->whole;
}

static const void *whole_kinds(const void *prev, char *desc)
{
	return next_kind(prev, desc, has_whole);
}

static bool can_punch(const struct kind *kind)
{
	return kind->punch;
}

static const void *punch_kinds(const void *prev, char *desc)
{
	return next_kind(prev, desc, can_punch);
}

static const void *segs_kinds(const void *prev, char *desc)
{
	return next_kind(prev, desc, has_segs);
}

static bool is_user(const struct kind *kind)
{
	return kind->type == ITER_UBUF || kind->type == ITER_IOVEC;
}

static unsigned int kind_mode(const struct kind *kind, enum iter_dir dir)
{
	if (kind->type == ITER_PIPE)
		return FOLL_GET;
	if (!is_user(kind))
		return 0;
	return dir == ITER_DEST ? FOLL_PIN : FOLL_GET;
}

static int convert_init(struct kunit *test)
{
	struct arena *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	if (!a)
		return -ENOMEM;
	test->priv = a;
	a->kind = test->param_value ?: &pipe_kind;
	a->image = vzalloc(P(MAX_PAGES));
	a->bytes = vzalloc(P(MAX_PAGES));
	a->seen = vzalloc(P(MAX_PAGES));
	return a->image && a->bytes && a->seen ? 0 : -ENOMEM;
}

static void convert_exit(struct kunit *test)
{
	struct arena *a = test->priv;

	if (!a)
		return;
	if (a->kind->free)
		a->kind->free(a);
	vfree(a->image);
	vfree(a->bytes);
	vfree(a->seen);
}

/*
 * The content
 */

/* Bytes of which no two neighbours are alike, new ones with every call */
static void make_bytes(u8 *to, size_t len)
{
	static u32 salt;
	size_t k;

	for (k = 0; k < len; k++)
		to[k] = hash_32(salt++, 8);
}

/* A page of the arena, in the way of those that the memory belongs to */
static void read_page(struct kunit *test, u8 *to, unsigned int n)
{
	struct arena *a = test->priv;
	unsigned long addr = a->addr + P(n);

	if (is_user(a->kind))
		KUNIT_EXPECT_EQ(test, 0, copy_from_user(to, (void __user *)addr,
							PAGE_SIZE));
	else if (a->addr && a->kind->type != ITER_XARRAY)
		memcpy(to, (void *)addr, PAGE_SIZE);
	else
		memcpy_from_page(to, a->pages[n], 0, PAGE_SIZE);
}

static void expect_image(struct kunit *test, unsigned int first)
{
	struct arena *a = test->priv;
	unsigned int n;

	for (n = first; n < a->nr_pages; n++) {
		if (test_bit(n, a->absent))
			continue;
		read_page(test, a->seen, n);
		KUNIT_EXPECT_EQ(test, 0, memcmp(a->seen, a->image + P(n),
						PAGE_SIZE));
	}
}

/* The bytes of the layout, to or from the image */
static void copy_layout(struct arena *a, u8 *bytes, size_t len, bool write)
{
	const struct seg *seg = a->segs;

	for (; len; seg++) {
		size_t part = min(len, seg->len);

		if (write)
			memcpy(a->image + seg->at, bytes, part);
		else
			memcpy(bytes, a->image + seg->at, part);
		bytes += part;
		len -= part;
	}
}

static void copy_run(const struct bio_vec *run, u8 *bytes, bool write)
{
	size_t k, part;

	for (k = 0; k < run->bv_len; k += part) {
		size_t at = run->bv_offset + k;
		struct page *page = nth_page(run->bv_page, at / PAGE_SIZE);

		at %= PAGE_SIZE;
		part = min(run->bv_len - k, PAGE_SIZE - at);
		if (write)
			memcpy_to_page(page, at, bytes + k, part);
		else
			memcpy_from_page(bytes + k, page, at, part);
	}
}

/*
 * What is held
 */
static void settle(struct arena *a)
{
	if (a->kind->cold)
		WARN_ON(do_madvise(current->mm, a->addr + P(2),
				   P(a->nr_pages - 2), MADV_DONTNEED));
	kunit_settle_pages();
}

static long pins_now(void)
{
	return kunit_pin_stat(NR_FOLL_PIN_ACQUIRED) -
	       kunit_pin_stat(NR_FOLL_PIN_RELEASED);
}

static void note_held(struct arena *a)
{
	unsigned int n;

	settle(a);
	for (n = 0; n < a->nr_pages; n++)
		if (!is_user(a->kind) || !test_bit(n, a->absent))
			a->held[n] = kunit_held(a->pages[n]);
	a->pins = pins_now();
}

static bool is_holding(const struct taken *t);

/* How often something is held: on one folio, or at all if that is NULL */
static int count_taken(const struct arena *a, const struct folio *folio,
		       unsigned int *mode)
{
	const struct taken *t;
	unsigned int k;
	int nr = 0;

	*mode = 0;
	for (t = a->taken; t < a->taken + ARRAY_SIZE(a->taken); t++) {
		if (!is_holding(t))
			continue;
		*mode = t->mode;
		for (k = 0; k < t->r.nr; k++)
			if (!folio || page_folio(t->r.bv[k].bv_page) == folio)
				nr += bvec_nr_pages(&t->r.bv[k]);
	}
	return nr;
}

/* Each page is held once for each run that it is in. */
static void expect_held(struct kunit *test)
{
	struct arena *a = test->priv;
	const struct folio *last = NULL;
	unsigned int n, mode;
	int nr;

	settle(a);
	for (n = 0; n < a->nr_pages; n++) {
		struct folio *folio = page_folio(a->pages[n]);

		if (folio == last ||
		    (is_user(a->kind) && test_bit(n, a->absent)))
			continue;
		last = folio;
		nr = count_taken(a, folio, &mode);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(a->pages[n], a->held[n],
						      nr, mode));
	}
	nr = count_taken(a, NULL, &mode);
	KUNIT_EXPECT_EQ(test, pins_now() - a->pins, mode == FOLL_PIN ? nr : 0);
}

static void make_arena(struct kunit *test)
{
	struct arena *a = test->priv;
	unsigned int n;

	a->kind->make(test, a);
	make_bytes(a->image, P(a->nr_pages));
	for (n = 0; n < a->nr_pages; n++)
		memcpy_to_page(a->pages[n], 0, a->image + P(n), PAGE_SIZE);
	expect_image(test, 0);
	note_held(a);
}

/*
 * Iterators over an arena
 */
static void make_iter(struct arena *a, struct iov_iter *i, enum iter_dir dir)
{
	size_t far = a->far, count = 0;
	void *base = (void *)a->addr + a->segs[0].at - far;
	unsigned int n;

	for (n = 0; n < a->nr_segs; n++, far = 0) {
		size_t at = a->segs[n].at, len = a->segs[n].len + far;

		if (a->kind->type == ITER_BVEC)
			bvec_set_page(&a->bvec[n], a->pages[0] - far / PAGE_SIZE,
				      len, at);
		else
			a->kvec[n] = (struct kvec){ (void *)a->addr + at - far,
						    len };
		count += len;
	}

	switch (a->kind->type) {
	case ITER_UBUF:
		iov_iter_ubuf(i, dir, (void __user *)base, count);
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
		iov_iter_xarray(i, dir, a->xa, XA_POS + a->segs[0].at - a->far,
				count);
	}
	iov_iter_advance(i, a->far);
}

/* A layout of the window; what cannot have segments takes the first one. */
static void set_layout(struct arena *a, const struct seg *segs,
		       unsigned int nr_segs)
{
	unsigned int n;

	a->nr_segs = has_segs(a->kind) ? nr_segs : 1;
	for (n = 0; n < a->nr_segs; n++) {
		a->segs[n] = segs[n];
		a->segs[n].at += P(a->first);
	}
}

/*
 * The model
 */

/* Can memory go on with the run before it? */
static bool goes_on(const struct arena *a, const struct bio_vec *bv,
		    struct page *page, size_t offset, bool border)
{
	size_t end = bv->bv_offset + bv->bv_len;

	/* a page of two segments is held twice */
	if (border && is_user(a->kind) && offset)
		return false;
	return page_to_pfn(page) == page_to_pfn(bv->bv_page) + end / PAGE_SIZE &&
	       offset == end % PAGE_SIZE &&
	       compound_head(page) == compound_head(bv->bv_page);
}

/* Add what a segment has in one page: false if it has to end there. */
static bool model_add(const struct arena *a, struct runs *r, size_t at,
		      size_t len, unsigned int max_runs, bool border)
{
	struct bio_vec *bv = &r->bv[r->nr];
	struct page *page = a->pages[at / PAGE_SIZE];

	if (test_bit(at / PAGE_SIZE, a->absent)) {
		r->size = r->size ?: -EFAULT;
		return false;
	}
	if (r->nr && goes_on(a, bv - 1, page, at % PAGE_SIZE, border)) {
		bv[-1].bv_len += len;
	} else {
		if (r->nr == max_runs)
			return false;
		bvec_set_page(bv, page, len, at % PAGE_SIZE);
		r->nr++;
	}
	r->size += len;
	return true;
}

static void model(const struct arena *a, size_t maxsize, unsigned int max_runs,
		  struct runs *r)
{
	unsigned int s;
	size_t k, n;

	r->size = 0;
	r->nr = 0;
	for (s = 0; s < a->nr_segs; s++) {
		for (k = 0; k < a->segs[s].len; k += n) {
			size_t at = a->segs[s].at + k;

			n = min3(a->segs[s].len - k, maxsize - r->size,
				 PAGE_SIZE - at % PAGE_SIZE);
			if (!n || !model_add(a, r, at, n, max_runs, !k))
				return;
		}
	}
}

/*
 * The converters
 */
struct attempt {
	struct kunit *test;
	size_t maxsize;
	unsigned int max_runs;
	unsigned int used;	/* entries of a scatterlist */
	bool exact;		/* it has no more than room for max_runs */
	unsigned int fail_at;	/* the run that a function refuses */
	bool wrong_dir;
	unsigned int gup_flags;
};

struct converter {
	const char *name;
	bool limited;		/* by max_runs */
	bool keeps;		/* until it is put */
	ssize_t (*take)(struct attempt *at, struct iov_iter *i,
			struct taken *t);
	void (*copy)(struct arena *a, struct taken *t, u8 *bytes, bool write);
	void (*put)(struct taken *t, bool dirty);
};

#define POISON	((struct page *)0x6b6b6b6c)

static ssize_t bvecs_take(struct attempt *at, struct iov_iter *i,
			  struct taken *t)
{
	ssize_t ret;

	t->r.nr = at->max_runs;
	t->r.bv[at->max_runs].bv_page = POISON;
	ret = iov_iter_extract_bvecs(i, t->r.bv, &t->r.nr, at->maxsize,
				     at->gup_flags);
	KUNIT_EXPECT_PTR_EQ(at->test, t->r.bv[at->max_runs].bv_page, POISON);
	return ret;
}

static void bvecs_copy(struct arena *a, struct taken *t, u8 *bytes, bool write)
{
	unsigned int k;

	for (k = 0; k < t->r.nr; bytes += t->r.bv[k++].bv_len)
		copy_run(&t->r.bv[k], bytes, write);
}

static void bvecs_put(struct taken *t, bool dirty)
{
	bvecs_put_unpin(t->r.bv, t->r.nr, t->mode, dirty);
}

/* T25, T26, T32: what is in the table, up to its end mark and behind it */
static void sg_look_through(struct attempt *at, struct taken *t, bool added)
{
	struct scatterlist *sg = t->sgt.sgl, *last = NULL;
	unsigned int n, end = added ? t->sgt.nents : t->sgt.orig_nents;
	struct kunit *test = at->test;

	for (n = 0; n < t->sgt.nents; n++, last = sg, sg = sg_next(sg)) {
		KUNIT_ASSERT_NOT_NULL(test, sg);
		KUNIT_EXPECT_EQ(test, !!sg_is_last(sg), n == end - 1);
		if (n < at->used) {
			KUNIT_EXPECT_PTR_EQ(test, sg_page(sg), POISON);
			KUNIT_EXPECT_EQ(test, sg->offset, n);
			continue;
		}
		if (n == at->used)
			t->first = sg;
		bvec_set_page(&t->r.bv[t->r.nr++], sg_page(sg), sg->length,
			      sg->offset);
	}
	if (added) {
		KUNIT_EXPECT_NULL(test, sg);
		sg_unmark_end(last);
		if (n < t->sgt.orig_nents)
			sg = sg_next(last);
	}
	for (; n < t->sgt.orig_nents; n++, last = sg, sg = sg_next(sg)) {
		KUNIT_ASSERT_NOT_NULL(test, sg);
		KUNIT_EXPECT_PTR_EQ(test, sg_page(sg), NULL);
		KUNIT_EXPECT_EQ(test, !!sg_is_last(sg),
				n == t->sgt.orig_nents - 1);
	}
	sg_mark_end(last);
}

/* Into a table with entries in use, which is a chain if it is long */
static ssize_t sg_take(struct attempt *at, struct iov_iter *i, struct taken *t)
{
	unsigned int size = at->used + at->max_runs + (at->exact ? 0 : 3), n;
	struct kunit *test = at->test;
	struct scatterlist *sg;
	ssize_t ret;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&t->sgt, size, GFP_KERNEL));
	for_each_sg(t->sgt.sgl, sg, at->used, n)
		sg_set_page(sg, POISON, 1, n);
	t->sgt.nents = at->used;
	ret = iov_iter_extract_sg(i, &t->sgt,
				  at->exact ? UINT_MAX : at->max_runs,
				  at->maxsize, at->gup_flags, &t->held);
	KUNIT_ASSERT_LE(test, t->sgt.nents, at->used + at->max_runs);
	sg_look_through(at, t, ret > 0);
	if (ret > 0)
		KUNIT_EXPECT_EQ(test, t->held.mode, t->mode);
	KUNIT_EXPECT_EQ(test, t->held.nents, t->mode ? t->r.nr : 0);
	KUNIT_EXPECT_PTR_EQ(test, t->held.sg, t->first);
	return ret;
}

static void sg_copy(struct arena *a, struct taken *t, u8 *bytes, bool write)
{
	sg_copy_buffer(t->first, t->r.nr, bytes, t->r.size, 0, !write);
}

static void sg_put(struct taken *t, bool dirty)
{
	if (t->held.nents)
		sg_put_unpin(t->held.sg, t->held.nents, t->held.mode, dirty);
	sg_free_table(&t->sgt);
}

/* khugepaged may have the lock for a moment. */
static bool mm_is_unlocked(void)
{
	struct mm_struct *mm = current->mm;
	unsigned int tries = 1000;

	while (!mmap_write_trylock(mm)) {
		if (!tries--)
			return false;
		usleep_range(1000, 2000);
	}
	mmap_write_unlock(mm);
	return true;
}

struct look {
	struct attempt *at;
	struct taken *t;
	size_t done;
};

/* It is held, but no lock is; what there is to see has to be seen now. */
static int look_at(const struct bio_vec *run, void *priv)
{
	struct look *l = priv;
	struct kunit *test = l->at->test;
	struct arena *a = test->priv;
	struct runs *r = &l->t->r;
	unsigned int n = 0;

	if (r->nr == l->at->fail_at)
		return -EILSEQ;
	KUNIT_ASSERT_LT(test, r->nr, MAX_RUNS);
	r->bv[r->nr++] = *run;
	copy_run(run, a->seen + l->done, false);
	l->done += run->bv_len;

	if (!l->t->mode || a->kind->type == ITER_PIPE)
		return 0;
	if (l->t->mode == FOLL_PIN)
		KUNIT_EXPECT_TRUE(test, page_maybe_dma_pinned(run->bv_page));
	while (a->pages[n] != run->bv_page)
		KUNIT_ASSERT_LT(test, ++n, a->nr_pages);
	KUNIT_EXPECT_GT(test, page_count(run->bv_page), a->held[n].refs);
	KUNIT_EXPECT_TRUE(test, mm_is_unlocked());
	return 0;
}

static ssize_t look_take(struct attempt *at, struct iov_iter *i,
			 struct taken *t)
{
	struct look look = { at, t };

	return iov_iter_visit_runs(i, at->maxsize, at->gup_flags, look_at,
				     &look);
}

static void look_copy(struct arena *a, struct taken *t, u8 *bytes, bool write)
{
	memcpy(bytes, a->seen, t->r.size);
}

static void look_put(struct taken *t, bool dirty)
{
}

static ssize_t owned_take(struct attempt *at, struct iov_iter *i,
			  struct taken *t)
{
	ssize_t ret = iov_iter_extract_owned(i, at->maxsize, at->gup_flags,
					     &t->own);
	struct kunit *test = at->test;

	if (ret <= 0) {
		KUNIT_EXPECT_NULL(test, t->own.bvecs);
		return ret;
	}
	KUNIT_EXPECT_EQ(test, t->own.mode, t->mode);
	KUNIT_EXPECT_EQ(test, t->own.iter.count, ret);
	KUNIT_EXPECT_TRUE(test, iov_iter_is_bvec(&t->own.iter));
	KUNIT_EXPECT_TRUE(test, iov_iter_dir(&t->own.iter) == iov_iter_dir(i));
	KUNIT_EXPECT_PTR_EQ(test, t->own.iter.bvec, t->own.bvecs);
	KUNIT_EXPECT_EQ(test, t->own.iter.nr_segs, t->own.nr_bvecs);
	KUNIT_ASSERT_LE(test, t->own.nr_bvecs, MAX_RUNS);
	t->r.nr = t->own.nr_bvecs;
	memcpy(t->r.bv, t->own.bvecs, t->r.nr * sizeof(*t->r.bv));
	return ret;
}

static void owned_copy(struct arena *a, struct taken *t, u8 *bytes, bool write)
{
	struct iov_iter i = t->own.iter;

	if (write) {
		WARN_ON(copy_to_iter(bytes, t->r.size, &i) != t->r.size);
		return;
	}
	if (iov_iter_dir(&i) == ITER_DEST)
		iov_iter_bvec(&i, ITER_SOURCE, t->own.bvecs, t->own.nr_bvecs,
			      t->r.size);
	WARN_ON(copy_from_iter(bytes, t->r.size, &i) != t->r.size);
}

static void owned_put(struct taken *t, bool dirty)
{
	bvec_owner_release(&t->own, dirty);
}

static const struct converter converters[] = {
	{ "bvecs", true, true, bvecs_take, bvecs_copy, bvecs_put },
	{ "sg", true, true, sg_take, sg_copy, sg_put },
	{ "for_each_run", false, false, look_take, look_copy, look_put },
	{ "owned", false, true, owned_take, owned_copy, owned_put },
};

static const struct converter *next_converter(const struct converter *by)
{
	return ++by < converters + ARRAY_SIZE(converters) ? by : NULL;
}

static bool is_holding(const struct taken *t)
{
	return t->by && t->by->keeps;
}

static unsigned int flag_of(enum iter_dir dir)
{
	return dir == ITER_DEST ? FOLL_DEST_BUF : FOLL_SOURCE_BUF;
}

static struct taken *take(struct attempt *at, const struct converter *by,
			  struct iov_iter *i, unsigned int n)
{
	struct arena *a = at->test->priv;
	enum iter_dir dir = iov_iter_dir(i);
	struct taken *t = &a->taken[n];
	size_t count = i->count;

	memset(t, 0, sizeof(*t));
	t->by = by;
	at->gup_flags = flag_of(dirs[at->wrong_dir ^ (dir == ITER_SOURCE)]);
	t->mode = kind_mode(a->kind, dir);
	t->r.size = by->take(at, i, t);
	KUNIT_EXPECT_EQ(at->test, i->count,
			count - max_t(ssize_t, t->r.size, 0));
	if (t->r.size <= 0)
		KUNIT_EXPECT_EQ(at->test, t->r.nr, 0);
	return t;
}

static void put(struct kunit *test, unsigned int n, enum iter_dir dir)
{
	struct arena *a = test->priv;

	a->taken[n].by->put(&a->taken[n], dir == ITER_DEST);
	a->taken[n].by = NULL;
	expect_held(test);
}

static void expect_runs(struct kunit *test, const struct runs *is,
			const struct runs *want)
{
	unsigned int n;

	KUNIT_ASSERT_EQ(test, is->size, want->size);
	KUNIT_ASSERT_EQ(test, is->nr, want->nr);
	for (n = 0; n < is->nr; n++) {
		KUNIT_EXPECT_PTR_EQ(test, is->bv[n].bv_page,
				    want->bv[n].bv_page);
		KUNIT_EXPECT_EQ(test, is->bv[n].bv_offset,
				want->bv[n].bv_offset);
		KUNIT_EXPECT_EQ(test, is->bv[n].bv_len, want->bv[n].bv_len);
	}
}

/* The bytes that it describes are those of the layout. */
static void expect_bytes(struct kunit *test, struct taken *t)
{
	struct arena *a = test->priv;

	t->by->copy(a, t, a->bytes, false);
	copy_layout(a, a->seen, t->r.size, false);
	KUNIT_EXPECT_EQ(test, 0, memcmp(a->bytes, a->seen, t->r.size));
}

/* What is written through it gets there, and nowhere else. */
static void write_bytes(struct arena *a, struct taken *t)
{
	make_bytes(a->bytes, t->r.size);
	t->by->copy(a, t, a->bytes, true);
	copy_layout(a, a->bytes, t->r.size, true);
}

static void try_converter(struct attempt *at, const struct converter *by,
			  struct iov_iter *i, const struct runs *want)
{
	enum iter_dir dir = iov_iter_dir(i);
	struct kunit *test = at->test;
	unsigned int n;

	/* T48: the same again, before it is given back */
	for (n = 0; n < 2; n++) {
		struct taken *t = take(at, by, i, n);

		expect_runs(test, &t->r, want);
		expect_held(test);
		if (t->r.size <= 0)
			continue;
		expect_bytes(test, t);
		if (dir == ITER_DEST && by->keeps && !n)
			write_bytes(test->priv, t);
		iov_iter_revert(i, t->r.size);
	}
	put(test, 0, dir);
	put(test, 1, dir);
}

/* A function that returns an error is not called again. */
static void try_look_error(struct attempt *at, struct iov_iter *i,
			   const struct runs *all, unsigned int fail_at)
{
	const struct converter *by = &converters[2];
	struct kunit *test = at->test;
	struct runs *want = &((struct arena *)test->priv)->cut;
	struct taken *t;

	if (fail_at >= all->nr)
		return;
	*want = *all;
	want->nr = fail_at;
	for (want->size = 0; fail_at--;)
		want->size += want->bv[fail_at].bv_len;
	want->size = want->size ?: -EILSEQ;
	at->fail_at = want->nr;
	t = take(at, by, i, 0);
	at->fail_at = UINT_MAX;
	expect_runs(test, &t->r, want);
	iov_iter_revert(i, max_t(ssize_t, t->r.size, 0));
	put(test, 0, iov_iter_dir(i));
}

static void try_all(struct kunit *test, size_t maxsize, unsigned int max_runs,
		    unsigned int some)
{
	struct attempt at = { test, maxsize, max_runs, some,
			      .exact = maxsize & 1, .fail_at = UINT_MAX };
	struct arena *a = test->priv;
	const struct converter *by = NULL;
	struct iov_iter i;
	unsigned int n;

	for (n = a->kind->source_only; n < ARRAY_SIZE(dirs); n++) {
		make_iter(a, &i, dirs[n]);
		model(a, maxsize, max_runs, &a->cut);
		model(a, maxsize, MAX_RUNS, &a->all);
		for (by = converters; by; by = next_converter(by)) {
			try_converter(&at, by, &i,
				      by->limited ? &a->cut : &a->all);
			if (test->status)
				goto failed;
		}
		try_look_error(&at, &i, &a->all, some);
	}
	return;
failed:
	pr_err("%s failed, dir %u, maxsize %zu, max_runs %u, some %u, first segment %zu at %zu\n",
	       by->name, n, maxsize, max_runs, some, a->segs[0].len,
	       a->segs[0].at);
}

/*
 * All limits, on layouts that cross what there is to cross
 *
 * T26: no more entries than there is room for; the array may be full within a
 * huge page, at its border, or at one between pages.
 * T27: segments that cross pages, with the last one cut by maxsize.
 * T28: a start within a large folio, and pieces that end there.
 */
static const struct seg layouts[][LAYOUT_SEGS] = {
	{ { 0, P(8) } },
	{ { 1, P(8) - 2 } },
	{ { P(3) + 5, 10 } },
	{ { P(2) + 9, P(3) } },
	{ { 0, P(2) }, { P(2), P(2) } },
	{ { 10, 20 }, { 30, P(1) }, { P(6) - 1, 2 } },
	{ { P(4), P(1) }, { 0, 0 }, { P(5), P(1) }, { P(1), P(1) } },
	/* T48: the same page again in the next segment, and the same bytes */
	{ { P(5) + 1, 9 }, { P(5) + 10, 9 }, { P(5), P(1) }, { P(5), P(1) } },
};

static void convert_limits(struct kunit *test)
{
	static const size_t sizes[] = { 1, P(1) - 1, P(1), P(1) + 1, P(5),
					P(5) + 9, SIZE_MAX };
	struct arena *a = test->priv;
	unsigned int l, s, max;

	make_arena(test);
	for (l = 0; l < ARRAY_SIZE(layouts) && !test->status; l++) {
		set_layout(a, layouts[l], LAYOUT_SEGS);
		if (layouts[l][1].len && a->nr_segs == 1)
			continue;
		for (s = 0; s < ARRAY_SIZE(sizes); s++)
			for (max = 1; max < NR_PAGES + 3 && !test->status; max++)
				try_all(test, sizes[s], max, max - 1);
		expect_image(test, a->first);
	}
}

static u32 below(struct rnd_state *rnd, u32 ceiling)
{
	return prandom_u32_state(rnd) % ceiling;
}

static void convert_random(struct kunit *test)
{
	struct arena *a = test->priv;
	struct seg segs[LAYOUT_SEGS];
	struct rnd_state rnd;
	unsigned int n, s;

	if (!seed)
		seed = get_random_u64();
	prandom_seed_state(&rnd, seed);
	kunit_info(test, "seed %llu\n", seed);
	make_arena(test);
	for (n = 0; n < 60 && !test->status; n++) {
		for (s = 0; s < LAYOUT_SEGS; s++) {
			size_t at = below(&rnd, WINDOW);

			if (below(&rnd, 2))
				at = round_down(at, PAGE_SIZE);
			segs[s].at = at;
			segs[s].len = 1 + below(&rnd, WINDOW - at);
		}
		set_layout(a, segs, 1 + below(&rnd, LAYOUT_SEGS));
		try_all(test, 1 + below(&rnd, 2 * WINDOW),
			1 + below(&rnd, MAX_RUNS - 1), below(&rnd, 300));
		expect_image(test, a->first);
	}
}

/* Folios that are mapped whole, cut at their ends and in the middle */
static void convert_whole(struct kunit *test)
{
	static const struct seg whole_layouts[] = {
		{ 0, PMD_SIZE },
		{ 1, PMD_SIZE - 2 },
		{ P(100) + 7, PMD_SIZE - P(100) - 7 },
		{ PMD_SIZE / 2 - 3, P(65) },
		{ 5, P(MAX_PAGES) },
	};
	struct arena *a = test->priv;
	struct seg seg;
	unsigned int l;

	make_arena(test);
	for (l = 0; l < ARRAY_SIZE(whole_layouts) && !test->status; l++) {
		seg = whole_layouts[l];
		seg.len = min(seg.len, P(a->nr_pages) - seg.at);
		set_layout(a, &seg, 1);
		a->segs[0].at = seg.at;
		if (!l) {
			model(a, SIZE_MAX, MAX_RUNS, &a->all);
			KUNIT_EXPECT_EQ(test, a->all.nr, a->kind->whole);
		}
		try_all(test, SIZE_MAX, MAX_RUNS, 1);
		try_all(test, P(HPAGE_PMD_NR - 1) + 1, 2, 0);
		try_all(test, SIZE_MAX - 1, 1, 0);
		expect_image(test, 0);
	}
}

/*
 * T42: a place that is 4 GiB and more into a segment; what is in front of it
 * need not be there.  A bio_vec cannot be that long, but it can begin late: the
 * bytes are on both sides of 4 GiB from its page.
 */
static void convert_far(struct kunit *test)
{
	static const struct seg segs[] = { { P(1) + 5, P(2) - 10 }, { 9, 99 } };
	struct arena *a = test->priv;

	a->far = a->kind->type == ITER_BVEC ? (4ULL << 30) - P(2) : XA_POS;
	make_arena(test);
	set_layout(a, segs, ARRAY_SIZE(segs));
	try_all(test, SIZE_MAX, MAX_RUNS, 2);
	try_all(test, P(1), 1, 0);
	expect_image(test, a->first);
}

/* More segments than any of the converters takes in one go */
static void convert_many_segments(struct kunit *test)
{
	struct arena *a = test->priv;
	struct seg segs[MAX_SEGS];
	unsigned int n;

	for (n = 0; n < MAX_SEGS; n++)
		segs[n] = (struct seg){ P(3 * n % NR_PAGES) + 20 * n, 19 };
	make_arena(test);
	set_layout(a, segs, MAX_SEGS);
	for (n = 0; n < 40; n++)
		try_all(test, n & 1 ? SIZE_MAX : SIZE_MAX - 1, MAX_SEGS - n,
			100 + n);
	expect_image(test, a->first);
}

/*
 * T30: a hole after some pages.  What is in front of it is held, and then
 * released; at the hole there is an error, and nothing is held.
 */
static void convert_hole(struct kunit *test)
{
	static const struct seg segs[][2] = {
		{ { 0, P(8) } },
		{ { P(1) + 1, P(7) - 1 }, { 0, P(8) } },
		{ { 100, P(2) }, { P(2) + 1, P(6) - 1 } },
	};
	struct arena *a = test->priv;
	unsigned int n, s;

	make_arena(test);
	for (n = NR_PAGES; n--;) {
		if (test_bit(a->first + n, a->absent))
			continue;
		a->kind->punch(a, a->first + n);
		note_held(a);
		for (s = 0; s < ARRAY_SIZE(segs); s++) {
			set_layout(a, segs[s], 2);
			try_all(test, SIZE_MAX, MAX_RUNS, 1);
			try_all(test, P(3), 2, 0);
		}
	}
	KUNIT_EXPECT_EQ(test, a->all.size, -EFAULT);
}

/*
 * T33: the same bytes in four calls
 * T29: then there is nothing more, however often it is asked for.
 * T48: what was taken by two calls is held twice.
 */
static const size_t splits[] = { 0, 1, P(1) + 100, SIZE_MAX };

static void split_converter(struct attempt *at, const struct converter *by,
			    struct iov_iter *i)
{
	struct kunit *test = at->test;
	struct arena *a = test->priv;
	size_t count = i->count, done = 0;
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(splits); n++) {
		size_t size = min(splits[n], count - done);
		struct taken *t;

		at->maxsize = splits[n];
		t = take(at, by, i, n);
		KUNIT_ASSERT_EQ(test, t->r.size, size);
		if (size)
			by->copy(a, t, a->bytes + done, false);
		done += size;
		expect_held(test);
	}
	KUNIT_EXPECT_EQ(test, done, count);
	copy_layout(a, a->seen, count, false);
	KUNIT_EXPECT_EQ(test, 0, memcmp(a->bytes, a->seen, count));
	for (n = 0; n < ARRAY_SIZE(splits); n++)
		put(test, n, iov_iter_dir(i));

	for (n = 0; n < 2; n++) {
		KUNIT_EXPECT_EQ(test, 0, take(at, by, i, 0)->r.size);
		put(test, 0, iov_iter_dir(i));
	}
}

/* The same into one table, which is full then */
static void split_sg(struct attempt *at, struct iov_iter *i, bool again)
{
	unsigned int flag = flag_of(iov_iter_dir(i)), n, nr = at->max_runs;
	struct kunit *test = at->test;
	struct arena *a = test->priv;
	struct sg_held held[ARRAY_SIZE(splits)];
	size_t count = i->count;
	struct sg_table sgt;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, nr, GFP_KERNEL));
	sgt.nents = 0;
	for (n = 0; n < ARRAY_SIZE(splits); n++)
		iov_iter_extract_sg(i, &sgt, UINT_MAX, splits[n], flag,
				    &held[n]);
	KUNIT_EXPECT_EQ(test, i->count, 0);
	nr = sgt.nents;
	KUNIT_EXPECT_EQ(test, sg_nents(sgt.sgl), nr);
	KUNIT_EXPECT_EQ(test, sg_copy_to_buffer(sgt.sgl, nr, a->bytes, count),
			count);
	copy_layout(a, a->seen, count, false);
	KUNIT_EXPECT_EQ(test, 0, memcmp(a->bytes, a->seen, count));
	for (n = 0; n < ARRAY_SIZE(splits); n++)
		if (held[n].nents)
			sg_put_unpin(held[n].sg, held[n].nents, held[n].mode,
				     false);
	expect_held(test);
	sg_free_table(&sgt);

	/* now with a table that is just as long */
	iov_iter_revert(i, count);
	at->max_runs = nr;
	if (again)
		split_sg(at, i, false);
}

static void convert_split(struct kunit *test)
{
	struct attempt at = { test, .max_runs = MAX_RUNS, .exact = true,
			      .fail_at = UINT_MAX };
	struct arena *a = test->priv;
	const struct converter *by;
	struct iov_iter i;
	unsigned int n, l;

	make_arena(test);
	for (l = 0; l < ARRAY_SIZE(layouts) && !test->status; l++) {
		set_layout(a, layouts[l], LAYOUT_SEGS);
		for (n = a->kind->source_only; n < ARRAY_SIZE(dirs); n++) {
			for (by = converters; by; by = next_converter(by)) {
				make_iter(a, &i, dirs[n]);
				split_converter(&at, by, &i);
			}
			make_iter(a, &i, dirs[n]);
			at.max_runs = MAX_RUNS;
			split_sg(&at, &i, true);
			at.max_runs = MAX_RUNS;
		}
	}
}

/* T32: a table that is a chain, used up on either side of a link and at it */
static void convert_chain(struct kunit *test)
{
	struct arena *a = test->priv;
	unsigned int used, max;

	make_arena(test);
	set_layout(a, layouts[1], LAYOUT_SEGS);
	for (used = SG_MAX_SINGLE_ALLOC - 4; used < SG_MAX_SINGLE_ALLOC + 2; used++)
		for (max = 1; max < 6; max++) {
			try_all(test, SIZE_MAX, max, used);
			try_all(test, SIZE_MAX - 1, max, used);
		}
}

/*
 * Refusals
 */
static void expect_nothing(struct attempt *at, struct iov_iter *i, int want)
{
	struct kunit *test = at->test;
	const struct converter *by;
	size_t count = i->count;

	for (by = converters; by; by = next_converter(by)) {
		if (!at->max_runs && !by->limited)
			continue;
		KUNIT_EXPECT_EQ_MSG(test, take(at, by, i, 0)->r.size, want,
				    "%s", by->name);
		KUNIT_EXPECT_EQ(test, i->count, count);
		expect_held(test);
		put(test, 0, iov_iter_dir(i));
	}
}

static void convert_refuses(struct kunit *test)
{
	static const struct seg segs[] = { { 0, P(2) }, { 0, 0 } };
	struct arena *a = test->priv;
	unsigned int n;

	make_arena(test);
	set_layout(a, segs, ARRAY_SIZE(segs));
	for (n = a->kind->source_only; n < ARRAY_SIZE(dirs); n++) {
		struct attempt at = { test, .used = 2, .exact = n };
		struct iov_iter i;

		make_iter(a, &i, dirs[n]);
		/* T25: no bytes or no room, in a table with entries in use */
		at.max_runs = 2;
		expect_nothing(&at, &i, 0);
		at.max_runs = 0;
		at.maxsize = P(1);
		expect_nothing(&at, &i, 0);

		at.max_runs = 2;
		at.wrong_dir = true;
		pr_info("# expect-warning-begin\n");
		expect_nothing(&at, &i, -EINVAL);
		pr_info("# expect-warning-end\n");
		at.wrong_dir = false;

		/* T29: nothing left */
		iov_iter_advance(&i, P(2));
		expect_nothing(&at, &i, 0);
	}
}

/* T31: what is not memory of its kind; that is nobody's bug, so no warning */
static void convert_unsupported(struct kunit *test)
{
	const unsigned long not_user[] = {
		TASK_SIZE_MAX, 1UL << 63, -P(1),
	};
	static const struct kind none = { "none", ITER_DISCARD };
	struct pipe_inode_info *pipe = alloc_pipe_info();
	struct attempt at = { test, P(2), 2, 1 };
	struct kvec kvec = { (void *)P(5) + 1, P(2) };
	struct arena *a = test->priv;
	struct iov_iter i;
	unsigned int n, k;

	KUNIT_ASSERT_NOT_NULL(test, pipe);
	kunit_use_mm(test);
	a->kind = &none;
	note_held(a);
	iov_iter_discard(&i, ITER_DEST, P(3));
	expect_nothing(&at, &i, -EFAULT);
	for (n = 0; n < ARRAY_SIZE(dirs); n++) {
		iov_iter_kvec(&i, dirs[n], &kvec, 1, P(2));
		expect_nothing(&at, &i, -EFAULT);
		for (k = 0; k < ARRAY_SIZE(not_user); k++) {
			iov_iter_ubuf(&i, dirs[n], (void __user *)not_user[k],
				      P(2));
			expect_nothing(&at, &i, -EFAULT);
		}
	}

	/* a pipe is not a source */
	iov_iter_pipe(&i, ITER_DEST, pipe, P(2));
	at.wrong_dir = true;
	pr_info("# expect-warning-begin\n");
	expect_nothing(&at, &i, -EINVAL);
	pr_info("# expect-warning-end\n");
	KUNIT_EXPECT_EQ(test, pipe->head, 0);
	free_pipe_info(pipe);
}

/*
 * Pipes: the pages come as they are taken, and each is a run of its own.
 */
#define PIPE_SLOTS	4

static void convert_pipe(struct kunit *test)
{
	static const struct {
		size_t maxsize;
		unsigned int max_runs;
	} steps[] = { { 100, 5 }, { P(1), 1 }, { P(9), 5 }, { 1, 1 } };
	struct arena *a = test->priv;
	const struct converter *by;
	unsigned int n, k;

	note_held(a);
	for (by = converters; by; by = next_converter(by)) {
		struct pipe_inode_info *pipe = alloc_pipe_info();
		struct iov_iter i;
		size_t pos = 0;

		KUNIT_ASSERT_NOT_NULL(test, pipe);
		pipe->max_usage = PIPE_SLOTS;
		iov_iter_pipe(&i, ITER_DEST, pipe, P(9));
		for (n = 0; n < ARRAY_SIZE(steps); n++) {
			struct attempt at = { test, steps[n].maxsize,
					      steps[n].max_runs, n,
					      .fail_at = UINT_MAX };
			struct taken *t = take(&at, by, &i, n);

			a->nr_pages = pipe->head;
			for (k = 0; k < pipe->head; k++) {
				a->pages[k] = pipe->bufs[k].page;
				a->held[k] = (struct kunit_held){ .refs = 1 };
			}
			a->nr_segs = 1;
			a->segs[0] = (struct seg){ pos, P(PIPE_SLOTS) - pos };
			model(a, at.maxsize,
			      by->limited ? at.max_runs : MAX_RUNS, &a->all);
			a->all.size = a->all.size ?: -EFAULT;
			expect_runs(test, &t->r, &a->all);
			expect_held(test);
			if (t->r.size <= 0)
				continue;
			if (by->keeps)
				write_bytes(a, t);
			pos += t->r.size;
		}
		KUNIT_EXPECT_EQ(test, pos, P(PIPE_SLOTS));
		if (by->keeps)
			expect_image(test, 0);
		/* what is taken back from the pipe stays for who has it */
		iov_iter_revert(&i, pos);
		for (k = 0; k < a->nr_pages; k++)
			a->held[k].refs = 0;
		if (by->keeps)
			expect_held(test);
		a->nr_pages = 0;
		for (n = 0; n < ARRAY_SIZE(steps); n++)
			put(test, n, ITER_DEST);
		free_pipe_info(pipe);
	}
}

/* User memory is made dirty if the caller says so, and nothing next to it. */
static void convert_dirty(struct kunit *test)
{
	static const struct seg seg = { P(2) + 9, P(3) };
	struct attempt at = { test, SIZE_MAX, MAX_RUNS, .fail_at = UINT_MAX };
	struct arena *a = test->priv;
	const struct converter *by;
	struct iov_iter i;
	unsigned int d, n;

	a->kind = &kinds[0];
	make_arena(test);
	set_layout(a, &seg, 1);
	for (by = converters; by; by = next_converter(by)) {
		for (d = 0; d < ARRAY_SIZE(dirs); d++) {
			for (n = 0; n < NR_PAGES; n++)
				ClearPageDirty(a->pages[n]);
			make_iter(a, &i, dirs[d]);
			take(&at, by, &i, 0);
			put(test, 0, dirs[d]);
			for (n = 0; n < NR_PAGES; n++)
				KUNIT_EXPECT_EQ(test, !!PageDirty(a->pages[n]),
						dirs[d] == ITER_DEST && n >= 2 &&
						n <= 5);
		}
	}
}

/*
 * T42: more than 4 GiB at once.  They are all of one folio, which is at every
 * index that is a multiple of its size.
 */
struct sum {
	const struct page *head;
	size_t size;
};

static int add_run(const struct bio_vec *run, void *priv)
{
	struct sum *sum = priv;

	sum->size += run->bv_len;
	return run->bv_page == sum->head && !run->bv_offset ? 0 : -EILSEQ;
}

static void convert_4g(struct kunit *test)
{
	const ssize_t size = (4LL << 30) + PMD_SIZE + 5, most = MAX_RW_COUNT;
	const unsigned int max = size / PMD_SIZE + 1;
	struct folio *folio = folio_alloc(GFP_KERNEL, HPAGE_PMD_ORDER);
	struct bio_vec *bv = kunit_kcalloc(test, max, sizeof(*bv), GFP_KERNEL);
	struct sum sum = { folio ? &folio->page : NULL };
	struct bvec_owner own;
	unsigned int n, nr = max;
	struct sg_table sgt;
	struct sg_held held;
	struct xarray xa;
	struct iov_iter i;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_ASSERT_NOT_NULL(test, bv);
	xa_init(&xa);
	for (n = 0; n < max; n++) {
		unsigned long at = n * HPAGE_PMD_NR;

		KUNIT_ASSERT_NULL(test,
				  xa_store_range(&xa, at, at + HPAGE_PMD_NR - 1,
						 folio, GFP_KERNEL));
	}
	iov_iter_xarray(&i, ITER_SOURCE, &xa, 0, size);

	KUNIT_EXPECT_EQ(test, iov_iter_extract_bvecs(&i, bv, &nr, SIZE_MAX,
						     FOLL_SOURCE_BUF), most);
	KUNIT_EXPECT_EQ(test, nr, DIV_ROUND_UP(most, PMD_SIZE));
	KUNIT_EXPECT_EQ(test, bv[nr - 1].bv_len, most % PMD_SIZE);
	iov_iter_revert(&i, most);

	KUNIT_EXPECT_EQ(test, iov_iter_extract_owned(&i, SIZE_MAX,
						     FOLL_SOURCE_BUF, &own),
			most);
	KUNIT_EXPECT_EQ(test, own.nr_bvecs, nr);
	KUNIT_EXPECT_EQ(test, own.iter.count, most);
	bvec_owner_release(&own, false);
	iov_iter_revert(&i, most);

	KUNIT_EXPECT_EQ(test, iov_iter_visit_runs(&i, SIZE_MAX,
						  FOLL_SOURCE_BUF, add_run,
						  &sum), size);
	KUNIT_EXPECT_EQ(test, sum.size, size);
	KUNIT_EXPECT_EQ(test, i.count, 0);

	iov_iter_xarray(&i, ITER_SOURCE, &xa, 0, size);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, max, GFP_KERNEL));
	sgt.nents = 0;
	KUNIT_EXPECT_EQ(test, iov_iter_extract_sg(&i, &sgt, UINT_MAX, SIZE_MAX,
						  FOLL_SOURCE_BUF, &held),
			size);
	KUNIT_EXPECT_EQ(test, sgt.nents, max);
	KUNIT_EXPECT_EQ(test, sg_nents(sgt.sgl), max);
	KUNIT_EXPECT_EQ(test, sg_last(sgt.sgl, max)->length, 5);
	sg_free_table(&sgt);
	xa_destroy(&xa);
	folio_put(folio);
}

static struct kunit_case convert_cases[] = {
	KUNIT_CASE_PARAM(convert_limits, all_kinds),
	KUNIT_CASE_PARAM(convert_random, all_kinds),
	KUNIT_CASE_PARAM(convert_whole, whole_kinds),
	KUNIT_CASE_PARAM(convert_far, all_kinds),
	KUNIT_CASE_PARAM(convert_many_segments, segs_kinds),
	KUNIT_CASE_PARAM(convert_hole, punch_kinds),
	KUNIT_CASE_PARAM(convert_split, all_kinds),
	KUNIT_CASE_PARAM(convert_chain, all_kinds),
	KUNIT_CASE_PARAM(convert_refuses, all_kinds),
	KUNIT_CASE(convert_unsupported),
	KUNIT_CASE(convert_pipe),
	KUNIT_CASE(convert_dirty),
	KUNIT_CASE(convert_4g),
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
