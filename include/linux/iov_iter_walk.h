/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walks over the memory behind an iterator, for the library of iterators
 *
 * A walk calls a step for one piece of memory after the other, and advances the
 * iterator by what the steps have done.
 *
 *  - A step returns how many bytes of its piece it has *not* done.  The walk
 *    ends with the first step that returns anything but 0.
 *  - A walk is asked for no more bytes than the iterator has left, and for at
 *    least one.  It returns how many were done, and takes them off the count;
 *    if there are none, the iterator is left as it is.
 *  - A piece is not empty, unless it is what an empty bio_vec describes.
 *
 * There are no calls in here: a walk is inlined with its step, which has to be
 * given by name, as a function that is inlined itself.
 */
#ifndef _LINUX_IOV_ITER_WALK_H
#define _LINUX_IOV_ITER_WALK_H

#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

/**
 * typedef iter_user_step - a step over user memory
 * @base: where the piece starts
 * @len: how long it is
 * @done: how many bytes the walk has done before
 * @ctx: what was given to the walk
 */
typedef size_t (*iter_user_step)(void __user *base, size_t len, size_t done,
				 void *ctx);

/**
 * typedef iter_step - a step over kernel memory that has an address
 * @base: where the piece starts
 * @len: how long it is
 * @done: how many bytes the walk has done before
 * @ctx: what was given to the walk
 */
typedef size_t (*iter_step)(void *base, size_t len, size_t done, void *ctx);

/**
 * typedef iter_page_step - a step over pages, be they mapped or not
 * @page: the page that @offset counts from
 * @offset: where the piece starts, maybe beyond that page
 * @len: how long it is
 * @done: how many bytes the walk has done before
 * @ctx: what was given to the walk
 */
typedef size_t (*iter_page_step)(struct page *page, size_t offset, size_t len,
				 size_t done, void *ctx);

/* Map a page for a step. */
static __always_inline
size_t iter_map_page(struct page *page, size_t offset, size_t len, size_t done,
		     void *ctx, iter_step step)
{
	void *base = kmap_local_page(nth_page(page, offset / PAGE_SIZE));
	size_t left = step(base + offset % PAGE_SIZE, len, done, ctx);

	kunmap_local(base);
	return left;
}

static __always_inline
size_t iter_walk_ubuf(struct iov_iter *i, size_t n, void *ctx,
		      iter_user_step step)
{
	n -= step(i->ubuf + i->iov_offset, n, 0, ctx);
	i->iov_offset += n;
	i->count -= n;
	return n;
}

static __always_inline
size_t iter_walk_iovec(struct iov_iter *i, size_t n, void *ctx,
		       iter_user_step step)
{
	const struct iovec *iov = i->iov;
	size_t skip = i->iov_offset, done = 0;

	do {
		size_t len = min(n, iov->iov_len - skip);

		if (likely(len)) {
			len -= step(iov->iov_base + skip, len, done, ctx);
			done += len;
			skip += len;
			n -= len;
			if (skip < iov->iov_len)
				break;
		}
		iov++;
		skip = 0;
	} while (n);

	if (unlikely(!done))
		return 0;
	i->nr_segs -= iov - i->iov;
	i->iov = iov;
	i->iov_offset = skip;
	i->count -= done;
	return done;
}

static __always_inline
size_t iter_walk_kvec(struct iov_iter *i, size_t n, void *ctx, iter_step step)
{
	const struct kvec *kvec = i->kvec;
	size_t skip = i->iov_offset, done = 0;

	do {
		size_t len = min(n, kvec->iov_len - skip);

		if (likely(len)) {
			len -= step(kvec->iov_base + skip, len, done, ctx);
			done += len;
			skip += len;
			n -= len;
			if (skip < kvec->iov_len)
				break;
		}
		kvec++;
		skip = 0;
	} while (n);

	if (unlikely(!done))
		return 0;
	i->nr_segs -= kvec - i->kvec;
	i->kvec = kvec;
	i->iov_offset = skip;
	i->count -= done;
	return done;
}

/*
 * Two ways to walk over pages: @page_step gets a piece as long as it is, in a
 * segment or a folio; if it is NULL, @step gets the piece page by page, mapped.
 */
static __always_inline
size_t iter_walk_bvec(struct iov_iter *i, size_t n, void *ctx,
		      iter_page_step page_step, iter_step step)
{
	const struct bio_vec *bvec = i->bvec;
	unsigned int skip = i->iov_offset;
	size_t done = 0;

	while (n) {
		/* The end of a segment may be more than 4 GiB from its page. */
		size_t offset = (size_t)bvec->bv_offset + skip;
		size_t len = min_t(size_t, n, bvec->bv_len - skip);
		unsigned int left = 0;

		if (!page_step) {
			len = min(len, PAGE_SIZE - offset % PAGE_SIZE);
			left = iter_map_page(bvec->bv_page, offset, len, done,
					     ctx, step);
		} else if (likely(len)) {
			left = page_step(bvec->bv_page, offset, len, done, ctx);
		}
		len -= left;
		done += len;
		skip += len;
		if (skip == bvec->bv_len) {
			skip = 0;
			bvec++;
		}
		n -= len;
		if (left)
			break;
	}

	if (unlikely(!done))
		return 0;
	i->nr_segs -= bvec - i->bvec;
	i->bvec = bvec;
	i->iov_offset = skip;
	i->count -= done;
	return done;
}

