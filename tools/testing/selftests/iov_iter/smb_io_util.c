// SPDX-License-Identifier: GPL-2.0
/* See smb_io_util.h. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "smb_io_util.h"

#define DIR		SMB_DIR
#define MNT		SMB_MNT
#define FILE_SIZE	SMB_FILE_SIZE

struct smb_server smb_server;

void smb_mount_share(int port, const char *options)
{
	char *data = alloc_pages(FILE_SIZE);
	int fd;

	/* What a test before may have left behind */
	if (!umount2(MNT, MNT_FORCE | MNT_DETACH))
		ksft_print_msg("a test before did not get to its end\n");

	fd = open(DIR "/file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	pattern_fill(data, FILE_SIZE, OLD, 0);
	must(fd >= 0 && write(fd, data, FILE_SIZE) == FILE_SIZE);
	close(fd);
	munmap(data, FILE_SIZE);
	run("./smb_loop.sh mount %s %d %s %s", smb_server.address, port, MNT,
	    options);
}

int smb_open_file(int flags)
{
	int fd = open(MNT "/file", flags);

	must(fd >= 0);
	return fd;
}

int smb_mount_file(const char *options)
{
	smb_mount_share(smb_server.proxy_port, options);
	return smb_open_file(O_RDWR | O_DIRECT);
}

void smb_umount_share(void)
{
	run("umount %s", MNT);
	/* A signature that is wrong is only logged. */
	run("! dmesg | grep -F 'signature verification returned error'");
}

void smb_umount_file(int fd)
{
	close(fd);
	smb_umount_share();
}

/* Any byte of memory to or from any byte of the file */

static const struct { size_t at; size_t len; off_t pos; } layouts[] = {
	{ 0, PAGE, 0 },
	{ 1, 1, 1 },
	{ 13, 1000, 4090 },
	{ 4095, 2, 7 },
	{ 511, 3 * PAGE, 513 },
	{ 0, 30 * PAGE, 4095 },
	{ 100, 200001, 3 },
	{ PAGE - 1, FILE_SIZE, 0 },
};

static void read_and_write(int fd, enum io_method method, char *buf)
{
	char *p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		size_t len = layouts[i].len;
		off_t pos = layouts[i].pos;

		p = buf + layouts[i].at;
		context("%s, layout %zu", io_method_name[method], i);
		memset(buf, 0, FILE_SIZE + 2 * PAGE);
		check_eq(io_do(method, fd, false, p, len, pos), len);
		check_pattern(p, len, OLD, pos);
		check_eq(p[len], 0);
		if (p > buf)
			check_eq(p[-1], 0);

		pattern_fill(p, len, NEW, pos);
		check_eq(io_do(method, fd, true, p, len, pos), len);
		check_file_data(DIR "/file", len, NEW, pos);
		pattern_fill(p, len, OLD, pos);
		check_eq(pwrite(fd, p, len, pos), len);
	}
	check_file_data(DIR "/file", FILE_SIZE, OLD, 0);
}

void smb_test_direct(const void *options)
{
	char *buf = alloc_pages(FILE_SIZE + 2 * PAGE);
	int fd = smb_mount_file(options), method;

	for (method = 0; method < NR_IO_METHODS; method++)
		read_and_write(fd, method, buf);
	smb_umount_file(fd);
}

/* The page cache is filled from the server, and written back to it. */
void smb_test_buffered(const void *options)
{
	char *buf = alloc_pages(FILE_SIZE), *map;
	int fd;

	smb_mount_share(smb_server.proxy_port, options);
	fd = smb_open_file(O_RDWR);
	context("read");
	check_eq(read(fd, buf, FILE_SIZE), FILE_SIZE);
	check_pattern(buf, FILE_SIZE, OLD, 0);

	context("write");
	pattern_fill(buf, FILE_SIZE, NEW, 0);
	check_eq(pwrite(fd, buf + 5, FILE_SIZE - 9, 5), FILE_SIZE - 9);
	must(!fsync(fd));
	check_file_data(DIR "/file", 5, OLD, 0);
	check_file_data(DIR "/file", FILE_SIZE - 9, NEW, 5);
	check_file_data(DIR "/file", 4, OLD, FILE_SIZE - 4);

	context("mapping");
	map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED);
	check_pattern(map + 5, FILE_SIZE - 9, NEW, 5);
	pattern_fill(map, FILE_SIZE, OLD, 0);
	must(!msync(map, FILE_SIZE, MS_SYNC));
	check_file_data(DIR "/file", FILE_SIZE, OLD, 0);
	munmap(map, FILE_SIZE);

	context("append");
	pattern_fill(buf, 7000, OLD, FILE_SIZE);
	check_eq(pwrite(fd, buf, 7000, FILE_SIZE), 7000);
	must(!fsync(fd));
	check_file_data(DIR "/file", 7000, OLD, FILE_SIZE);
	smb_umount_file(fd);
}

/* Larger files, by other programs than this one */
void smb_test_files(const void *options)
{
	smb_mount_share(smb_server.port, options);
	run("head -c 5000001 /dev/urandom >%s/random", DIR);
	run("cp %s/random %s/copy && cmp %s/random %s/copy", MNT, MNT, DIR, DIR);
	run("dd if=%s/random of=%s/direct bs=300001 iflag=direct oflag=direct status=none",
	    MNT, MNT);
	run("cmp %s/random %s/direct", DIR, DIR);
	run("./fio_verify.sh %s psync libaio io_uring", MNT);
	smb_umount_share();
}

