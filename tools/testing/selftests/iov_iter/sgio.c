// SPDX-License-Identifier: GPL-2.0
/*
 * SCSI commands from user space, on scsi_debug: SG_IO on the block device and on
 * /dev/sg, and bsg.  They map user memory into a request or, if the device
 * cannot reach it as it lies there, copy it.  Buffers are on a huge page, of
 * which the runner would miss the return.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <linux/bsg.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "dio_util.h"

#define READ_10		0x28
#define WRITE_10	0x2a
#define LBA		8

/* A way to the device. */
struct way {
	const char	*class;
	unsigned int	flags;		/* of SG_IO; here, if memory is mapped */
	bool		bsg;
	bool		vectors;
};

static const struct way
	block	= { "block", .vectors = true },
	sg	= { "scsi_generic", .vectors = true },
	sg_dio	= { "scsi_generic", .flags = SG_FLAG_DIRECT_IO },
	bsg	= { "bsg", .bsg = true };

struct command {
	int		direction;	/* SG_DXFER_... */
	struct iovec	*iov;
	int		nr_segs;	/* 0: a plain buffer */
	size_t		bytes;		/* on the device; 0: all of the buffer */
	bool		mapped;		/* set if /dev/sg did not copy */
};

static void make_cdb(unsigned char cdb[10], const struct command *cmd)
{
	size_t bytes = cmd->bytes ?: cmd->iov->iov_len;

	memset(cdb, 0, 10);
	cdb[0] = cmd->direction == SG_DXFER_TO_DEV ? WRITE_10 : READ_10;
	cdb[5] = LBA;
	cdb[7] = bytes / SECTOR >> 8;
	cdb[8] = bytes / SECTOR;
}

static int run_v3(int fd, unsigned int flags, struct command *cmd)
{
	unsigned char cdb[10], sense[32];
	struct sg_io_hdr hdr = {
		.interface_id = 'S',
		.dxfer_direction = cmd->direction,
		.cmdp = cdb,
		.cmd_len = sizeof(cdb),
		.sbp = sense,
		.mx_sb_len = sizeof(sense),
		.dxferp = cmd->iov->iov_base,
		.dxfer_len = cmd->iov->iov_len,
		.flags = flags,
		.timeout = 60000,
	};
	int i;

	if (cmd->nr_segs) {
		hdr.dxferp = cmd->iov;
		hdr.iovec_count = cmd->nr_segs;
		for (i = 1; i < cmd->nr_segs; i++)
			hdr.dxfer_len += cmd->iov[i].iov_len;
		cmd->bytes = hdr.dxfer_len;
	}
	make_cdb(cdb, cmd);
	if (ioctl(fd, SG_IO, &hdr))
		return -1;
	cmd->mapped = hdr.info & SG_INFO_DIRECT_IO;
	check_eq(hdr.info & SG_INFO_OK_MASK, SG_INFO_OK);
	return 0;
}

static int run_v4(int fd, struct command *cmd)
{
	unsigned char cdb[10];
	struct sg_io_v4 hdr = {
		.guard = 'Q',
		.protocol = BSG_PROTOCOL_SCSI,
		.subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD,
		.request = (uintptr_t)cdb,
		.request_len = sizeof(cdb),
		.timeout = 60000,
	};

	make_cdb(cdb, cmd);
	if (cmd->direction == SG_DXFER_TO_DEV) {
		hdr.dout_xferp = (uintptr_t)cmd->iov->iov_base;
		hdr.dout_xfer_len = cmd->iov->iov_len;
	} else {
		hdr.din_xferp = (uintptr_t)cmd->iov->iov_base;
		hdr.din_xfer_len = cmd->iov->iov_len;
	}
	if (ioctl(fd, SG_IO, &hdr))
		return -1;
	check_eq(hdr.info, 0);
	return 0;
}

static int run_command(const struct way *way, struct command *cmd)
{
	int fd = open(scsi_debug_node(way->class), O_RDWR);
	int ret;

	must(fd >= 0);
	ret = way->bsg ? run_v4(fd, cmd) : run_v3(fd, way->flags, cmd);
	close(fd);
	return ret;
}