/*
 * The folio at @index, if there is one: a hole, or an entry that is no folio, is
 * the end.  @adjacent is whether @xas is at the entry before.  This is not
 * inlined, as it would be the larger part of most walks.
 */
static noinline __maybe_unused
struct folio *iter_xas_folio(struct xa_state *xas, pgoff_t index, bool adjacent)
{
	struct folio *folio;

	if (likely(adjacent)) {
		folio = xas_next(xas);
	} else {
		xas_set(xas, index);
		folio = xas_load(xas);
	}
	while (unlikely(xa_is_internal(folio))) {
		/* reserved, or the tree has changed meanwhile */
		if (xa_is_zero(folio))
			return NULL;
		xas_reset(xas);
		folio = xas_load(xas);
	}
	if (!folio || xa_is_value(folio))
		return NULL;
	/* hugetlbfs counts its index in huge pages */
	if (WARN_ON_ONCE(folio_test_hugetlb(folio)))
		return NULL;
	return folio;
}

/* The steps are called under the RCU read lock. */
static __always_inline
size_t iter_walk_xarray(struct iov_iter *i, size_t n, void *ctx,
			iter_page_step page_step, iter_step step)
{
	loff_t pos = i->xarray_start + i->iov_offset;
	size_t done = 0, size = 0, offset, len, left;
	XA_STATE(xas, i->xarray, 0);
	struct folio *folio;

	rcu_read_lock();
	while ((folio = iter_xas_folio(&xas, (pos + done) / PAGE_SIZE,
				       size == PAGE_SIZE))) {
		size = folio_size(folio);
		offset = (pos + done) & (size - 1);
		while (offset < size) {
			len = min(n, size - offset);
			if (page_step) {
				left = page_step(&folio->page, offset, len,
						 done, ctx);
			} else {
				len = min(len, PAGE_SIZE - offset % PAGE_SIZE);
				left = iter_map_page(&folio->page, offset, len,
						     done, ctx, step);
			}
			len -= left;
			done += len;
			n -= len;
			if (left || !n)
				goto out;
			offset += len;
		}
	}
out:
	rcu_read_unlock();
	i->iov_offset += done;
	i->count -= done;
	return done;
}

/**
 * iter_walk - walk over memory that the CPU accesses
 * @i: the iterator; not ITER_PIPE, which is filled, not walked over
 * @n: how many bytes to walk over, if there are as many
 * @ctx: for the steps
 * @user_step: the step for user memory
 * @step: the step for kernel memory, which is mapped for it page by page
 *
 * Return: how many bytes were done.  All of them, for ITER_DISCARD.
 */
static __always_inline
size_t iter_walk(struct iov_iter *i, size_t n, void *ctx,
		 iter_user_step user_step, iter_step step)
{
	n = min(n, i->count);
	if (unlikely(!n))
		return 0;

	if (likely(iter_is_ubuf(i)))
		return iter_walk_ubuf(i, n, ctx, user_step);
	if (likely(iter_is_iovec(i)))
		return iter_walk_iovec(i, n, ctx, user_step);
	if (iov_iter_is_bvec(i))
		return iter_walk_bvec(i, n, ctx, NULL, step);
	if (iov_iter_is_kvec(i))
		return iter_walk_kvec(i, n, ctx, step);
	if (iov_iter_is_xarray(i))
		return iter_walk_xarray(i, n, ctx, NULL, step);

	i->count -= n;
	return n;
}

/* Whether @gup_flags of an extraction state the direction that @i has */
static inline bool iov_iter_extract_dir_ok(const struct iov_iter *i,
					   unsigned int gup_flags)
{
	switch (gup_flags & (FOLL_SOURCE_BUF | FOLL_DEST_BUF)) {
	case FOLL_SOURCE_BUF:
		return iov_iter_dir(i) == ITER_SOURCE;
	case FOLL_DEST_BUF:
		return iov_iter_dir(i) == ITER_DEST;
	default:
		return false;
	}
}

/**
 * iov_iter_user_segs - the segments of an iterator of user memory
 * @i: the iterator
 * @ubuf: room for the segment of an ITER_UBUF
 *
 * Return: an array of segments.  What is left of @i begins @i->iov_offset bytes
 * behind the start of the first one.
 */
static inline const struct iovec *iov_iter_user_segs(const struct iov_iter *i,
						     struct iovec *ubuf)
{
	if (!iter_is_ubuf(i))
		return i->iov;
	ubuf->iov_base = i->ubuf;
	ubuf->iov_len = i->iov_offset + i->count;
	return ubuf;
}

/**
 * iov_iter_gup_flags - what to tell get_user_pages_fast() and its relatives
 * @i: an iterator of user memory
 * @gup_flags: FOLL_SOURCE_BUF or FOLL_DEST_BUF, and other flags
 *
 * Return: flags that include FOLL_GET or FOLL_PIN.
 */
static inline unsigned int iov_iter_gup_flags(const struct iov_iter *i,
					      unsigned int gup_flags)
{
	unsigned int mode = iov_iter_extract_mode(i, gup_flags);

	if (gup_flags & FOLL_DEST_BUF)
		gup_flags |= FOLL_WRITE;
	if (i->nofault)
		gup_flags |= FOLL_NOFAULT;
	return mode | (gup_flags & ~(FOLL_SOURCE_BUF | FOLL_DEST_BUF));
}

#endif
