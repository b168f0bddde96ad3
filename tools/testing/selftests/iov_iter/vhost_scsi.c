// SPDX-License-Identifier: GPL-2.0
/*
 * T78: reads by vhost-scsi into memory that its owner shares with a child in the
 * meantime, as virtual machine monitors do that fork(), or whose file is
 * written back.
 *
 * The disk is an nbd that answers when the test says so.  A page that is not
 * pinned loses what the disk brings as soon as the process has been moved to a
 * copy of it; one that is not marked dirty loses it with the page cache.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "vhost_util.h"

#define DEVICE		"/dev/nbd0"
#define DEVICE_SIZE	(1024 * 1024)
#define FILE_NAME	"/var/tmp/vhost_scsi"

/* The page: a sector for each of two reads, and one that the CPU writes. */
#define PAGE		4096
#define AT_A		0
#define AT_B		1024
#define AT_CPU		2048
#define NEW		0xff
#define SEED		1

static const struct target disk = {
	.wwn = "naa.5001405000000010",
	.store = "iblock_0",
	.control = "udev_path=" DEVICE,
};

struct rig {
	struct nbd nbd;
	struct vhost vhost;
	char *page;
	unsigned int nr_reads;
	int status;
	pid_t child;
	int stop_child;
	int file;
};

static void start_read(struct rig *rig, size_t at)
{
	const struct iovec data = { rig->page + at, SECTOR };
	const struct vhost_cmd cmd = {
		.lba		= at / SECTOR,
		.nr_blocks	= 1,
		.data		= &data,
		.nr_data	= 1,
	};

	vhost_submit(&rig->vhost, rig->nr_reads++, &cmd);
	nbd_wait_held(&rig->nbd);
}

/* Replies come in the order of the requests. */
static void finish_reads(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i < rig->nr_reads; i++) {
		nbd_release(&rig->nbd);
		rig->status |= vhost_wait(&rig->vhost, i);
	}
}

static void start_child(struct rig *rig)
{
	int stop[2];
	char c;

	must(!pipe(stop));
	rig->child = fork();
	must(rig->child >= 0);
	if (!rig->child) {
		close(stop[1]);
		must(!read(stop[0], &c, 1));
		_exit(0);
	}
	close(stop[0]);
	rig->stop_child = stop[1];
}

static void end_child(struct rig *rig)
{
	close(rig->stop_child);
	must(waitpid(rig->child, NULL, 0) == rig->child);
	rig->child = 0;
}

static void cpu_write(struct rig *rig)
{
	rig->page[AT_CPU] = NEW;
}

static void nofork(struct rig *rig)
{
	start_read(rig, AT_A);
	cpu_write(rig);
	finish_reads(rig);
}

static void parentwrite(struct rig *rig)
{
	start_read(rig, AT_A);
	start_child(rig);
	cpu_write(rig);
	finish_reads(rig);
}

static void childexit(struct rig *rig)
{
	start_read(rig, AT_A);
	start_child(rig);
	end_child(rig);
	cpu_write(rig);
	finish_reads(rig);
}

/* The page for the second read is taken as if the CPU wrote to it. */
static void twoio(struct rig *rig)
{
	start_read(rig, AT_A);
	start_child(rig);
	start_read(rig, AT_B);
	cpu_write(rig);
	finish_reads(rig);
}

static void map_file(struct rig *rig)
{
	munmap(rig->page, PAGE);
	rig->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 rig->file, 0);
	must(rig->page != MAP_FAILED);
}

/* The page is clean when the data comes, and the page cache is dropped then. */
static void writeback(struct rig *rig)
{
	rig->file = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(rig->file >= 0 && !ftruncate(rig->file, PAGE));
	map_file(rig);
	cpu_write(rig);
	start_read(rig, AT_A);
	must(!fsync(rig->file));
	finish_reads(rig);

	/* The page cannot be dropped as long as it is pinned or referenced. */
	vhost_clear_endpoint(&rig->vhost);
	munmap(rig->page, PAGE);
	rig->page = alloc_pages(PAGE);
	must(!fsync(rig->file));
	must(!posix_fadvise(rig->file, 0, 0, POSIX_FADV_DONTNEED));
	map_file(rig);
	must(!unlink(FILE_NAME) && !close(rig->file));
}

/* @broken: what happens loses the data of a page that is only referenced */
static const struct scenario {
	const char *name;
	void (*run)(struct rig *rig);
	bool broken;
} scenarios[] = {
	{ "nofork", nofork, false },
	{ "parentwrite", parentwrite, true },
	{ "childexit", childexit, true },
	{ "twoio", twoio, true },
	{ "writeback", writeback, true },
};

static const char lost[] = "LOST";

/* NULL if the read brought its data, else what went wrong */
static const char *check_read(const struct rig *rig, size_t at)
{
	const char *buf = rig->page + at;

	if (pattern_check(buf, SECTOR, SEED, at) == SECTOR)
		return NULL;
	return buf[0] || memcmp(buf, buf + 1, SECTOR - 1) ? "wrong data" : lost;
}

static const char *check(const struct rig *rig, const struct pins *pins,
			 bool broken)
{
	const char *wrong = check_read(rig, AT_A);

	if (!wrong && rig->nr_reads == 2)
		wrong = check_read(rig, AT_B);
	if (rig->status)
		return "error";
	if (wrong)
		return wrong;
	if (rig->page[AT_CPU] != (char)NEW)
		return "the write of the CPU is gone";
	if (pins->acquired != pins->released)
		return "pins leaked";
	/* What is right without a pin was luck. */
	if (broken && pins->acquired != rig->nr_reads)
		return "not pinned";
	return NULL;
}

static void test(struct rig *rig, const struct scenario *scenario)
{
	struct pins start = pins_now(), pins;
	const char *wrong, *error = "";

	rig->page = alloc_pages(PAGE);
	rig->nr_reads = 0;
	rig->status = 0;

	vhost_open(&rig->vhost, &disk);
	nbd_hold(&rig->nbd, NBD_HOLD_READ);
	scenario->run(rig);
	nbd_hold(&rig->nbd, NBD_HOLD_NONE);
	vhost_close(&rig->vhost);
	if (rig->child)
		end_child(rig);

	pins = pins_since(&start);
	wrong = check(rig, &pins, scenario->broken);
	if (wrong && !(wrong == lost && scenario->broken))
		error = "error: ";
	ksft_test_result(!wrong, "vhost-scsi: %s: %s%s, pins +%ld -%ld\n",
			 scenario->name, error,
			 wrong ?: scenario->broken ? "kept" : "ok",
			 pins.acquired, pins.released);
	munmap(rig->page, PAGE);
}

int main(void)
{
	static struct rig rig;
	size_t i;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(scenarios));

	nbd_start(&rig.nbd, DEVICE, DEVICE_SIZE);
	pattern_fill(rig.nbd.disk, DEVICE_SIZE, SEED, 0);
	target_create(&disk);

	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		test(&rig, &scenarios[i]);

	target_remove(&disk);
	nbd_stop(&rig.nbd);
	ksft_finished();
}
