/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of filesystems share: filesystems of every kind, and block
 * devices that the kernel makes out of files on them.
 */
#ifndef FS_UTIL_H
#define FS_UTIL_H

#include <stddef.h>
#include "dio_util.h"

#define FS_SIZE		(64 * MIB)

struct fs_kind {
	const char	*type;
	const char	*mkfs;		/* a command that lacks the device, or: */
	void		(*make)(const char *dev, size_t size);
	const char	*options;	/* for mount */
};

extern const struct fs_kind fs_ext4;

/*
 * A new filesystem on a device of its own, mounted on @dir, which is "/tmp/"
 * and a name.  Returns the device.
 */
const char *fs_create(const struct fs_kind *kind, const char *dir);

/* Mounts it again: what is found from here on is on the medium. */
void fs_remount(const struct fs_kind *kind, const char *dir, const char *dev);

void fs_destroy(const char *dir);

/* A block device that keeps its data in @file; for kinds see file_dev.sh. */
const char *file_dev_attach(const char *kind, const char *file);
void file_dev_detach(const char *kind);

/*
 * XFS on such a device, with files: it has buffers and a log in memory of
 * kmalloc() and vmalloc(), which the device lends to the filesystem of @file.
 */
void file_dev_try_xfs(const char *kind, const char *file);

/*
 * Empty filesystems for which Debian has no mkfs, see fs_image.c.  AFFS does
 * not say on the medium how large its blocks are.
 */
void affs_make(const char *dev, size_t size);
void hfsplus_make(const char *dev, size_t size);

#define AFFS_OPTIONS	"bs=4096"

#endif
