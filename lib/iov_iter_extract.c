// SPDX-License-Identifier: GPL-2.0
/*
 * What is behind an iterator, in the form that a caller can use
 *
 * iov_iter_extract_pages() gives out a list of pages.  For those who want to
 * know where memory lies and how long it is, rather than what pages it is made
 * of, the functions in here describe it run by run: as bio_vecs, as entries of
 * a scatterlist, by calling a function for each of them, or as a BVEC iterator
 * that can be used without the mm that the memory belongs to.
 *
 *  - A run is adjacent in memory and lies in one folio.
 *  - What is held is decided by iov_iter_extract_mode(), and is counted per
 *    page, not per run: bvec_nr_pages() of them for each run.
 *  - Kernel memory may be of any kind.  The head of a compound page tells how
 *    far it goes on; nothing else is read from a page, and nothing written.
 */
#include <linux/bvec.h>
#include <linux/export.h>
#include <linux/iov_iter_walk.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uio.h>

/* How many runs or pages to have on the stack */
#define RUN_BATCH	16

/* An array of runs that a walk fills, and why it ended, if not for want of room */
struct run_list {
	struct bio_vec *runs;
	unsigned int nr_runs;
	unsigned int max_runs;
	unsigned int gup_flags;
	int error;
};

/* Whether a run goes on with @page at @offset */
static __always_inline
bool run_continues(const struct bio_vec *run, const struct page *page,
		   size_t offset)
{
	size_t end = run->bv_offset + (size_t)run->bv_len;

	return page == run->bv_page + end / PAGE_SIZE &&
	       offset == end % PAGE_SIZE &&
	       compound_head(page) == compound_head(run->bv_page);
}

/* Add memory of one folio, if there is room.  Inlined for BVECs of pages. */
static __always_inline
bool run_list_add(struct run_list *list, struct page *page, size_t offset,
		  size_t len)
{
	struct bio_vec *run = &list->runs[list->nr_runs];

	if (list->nr_runs && run_continues(run - 1, page, offset)) {
		run[-1].bv_len += len;
		return true;
	}
	if (list->nr_runs == list->max_runs)
		return false;
	bvec_set_page(run, page, len, offset);
	list->nr_runs++;
	return true;
}

static size_t extract_user_runs(struct iov_iter *i, size_t maxsize,
				struct run_list *list)
{
	struct iovec ubuf;
	ssize_t size;

	list->nr_runs = list->max_runs;
	size = grab_user_runs_fast(iov_iter_user_segs(i, &ubuf), i->iov_offset,
				   maxsize, list->gup_flags, list->runs,
				   &list->nr_runs);
	if (unlikely(size < 0)) {
		list->error = size;
		return 0;
	}
	iov_iter_advance(i, size);
	return size;
}

/* How much of a folio is there from @offset into @page on? */
static size_t folio_rest(struct page *page, size_t offset)
{
	struct folio *folio = page_folio(page);

	return folio_size(folio) - folio_page_idx(folio, page) * PAGE_SIZE -
	       offset;
}

static __always_inline
size_t step_run_pages(struct page *page, size_t offset, size_t len,
		      size_t done, void *ctx)
{
	page = nth_page(page, offset / PAGE_SIZE);
	offset %= PAGE_SIZE;

	for (;;) {
		size_t part = len;

		/* The folio matters only to what leaves the page. */
		if (offset + len > PAGE_SIZE)
			part = min(len, folio_rest(page, offset));
		if (!run_list_add(ctx, page, offset, part))
			return len;
		len -= part;
		if (!len)
			return 0;
		page = nth_page(page, (offset + part) / PAGE_SIZE);
		offset = 0;
	}
}

/* Pages in no order, such as those of vmalloc() or kmap() */
static size_t run_list_add_pages(struct run_list *list, struct page **pages,
				 unsigned int nr_pages, size_t offset,
				 size_t len)
{
	for (; nr_pages && len; nr_pages--, pages++, offset = 0) {
		size_t part = min(len, PAGE_SIZE - offset);

		if (!run_list_add(list, *pages, offset, part))
			break;
		len -= part;
	}
	return len;
}

