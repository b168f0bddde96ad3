// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests that compare the functions that copy to and from an iterator with a
 * model of them
 *
 * To the model, an iterator is a list of bytes in flat memory, a position in it
 * and a count.  Whatever is done to an iterator is done to the model as well,
 * byte by byte.  Then the value returned, the state of the iterator and all
 * memory at both ends have to be the same, with what is around the data.
 *
 *  - Each function copies from or to a table of layouts.
 *  - Each function runs into user memory that is not there or is read-only, and
 *    _copy_mc_to_iter() into kernel memory that cannot be read.
 *  - A random sequence of operations works on a random layout.  A failure names
 *    the seed; iov_iter_model_kunit.seed=SEED on the command line begins there.
 *
 * An iterator is always used in the direction that it is for.
 */

#include <linux/bvec.h>
#include <linux/moduleparam.h>
#include <linux/pipe_fs_i.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <net/checksum.h>

#include <kunit/user_mm.h>

#ifdef CONFIG_X86_MCE
#include <asm/mce.h>
#endif

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the first round of random operations");

static unsigned int rounds = 150;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "of random operations on each kind of iterator");

#define P		((size_t)PAGE_SIZE)
#define ARENA_PAGES	16
#define ARENA_SIZE	(ARENA_PAGES * P)
#define BUF_ORDER	4
#define BUF_SIZE	(P << BUF_ORDER)
#define MAX_SEGS	8
#define PIPE_SLOTS	PIPE_DEF_BUFFERS
#define ODD		1361	/* to vary where the data is in the buffer */

#define UNTOUCHED	0xee

/*
 * An iterator, in terms of the flat memory behind it.  One that has no segments
 * gets a single range, as long as all of them.
 */
struct layout {
	const char *name;
	unsigned int nr_segs;
	struct {
		unsigned int pos, len;
	} segs[MAX_SEGS];
	unsigned int start;	/* how far the iterator is */
	unsigned int cut;	/* what its count is less than the segments */
};

enum page_state { PRESENT, READ_ONLY, HOLE };

/* How the flat memory is made: the folios, the first of which may begin before */
struct kind {
	const char *name;
	enum iter_type type;
	unsigned int index;	/* of the first page, in the xarray */
	struct {
		u8 order, skip;
	} folios[ARENA_PAGES];
};

static const struct kind kinds[] = {
	{ "ubuf", ITER_UBUF },
	{ "iovec", ITER_IOVEC },
	{ "kvec", ITER_KVEC, 0, { { 4 } } },
	{ "bvec", ITER_BVEC, 0, { { 4 } } },
	{ "xarray", ITER_XARRAY, 56,
	  { { 0 }, { 0 }, { 0 }, { 0 }, { 2 }, { 3 } } },
	{ "xarray, huge folio", ITER_XARRAY, 120,
	  { { 6, 56 }, { 2 }, { 0 }, { 0 }, { 1 } } },
	{ "pipe", ITER_PIPE },
	{ "discard", ITER_DISCARD },
};

struct model {
	struct kunit *test;
	const struct kind *kind;
	const char *what;	/* the layout, or the operation */
	unsigned int seed;
	bool source;

	/* the iterator, and what it points to */
	struct iov_iter iter;
	union {
		struct iovec iov[MAX_SEGS];
		struct kvec kvec[MAX_SEGS];
		struct bio_vec bvec[MAX_SEGS];
	};
	struct xarray xa;
	struct pipe_inode_info *pipe;
	struct page *pages[ARENA_PAGES];
	struct folio *folios[ARENA_PAGES];
	u8 __user *user;

	/* the iterator, as it should be */
	struct layout layout;
	size_t pos, count, total;
	u32 *at;		/* which byte of flat memory a byte is */
	u8 *seg;		/* which segment it is in */
	enum page_state state[ARENA_PAGES];
	bool faults;		/* not all of that is present */

	/* the slots of a pipe, as they should be */
	unsigned int nr_slots;
	struct {
		bool anon;
		unsigned int page, offset, len;
	} slots[PIPE_SLOTS];

	/* flat memory, as it is and as it should be */
	u8 *actual, *expect;
	u8 *pattern;		/* to begin with */

	/* the same of the memory at the other end of a copy */
	u8 *buf, *buf_expect;
	u8 *unreadable_end;	/* a copy of it that a fault follows */
};

static bool is_user(const struct kind *kind)
{
	return kind->type == ITER_UBUF || kind->type == ITER_IOVEC;
}

static bool has_segs(const struct kind *kind)
{
	return kind->type == ITER_IOVEC || kind->type == ITER_KVEC ||
	       kind->type == ITER_BVEC;
}

static bool is_dest_only(const struct kind *kind)
{
	return kind->type == ITER_PIPE || kind->type == ITER_DISCARD;
}

static bool check(struct model *m, bool ok, const char *wrong)
{
	if (!ok)
		KUNIT_FAIL(m->test, "%s: %s is wrong (layout %s, seed %u)",
			   m->what, wrong, m->layout.name, m->seed);
	return ok;
}

/*
 * Memory
 */
static void *make_flat(struct kunit *test, size_t size)
{
	void *flat = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flat);
	return flat;
}

