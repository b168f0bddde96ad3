// SPDX-License-Identifier: GPL-2.0
/*
 * Freezing a filesystem after asynchronous writes from inside the kernel to a
 * file on overlayfs above it.
 *
 * Overlayfs begins such a write by keeping the upper filesystem from being
 * frozen.  When the I/O is complete it ends that, for writes.  If it takes a
 * write for a read, nobody can freeze the upper filesystem ever again, and who
 * tries hangs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "../kselftest.h"
#include "fs_util.h"

#define SEED		1
#define FILE_SIZE	(8 * MIB)
#define WRITE_SIZE	(64 * KIB)

/*
 * A freeze takes milliseconds; this is for those that hang, together.  They
 * cannot be killed, nor can what they hold be taken away.
 */
#define PATIENCE_MS	30000
#define TICK_MS		10

static const char hangs[] = "HANGS";

/*
 * A driver that writes to the file; @kind is for file_dev.sh.  An NVMe target
 * has no use for files on overlayfs, whose block size is unknown.
 */
static const struct writer {
	const char *driver;
	const char *way;
	const char *kind;
	bool broken;		/* its writes are asynchronous */
} writers[] = {
	{ "loop", "buffered", "loop-buffered", false },
	{ "loop", "direct", "loop", true },
	{ "target", "buffered", "target-buffered", false },
	{ "target", "async", "target", true },
};

#define NR_WRITERS	ARRAY_SIZE(writers)

/* A writer's filesystem, and what became of it */
struct trial {
	char dir[32];
	struct pins pins;
	pid_t freezer;
	const char *wrong;
};

static void overlay_create(const char *dir)
{
	fs_create(&fs_ext4, dir);
	run("cd %s && mkdir lower upper work merged && mount -t overlay -o %s overlay merged",
	    dir, "lowerdir=lower,upperdir=upper,workdir=work");
}

static void overlay_destroy(const char *dir)
{
	run("umount %s/merged", dir);
	fs_destroy(dir);
}

/* Has a device on top of @file write to it. */
static bool write_through(const char *kind, const char *file)
{
	char *buf = alloc_pages(WRITE_SIZE);
	const char *dev;
	bool written;
	int fd;

	fd = open(file, O_RDWR | O_CREAT, 0600);
	must(fd >= 0 && !ftruncate(fd, FILE_SIZE) && !close(fd));

	dev = file_dev_attach(kind, file);
	fd = open(dev, O_RDWR | O_DIRECT);
	must(fd >= 0);
	pattern_fill(buf, WRITE_SIZE, SEED, 0);
	written = pwrite(fd, buf, WRITE_SIZE, 0) == WRITE_SIZE && !fsync(fd);
	close(fd);
	file_dev_detach(kind);
	munmap(buf, WRITE_SIZE);
	return written;
}

static bool has_written(const char *file)
{
	char *buf = alloc_pages(WRITE_SIZE);
	int fd = open(file, O_RDONLY | O_DIRECT);
	bool same;

	must(fd >= 0);
	same = read(fd, buf, WRITE_SIZE) == WRITE_SIZE &&
	       pattern_check(buf, WRITE_SIZE, SEED, 0) == WRITE_SIZE;
	close(fd);
	munmap(buf, WRITE_SIZE);
	return same;
}

static char *path_of(const struct trial *t, const char *file)
{
	char *path;

	must(asprintf(&path, "%s/%s", t->dir, file) > 0);
	return path;
}

static void write_to_overlay(const struct writer *w, struct trial *t)
{
	struct pins start = pins_now();

	snprintf(t->dir, sizeof(t->dir), "/tmp/iov-%s", w->kind);
	overlay_create(t->dir);
	if (!write_through(w->kind, path_of(t, "merged/file")))
		t->wrong = "error: no write";
	else if (!has_written(path_of(t, "upper/file")))
		t->wrong = "error: wrong data";
	t->pins = pins_since(&start);
	if (!t->wrong && t->pins.acquired != t->pins.released)
		t->wrong = "error: pins leaked";
}

static void freeze_and_thaw(const char *dir)
{
	int fd = open(dir, O_RDONLY);

	/* Who hangs must not keep open what others wait for the end of. */
	must(fd >= 0 && !dup2(fd, 0) && !close_range(1, ~0U, 0));
	_exit(ioctl(0, FIFREEZE, 0) || ioctl(0, FITHAW, 0));
}

static void freezer_start(struct trial *t)
{
	t->freezer = fork();
	must(t->freezer >= 0);
	if (!t->freezer)
		freeze_and_thaw(t->dir);
}

static void freezer_wait(struct trial *t, unsigned int *patience_ms)
{
	int status;

	while (!waitpid(t->freezer, &status, WNOHANG)) {
		if (*patience_ms < TICK_MS) {
			t->wrong = t->wrong ?: hangs;
			return;
		}
		*patience_ms -= TICK_MS;
		usleep(TICK_MS * 1000);
	}
	if (status && !t->wrong)
		t->wrong = "error: cannot be frozen";
	overlay_destroy(t->dir);
}

static void report(const struct writer *w, const struct trial *t)
{
	const char *error = "";

	if (t->wrong == hangs && !w->broken)
		error = "error: ";
	ksft_test_result(!t->wrong, "overlayfs %s: %s: %s%s, pins +%ld -%ld\n",
			 w->driver, w->way, error,
			 t->wrong ?: w->broken ? "freezes" : "ok",
			 t->pins.acquired, t->pins.released);
}

int main(void)
{
	unsigned int patience_ms = PATIENCE_MS;
	struct trial trials[NR_WRITERS] = {};
	size_t i;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(NR_WRITERS);

	for (i = 0; i < NR_WRITERS; i++)
		write_to_overlay(&writers[i], &trials[i]);
	for (i = 0; i < NR_WRITERS; i++)
		freezer_start(&trials[i]);
	for (i = 0; i < NR_WRITERS; i++)
		freezer_wait(&trials[i], &patience_ms);
	for (i = 0; i < NR_WRITERS; i++)
		report(&writers[i], &trials[i]);
	ksft_finished();
}
