/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * The data of a request, as an iterator
 */
#ifndef _CIFS_ITER_H
#define _CIFS_ITER_H

#include <linux/uio.h>

struct sg_table;
struct shash_desc;

int cifs_buffer_alloc(struct bvec_owner *own, enum iter_dir dir, size_t len,
		      gfp_t gfp);
size_t cifs_buffer_fill(struct bvec_owner *own, size_t at,
			struct iov_iter *from);
size_t cifs_iter_copy(const struct iov_iter *from, struct iov_iter *to);
int cifs_hash_iter(const struct iov_iter *iter, struct shash_desc *shash);
int cifs_iter_to_sg(const struct iov_iter *iter, struct sg_table *sgt,
		    unsigned int gup_flags);
size_t cifs_iter_span(const struct iov_iter *iter, size_t maxsize,
		      unsigned int max_pages);

#endif