static void add_folio(struct model *m, struct folio *folio, unsigned long index)
{
	XA_STATE_ORDER(xas, &m->xa, index, folio_order(folio));

	do {
		xas_lock(&xas);
		xas_store(&xas, folio);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	KUNIT_ASSERT_EQ(m->test, 0, xas_error(&xas));
}

static void make_folios(struct model *m)
{
	unsigned int n = 0, k, skip;

	for (k = 0; n < ARENA_PAGES; k++) {
		unsigned int order = m->kind->folios[k].order;
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);

		KUNIT_ASSERT_NOT_NULL(m->test, page);
		m->folios[k] = page_folio(page);
		skip = m->kind->folios[k].skip;
		add_folio(m, m->folios[k], m->kind->index + n - skip);
		for (; skip < 1 << order; skip++)
			m->pages[n++] = page + skip;
	}
}

static void make_model(struct kunit *test, struct model *m,
		       const struct kind *kind, bool source)
{
	struct rnd_state rnd;
	struct page *page;

	m->test = test;
	m->kind = kind;
	m->source = source;
	m->at = make_flat(test, ARENA_SIZE * sizeof(*m->at));
	m->seg = make_flat(test, ARENA_SIZE);
	m->actual = make_flat(test, ARENA_SIZE);
	m->expect = make_flat(test, ARENA_SIZE);
	m->pattern = make_flat(test, ARENA_SIZE);
	m->buf_expect = make_flat(test, BUF_SIZE);
	page = alloc_pages(GFP_KERNEL | __GFP_COMP, BUF_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	m->buf = page_address(page);
	prandom_seed_state(&rnd, 1);
	prandom_bytes_state(&rnd, m->pattern, ARENA_SIZE);
	prandom_bytes_state(&rnd, m->buf, BUF_SIZE);
	memcpy(m->buf_expect, m->buf, BUF_SIZE);

	xa_init(&m->xa);
	m->pipe = alloc_pipe_info();
	KUNIT_ASSERT_NOT_NULL(test, m->pipe);
	KUNIT_ASSERT_EQ(test, m->pipe->max_usage, PIPE_SLOTS);
	if (is_user(kind)) {
		kunit_use_mm(test);
		m->user = (u8 __user *)kunit_user_map(test, 0, ARENA_SIZE,
						      PROT_READ | PROT_WRITE);
	} else if (!is_dest_only(kind)) {
		make_folios(m);
	}
}

static void free_model(struct model *m)
{
	unsigned int k;

	xa_destroy(&m->xa);
	free_pipe_info(m->pipe);
	for (k = 0; k < ARENA_PAGES && m->folios[k]; k++)
		folio_put(m->folios[k]);
	free_pages((unsigned long)m->buf, BUF_ORDER);
}

/* Make the memory behind the iterator what it should be. */
static void store_memory(struct model *m)
{
	unsigned long addr = (unsigned long)m->user;
	u8 byte;
	int n;

	if (is_user(m->kind)) {
		kunit_user_map(m->test, addr, ARENA_SIZE,
			       PROT_READ | PROT_WRITE);
		KUNIT_ASSERT_EQ(m->test, 0, copy_to_user(m->user, m->expect,
							 ARENA_SIZE));
	}
	for (n = 0; n < ARENA_PAGES; n++, addr += P) {
		if (m->pages[n])
			memcpy(page_address(m->pages[n]), m->expect + n * P, P);
		if (m->state[n] == HOLE)
			KUNIT_ASSERT_EQ(m->test, 0, vm_munmap(addr, P));
		if (m->state[n] == READ_ONLY) {
			memset(m->expect + n * P, 0, P);
			kunit_user_map(m->test, addr, P, PROT_READ);
			KUNIT_ASSERT_EQ(m->test, 0,
					get_user(byte, m->user + n * P));
			KUNIT_ASSERT_EQ(m->test, 0, byte);
		}
	}
}

static void load_pipe(struct model *m)
{
	unsigned int slot, mask = m->pipe->ring_size - 1;
	size_t n = 0;

	for (slot = m->pipe->tail; slot != m->pipe->head; slot++) {
		struct pipe_buffer *buf = &m->pipe->bufs[slot & mask];

		if (n + buf->len > ARENA_SIZE)
			break;
		/* may be longer than a page, if it is one of a large folio */
		memcpy(m->actual + n, page_address(buf->page) + buf->offset,
		       buf->len);
		n += buf->len;
	}
	/* The rest is not in the pipe, or is what makes a difference. */
	memset(m->actual + n, UNTOUCHED, ARENA_SIZE - n);
	memset(m->expect + m->pos, UNTOUCHED, ARENA_SIZE - m->pos);
}

static void load_memory(struct model *m)
{
	unsigned int n;

	if (m->kind->type == ITER_PIPE)
		load_pipe(m);
	if (m->kind->type == ITER_DISCARD)
		memcpy(m->actual, m->expect, ARENA_SIZE);
	for (n = 0; n < ARENA_PAGES; n++) {
		u8 *actual = m->actual + n * P;

		if (m->state[n] == HOLE)
			memcpy(actual, m->expect + n * P, P);
		else if (m->user)
			KUNIT_ASSERT_EQ(m->test, 0,
					copy_from_user(actual, m->user + n * P,
						       P));
		else if (m->pages[n])
			memcpy(actual, page_address(m->pages[n]), P);
	}
}

/*
 * Iterators
 */
#define DIR(m)	((m)->source ? ITER_SOURCE : ITER_DEST)

static void empty_pipe(struct model *m)
{
	unsigned int mask = m->pipe->ring_size - 1;

	while (!pipe_empty(m->pipe->head, m->pipe->tail))
		pipe_buf_release(m->pipe,
				 &m->pipe->bufs[m->pipe->tail++ & mask]);
	m->nr_slots = 0;
}

/* An odd segment of a BVEC gets an offset from the first page. */
static void set_up_seg(struct model *m, unsigned int k)
{
	unsigned int pos = m->layout.segs[k].pos, len = m->layout.segs[k].len;
	unsigned int page = k & 1 ? 0 : pos / P;

	if (m->kind->type == ITER_IOVEC)
		m->iov[k] = (struct iovec){ m->user + pos, len };
	if (m->kind->type == ITER_KVEC)
		m->kvec[k] = (struct kvec){ page_address(m->pages[0]) + pos,
					    len };
	if (m->kind->type == ITER_BVEC)
		bvec_set_page(&m->bvec[k], m->pages[page], len, pos - page * P);
}

static void set_up_iter(struct model *m)
{
	unsigned int nr_segs = m->layout.nr_segs, pos = m->layout.segs[0].pos;
	struct iov_iter *iter = &m->iter;

	switch (m->kind->type) {
	case ITER_UBUF:
		iov_iter_ubuf(iter, DIR(m), m->user + pos, m->count);
		break;
	case ITER_IOVEC:
		iov_iter_init(iter, DIR(m), m->iov, nr_segs, m->count);
		break;
	case ITER_KVEC:
		iov_iter_kvec(iter, DIR(m), m->kvec, nr_segs, m->count);
		break;
	case ITER_BVEC:
		iov_iter_bvec(iter, DIR(m), m->bvec, nr_segs, m->count);
		break;
	case ITER_XARRAY:
		iov_iter_xarray(iter, DIR(m), &m->xa, m->kind->index * P + pos,
				m->count);
		break;
	case ITER_PIPE:
		iov_iter_pipe(iter, ITER_DEST, m->pipe, m->count);
		break;
	case ITER_DISCARD:
		iov_iter_discard(iter, ITER_DEST, m->count);
		break;
	}
}

/* Lay the iterator out on memory. */
static void lay_out(struct model *m, const struct layout *layout)
{
	size_t total = 0;
	unsigned int k, n;

	m->layout = *layout;
	if (!has_segs(m->kind)) {
		for (k = 0; k < layout->nr_segs; k++)
			total += layout->segs[k].len;
		if (is_dest_only(m->kind))
			m->layout.segs[0].pos = 0;
		m->layout.segs[0].len = min(total, ARENA_SIZE -
					    m->layout.segs[0].pos);
		m->layout.nr_segs = 1;
	}
	for (total = 0, k = 0; k < m->layout.nr_segs; k++) {
		set_up_seg(m, k);
		for (n = 0; n < m->layout.segs[k].len; n++) {
			m->at[total] = m->layout.segs[k].pos + n;
			m->seg[total++] = k;
		}
	}
	m->total = total;
}

/* Begin with the iterator as laid out, and the memory as @m->state says. */
static void set_up(struct model *m)
{
	m->what = "set up";
	m->pos = 0;
	m->count = m->total - min_t(size_t, m->total, m->layout.cut);
	m->faults = memchr_inv(m->state, 0, sizeof(m->state));
	memcpy(m->expect, m->pattern, ARENA_SIZE);
	empty_pipe(m);
	store_memory(m);
	set_up_iter(m);
}

/* Which segment the iterator is in, and how far */
static unsigned int cur_seg(const struct model *m, size_t *skip)
{
	*skip = m->pos;
	if (!has_segs(m->kind))
		return 0;
	*skip = m->iter.iov_offset;
	return m->layout.nr_segs - m->iter.nr_segs;
}

static bool is_at_seg(const struct model *m, unsigned int k)
{
	switch (m->kind->type) {
	case ITER_IOVEC:
		return m->iter.iov == m->iov + k;
	case ITER_KVEC:
		return m->iter.kvec == m->kvec + k;
	case ITER_BVEC:
		return m->iter.bvec == m->bvec + k;
	default:
		return is_dest_only(m->kind) || m->iter.iov_offset == m->pos;
	}
}

/* An iterator may stand before empty segments, but not behind the last byte. */
static bool check_position(struct model *m)
{
	size_t skip, before = 0;
	unsigned int k, n;

	if (!check(m, m->iter.count == m->count, "count"))
		return false;
	k = cur_seg(m, &skip);
	if (!check(m, k <= m->layout.nr_segs, "nr_segs") ||
	    !check(m, is_at_seg(m, k), "segment"))
		return false;
	if (!has_segs(m->kind))
		return true;
	for (n = 0; n < k; n++)
		before += m->layout.segs[n].len;
	return check(m, before + skip == m->pos, "position") &&
	       check(m, !skip || skip < m->layout.segs[k].len, "iov_offset");
}

/*
 * Operations: copy @n bytes between @off in the buffer and the iterator.
 */
static size_t to_iter(struct model *m, size_t off, size_t n)
{
	return _copy_to_iter(m->buf + off, n, &m->iter);
}

static size_t to_iter_mc(struct model *m, size_t off, size_t n)
{
	return _copy_mc_to_iter(m->buf + off, n, &m->iter);
}

/* Count the offset from an earlier page than the one that it is in. */
static unsigned int page_of(size_t off)
{
	return off / P / 2;
}

static size_t to_iter_page(struct model *m, size_t off, size_t n)
{
	struct page *page = virt_to_page(m->buf) + page_of(off);

	return copy_page_to_iter(page, off - page_of(off) * P, n, &m->iter);
}

static size_t to_iter_zero(struct model *m, size_t off, size_t n)
{
	return iov_iter_zero(n, &m->iter);
}

/* There is a checksum already, of an odd number of bytes. */
static size_t to_iter_csum(struct model *m, size_t off, size_t n)
{
	const __wsum before = (__force __wsum)0x12345;
	struct csum_state state = { .csum = before, .off = 3 };
	size_t done = csum_and_copy_to_iter(m->buf + off, n, &state, &m->iter);
	__wsum sum = csum_partial(m->buf + off, done, 0);

	sum = csum_block_add(before, sum, 3);
	check(m, csum_fold(state.csum) == csum_fold(sum), "checksum");
	check(m, state.off == 3 + done, "offset of the checksum");
	return done;
}

static size_t from_iter(struct model *m, size_t off, size_t n)
{
	return _copy_from_iter(m->buf + off, n, &m->iter);
}

static size_t from_iter_full(struct model *m, size_t off, size_t n)
{
	return copy_from_iter_full(m->buf + off, n, &m->iter) ? n : 0;
}

static size_t from_iter_nocache(struct model *m, size_t off, size_t n)
{
	return _copy_from_iter_nocache(m->buf + off, n, &m->iter);
}

static size_t from_iter_full_nocache(struct model *m, size_t off, size_t n)
{
	return copy_from_iter_full_nocache(m->buf + off, n, &m->iter) ? n : 0;
}

static size_t from_iter_flushcache(struct model *m, size_t off, size_t n)
{
	return _copy_from_iter_flushcache(m->buf + off, n, &m->iter);
}

static size_t from_iter_page(struct model *m, size_t off, size_t n)
{
	struct page *page = virt_to_page(m->buf) + page_of(off);

	return copy_page_from_iter(page, off - page_of(off) * P, n, &m->iter);
}

static size_t from_iter_atomic(struct model *m, size_t off, size_t n)
{
	size_t done;

	pagefault_disable();
	done = copy_page_from_iter_atomic(virt_to_page(m->buf + off), off % P,
					  n, &m->iter);
	pagefault_enable();
	return done;
}

static size_t from_iter_csum(struct model *m, size_t off, size_t n)
{
	const __wsum before = (__force __wsum)0x12345;
	__wsum csum = before, sum;
	size_t done = csum_and_copy_from_iter(m->buf + off, n, &csum, &m->iter);

	sum = csum_add(before, csum_partial(m->buf + off, done, 0));
	check(m, csum_fold(csum) == csum_fold(sum), "checksum");
	return done;
}

static const struct op {
	const char *name;
	size_t (*copy)(struct model *m, size_t off, size_t n);
	bool source;
	bool zero;	/* puts zeros in place of data, words at a time */
	bool full;	/* all or nothing */
	bool whole;	/* all or nothing of a segment, if it faults */
	bool by_page;	/* puts pages into a pipe */
	bool one_page;	/* copies to no more than one page */
} ops[] = {
	{ "_copy_to_iter", to_iter },
	{ "_copy_mc_to_iter", to_iter_mc },
	{ "copy_page_to_iter", to_iter_page, .by_page = true },
	{ "iov_iter_zero", to_iter_zero, .zero = true },
	{ "csum_and_copy_to_iter", to_iter_csum, .whole = true },
	{ "_copy_from_iter", from_iter, .source = true },
	{ "copy_from_iter_full", from_iter_full, .source = true, .full = true },
	{ "_copy_from_iter_nocache", from_iter_nocache, .source = true },
	{ "copy_from_iter_full_nocache", from_iter_full_nocache, .source = true,
	  .full = true },
	{ "_copy_from_iter_flushcache", from_iter_flushcache, .source = true },
	{ "copy_page_from_iter", from_iter_page, .source = true },
	{ "copy_page_from_iter_atomic", from_iter_atomic, .source = true,
	  .one_page = true },
	{ "csum_and_copy_from_iter", from_iter_csum, .source = true,
	  .whole = true },
};

/* The checksum of what is discarded used to include what was not. */
static bool has_op(const struct kind *kind, const struct op *op)
{
	if (op->source)
		return !is_dest_only(kind);
	return kind->type != ITER_DISCARD || op->copy != to_iter_csum;
}

/*
 * The model of the operations
 */

/* How many of @n bytes can be reached before a fault */
static size_t reach(const struct model *m, const struct op *op, size_t n)
{
	enum page_state bad = m->source ? HOLE : READ_ONLY;
	size_t x = m->pos;

	if (!m->faults)
		return n;
	while (x < m->pos + n && m->state[m->at[x] / P] < bad)
		x++;
	if (op && op->whole && x < m->pos + n)
		while (x > m->pos && m->seg[x - 1] == m->seg[x])
			x--;
	return x - m->pos;
}

/* How many of @n bytes a pipe has room for */
static size_t pipe_push(struct model *m, const struct op *op, size_t off,
			size_t n)
{
	unsigned int page = page_of(off), k = m->nr_slots - 1;
	size_t done, len;

	off -= page * P;
	if (op->by_page && n) {
		if (m->nr_slots && !m->slots[k].anon && off &&
		    m->slots[k].page == page &&
		    m->slots[k].offset + m->slots[k].len == off) {
			m->slots[k].len += n;
			return n;
		}
		if (m->nr_slots == PIPE_SLOTS)
			return 0;
		k = m->nr_slots++;
		m->slots[k].anon = false;
		m->slots[k].page = page;
		m->slots[k].offset = off;
		m->slots[k].len = n;
		return n;
	}
	for (done = 0; done < n; done += len) {
		if (!m->nr_slots || !m->slots[k].anon ||
		    m->slots[k].len == P) {
			if (m->nr_slots == PIPE_SLOTS)
				break;
			k = m->nr_slots++;
			m->slots[k].anon = true;
			m->slots[k].len = 0;
		}
		len = min_t(size_t, n - done, P - m->slots[k].len);
		m->slots[k].len += len;
	}
	return done;
}

static void pipe_pop(struct model *m, size_t n)
{
	while (m->nr_slots && n >= m->slots[m->nr_slots - 1].len)
		n -= m->slots[--m->nr_slots].len;
	if (m->nr_slots)
		m->slots[m->nr_slots - 1].len -= n;
}

static void model_copy(struct model *m, const struct op *op, size_t off,
		       size_t n)
{
	size_t x;

	if (m->kind->type == ITER_DISCARD)
		return;
	for (x = 0; x < n; x++) {
		u8 *byte = &m->expect[m->at[m->pos + x]];

		if (op->source)
			m->buf_expect[off + x] = *byte;
		else
			*byte = op->zero ? 0 : m->buf[off + x];
	}
}

/*
 * Expect what there is in the bytes from @from to @to: what an operation that
 * failed leaves there is nobody's business.
 */
static void model_accept(struct model *m, const struct op *op, size_t off,
			 size_t from, size_t to)
{
	size_t x;

	load_memory(m);
	for (x = from; x < to; x++) {
		unsigned int at = m->at[m->pos + x];

		if (op->source)
			m->buf_expect[off + x] = m->buf[off + x];
		else
			m->expect[at] = m->actual[at];
	}
}

static bool check_memory(struct model *m)
{
	load_memory(m);
	return check(m, !memcmp(m->actual, m->expect, ARENA_SIZE),
		     "memory of the iterator") &&
	       check(m, !memcmp(m->buf, m->buf_expect, BUF_SIZE), "buffer");
}

/* Do an operation, which is able to do @able of @want bytes, and check it. */
static bool run_op(struct model *m, const struct op *op, size_t off, size_t n,
		   size_t want, size_t able)
{
	size_t end = able, done;

	m->what = op->name;
	if (op->source) {
		memset(m->buf, UNTOUCHED, BUF_SIZE);
		memset(m->buf_expect, UNTOUCHED, BUF_SIZE);
	}
	if (op->whole && is_user(m->kind))
		while (end < want &&
		       m->seg[m->pos + end] == m->seg[m->pos + able])
			end++;
	done = op->copy(m, off, n);
	if (op->full && able < n)
		able = 0;
	/* The last word before a fault may be left out. */
	if (op->zero && able < want && done < able && done + 8 > able)
		able = done;
	if (!check(m, done == able, "value returned"))
		return false;

	model_copy(m, op, off, able);
	if (end > able)
		model_accept(m, op, off, able, end);
	m->pos += able;
	m->count -= able;
	return check_position(m) && check_memory(m);
}

static bool do_op(struct model *m, const struct op *op, size_t off, size_t n)
{
	size_t want, able;

	n = min(n, BUF_SIZE - off);
	if (op->one_page)
		n = min(n, P - off % P);
	want = min(n, m->count);
	if (m->kind->type == ITER_PIPE)
		able = pipe_push(m, op, off, want);
	else
		able = reach(m, op, want);
	return run_op(m, op, off, n, want, able);
}

static bool do_advance(struct model *m, size_t n)
{
	m->what = "iov_iter_advance";
	iov_iter_advance(&m->iter, n);
	n = min(n, m->count);
	m->pos += n;
	m->count -= n;
	return check_position(m) && check_memory(m);
}

static bool do_revert(struct model *m, size_t n)
{
	m->what = "iov_iter_revert";
	iov_iter_revert(&m->iter, n);
	if (m->kind->type == ITER_PIPE)
		pipe_pop(m, n);
	m->pos -= n;
	m->count += n;
	return check_position(m) && check_memory(m);
}

static unsigned long seg_addr(const struct model *m, unsigned int k)
{
	unsigned int pos = m->layout.segs[k].pos;

	switch (m->kind->type) {
	case ITER_KVEC:
		return (unsigned long)m->kvec[k].iov_base;
	case ITER_BVEC:
		return m->bvec[k].bv_offset;
	case ITER_XARRAY:
		return m->kind->index * P + pos;
	default:
		return (unsigned long)m->user + pos;
	}
}

/* How many pages there are from here, and all bits of addresses and lengths */
static int describe(const struct model *m, unsigned long *bits)
{
	size_t skip, len, left = m->count;
	unsigned int k = cur_seg(m, &skip);
	int npages = 0;

	for (*bits = 0; left; left -= len, skip = 0, k++) {
		unsigned long addr = seg_addr(m, k) + skip;

		len = min(left, m->layout.segs[k].len - skip);
		/* A BVEC is not expected to have empty segments. */
		if (!len && m->kind->type != ITER_BVEC)
			continue;
		*bits |= addr | len;
		npages += DIV_ROUND_UP(addr % P + len, P);
	}
	return npages;
}

static int describe_pipe(const struct model *m, unsigned long *bits)
{
	unsigned int last = m->nr_slots - 1;
	bool anon = m->nr_slots && m->slots[last].anon;

	*bits = m->count | (anon ? m->slots[last].len : 0);
	return PIPE_SLOTS - m->nr_slots + (anon && m->slots[last].len < P);
}

/* What precedes each segment but the first, and what that begins with */
static unsigned long gaps(const struct model *m)
{
	unsigned long bits = 0, end = 0;
	size_t left = m->count;
	unsigned int k;

	if (m->kind->type != ITER_IOVEC)
		return 0;
	for (k = 0; left; k++) {
		size_t len = min_t(size_t, left, m->layout.segs[k].len);

		if (!len)
			continue;
		if (end)
			bits |= end | seg_addr(m, k);
		end = seg_addr(m, k) + len;
		left -= len;
	}
	return bits;
}

static size_t fault_in(const struct model *m, size_t n)
{
	return m->source ? fault_in_iov_iter_readable(&m->iter, n) :
			   fault_in_iov_iter_writeable(&m->iter, n);
}

/* The functions that only look at an iterator */
static bool check_looks(struct model *m)
{
	const struct iov_iter *iter = &m->iter;
	size_t skip, single = m->count;
	unsigned int k = cur_seg(m, &skip);
	unsigned long bits = 0;
	int npages = 0;

	m->what = "look at the iterator";
	if (k + 1 < m->layout.nr_segs)
		single = min(single, m->layout.segs[k].len - skip);
	if (m->count && m->kind->type == ITER_PIPE)
		npages = describe_pipe(m, &bits);
	else if (m->kind->type != ITER_DISCARD)
		npages = describe(m, &bits);
	k = is_user(m->kind) ? m->count + 9 - reach(m, NULL, m->count) : 0;

	/* Without bytes left, some say where the iterator is. */
	return check(m, iov_iter_single_seg_count(iter) == single,
		     "single segment") &&
	       check(m, iov_iter_npages(iter, INT_MAX) == npages, "npages") &&
	       check(m, iov_iter_npages(iter, 2) == min(npages, 2),
		     "limited npages") &&
	       check(m, !m->count || iov_iter_alignment(iter) == bits,
		     "alignment") &&
	       check(m, m->pos || !is_user(m->kind) ||
		     iov_iter_gap_alignment(iter) == gaps(m), "gap alignment") &&
	       check(m, fault_in(m, m->count + 9) == k, "bytes not faulted in");
}

/* Go to where the layout says that the iterator starts. */
static bool go_to_start(struct model *m)
{
	size_t start = min_t(size_t, m->layout.start, m->count);

	if (!check_position(m) || !check_looks(m))
		return false;
	if (m->kind->type == ITER_PIPE)
		return do_op(m, &ops[0], 0, start);
	return do_advance(m, start) && check_looks(m);
}

/*
 * The cases
 */

/* Parameters: kinds of iterators, with an operation or a direction each */
struct pair {
	const struct kind *kind;
	const struct op *op;
};

static struct pair get_pair(const void *param)
{
	unsigned long n = (unsigned long)param - 1;

	return (struct pair){ &kinds[n / ARRAY_SIZE(ops)],
			      &ops[n % ARRAY_SIZE(ops)] };
}

static const void *next_of(const void *prev, char *desc,
			   bool (*wants)(const struct pair *pair))
{
	unsigned long n = (unsigned long)prev;

	while (n++ < ARRAY_SIZE(ops) * ARRAY_SIZE(kinds)) {
		struct pair pair = get_pair((void *)n);

		if (!has_op(pair.kind, pair.op) || !wants(&pair))
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", pair.kind->name,
			 pair.op->name);
		return (void *)n;
	}
	return NULL;
}

