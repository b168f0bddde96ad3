// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The memory of a request, for network filesystems
 *
 * A request goes on when its caller has left, in threads that do not have the
 * caller's mm.  The work is done in lib/iov_iter_extract.c, for the sake of
 * crypto and drivers, which have nothing to do with filesystems; here is how a
 * network filesystem gets at it.
 */

#include <linux/export.h>
#include <linux/netfs.h>
#include <linux/uio.h>

/**
 * netfs_extract_user_iter - Keep the buffer of a request
 * @orig: The iterator of the caller
 * @len: How much of it to keep, at most
 * @gup_flags: FOLL_DEST_BUF if the request is a read, FOLL_SOURCE_BUF if it is a
 *	write; and what iov_iter_extract_pages() knows besides
 * @own: On success, an iterator that can be used anywhere, and what it holds.
 *	Goes into bvec_owner_release() when nobody uses the buffer any more, the
 *	server's late reply to a request that was given up included.
 *
 * User memory is pinned or referenced as iov_iter_extract_mode() says.  Memory
 * that the kernel lends can be described in the same way; nothing is held then.
 *
 * Context: Process context, may sleep.
 *
 * Return: How many bytes @own describes, by which @orig is advanced; less than
 * @len if the rest is not there.  Or an error, with nothing held and @orig where
 * it was: see iov_iter_extract_owned().
 */
ssize_t netfs_extract_user_iter(struct iov_iter *orig, size_t len,
				unsigned int gup_flags, struct bvec_owner *own)
{
	return iov_iter_extract_owned(orig, len, gup_flags, own);
}
EXPORT_SYMBOL_GPL(netfs_extract_user_iter);

/**
 * netfs_extract_iter_to_sg - Append a buffer to the scatterlist of a request
 * @iter: The iterator
 * @maxsize: How much of it to append, at most
 * @sgt: The table, of which @sgt->nents entries are in use
 * @max_ents: How many entries may be added
 * @gup_flags: As for netfs_extract_user_iter()
 * @held: What sg_put_unpin() needs to give back what was taken
 *
 * For transports and ciphers that want a scatterlist.
 *
 * Context: Process context, may sleep.
 *
 * Return: How many bytes were appended, by which @iter is advanced; less than
 * @maxsize if there is no room for more or the rest is not there.  Or an error,
 * with everything as it was: see iov_iter_extract_sg().
 */
ssize_t netfs_extract_iter_to_sg(struct iov_iter *iter, size_t maxsize,
				 struct sg_table *sgt, unsigned int max_ents,
				 unsigned int gup_flags, struct sg_held *held)
{
	return iov_iter_extract_sg(iter, sgt, max_ents, maxsize, gup_flags,
				   held);
}
EXPORT_SYMBOL_GPL(netfs_extract_iter_to_sg);