static size_t run_list_add_vmalloc(struct run_list *list, const void *base,
				   size_t len)
{
	struct page *pages[RUN_BATCH];

	while (len) {
		size_t offset = offset_in_page(base), left;
		unsigned int nr_pages = DIV_ROUND_UP(offset + len, PAGE_SIZE);

		nr_pages = min_t(unsigned int, nr_pages, RUN_BATCH);
		nr_pages = vmalloc_to_pages(base, pages, nr_pages);
		left = run_list_add_pages(list, pages, nr_pages, offset, len);
		if (left == len) {
			list->error = -EFAULT;
			break;
		}
		base += len - left;
		len = left;
	}
	return len;
}

static __always_inline
size_t step_run_kernel(void *base, size_t len, size_t done, void *ctx)
{
	struct run_list *list = ctx;

	if (is_vmalloc_or_module_addr(base) || is_kmap_addr(base))
		return run_list_add_vmalloc(list, base, len);
	if (likely(virt_addr_valid(base) && virt_addr_valid(base + len - 1)))
		return step_run_pages(virt_to_page(base), offset_in_page(base),
				      len, done, ctx);
	list->error = -EFAULT;
	return len;
}

static size_t extract_pipe_runs(struct iov_iter *i, size_t maxsize,
				unsigned int gup_flags, struct run_list *list)
{
	struct page *array[RUN_BATCH], **pages = array;
	size_t offset, done = 0;

	while (done < maxsize && list->nr_runs < list->max_runs) {
		unsigned int nr = min_t(unsigned int, RUN_BATCH,
					list->max_runs - list->nr_runs);
		ssize_t size = iov_iter_extract_pages(i, &pages, maxsize - done,
						      nr, gup_flags, &offset);

		if (size <= 0) {
			list->error = size;
			break;
		}
		run_list_add_pages(list, pages, nr, offset, size);
		done += size;
	}
	return done;
}

/**
 * iov_iter_extract_bvecs - Describe the next part of an iterator run by run
 * @i: The iterator
 * @bvecs: Where the runs go
 * @nr_bvecs: The size of @bvecs; on return, how many entries are used
 * @maxsize: The most bytes to extract
 * @gup_flags: As for iov_iter_extract_pages()
 *
 * Memory that is adjacent and in one folio becomes one entry: a huge page is a
 * single one.  Segments of user memory that meet within a page are two entries,
 * as that page is held twice.  Entries follow each other as the bytes do in @i,
 * at any offset; segments need not meet at page boundaries as in a list of
 * pages.  Each entry has an offset into its first page that is less than
 * PAGE_SIZE.
 *
 * The pages are held as iov_iter_extract_mode() says, bvec_nr_pages() times for
 * each entry, until bvecs_put_unpin().  Whoever cuts an entry so that it does
 * not touch a page any more releases that page himself.
 *
 * Context: Process context, may sleep if @i is for user memory, which is that
 * of current->mm.
 *
 * Return: The number of bytes extracted, by which @i is advanced; 0 if @maxsize,
 * *@nr_bvecs or what is left in @i is 0; or an error of those that
 * iov_iter_extract_pages() returns, if not even the first byte can be had.  With
 * an error or 0 nothing is held, *@nr_bvecs is 0 and @i is where it was.
 */
ssize_t iov_iter_extract_bvecs(struct iov_iter *i, struct bio_vec *bvecs,
			       unsigned int *nr_bvecs, size_t maxsize,
			       unsigned int gup_flags)
{
	struct run_list list = {
		.runs = bvecs,
		.max_runs = *nr_bvecs,
	};
	size_t done = 0;

	*nr_bvecs = 0;
	if (WARN_ON_ONCE(!iov_iter_extract_dir_ok(i, gup_flags)))
		return -EINVAL;
	maxsize = min3(maxsize, i->count, (size_t)MAX_RW_COUNT);
	if (unlikely(!maxsize || !list.max_runs))
		return 0;

	list.gup_flags = iov_iter_gup_flags(i, gup_flags);
	if (likely(user_backed_iter(i)))
		done = extract_user_runs(i, maxsize, &list);
	else if (iov_iter_is_bvec(i))
		done = iter_walk_bvec(i, maxsize, &list, step_run_pages, NULL);
	else if (iov_iter_is_kvec(i))
		done = iter_walk_kvec(i, maxsize, &list, step_run_kernel);
	else if (iov_iter_is_xarray(i))
		done = iter_walk_xarray(i, maxsize, &list, step_run_pages, NULL);
	else if (iov_iter_is_pipe(i))
		done = extract_pipe_runs(i, maxsize, gup_flags, &list);

	*nr_bvecs = list.nr_runs;
	return done ?: list.error ?: -EFAULT;
}
EXPORT_SYMBOL_GPL(iov_iter_extract_bvecs);

