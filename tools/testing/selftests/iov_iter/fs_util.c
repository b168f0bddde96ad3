// SPDX-License-Identifier: GPL-2.0
/* See fs_util.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs_util.h"

const struct fs_kind fs_ext4 = {
	.type = "ext4", .mkfs = "mke2fs -F -t ext4"
};

static void fs_mount(const struct fs_kind *kind, const char *dir,
		     const char *dev)
{
	must(!mount(dev, dir, kind->type, MS_NOATIME, kind->options));
}

/* The name of the device of @dir */
static const char *name_of(const char *dir)
{
	return strrchr(dir, '/') + 1;
}

const char *fs_create(const struct fs_kind *kind, const char *dir)
{
	const char *dev;
	char attrs[64];

	snprintf(attrs, sizeof(attrs), "memory_backed=1 size=%lu",
		 FS_SIZE / MIB);
	dev = nullb_create(name_of(dir), attrs);
	if (kind->make)
		kind->make(dev, FS_SIZE);
	else
		/* Not all of them can be told to be quiet. */
		run("out=$(%s %s 2>&1) || { echo \"$out\"; false; }",
		    kind->mkfs, dev);
	must(!mkdir(dir, 0700));
	fs_mount(kind, dir, dev);
	return dev;
}

void fs_remount(const struct fs_kind *kind, const char *dir, const char *dev)
{
	must(!umount(dir));
	fs_mount(kind, dir, dev);
}

void fs_destroy(const char *dir)
{
	char path[128];

	must(!umount(dir) && !rmdir(dir));
	snprintf(path, sizeof(path), "/sys/kernel/config/nullb/%s",
		 name_of(dir));
	must(!rmdir(path));
}

const char *file_dev_attach(const char *kind, const char *file)
{
	char cmd[128], *dev = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "./file_dev.sh attach %s %s", kind, file);
	f = popen(cmd, "r");
	must(f && getline(&dev, &size, f) > 1);
	must(!pclose(f));
	*strchr(dev, '\n') = 0;
	return dev;
}

void file_dev_detach(const char *kind)
{
	run("./file_dev.sh detach %s", kind);
}

/* The log is smaller than mkfs likes: all of it is written as zeroes. */
void file_dev_try_xfs(const char *kind, const char *file)
{
	static const char dir[] = "/tmp/iovtestxfs";
	const char *dev;

	run("truncate -s 0 %s && truncate -s 320M %s", file, file);
	dev = file_dev_attach(kind, file);
	run("mkfs.xfs -q -f -K --unsupported -l size=10m %s", dev);
	run("mkdir %s && mount -t xfs %s %s", dir, dev, dir);
	run("cp -r /t/* %s && umount %s && mount -t xfs %s %s", dir, dir, dev,
	    dir);
	run("for f in /t/*/*; do cmp $f %s${f#/t} || exit 1; done", dir);
	run("umount %s && rmdir %s", dir, dir);
	file_dev_detach(kind);
}
