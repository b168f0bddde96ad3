// SPDX-License-Identifier: GPL-2.0
/*
 * The SMB client and the kernel's own server, by TCP and by SMB Direct, which
 * registers the memory of larger reads and writes with an RDMA adapter.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "smb_io_util.h"
#include "smb_util.h"

/* Memory with gaps cannot be registered as one piece. */
static void test_gaps(const void *options)
{
	int fd = smb_mount_file(options);
	char *buf = alloc_pages(32 * PAGE);
	struct iovec iov[8];
	unsigned int i;
	off_t pos = 0;

	for (i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec) {
			buf + 4 * i * PAGE + 17 * i, 2 * PAGE + 100 * i
		};
	for (i = 0; i < ARRAY_SIZE(iov); i++)
		pos += iov[i].iov_len;
	check_eq(preadv(fd, iov, ARRAY_SIZE(iov), 3), pos);
	for (i = 0, pos = 3; i < ARRAY_SIZE(iov); i++) {
		context("piece %u", i);
		check_pattern(iov[i].iov_base, iov[i].iov_len, OLD, pos);
		pattern_fill(iov[i].iov_base, iov[i].iov_len, NEW, pos);
		pos += iov[i].iov_len;
	}
	check_eq(pwritev(fd, iov, ARRAY_SIZE(iov), 3), pos - 3);
	check_file_data(SMB_DIR "/file", pos - 3, NEW, 3);
	smb_umount_file(fd);
}

/* More memory than can be registered at once, in pages of all sizes */
static void test_large(const void *options)
{
	int fd = smb_mount_file(options);
	char *const buf[] = { map_thp(), map_scattered(HUGE),
			map_huge(HUGE, MAP_PRIVATE) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		context("memory %u", i);
		pattern_fill(buf[i], HUGE, NEW + i, 0);
		check_eq(pwrite(fd, buf[i], HUGE, 0), HUGE);
		memset(buf[i], 0, HUGE);
		check_eq(pread(fd, buf[i], HUGE, 0), HUGE);
		check_pattern(buf[i], HUGE, NEW + i, 0);
	}
	smb_umount_file(fd);
}

static void test_pins(const void *options)
{
	int fd = smb_mount_file(options);
	char *buf = alloc_pages(16 * PAGE);
	struct pins start = pins_now(), pins;

	check_eq(pread(fd, buf, 16 * PAGE, 0), 16 * PAGE);
	pins = pins_since(&start);
	check_eq(pins.acquired, 16);
	check_eq(pins.released, 16);
	smb_umount_file(fd);
}

/* T16 */
static void test_splice(const void *options)
{
	int fd = smb_mount_file(options);

	splice_to_and_fro(fd, SMB_FILE_SIZE, OLD, 3 * PAGE, NEW, 7);
	check_file_data(SMB_DIR "/file", 3 * PAGE, NEW, 7);
	smb_umount_file(fd);
}

/* The other connection is to a network that the server tells of. */
static void with_channels(void (*test)(const void *), const void *options)
{
	const char *other = "/tmp/smb_channels";

	run("mkdir -p %s", other);
	run("./smb_loop.sh mount %s %d %s %s", smb_server.address, KSMBD_PORT,
	    other, (const char *)options);
	run("grep -q 'Extra Channels: 1' /proc/fs/cifs/DebugData");
	test(options);
	run("umount %s", other);
}

static void test_channels_direct(const void *options)
{
	with_channels(smb_test_direct, options);
}

static void test_channels_buffered(const void *options)
{
	with_channels(smb_test_buffered, options);
}

static const struct dio_test tests[] = {
	{ "direct, vers=2.1", smb_test_direct, "vers=2.1,cache=none" },
	{ "buffered, vers=2.1", smb_test_buffered, "vers=2.1,cache=loose" },
	{ "files, vers=3.0", smb_test_files, "vers=3.0,cache=strict" },
	{ "direct, signed", smb_test_direct, "vers=3.1.1,sign,cache=none" },
	{ "direct, sealed", smb_test_direct, "vers=3.1.1,seal,cache=none" },
	{ "buffered, sealed", smb_test_buffered, "vers=3.0,seal,cache=strict" },
	{ "files, sealed", smb_test_files, "vers=3.1.1,seal,cache=strict" },
	{ "two channels, direct", test_channels_direct,
	  "multichannel,max_channels=2,cache=none" },
	{ "two channels, buffered", test_channels_buffered,
	  "multichannel,max_channels=2" },
	{ "two channels, sealed", test_channels_direct,
	  "multichannel,max_channels=2,seal,cache=none" },
	{ "RDMA, direct", smb_test_direct, "rdma,vers=3.1.1,cache=none" },
	{ "RDMA, direct, 3.0", smb_test_direct, "rdma,vers=3.0,cache=strict" },
	{ "RDMA, buffered", smb_test_buffered, "rdma,cache=strict" },
	{ "RDMA, files", smb_test_files, "rdma,cache=loose" },
	/* without registered memory */
	{ "RDMA, signed", smb_test_direct, "rdma,sign,cache=none" },
	{ "RDMA, signed, buffered", smb_test_buffered, "rdma,sign" },
	{ "RDMA, sealed", smb_test_direct, "rdma,seal,cache=none" },
	{ "RDMA, sealed, buffered", smb_test_buffered, "rdma,seal" },
	{ "RDMA, gaps", test_gaps, "rdma,cache=none" },
	{ "RDMA, large", test_large, "rdma,cache=none" },
	{ "RDMA, pins", test_pins, "rdma,cache=none" },
	{ "RDMA, splice", test_splice, "rdma,cache=none" },
};

static pid_t runner;

static void finish(void)
{
	if (getpid() != runner)
		return;
	ksmbd_end();
	run("umount %s", SMB_DIR);
}

int main(void)
{
	smb_server = (struct smb_server) {
		.address = RDMA_ADDRESS, .port = KSMBD_PORT,
		.proxy_port = KSMBD_PORT,
	};
	runner = getpid();
	run("mkdir -p %s %s", SMB_DIR, SMB_MNT);
	run("mount -t tmpfs none %s", SMB_DIR);
	ksmbd_serve(SMB_DIR);
	atexit(finish);
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