static struct model *pair_model(struct kunit *test)
{
	struct pair pair = get_pair(test->param_value);
	struct model *m = make_flat(test, sizeof(*m));

	make_model(test, m, pair.kind, pair.op->source);
	return m;
}

static const struct layout layouts[] = {
	{ "one segment", 1, { { 100, 500 } } },
	{ "one byte", 1, { { P - 1, 1 } } },
	{ "nothing", 1, { { 100, 0 } } },
	{ "nothing twice", 2, { { 100, 0 }, { 20, 0 } } },
	{ "crosses a page border", 1, { { P - 10, 30 } } },
	{ "whole pages", 1, { { P, 2 * P } } },
	{ "ends at a page border", 2, { { P + 9, P - 9 }, { 3 * P, P } } },
	{ "many pages", 1, { { 2 * P + 5, 7 * P } } },
	{ "empty at the front", 3, { { 50, 0 }, { 60, 0 }, { P + 7, 99 } } },
	{ "empty in the middle", 4,
	  { { 5, 40 }, { 99, 0 }, { 0, 0 }, { 3 * P - 1, 60 } } },
	{ "empty at the end", 4,
	  { { 9, 70 }, { 4 * P + 3, P + 1 }, { 20, 0 }, { 30, 0 } } },
	{ "single bytes", 5,
	  { { 1, 1 }, { P - 1, 1 }, { 2 * P, 1 }, { P, 1 }, { 5 * P, 1 } } },
	{ "back to back", 3,
	  { { 2 * P - 20, 20 }, { 2 * P, 40 }, { 2 * P + 40, P } } },
	{ "backwards", 3, { { 5 * P, P / 2 }, { 3 * P, P }, { P, 3 } } },
	{ "offset beyond a page", 3, { { 7, 7 }, { 5 * P - 3, P }, { 9, 9 } } },
	{ "starts inside", 2, { { 77, 70 }, { 3 * P - 1, 60 } }, 33 },
	{ "starts at the second", 2, { { 77, 70 }, { 3 * P - 1, 60 } }, 70 },
	{ "starts behind empty ones", 4,
	  { { 77, 70 }, { 1, 0 }, { 2, 0 }, { 3 * P - 1, 60 } }, 70 },
	{ "starts in a later page", 2, { { 70, 7 * P }, { 3, 3 } }, 5 * P + 1 },
	{ "starts at the end", 2, { { 77, 70 }, { 30, 60 } }, 130 },
	{ "ends inside", 2, { { 77, 70 }, { 3 * P - 1, 60 } }, 0, 50 },
	{ "ends in the first", 2, { { 77, 70 }, { 3 * P - 1, 60 } }, 3, 100 },
	{ "ends before the last", 2, { { 77, 70 }, { 30, 60 } }, 0, 60 },
	{ "counts nothing", 2, { { 77, 70 }, { 30, 60 } }, 0, 130 },
	{ "into a large folio", 1, { { 3 * P + 9, 8 * P } }, P },
	{ "inside a large folio", 1, { { 5 * P + 9, 10 * P } }, 4 * P },
};

