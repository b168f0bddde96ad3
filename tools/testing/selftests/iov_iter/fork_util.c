// SPDX-License-Identifier: GPL-2.0
/* See fork_util.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "fork_util.h"

/* The page: room for each of two reads, and a sector that the CPU writes. */
#define AT_A		0
#define AT_B		1536
#define AT_CPU		3584
#define OLD		0x00
#define NEW		0xff
#define SEED		1

enum step { END, READ_A, READ_B, FINISH_A, FINISH_B, FORK, EXIT, WRITE,
	    CHILD_WRITE };

/* @broken: what happens loses the data of a page that is not pinned */
static const struct scenario {
	const char *name;
	bool broken;
	enum step steps[8];
} scenarios[] = {
	{ "nofork", false, { READ_A, WRITE, FINISH_A } },
	{ "nowrite", false, { READ_A, FORK, FINISH_A, WRITE } },
	{ "childwrite", false, { READ_A, FORK, CHILD_WRITE, FINISH_A } },
	{ "parentwrite", true, { READ_A, FORK, WRITE, FINISH_A } },
	{ "childexit", true, { READ_A, FORK, EXIT, WRITE, FINISH_A } },
	/* The page for the second read is taken as if the CPU wrote to it. */
	{ "twoio", true, { READ_A, FORK, READ_B, FINISH_A, FINISH_B } },
	{ "twoio2", true, { READ_A, READ_B, FINISH_A, FORK, WRITE, FINISH_B } },
	{ "twoio3", true, { READ_A, READ_B, FORK, FINISH_A, WRITE, FINISH_B } },
};

struct child {
	pid_t pid;
	int orders;		/* a byte: write; end of file: exit */
	int report;
};

struct rig {
	const struct fork_path *path;
	enum io_method method;
	char *page;
	struct io a, b;
	bool written;
	struct child child;
};

static void child_start(struct rig *rig)
{
	int orders[2], report[2];
	char byte = 0;

	must(!pipe(orders) && !pipe(report));
	rig->child.pid = fork();
	must(rig->child.pid >= 0);
	if (!rig->child.pid) {
		close(orders[1]);
		while (read(orders[0], &byte, 1) == 1) {
			rig->page[AT_CPU] = NEW;
			must(write(report[1], &byte, 1) == 1);
		}
		_exit(0);
	}
	close(orders[0]);
	close(report[1]);
	rig->child.orders = orders[1];
	rig->child.report = report[0];
}

static void child_write(struct rig *rig)
{
	char byte = 0;

	must(write(rig->child.orders, &byte, 1) == 1);
	must(read(rig->child.report, &byte, 1) == 1);
}

static void child_exit(struct rig *rig)
{
	close(rig->child.orders);
	close(rig->child.report);
	must(waitpid(rig->child.pid, NULL, 0) == rig->child.pid);
	rig->child.pid = 0;
}

static void start_read(struct rig *rig, struct io *io, size_t at)
{
	*io = (struct io) {
		.method	= rig->method,
		.fd	= rig->path->fd,
		.buf	= rig->page + at,
		.len	= rig->path->len ?: SECTOR,
		.pos	= at,
	};
	io_start(io);
	rig->path->holder->wait();
}

/* Replies come in the order of the requests, and A is always the first. */
static void finish_read(struct rig *rig, struct io *io)
{
	rig->path->holder->release();
	io->ret = io_wait(io);
}

static void take_step(struct rig *rig, enum step step)
{
	switch (step) {
	case READ_A:
		start_read(rig, &rig->a, AT_A);
		break;
	case READ_B:
		start_read(rig, &rig->b, AT_B);
		break;
	case FINISH_A:
		finish_read(rig, &rig->a);
		break;
	case FINISH_B:
		finish_read(rig, &rig->b);
		break;
	case FORK:
		child_start(rig);
		break;
	case EXIT:
		child_exit(rig);
		break;
	case CHILD_WRITE:
		child_write(rig);
		break;
	case WRITE:
		rig->page[AT_CPU] = NEW;
		rig->written = true;
		break;
	case END:
		break;
	}
}

static bool filled_with(const char *p, char byte, size_t len)
{
	return p[0] == byte && !memcmp(p, p + 1, len - 1);
}

static const char lost[] = "LOST";

/* NULL if the read brought its data, else what went wrong */
static const char *check_read(const struct io *io)
{
	if (!io->len)
		return NULL;
	if (io->ret != (ssize_t)io->len)
		return "short read";
	if (pattern_check(io->buf, io->len, SEED, io->pos) == io->len)
		return NULL;
	return filled_with(io->buf, OLD, io->len) ? lost : "wrong data";
}

static const char *check(const struct rig *rig, const struct pins *pins,
			 bool pinned)
{
	const char *wrong = check_read(&rig->a) ?: check_read(&rig->b);
	long nr_reads = !!rig->a.len + !!rig->b.len;
	long nr_pins = nr_reads * rig->path->pins;

	if (wrong)
		return wrong;
	if (rig->page[AT_CPU] != (rig->written ? (char)NEW : OLD))
		return "the write of the CPU is gone";
	if (pins->acquired != pins->released)
		return "pins leaked";
	/* What is right without a pin was luck. */
	if (pinned && pins->acquired != nr_pins)
		return "not pinned";
	return NULL;
}

static void test(struct rig *rig, const struct scenario *scenario)
{
	struct pins start = pins_now(), pins;
	const char *wrong, *error = "";
	const enum step *step;

	rig->page = alloc_pages(PAGE);
	rig->a.len = 0;
	rig->b.len = 0;
	rig->written = false;

	rig->path->holder->hold(true);
	for (step = scenario->steps; *step != END; step++)
		take_step(rig, *step);
	rig->path->holder->hold(false);
	if (rig->child.pid)
		child_exit(rig);

	pins = pins_since(&start);
	wrong = check(rig, &pins, scenario->broken);
	if (wrong && !(wrong == lost && scenario->broken))
		error = "error: ";
	ksft_test_result(!wrong, "%s %s: %s: %s%s, pins +%ld -%ld\n",
			 rig->path->name, io_method_name[rig->method],
			 scenario->name, error,
			 wrong ?: scenario->broken ? "kept" : "ok",
			 pins.acquired, pins.released);
	munmap(rig->page, PAGE);
}

void fork_fill(int fd)
{
	char *page = alloc_pages(PAGE);

	pattern_fill(page, PAGE, SEED, 0);
	must(pwrite(fd, page, PAGE, 0) == PAGE);
	must(!fsync(fd));
	memset(page, 0, PAGE);
	must(pread(fd, page, PAGE, 0) == PAGE);
	must(pattern_check(page, PAGE, SEED, 0) == PAGE);
	munmap(page, PAGE);
}

void fork_test(const struct fork_path *path)
{
	struct rig rig = { .path = path };
	size_t i;

	for (rig.method = 0; rig.method < NR_IO_METHODS; rig.method++) {
		if (path->sync && rig.method != BY_SYSCALL)
			continue;
		for (i = 0; i < ARRAY_SIZE(scenarios); i++)
			test(&rig, &scenarios[i]);
	}
}

static void start(unsigned int nr)
{
	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(nr * ARRAY_SIZE(scenarios));
}

void fork_start(unsigned int nr_paths)
{
	start(nr_paths * NR_IO_METHODS);
}

void fork_start_sync(unsigned int nr_paths)
{
	start(nr_paths);
}

void fork_finish(void)
{
	ksft_finished();
}
