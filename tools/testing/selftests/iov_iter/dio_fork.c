// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads while the process forks, see fork_util.h, from a block device
 * that holds its answers back and from filesystems on it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"

#define DEVICE		"/dev/nbd0"
#define DEVICE_SIZE	(320UL << 20)	/* mkfs.xfs wants 300 MiB */
#define MOUNT_POINT	"/tmp/dio_fork"

/* fs/direct-io.c pins a page in its queue, in its section and in its bio. */
#define DIRECT_IO_PINS	3

static const struct filesystem {
	const char *type;
	const char *mkfs;
	unsigned int pins;
} filesystems[] = {
	{ "ext4", "mke2fs -q -F -t ext4", 1 },
	{ "xfs", "mkfs.xfs -q -f", 1 },
	{ "ext2", "mke2fs -q -F -t ext2", DIRECT_IO_PINS },
	{ "vfat", "mkfs.vfat", DIRECT_IO_PINS },
	{ "exfat", "mkfs.exfat", DIRECT_IO_PINS },
	{ "udf", "mkudffs", DIRECT_IO_PINS },
};

static struct nbd nbd;

static void hold(bool on)
{
	nbd_hold(&nbd, on ? NBD_HOLD_READ : NBD_HOLD_NONE);
}

static void wait_held(void)
{
	nbd_wait_held(&nbd);
}

static void release(void)
{
	nbd_release(&nbd);
}

static const struct fork_holder holder = {
	.hold = hold, .wait = wait_held, .release = release,
};

static void test_path(const char *name, const char *path, unsigned int pins)
{
	struct fork_path fork_path = {
		.name = name, .holder = &holder, .pins = pins,
	};

	fork_path.fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
	must(fork_path.fd >= 0);
	fork_fill(fork_path.fd);
	fork_test(&fork_path);
	close(fork_path.fd);
}

static void test_file(const struct filesystem *fs)
{
	run("%s %s >/dev/null", fs->mkfs, DEVICE);
	run("mount -t %s -o noatime %s %s", fs->type, DEVICE, MOUNT_POINT);
	test_path(fs->type, MOUNT_POINT "/file", fs->pins);
	run("umount %s", MOUNT_POINT);
}

int main(void)
{
	unsigned int i;

	fork_start(1 + ARRAY_SIZE(filesystems));
	run("mkdir -p %s", MOUNT_POINT);
	nbd_start(&nbd, DEVICE, DEVICE_SIZE);

	test_path("bdev", DEVICE, 1);
	for (i = 0; i < ARRAY_SIZE(filesystems); i++)
		test_file(&filesystems[i]);

	nbd_stop(&nbd);
	fork_finish();
}