/* Copy at once, then the same in three steps. */
static bool copy_layout(struct model *m, const struct op *op,
			size_t off, size_t n)
{
	size_t start;

	set_up(m);
	if (!go_to_start(m))
		return false;
	start = m->pos;
	return do_op(m, op, off, n) && check_looks(m) &&
	       do_revert(m, m->pos - start) && check_looks(m) &&
	       do_op(m, op, off, n / 3) && check_looks(m) &&
	       do_op(m, op, off + n / 3, n / 2) && check_looks(m) &&
	       do_op(m, op, off, n);
}

static void copy_layouts(struct kunit *test)
{
	const struct op *op = get_pair(test->param_value).op;
	struct model *m = pair_model(test);
	unsigned int k, n;

	for (k = 0; k < ARRAY_SIZE(layouts); k++) {
		const struct layout *layout = &layouts[k];
		size_t amounts[] = { 0, 1, layout->segs[0].len,
				     layout->segs[0].len + 1, ARENA_SIZE / 2 };

		lay_out(m, layout);
		for (n = 0; n < ARRAY_SIZE(amounts); n++)
			if (!copy_layout(m, op, n * ODD, amounts[n]))
				goto out;
	}
out:
	free_model(m);
}

static bool any_pair(const struct pair *pair)
{
	return true;
}

