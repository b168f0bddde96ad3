// SPDX-License-Identifier: GPL-2.0
/*
 * T18: direct reads while the process forks, see fork_util.h, by NFS from a
 * server that is held back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"
#include "nfs_util.h"
#include "proxy_util.h"

#define DIR		"/tmp/nfs_fork"
#define MOUNT_POINT	"/tmp/nfs_fork_mnt"

static void hold(bool on)
{
	nfs_hold(on ? NFS_READ : NFS_OTHER, SECTOR);
}

static const struct fork_holder holder = {
	.hold = hold, .wait = proxy_wait_held, .release = proxy_release,
};

static void test_version(const char *version)
{
	struct fork_path path = { .holder = &holder, .pins = 1 };
	char name[16];

	snprintf(name, sizeof(name), "nfs%s", version);
	path.name = name;
	nfs_mount(version, NFS_PROXY_PORT, DIR, MOUNT_POINT, "");
	path.fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	must(path.fd >= 0);
	fork_fill(path.fd);
	fork_test(&path);
	close(path.fd);
	run("umount %s", MOUNT_POINT);
}

int main(void)
{
	fork_start(2);
	run("mkdir -p %s %s", DIR, MOUNT_POINT);
	run("mount -t tmpfs -o size=16m none %s", DIR);
	nfs_serve(DIR);
	test_version("3");
	test_version("4.2");
	nfs_end();
	run("umount %s", DIR);
	fork_finish();
}
