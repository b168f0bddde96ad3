// SPDX-License-Identifier: GPL-2.0
/*
 * T18: direct reads while the process forks, see fork_util.h, by SMB from a
 * server that is held back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"
#include "smb_util.h"

#define DIR		"/tmp/smb_fork"
#define MOUNT_POINT	"/tmp/smb_fork_mnt"

static void hold(bool on)
{
	if (on)
		smb_hold(SMB_READ, SECTOR);
	else
		smb_pass();
}

static const struct fork_holder holder = {
	.hold = hold, .wait = proxy_wait_held, .release = proxy_release,
};

static const struct {
	const char *name;
	const char *options;
} mounts[] = {
	{ "smb2.1", "vers=2.1,cache=none" },
	/* O_DIRECT goes past the cache. */
	{ "smb3.1.1", "vers=3.1.1,cache=strict" },
	{ "smb3 seal", "vers=3.1.1,seal" },
};

static void test_mount(const char *name, const char *options)
{
	struct fork_path path = { .name = name, .holder = &holder, .pins = 1 };

	smb_mount(SMB_PROXY_PORT, MOUNT_POINT, options);
	path.fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	must(path.fd >= 0);
	fork_fill(path.fd);
	fork_test(&path);
	close(path.fd);
	run("umount %s", MOUNT_POINT);
}

int main(void)
{
	size_t i;

	fork_start(ARRAY_SIZE(mounts));
	run("mkdir -p %s %s", DIR, MOUNT_POINT);
	run("mount -t tmpfs -o size=16m none %s", DIR);
	smb_serve(DIR, "");
	for (i = 0; i < ARRAY_SIZE(mounts); i++)
		test_mount(mounts[i].name, mounts[i].options);
	smb_end();
	run("umount %s", DIR);
	fork_finish();
}