static const void *next_pair(const void *prev, char *desc)
{
	return next_of(prev, desc, any_pair);
}

/*
 * Faults: how many bytes can be copied before a bad page, and in how many of
 * them no segment is done in part
 */
static const struct fault {
	struct layout layout;
	unsigned int page;
	enum page_state state;
	unsigned int done, whole;
} faults[] = {
	{ { "hole at the start", 1, { { P, 2 * P } } }, 1, HOLE, 0, 0 },
	{ { "hole in the middle", 1, { { P + 5, 3 * P } } }, 2, HOLE,
	  P - 5, 0 },
	{ { "hole in the last page", 1, { { 99, P } } }, 1, HOLE, P - 99, 0 },
	{ { "hole behind the end", 1, { { P + 9, P - 9 } } }, 2, HOLE,
	  P - 9, P - 9 },
	{ { "hole in the second segment", 3,
	    { { 10, 50 }, { 3 * P - 7, P }, { 9, 9 } } }, 3, HOLE, 57, 50 },
	{ { "hole at the start of the second", 3,
	    { { 10, 50 }, { 3 * P, P }, { 9, 9 } } }, 3, HOLE, 50, 50 },
	{ { "hole behind empty segments", 4,
	    { { 10, 0 }, { 8, 0 }, { P, P }, { 9, 9 } } }, 1, HOLE, 0, 0 },
	{ { "hole between empty segments", 4,
	    { { 10, 5 }, { P, 0 }, { 2 * P - 1, 2 }, { 9, 0 } } }, 2, HOLE,
	  6, 5 },
	{ { "empty segment in a hole", 3, { { 10, 5 }, { P, 0 }, { 9, 9 } } },
	  1, HOLE, 14, 14 },
	{ { "starts inside, hole at the end", 2,
	    { { 10, 50 }, { 3 * P - 1, 2 } }, 40 }, 3, HOLE, 11, 10 },
	{ { "read-only at the start", 1, { { P, 2 * P } } }, 1, READ_ONLY,
	  0, 0 },
	{ { "read-only in the middle", 1, { { P + 5, 3 * P } } }, 2, READ_ONLY,
	  P - 5, 0 },
	{ { "read-only in the second segment", 2,
	    { { 10, 50 }, { 3 * P - 1, P } } }, 3, READ_ONLY, 51, 50 },
};

