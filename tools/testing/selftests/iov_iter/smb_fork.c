// SPDX-License-Identifier: GPL-2.0
/*
 * T18: direct reads while the process forks, see fork_util.h, by SMB from
 * servers that are held back: Samba by a proxy; the kernel's own server, which
 * is asked by TCP and by RDMA, by the FUSE filesystem that it shares.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"
#include "fuse_util.h"
#include "smb_util.h"

#define DIR		"/tmp/smb_fork"
#define MOUNT_POINT	"/tmp/smb_fork_mnt"

#define LOOPBACK	"127.0.0.1"

static void test_file(const char *name, const struct fork_holder *holder,
		      unsigned int pins)
{
	struct fork_path path = {
		.name = name, .holder = holder, .pins = pins,
	};

	path.fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	must(path.fd >= 0);
	fork_fill(path.fd);
	fork_test(&path);
	close(path.fd);
	run("umount %s", MOUNT_POINT);
}

/* Samba */

static void samba_hold(bool on)
{
	if (on)
		smb_hold(SMB_READ, SECTOR);
	else
		smb_pass();
}

static const struct fork_holder samba_holder = {
	.hold = samba_hold, .wait = proxy_wait_held, .release = proxy_release,
};

static const struct {
	const char *name;
	const char *options;
} samba_mounts[] = {
	{ "smb2.1", "vers=2.1,cache=none" },
	/* O_DIRECT goes past the cache. */
	{ "smb3.1.1", "vers=3.1.1,cache=strict" },
	{ "smb3 seal", "vers=3.1.1,seal" },
};

static void test_samba(void)
{
	size_t i;

	run("mkdir %s && mount -t tmpfs -o size=16m none %s", DIR, DIR);
	smb_serve(DIR, "");
	for (i = 0; i < ARRAY_SIZE(samba_mounts); i++) {
		smb_mount(SMB_PROXY_PORT, MOUNT_POINT, samba_mounts[i].options);
		test_file(samba_mounts[i].name, &samba_holder, 1);
	}
	smb_end();
	run("umount %s && rmdir %s", DIR, DIR);
}

/* ksmbd */

/*
 * A read by RDMA comes in the messages of SMB Direct, or the server writes it to
 * memory that the client has registered, from so many bytes on.  By default that
 * is a page, of which the CPU would have no part left to write to.
 */
#define REGISTER_ALL	SECTOR
#define REGISTER_NONE	PAGE

static const struct ksmbd_mount {
	const char *name;
	const char *address;
	const char *options;
	unsigned int threshold;
} ksmbd_mounts[] = {
	{ "ksmbd", LOOPBACK, "vers=3.1.1,cache=none", 0 },
	{ "ksmbd seal", LOOPBACK, "vers=3.1.1,seal", 0 },
	{ "siw send", RDMA_ADDRESS, "rdma,cache=none", REGISTER_NONE },
	{ "siw write", RDMA_ADDRESS, "rdma,cache=none", REGISTER_ALL },
};

static const struct ksmbd_mount *ksmbd_mount;
static struct fuse fuse;

static void ksmbd_hold(bool on)
{
	fuse_hold(&fuse, on);
}

static bool memory_is_registered(void)
{
	char line[128];
	int used = 0;
	FILE *f;

	f = fopen("/proc/fs/cifs/DebugData", "r");
	must(f);
	while (!used && fgets(line, sizeof(line), f))
		sscanf(line, "MR mr_ready_count: %*x mr_used_count: %x", &used);
	fclose(f);
	return used;
}

static void ksmbd_wait_held(void)
{
	fuse_wait_held(&fuse);
	must(memory_is_registered() == (ksmbd_mount->threshold == REGISTER_ALL));
}

static void ksmbd_release(void)
{
	fuse_release(&fuse);
}

static const struct fork_holder ksmbd_holder = {
	.hold = ksmbd_hold, .wait = ksmbd_wait_held, .release = ksmbd_release,
};

static void test_ksmbd_mount(const struct ksmbd_mount *mount)
{
	ksmbd_mount = mount;
	if (mount->threshold)
		run("echo %u >/proc/fs/cifs/rdma_readwrite_threshold",
		    mount->threshold);
	run("./smb_loop.sh mount %s %d %s %s", mount->address, KSMBD_PORT,
	    MOUNT_POINT, mount->options);
	/* and one in the FUSE server, while it is given the request */
	test_file(mount->name, &ksmbd_holder, 2);
}

static void test_ksmbd(void)
{
	size_t i;

	fuse_start(&fuse, DIR, FUSE_BY_COPY);
	ksmbd_serve(DIR);
	for (i = 0; i < ARRAY_SIZE(ksmbd_mounts); i++)
		test_ksmbd_mount(&ksmbd_mounts[i]);
	ksmbd_end();
	fuse_stop(&fuse);
}

int main(void)
{
	fork_start(ARRAY_SIZE(samba_mounts) + ARRAY_SIZE(ksmbd_mounts));
	run("mkdir -p %s", MOUNT_POINT);
	test_samba();
	test_ksmbd();
	fork_finish();
}