/* The entry behind @sg, whether that is marked as the end or not; or the first */
static struct scatterlist *sg_entry_after(struct sg_table *sgt,
					  struct scatterlist *sg)
{
	if (!sg)
		return sgt->sgl;
	sg++;
	return sg_is_chain(sg) ? sg_chain_ptr(sg) : sg;
}

/**
 * iov_iter_extract_sg - Add the next part of an iterator to a scatterlist
 * @i: The iterator
 * @sgt: The table: the first @sgt->nents of its @sgt->orig_nents entries are in
 *	use and are left alone, but for the end mark
 * @max_ents: The most entries to add
 * @maxsize: The most bytes to extract
 * @gup_flags: As for iov_iter_extract_pages()
 * @held: On return, which of the entries that were added have to be released by
 *	sg_put_unpin(), and with which mode
 *
 * As iov_iter_extract_bvecs(), one entry for each run.  The last entry in use is
 * marked as the end of the list.  The bytes may be more than MAX_RW_COUNT, which
 * is as much as iov_iter_revert() takes at once.
 *
 * Context: As for iov_iter_extract_bvecs().
 *
 * Return: The number of bytes extracted, by which @i is advanced; @sgt->nents
 * has grown.  It is less than asked for if the table or @max_ents is used up, or
 * if something cannot be had.  0 or an error, as from iov_iter_extract_bvecs(),
 * if nothing was extracted: then @sgt and @i are as they were.
 */
ssize_t iov_iter_extract_sg(struct iov_iter *i, struct sg_table *sgt,
			    unsigned int max_ents, size_t maxsize,
			    unsigned int gup_flags, struct sg_held *held)
{
	unsigned int room = min(max_ents, sgt->orig_nents - sgt->nents), k;
	struct scatterlist *last = NULL;
	struct bio_vec runs[RUN_BATCH];
	ssize_t size = 0;
	size_t done = 0;

	held->mode = iov_iter_extract_mode(i, gup_flags);
	held->nents = 0;
	held->sg = NULL;
	for (k = 0; k < sgt->nents; k++)
		last = sg_entry_after(sgt, last);

	while (room && done < maxsize) {
		unsigned int nr = min_t(unsigned int, room, RUN_BATCH);

		size = iov_iter_extract_bvecs(i, runs, &nr, maxsize - done,
					      gup_flags);
		if (size <= 0)
			break;
		for (k = 0; k < nr; k++) {
			if (last)
				sg_unmark_end(last);
			last = sg_entry_after(sgt, last);
			held->sg = held->sg ?: last;
			sg_set_page(last, runs[k].bv_page, runs[k].bv_len,
				    runs[k].bv_offset);
		}
		sgt->nents += nr;
		room -= nr;
		done += size;
		if (held->mode)
			held->nents += nr;
	}

	if (!done)
		return size;
	sg_mark_end(last);
	return done;
}
EXPORT_SYMBOL_GPL(iov_iter_extract_sg);

/**
 * iov_iter_visit_runs - Look at the next part of an iterator once, run by run
 * @i: The iterator
 * @maxsize: The most bytes to look at
 * @gup_flags: As for iov_iter_extract_pages()
 * @fn: What to call for each run.  It returns 0 to go on, or an error.
 * @priv: For @fn
 *
 * For callers that need not keep anything.  A run is held while @fn looks at it
 * and no longer.  No lock is held meanwhile, the mmap_lock in particular, so
 * that @fn may sleep, and may fault.  User memory is marked dirty if @gup_flags
 * say that it is written to.
 *
 * Context: Process context, may sleep.
 *
 * Return: The number of bytes for which @fn returned 0, by which @i is advanced.
 * If there are none, what @fn returned or iov_iter_extract_bvecs() did.
 */