/* Copy into the fault, where the next copy gets no further. */
static bool copy_fault(struct model *m, const struct op *op,
		       const struct fault *fault)
{
	size_t done = op->whole ? fault->whole : fault->done;

	memset(m->state, 0, sizeof(m->state));
	m->state[fault->page] = fault->state;
	lay_out(m, &fault->layout);
	set_up(m);
	if (!go_to_start(m))
		return false;
	if (m->source && fault->state == READ_ONLY)
		done = m->count;
	return check(m, reach(m, op, m->count) == done, "model") &&
	       do_op(m, op, ODD, m->count) &&
	       check_looks(m) && do_op(m, op, 0, m->count) &&
	       do_revert(m, m->pos) && do_op(m, op, 0, done) &&
	       do_op(m, op, P, P) && check_looks(m);
}

static void copy_faults(struct kunit *test)
{
	struct pair pair = get_pair(test->param_value);
	struct model *m = pair_model(test);
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(faults); k++)
		if ((has_segs(pair.kind) || faults[k].layout.nr_segs == 1) &&
		    !copy_fault(m, pair.op, &faults[k]))
			break;
	free_model(m);
}

static bool user_pair(const struct pair *pair)
{
	return is_user(pair->kind);
}

static const void *next_user_pair(const void *prev, char *desc)
{
	return next_of(prev, desc, user_pair);
}