/* The device behind the command, and memory to command on. */

enum { MEMORY = 1, DISK };

static void disk_io(bool write, void *buf, size_t len)
{
	int fd = open(scsi_debug_node("block"), O_RDWR | O_DIRECT);
	off_t pos = LBA * SECTOR;

	must(fd >= 0);
	must((write ? pwrite(fd, buf, len, pos) : pread(fd, buf, len, pos)) ==
	     (ssize_t)len);
	close(fd);
}

static void disk_fill(unsigned int seed, size_t len)
{
	char *buf = alloc_pages(HUGE);

	pattern_fill(buf, len, seed, 0);
	disk_io(true, buf, len);
	munmap(buf, HUGE);
}

static void disk_check(unsigned int seed, size_t len)
{
	char *buf = alloc_pages(HUGE);

	disk_io(false, buf, len);
	check_pattern(buf, len, seed, 0);
	munmap(buf, HUGE);
}

static size_t vector_bytes(const struct iovec *iov, int nr_segs)
{
	size_t bytes = 0;

	while (nr_segs--)
		bytes += iov++->iov_len;
	return bytes;
}

static void vector_fill(const struct iovec *iov, int nr_segs, unsigned int seed)
{
	size_t pos = 0;

	for (; nr_segs--; pos += iov++->iov_len)
		pattern_fill(iov->iov_base, iov->iov_len, seed, pos);
}

/*
 * Reads, then writes.  The memory around the vector does not change; @nr_segs
 * is 0 for a plain buffer.  Says whether /dev/sg mapped the memory.
 */
static bool check_commands(const struct way *way, char *mem, struct iovec *iov,
			   int nr_segs)
{
	size_t bytes = vector_bytes(iov, nr_segs ?: 1);
	char *want = alloc_pages(HUGE);
	struct command cmd = { .iov = iov, .nr_segs = nr_segs };

	disk_fill(DISK, bytes);
	memset(mem, 0x7e, HUGE);
	cmd.direction = SG_DXFER_FROM_DEV;
	check_eq(run_command(way, &cmd), 0);
	memcpy(want, mem, HUGE);
	memset(mem, 0x7e, HUGE);
	vector_fill(iov, nr_segs ?: 1, DISK);
	check_same(want, mem, HUGE);

	vector_fill(iov, nr_segs ?: 1, MEMORY);
	memcpy(want, mem, HUGE);
	cmd.direction = SG_DXFER_TO_DEV;
	check_eq(run_command(way, &cmd), 0);
	disk_check(MEMORY, bytes);
	check_same(mem, want, HUGE);
	munmap(want, HUGE);
	return cmd.mapped;
}

/* Before a command of /dev/sg maps memory somebody has to allow it. */
static void allow_mapping(void)
{
	put_file("/sys/module/sg/parameters/allow_dio", "1");
}

/* T36: at what is not a multiple of 4 the device cannot reach the memory. */
static void test_buffer(const void *arg)
{
	static const struct {
		size_t offset;
		size_t len;
	} rows[] = {
		{ 0,			PAGE },
		{ SECTOR,		2 * PAGE },
		{ 4,			PAGE },
		{ 0xf00,		SECTOR },
		{ 3 * PAGE + 0xf04,	MIB },
		{ 3,			SECTOR },
		{ 0xfff,		5 * PAGE },
		{ 2 * PAGE + 2,		MIB },
	};
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	const struct way *way = arg;
	unsigned int i;
	bool mapped;

	allow_mapping();
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec iov = { mem + rows[i].offset, rows[i].len };

		context("%zu bytes at %zu", rows[i].len, rows[i].offset);
		mapped = check_commands(way, mem, &iov, 0);
		if (way == &sg_dio)
			check_eq(mapped, rows[i].offset % 4 == 0);
	}
}

