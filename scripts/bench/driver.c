// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what it costs to extract the pages behind an iterator and to release
 * them, and to copy, on the base kernel and on one with the series alike.
 */
#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "bench.h"

#define OWN_SIZE	(2UL << 20)
#define OWN_PAGES	(OWN_SIZE / PAGE_SIZE)
#define MAX_PAGES	1024
#define MAX_RUNS	512

static struct page *own_pages[OWN_PAGES];
static struct page *own_folio;
static void *own_vmalloc;
static struct bio_vec own_bvecs[OWN_PAGES];
static DEFINE_XARRAY(own_xarray);

static struct page *list[MAX_PAGES];
static struct bio_vec runs[MAX_RUNS] __maybe_unused;	/* not on base */
static struct iovec iovecs[MAX_PAGES];
static struct bio_vec own_bvec;
static struct kvec own_kvec;
static DEFINE_MUTEX(bench_lock);

#ifdef FOLL_SOURCE_BUF	/* the series */
typedef enum iter_dir iter_dir_t;
#else
typedef unsigned int iter_dir_t;
#endif

static int make_iter(struct iov_iter *i, const struct bench_request *req)
{
	iter_dir_t dir = req->op == BENCH_COPY_FROM ? ITER_SOURCE : ITER_DEST;
	void __user *base = u64_to_user_ptr(req->addr);
	unsigned int k;

	if (req->iter > BENCH_IOVEC && req->len > OWN_SIZE)
		return -EINVAL;

	switch (req->iter) {
	case BENCH_UBUF:
		iov_iter_ubuf(i, dir, base, req->len);
		return 0;
	case BENCH_IOVEC:
		if (req->len > MAX_PAGES * PAGE_SIZE)
			return -EINVAL;
		for (k = 0; k < req->len / PAGE_SIZE; k++)
			iovecs[k] = (struct iovec){
				.iov_base = base + 2 * k * PAGE_SIZE,
				.iov_len = PAGE_SIZE,
			};
		iov_iter_init(i, dir, iovecs, k,
			      req->len);
		return 0;
	case BENCH_BVEC_PAGES:
		iov_iter_bvec(i, dir, own_bvecs,
			      req->len / PAGE_SIZE, req->len);
		return 0;
	case BENCH_BVEC_FOLIO:
		bvec_set_page(&own_bvec, own_folio, req->len, 0);
		iov_iter_bvec(i, dir, &own_bvec, 1,
			      req->len);
		return 0;
	case BENCH_KVEC:
	case BENCH_KVEC_VMALLOC:
		own_kvec.iov_base = req->iter == BENCH_KVEC ?
				    page_address(own_folio) : own_vmalloc;
		own_kvec.iov_len = req->len;
		iov_iter_kvec(i, dir, &own_kvec, 1,
			      req->len);
		return 0;
	case BENCH_XARRAY:
		iov_iter_xarray(i, dir, &own_xarray, 0,
				req->len);
		return 0;
	}
	return -EINVAL;
}

#ifdef FOLL_SOURCE_BUF	/* the series */

static ssize_t do_pages(struct iov_iter *i)
{
	unsigned int mode = iov_iter_extract_mode(i, FOLL_DEST_BUF);
	struct page **pages = list;
	size_t offset;
	ssize_t size;

	size = iov_iter_extract_pages(i, &pages, SIZE_MAX, MAX_PAGES,
				      FOLL_DEST_BUF, &offset);
	if (size > 0)
		pages_put_unpin(list, DIV_ROUND_UP(offset + size, PAGE_SIZE),
				mode, false);
	return size;
}

static ssize_t do_runs(struct iov_iter *i)
{
	unsigned int mode = iov_iter_extract_mode(i, FOLL_DEST_BUF);
	unsigned int nr = MAX_RUNS;
	ssize_t size;

	size = iov_iter_extract_bvecs(i, runs, &nr, SIZE_MAX, FOLL_DEST_BUF);
	if (size > 0)
		bvecs_put_unpin(runs, nr, mode, false);
	return size;
}

#else

static ssize_t do_pages(struct iov_iter *i)
{
	unsigned int nr, k;
	size_t offset;
	ssize_t size;

	size = iov_iter_get_pages2(i, list, SIZE_MAX, MAX_PAGES, &offset);
	if (size > 0) {
		nr = DIV_ROUND_UP(offset + size, PAGE_SIZE);
		for (k = 0; k < nr; k++)
			put_page(list[k]);
	}
	return size;
}

static ssize_t do_runs(struct iov_iter *i)
{
	return -EOPNOTSUPP;
}

#endif

/* The other end of copies: linear memory too */
static void *copy_buf;

static ssize_t do_op(struct iov_iter *i, unsigned int op)
{
	switch (op) {
	case BENCH_PAGES:
		return do_pages(i);
	case BENCH_RUNS:
		return do_runs(i);
	case BENCH_COPY:
		return _copy_to_iter(copy_buf, min(i->count, OWN_SIZE), i);
	case BENCH_COPY_FROM:
		return _copy_from_iter(copy_buf, min(i->count, OWN_SIZE), i);
	}
	return -EINVAL;
}

static int run(struct bench_request *req)
{
	struct iov_iter start, i;
	ssize_t ret;
	u32 loop;
	u64 t;

	ret = make_iter(&start, req);
	if (ret)
		return ret;

	t = ktime_get_raw_ns();
	for (loop = 0; loop < req->loops; loop++) {
		req->calls = 0;
		for (i = start; i.count; req->calls++) {
			ret = do_op(&i, req->op);
			if (ret <= 0)
				return ret ?: -EIO;
		}
	}
	req->ns = ktime_get_raw_ns() - t;
	return 0;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *p = (void __user *)arg;
	struct bench_request req;
	int ret;

	if (cmd != BENCH_IOC_RUN)
		return -ENOTTY;
	if (copy_from_user(&req, p, sizeof(req)))
		return -EFAULT;
	mutex_lock(&bench_lock);
	ret = run(&req);
	mutex_unlock(&bench_lock);
	if (!ret && copy_to_user(p, &req, sizeof(req)))
		ret = -EFAULT;
	return ret;
}

static const struct file_operations bench_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= bench_ioctl,
};

static struct miscdevice bench_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "iov_iter_bench",
	.fops	= &bench_fops,
};

static void free_own(void)
{
	unsigned int k;

	xa_destroy(&own_xarray);
	for (k = 0; k < OWN_PAGES; k++)
		if (own_pages[k])
			__free_page(own_pages[k]);
	if (own_folio)
		__free_pages(own_folio, get_order(OWN_SIZE));
	free_pages((unsigned long)copy_buf, get_order(OWN_SIZE));
	vfree(own_vmalloc);
}

static int __init bench_init(void)
{
	int ret = -ENOMEM;
	unsigned int k;

	own_vmalloc = vzalloc(OWN_SIZE);
	own_folio = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_ZERO,
				get_order(OWN_SIZE));
	copy_buf = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					    get_order(OWN_SIZE));
	if (!own_vmalloc || !own_folio || !copy_buf)
		goto free;
	for (k = 0; k < OWN_PAGES; k++) {
		own_pages[k] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!own_pages[k] ||
		    xa_err(xa_store(&own_xarray, k, own_pages[k], GFP_KERNEL)))
			goto free;
		bvec_set_page(&own_bvecs[k], own_pages[k], PAGE_SIZE, 0);
	}
	ret = misc_register(&bench_dev);
	if (ret)
		goto free;
	return 0;
free:
	free_own();
	return ret;
}

static void __exit bench_exit(void)
{
	misc_deregister(&bench_dev);
	free_own();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