/*
 * Random operations
 */
static u32 below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

static size_t random_len(struct rnd_state *rnd)
{
	const u32 limits[] = { 1, 2, 20, 400, P, 3 * P };

	return below(rnd, limits[below(rnd, ARRAY_SIZE(limits))]);
}

static void random_layout(struct rnd_state *rnd, struct layout *layout)
{
	size_t total = 0, len, pos = 0;
	unsigned int k;

	layout->name = "random";
	layout->nr_segs = 1 + below(rnd, MAX_SEGS);
	for (k = 0; k < layout->nr_segs; k++) {
		len = min(random_len(rnd), ARENA_SIZE / 2 - total);
		if (pos + len > ARENA_SIZE || below(rnd, 4))
			pos = below(rnd, ARENA_SIZE - len);
		if (!below(rnd, 4))
			pos -= pos % P;
		layout->segs[k].pos = pos;
		layout->segs[k].len = len;
		pos += len;
		total += len;
	}
	layout->start = 0;
	layout->cut = below(rnd, 3) ? 0 : below(rnd, total + 1);
}

/* User memory is bad in places every third time. */
static void random_states(struct rnd_state *rnd, struct model *m)
{
	unsigned int k;

	memset(m->state, 0, sizeof(m->state));
	if (!is_user(m->kind) || below(rnd, 3))
		return;
	for (k = 0; k < 3; k++)
		m->state[below(rnd, ARENA_PAGES)] = below(rnd, HOLE + 1);
}