ssize_t iov_iter_visit_runs(struct iov_iter *i, size_t maxsize,
			    unsigned int gup_flags, iov_iter_run_fn fn,
			    void *priv)
{
	unsigned int mode = iov_iter_extract_mode(i, gup_flags);
	struct bio_vec runs[RUN_BATCH];
	size_t done = 0, left;
	ssize_t ret = 0;

	while (done < maxsize) {
		unsigned int nr = RUN_BATCH, k;

		ret = iov_iter_extract_bvecs(i, runs, &nr, maxsize - done,
					     gup_flags);
		if (ret <= 0)
			break;
		left = ret;
		done += ret;
		for (k = 0; k < nr; k++) {
			ret = fn(&runs[k], priv);
			if (ret)
				break;
			left -= runs[k].bv_len;
		}
		bvecs_put_unpin(runs, nr, mode, mode == FOLL_PIN);
		iov_iter_revert(i, left);
		done -= left;
		if (left)
			break;
	}
	return done ?: ret;
}
EXPORT_SYMBOL_GPL(iov_iter_visit_runs);

static int grow_runs(struct bvec_owner *own, unsigned int *max_runs,
		     unsigned int want)
{
	struct bio_vec *runs;

	runs = kvrealloc(own->bvecs, *max_runs * sizeof(*runs),
			 want * sizeof(*runs), GFP_KERNEL);
	if (!runs)
		return -ENOMEM;
	own->bvecs = runs;
	*max_runs = want;
	return 0;
}

/**
 * iov_iter_extract_owned - Make an iterator that holds what it describes
 * @i: The iterator to take from
 * @maxsize: The most bytes to take
 * @gup_flags: As for iov_iter_extract_pages()
 * @own: On success, a BVEC iterator over what was taken, @own->iter, and what
 *	bvec_owner_release() needs to give it back
 *
 * User memory is bound to an mm, and so are UBUF and IOVEC iterators.  The
 * result can be handed to other threads, used more than once, and kept until
 * the I/O is done.  It has the direction of @i.
 *
 * Context: Process context, may sleep.
 *
 * Return: The number of bytes taken, by which @i is advanced.  It is less than
 * asked for if something cannot be had.  0 or an error, as from
 * iov_iter_extract_bvecs(), or -ENOMEM: then nothing is held, @i is where it was,
 * and @own need not be released.
 */
ssize_t iov_iter_extract_owned(struct iov_iter *i, size_t maxsize,
			       unsigned int gup_flags, struct bvec_owner *own)
{
	unsigned int max_runs = 0, most, nr;
	ssize_t ret = 0;
	size_t done = 0;

	*own = (struct bvec_owner){
		.mode = iov_iter_extract_mode(i, gup_flags),
	};
	maxsize = min3(maxsize, i->count, (size_t)MAX_RW_COUNT);

	while (done < maxsize) {
		if (own->nr_bvecs == max_runs) {
			/* Large folios take much less than an entry a page. */
			most = iov_iter_npages(i, INT_MAX - max_runs);
			ret = grow_runs(own, &max_runs, max_runs +
					clamp(most, 1U, max(max_runs, 64U)));
			if (ret)
				goto undo;
		}
		nr = max_runs - own->nr_bvecs;
		ret = iov_iter_extract_bvecs(i, own->bvecs + own->nr_bvecs, &nr,
					     maxsize - done, gup_flags);
		if (ret <= 0)
			break;
		own->nr_bvecs += nr;
		done += ret;
	}
	if (!done)
		goto undo;

	iov_iter_bvec(&own->iter, iov_iter_dir(i), own->bvecs, own->nr_bvecs,
		      done);
	return done;
undo:
	iov_iter_revert(i, done);
	bvec_owner_release(own, false);
	return ret;
}
EXPORT_SYMBOL_GPL(iov_iter_extract_owned);

/**
 * bvec_owner_release - Give back what iov_iter_extract_owned() took
 * @own: What it filled in
 * @mark_dirty: Whether the memory was written to
 *
 * Context: Process context, may sleep.
 */
void bvec_owner_release(struct bvec_owner *own, bool mark_dirty)
{
	bvecs_put_unpin(own->bvecs, own->nr_bvecs, own->mode, mark_dirty);
	kvfree(own->bvecs);
	own->bvecs = NULL;
	own->nr_bvecs = 0;
}
EXPORT_SYMBOL_GPL(bvec_owner_release);
