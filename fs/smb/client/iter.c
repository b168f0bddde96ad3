// SPDX-License-Identifier: LGPL-2.1
/*
 * The data of a request, as an iterator
 *
 * A request carries its data as an iterator from the file to the socket.
 *
 *  - It is over memory that does not depend on the submitter: the page cache,
 *    or a struct bvec_owner, be that a buffer of the user or one of our own.  A
 *    request that is waited for can carry memory of its caller.
 *  - What is sent or received is a copy of the iterator.  The one of the request
 *    is not advanced, so that it can be used once more, for a retry.
 */
#include <linux/bvec.h>
#include <linux/iov_iter_walk.h>
#include <linux/mm.h>
#include <linux/netfs.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <crypto/hash.h>

#include "iter.h"

/* How much to hash before somebody else may have the CPU */
#define HASH_BATCH	(64 * PAGE_SIZE)

/**
 * cifs_buffer_alloc - allocate memory for data
 * @own: on success, what holds the memory, and an iterator over all of it; to be
 *	released by bvec_owner_release()
 * @dir: the direction of the iterator
 * @len: how much to allocate
 * @gfp: how
 *
 * Return: 0 or -ENOMEM; in that case there is nothing to release.
 */
int cifs_buffer_alloc(struct bvec_owner *own, enum iter_dir dir, size_t len,
		      gfp_t gfp)
{
	size_t nr_pages = DIV_ROUND_UP(len, PAGE_SIZE), left = len;
	struct page *page;

	/* The reference is the one that the allocator gives out. */
	*own = (struct bvec_owner){
		.mode = FOLL_GET,
	};
	own->bvecs = kvmalloc_array(nr_pages, sizeof(*own->bvecs), gfp);
	if (!own->bvecs)
		return -ENOMEM;

	while (own->nr_bvecs < nr_pages) {
		size_t part = min(left, PAGE_SIZE);

		page = alloc_page(gfp | __GFP_HIGHMEM);
		if (!page) {
			bvec_owner_release(own, false);
			return -ENOMEM;
		}
		bvec_set_page(&own->bvecs[own->nr_bvecs++], page, part, 0);
		left -= part;
	}
	iov_iter_bvec(&own->iter, dir, own->bvecs, own->nr_bvecs, len);
	return 0;
}

/**
 * cifs_buffer_fill - copy data to a buffer
 * @own: what cifs_buffer_alloc() allocated
 * @at: where in the buffer to begin
 * @from: what to copy
 *
 * Return: the number of bytes copied, by which @from is advanced.  It is less
 * than there are if the buffer is full, or if the rest cannot be read.
 */
size_t cifs_buffer_fill(struct bvec_owner *own, size_t at,
			struct iov_iter *from)
{
	size_t done = 0;

	while (iov_iter_count(from) && at / PAGE_SIZE < own->nr_bvecs) {
		struct bio_vec *bvec = &own->bvecs[at / PAGE_SIZE];
		size_t offset = at % PAGE_SIZE, part, copied;

		if (offset >= bvec->bv_len)
			break;
		part = min(bvec->bv_len - offset, iov_iter_count(from));
		copied = copy_page_from_iter(bvec->bv_page, offset, part, from);
		done += copied;
		at += copied;
		if (copied < part)
			break;
	}
	return done;
}

/* A request has no user memory, which would have to be that of its submitter. */
static __always_inline
size_t step_refuse(void __user *base, size_t len, size_t done, void *ctx)
{
	return len;
}

static __always_inline
size_t step_copy(void *base, size_t len, size_t done, void *ctx)
{
	return len - copy_to_iter(base, len, ctx);
}

/**
 * cifs_iter_copy - copy data from one iterator to another
 * @from: over kernel memory of any kind
 * @to: where to
 *
 * Return: the number of bytes copied, by which @to is advanced.  It is less than
 * there are in @from if there is no more room in @to.
 */
size_t cifs_iter_copy(const struct iov_iter *from, struct iov_iter *to)
{
	struct iov_iter i = *from;

	return iter_walk(&i, iov_iter_count(&i), to, step_refuse, step_copy);
}

struct hash_state {
	struct shash_desc *shash;
	int error;
};

static __always_inline
size_t step_hash(void *base, size_t len, size_t done, void *ctx)
{
	struct hash_state *state = ctx;

	state->error = crypto_shash_update(state->shash, base, len);
	return state->error ? len : 0;
}

/**
 * cifs_hash_iter - hash data
 * @iter: over kernel memory of any kind, in either direction
 * @shash: what to update
 *
 * Return: 0 or an error.
 */
int cifs_hash_iter(const struct iov_iter *iter, struct shash_desc *shash)
{
	struct hash_state state = { .shash = shash };
	struct iov_iter i = *iter;

	while (iov_iter_count(&i)) {
		size_t part = min(iov_iter_count(&i), HASH_BATCH);

		if (iter_walk(&i, part, &state, step_refuse, step_hash) != part)
			return state.error ?: -EFAULT;
		cond_resched();
	}
	return 0;
}

/**
 * cifs_iter_to_sg - append data to a scatterlist
 * @iter: over kernel memory, which its owner keeps until the scatterlist is done
 *	with
 * @sgt: the table, as for netfs_extract_iter_to_sg()
 * @gup_flags: FOLL_DEST_BUF if it is for writing to the memory, FOLL_SOURCE_BUF
 *	if not
 *
 * Return: 0; or an error if not all of @iter could be appended.
 */
int cifs_iter_to_sg(const struct iov_iter *iter, struct sg_table *sgt,
		    unsigned int gup_flags)
{
	struct iov_iter i = *iter;
	struct sg_held held;
	ssize_t len;

	if (!iov_iter_count(&i))
		return 0;
	if (WARN_ON_ONCE(iov_iter_extract_mode(&i, gup_flags)))
		return -EIO;
	len = netfs_extract_iter_to_sg(&i, iov_iter_count(&i), sgt,
				       sgt->orig_nents - sgt->nents,
				       gup_flags, &held);
	if (len < 0)
		return len;
	return iov_iter_count(&i) ? -EIO : 0;
}

/**
 * cifs_iter_span - find out how much of an iterator is a run of whole pages
 * @iter: over bio_vecs
 * @maxsize: the most bytes to take
 * @max_pages: the most pages to take
 *
 * A memory registration maps pages to addresses that follow each other.  It may
 * begin and end in the middle of a page, but have no gap.
 *
 * Return: how many bytes there are from the start of @iter up to the first gap,
 * or to one of the limits; 0 only if there are none, or if a limit is 0.
 */
size_t cifs_iter_span(const struct iov_iter *iter, size_t maxsize,
		      unsigned int max_pages)
{
	size_t skip = iter->iov_offset, span = 0;
	const struct bio_vec *bvec = iter->bvec;
	size_t room = max_pages * PAGE_SIZE;

	maxsize = min(maxsize, iov_iter_count(iter));
	for (; span < maxsize && room; bvec++, skip = 0) {
		size_t offset = (bvec->bv_offset + skip) % PAGE_SIZE;
		size_t len = bvec->bv_len - skip;

		if (!len)
			continue;
		/* Only the first piece may begin, and only the last one end, */
		if (span && offset)
			break;
		if (!span)
			room -= offset;
		len = min3(len, room, maxsize - span);
		span += len;
		room -= len;
		/* within a page. */
		if ((offset + len) % PAGE_SIZE)
			break;
	}
	return span;
}