static bool random_op(struct rnd_state *rnd, struct model *m)
{
	const struct op *op;
	u32 what = below(rnd, 8);

	if (what == 0)
		return do_revert(m, below(rnd, m->pos + 1));
	if (what == 1)	/* would cut off what is in a pipe */
		return do_advance(m, m->kind->type == ITER_PIPE ? 0 :
				  random_len(rnd));
	do {
		op = &ops[below(rnd, ARRAY_SIZE(ops))];
	} while (op->source != m->source || !has_op(m->kind, op));
	return do_op(m, op, below(rnd, BUF_SIZE / 2), random_len(rnd));
}

static bool random_round(struct model *m)
{
	struct layout layout = { };
	struct rnd_state rnd;
	unsigned int n;

	prandom_seed_state(&rnd, m->seed);
	random_layout(&rnd, &layout);
	random_states(&rnd, m);
	lay_out(m, &layout);
	set_up(m);
	for (n = 2 + below(&rnd, 14); n; n--)
		if (!check_looks(m) || !random_op(&rnd, m))
			return false;
	return check_looks(m);
}

static void copy_random(struct kunit *test)
{
	struct model *m = pair_model(test);
	unsigned int n;

	for (n = 0; n < rounds; n++) {
		m->seed = seed + n;
		if (!random_round(m))
			break;
	}
	free_model(m);
}

/* The operation of the pair stands for its direction. */
static bool first_pair(const struct pair *pair)
{
	return pair->op->copy == to_iter || pair->op->copy == from_iter;
}

static const void *next_direction(const void *prev, char *desc)
{
	return next_of(prev, desc, first_pair);
}

#ifdef CONFIG_X86_MCE
/*
 * Kernel memory that cannot be read.  What handles a machine check handles a
 * page that is not there, such as the one behind vmalloc() memory.
 */
static size_t to_iter_unreadable(struct model *m, size_t off, size_t n)
{
	return _copy_mc_to_iter(m->unreadable_end + off, n, &m->iter);
}

static const struct op unreadable_op = {
	"_copy_mc_to_iter from unreadable memory", to_iter_unreadable,
};

static bool copy_unreadable_layout(struct model *m, size_t readable)
{
	const struct op *op = &unreadable_op;
	size_t want, able;

	set_up(m);
	if (!go_to_start(m))
		return false;
	want = m->count;
	able = min(readable, want);
	if (m->kind->type == ITER_PIPE)
		able = pipe_push(m, op, 0, able);
	return run_op(m, op, BUF_SIZE - readable, want, want, able) &&
	       check_looks(m) && do_op(m, &ops[0], 0, ARENA_SIZE);
}

static void copy_unreadable(struct kunit *test)
{
	const size_t readable[] = { 0, 1, 40, 70, 71, P + 8, 2 * P };
	struct model *m = pair_model(test);
	unsigned int k, n;

	/* cannot be undone, and makes a copy slower only */
	enable_copy_mc_fragile();
	m->unreadable_end = vmalloc(BUF_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, m->unreadable_end);
	memcpy(m->unreadable_end, m->buf, BUF_SIZE);
	for (k = 0; k < ARRAY_SIZE(layouts); k++) {
		lay_out(m, &layouts[k]);
		for (n = 0; n < ARRAY_SIZE(readable); n++)
			if (!copy_unreadable_layout(m, readable[n]))
				goto out;
	}
out:
	vfree(m->unreadable_end);
	free_model(m);
}

/* With user memory, KASAN would check the data before the copy. */
static bool unreadable_pair(const struct pair *pair)
{
	return pair->op->copy == to_iter_mc && !is_user(pair->kind) &&
	       pair->kind->type != ITER_DISCARD;
}

static const void *next_unreadable_pair(const void *prev, char *desc)
{
	return next_of(prev, desc, unreadable_pair);
}
#endif

static struct kunit_case iov_iter_model_cases[] = {
	KUNIT_CASE_PARAM(copy_layouts, next_pair),
	KUNIT_CASE_PARAM(copy_faults, next_user_pair),
	KUNIT_CASE_PARAM(copy_random, next_direction),
#ifdef CONFIG_X86_MCE
	KUNIT_CASE_PARAM(copy_unreadable, next_unreadable_pair),
#endif
	{}
};

static struct kunit_suite iov_iter_model_suite = {
	.name = "iov_iter_model",
	.test_cases = iov_iter_model_cases,
};

kunit_test_suite(iov_iter_model_suite);
