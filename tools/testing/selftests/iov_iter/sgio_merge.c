// SPDX-License-Identifier: GPL-2.0
/*
 * SG_IO with a vector of two segments that lie side by side in one page.
 *
 * Each segment takes the page once, the block layer joins the two in one
 * bio_vec, and the release at the end must drop both.  (T34)
 *
 * A reference that is left behind shows without looking at timing or counters:
 * after a fork() whose child is gone again, a write finds the page in use by
 * somebody else, and the process gets a copy in another page frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <scsi/sg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"

#define SEED	34

#define SCSI_READ_10	0x28
#define SCSI_WRITE_10	0x2a

/* One sector in segments: where in two pages, how long */
static const struct layout {
	const char *name;
	bool broken;
	unsigned int nr_segs;
	struct segment {
		size_t at;
		size_t len;
	} segs[2];
} layouts[] = {
	{ "one segment", false, 1, { { 0, SECTOR } } },
	{ "a page each", false, 2, { { PAGE - 256, 256 }, { PAGE, 256 } } },
	{ "a gap between", false, 2, { { 0, 256 }, { 512, 256 } } },
	{ "side by side", true, 2, { { 0, 256 }, { 256, 256 } } },
};

static int open_scsi_debug(void)
{
	glob_t found;
	char *disk;
	char path[64];
	int fd;

	must(!glob("/sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*",
		   0, NULL, &found));
	disk = strrchr(found.gl_pathv[0], '/') + 1;
	snprintf(path, sizeof(path), "/dev/%s", disk);
	globfree(&found);
	fd = open(path, O_RDWR);
	must(fd >= 0);
	return fd;
}

/* Reads or writes sector 0. */
static bool sg_io(int fd, bool write, const struct layout *layout, char *buf)
{
	unsigned char cdb[10] = { [0] = write ? SCSI_WRITE_10 : SCSI_READ_10,
				  [8] = 1 };
	struct sg_iovec iov[2];
	struct sg_io_hdr hdr = {
		.interface_id		= 'S',
		.dxfer_direction	= write ? SG_DXFER_TO_DEV :
						  SG_DXFER_FROM_DEV,
		.cmd_len		= sizeof(cdb),
		.cmdp			= cdb,
		.iovec_count		= layout->nr_segs,
		.dxferp			= iov,
		.dxfer_len		= SECTOR,
		.timeout		= 60000,
	};
	unsigned int i;

	for (i = 0; i < layout->nr_segs; i++) {
		iov[i].iov_base = buf + layout->segs[i].at;
		iov[i].iov_len = layout->segs[i].len;
	}
	return !ioctl(fd, SG_IO, &hdr) && (hdr.info & SG_INFO_OK_MASK) ==
					  SG_INFO_OK;
}

/* The sector's pattern, laid out in @buf */
static void fill(const struct layout *layout, char *buf)
{
	const struct segment *seg = layout->segs;

	pattern_fill(buf + seg[0].at, seg[0].len, SEED, 0);
	pattern_fill(buf + seg[1].at, seg[1].len, SEED, seg[0].len);
}

static bool filled(const struct layout *layout, const char *buf)
{
	char want[2 * PAGE] = {};

	fill(layout, want);
	return !memcmp(buf, want, sizeof(want));
}

/* Does anybody but this process hold the page at @p? */
static bool in_use(char *p)
{
	__u64 before = page_frame(p);
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid)
		_exit(0);
	must(waitpid(pid, NULL, 0) == pid);
	*p = 1;
	return page_frame(p) != before;
}

static const char leaked[] = "leaked";

/* NULL, or what went wrong */
static const char *what_is_wrong(int fd, bool write,
				 const struct layout *layout, char *buf,
				 struct pins *pins)
{
	struct pins start = pins_now();

	if (!sg_io(fd, write, layout, buf))
		return "SG_IO failed";
	*pins = pins_since(&start);
	if (!filled(layout, buf))
		return "wrong data";
	if (in_use(buf) || in_use(buf + PAGE))
		return leaked;
	if (pins->acquired != pins->released)
		return "pins leaked";
	return NULL;
}

static void test(int fd, bool write, const struct layout *layout)
{
	char *buf = alloc_pages(2 * PAGE);
	struct pins pins = {};
	const char *wrong, *error = "";

	if (write)
		fill(layout, buf);
	wrong = what_is_wrong(fd, write, layout, buf, &pins);
	if (wrong && !(wrong == leaked && layout->broken))
		error = "error: ";
	ksft_test_result(!wrong, "sg_io %s: %s: %s%s, pins +%ld -%ld\n",
			 write ? "write" : "read", layout->name, error,
			 wrong ?: layout->broken ? "balanced" : "ok",
			 pins.acquired, pins.released);
	munmap(buf, 2 * PAGE);
}

int main(void)
{
	cpu_set_t cpu;
	size_t i;
	int fd;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(2 * ARRAY_SIZE(layouts));

	/* A new page may wait for the LRU in another CPU's batch, in use. */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	must(!sched_setaffinity(0, sizeof(cpu), &cpu));

	fd = open_scsi_debug();
	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		test(fd, true, &layouts[i]);
		test(fd, false, &layouts[i]);
	}
	close(fd);
	ksft_finished();
}