/* No two segments are side by side in a page: see sgio_merge. */
static void test_vector(const void *arg)
{
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	struct iovec pages[] = {
		{ mem, PAGE }, { mem + 4 * PAGE, 2 * PAGE },
		{ mem + 2 * PAGE, PAGE },
	};
	struct iovec pieces[] = {
		{ mem + SECTOR, SECTOR }, { mem + PAGE + 0xf00, SECTOR },
		{ mem + 9 * PAGE, 9 * PAGE }, { mem + 4 * PAGE + 4, SECTOR },
	};
	struct iovec odd[] = {
		{ mem + SECTOR, PAGE }, { mem + 4 * PAGE + 1, 3 * PAGE },
	};
	struct iovec many[100];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct iovec) { mem + 3 * i * PAGE, SECTOR };

	context("pages");
	check_commands(arg, mem, pages, ARRAY_SIZE(pages));
	context("pieces");
	check_commands(arg, mem, pieces, ARRAY_SIZE(pieces));
	context("one segment that has to be copied");
	check_commands(arg, mem, odd, ARRAY_SIZE(odd));
	context("many segments");
	check_commands(arg, mem, many, ARRAY_SIZE(many));
}

/*
 * T35: memory that cannot be had, from the start or after pages that can be and
 * have to be given back; few pages, and so many that a list of them has to be
 * allocated.
 */
static void test_bad_buffer(const void *arg)
{
	char *mem = mmap(NULL, 3 * HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const int directions[] = { SG_DXFER_FROM_DEV, SG_DXFER_TO_DEV };
	static const size_t lens[] = { 4 * PAGE, MIB };
	static const size_t good[] = { 0, PAGE, 2 * PAGE + SECTOR };
	unsigned int i, j, k;

	must(mem != MAP_FAILED);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	must(mmap(mem, HUGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED |
		  MAP_POPULATE, -1, 0) == mem);

	allow_mapping();
	for (i = 0; i < ARRAY_SIZE(directions); i++)
		for (j = 0; j < ARRAY_SIZE(lens); j++)
			for (k = 0; k < ARRAY_SIZE(good); k++) {
				struct iovec iov = { mem + HUGE - good[k],
						     lens[j] };
				struct command cmd = {
					.direction = directions[i],
					.iov = &iov,
				};

				context("direction %d, %zu bytes, %zu good",
					directions[i], lens[j], good[k]);
				check_errno(run_command(arg, &cmd), EFAULT);
			}
}

/*
 * T36: SG_DXFER_TO_FROM_DEV copies in before the command and out after it, so
 * that what the device does not fill stays as it was.
 */
static void test_to_from(const void *arg)
{
	static const size_t offsets[] = { 0, SECTOR, 0xf01 };
	char *mem = map_huge(HUGE, MAP_PRIVATE);
	unsigned int i;

	allow_mapping();
	disk_fill(DISK, SECTOR);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct iovec iov = { mem + offsets[i], 4 * PAGE };
		struct command cmd = {
			.direction = SG_DXFER_TO_FROM_DEV,
			.iov = &iov,
			.bytes = SECTOR,
		};

		context("offset %zu", offsets[i]);
		pattern_fill(iov.iov_base, iov.iov_len, MEMORY, 0);
		check_eq(run_command(arg, &cmd), 0);
		check_pattern(iov.iov_base, SECTOR, DISK, 0);
		if (!cmd.mapped)
			check_pattern(iov.iov_base + SECTOR,
				      iov.iov_len - SECTOR, MEMORY, SECTOR);
	}
}

static const struct dio_test tests[] = {
	{ "T36 block device, buffer", test_buffer, &block },
	{ "T36 sg, buffer", test_buffer, &sg },
	{ "T36 sg, buffer mapped", test_buffer, &sg_dio },
	{ "T36 bsg, buffer", test_buffer, &bsg },
	{ "block device, vector", test_vector, &block },
	{ "sg, vector", test_vector, &sg },
	{ "T35 block device, bad buffer", test_bad_buffer, &block },
	{ "T35 sg, bad buffer", test_bad_buffer, &sg },
	{ "T35 sg, bad buffer mapped", test_bad_buffer, &sg_dio },
	{ "T35 bsg, bad buffer", test_bad_buffer, &bsg },
	{ "T36 sg, to and from", test_to_from, &sg },
	{ "T36 sg, to and from, mapped", test_to_from, &sg_dio },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
