// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O on every filesystem that does it in a way of its own and that an
 * image can be made of: into a file and beyond its end, out of it and at its
 * end, misaligned, and with memory that turns out bad half way.
 *
 * Each operation is applied to a copy of the file in memory as well.  At the
 * end the page cache must agree with that copy, and so must the medium.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../kselftest.h"
#include "fs_util.h"

/* A name that the runner removes after each test */
#define DIR		"/tmp/iovtestfs"
#define FILE_PATH	DIR "/file"

#define MAX_FILE	(256 * KIB)

/* What does not go as on most of them, alike on all kernels */
enum quirk {
	/* What is misaligned goes through the page cache. */
	CACHED_WRITE	= 1 << 0,
	CACHED_READ	= 1 << 1,

	/*
	 * With memory that is bad from the middle on, the first half is written
	 * or read before that is noticed, and counts.
	 */
	SHORT_OVERWRITE	= 1 << 2,
	SHORT_APPEND	= 1 << 3,
	SHORT_READ	= 1 << 4,
	SHORT		= SHORT_OVERWRITE | SHORT_APPEND | SHORT_READ,

	/* A file has no holes, so direct I/O cannot begin past its end. */
	NO_HOLES	= 1 << 5,

	/*
	 * To map a block past the end is an error, after which the filesystem
	 * is read-only.  A direct read across the end does that.
	 */
	NO_READ_ACROSS	= 1 << 6,

	/*
	 * A write waits for the log and gives up when a signal comes, which is
	 * how io_uring wakes the task up.
	 */
	NO_URING_WRITE	= 1 << 7,
};

struct fs {
	struct fs_kind	kind;
	unsigned int	quirks;
};

/* What is done to a file; the buffer begins @at bytes into a page. */
struct op {
	const char	*name;
	enum op_kind {
		WRITE,
		READ,
		TRUNCATE,
		/* These fail, and change nothing. */
		WRITE_MISALIGNED,
		READ_MISALIGNED,
		/* The second half of the buffer is not there. */
		OVERWRITE_BAD,
		APPEND_BAD,
		READ_BAD,
	}		kind;
	off_t		pos;
	size_t		len;
	size_t		at;
};

static const struct op ops[] = {
	{ "read an empty file", READ, 0, PAGE, 0 },
	{ "write a new file", WRITE, 0, 64 * KIB, 0 },
	{ "append", WRITE, 64 * KIB, 16 * KIB, 0 },
	{ "overwrite", WRITE, 8 * KIB, 24 * KIB, 0 },
	{ "overwrite from inside a page", WRITE, 40 * KIB, 8 * KIB, SECTOR },
	{ "overwrite a sector", WRITE, 5 * SECTOR, SECTOR, 3 * SECTOR },
	{ "overwrite and append", WRITE, 76 * KIB, 12 * KIB, 0 },
	{ "read", READ, 0, 64 * KIB, 0 },
	{ "read a sector", READ, 5 * SECTOR, SECTOR, 6 * SECTOR },
	{ "write past the end", WRITE, 128 * KIB, 8 * KIB, 0 },
	{ "write into the hole", WRITE, 96 * KIB, 4 * KIB, 0 },
	{ "read the hole", READ, 84 * KIB, 40 * KIB, 0 },
	{ "read the last page", READ, 132 * KIB, 4 * KIB, 0 },
	{ "read across the end", READ, 132 * KIB, 16 * KIB, 0 },
	{ "read at the end", READ, 136 * KIB, 4 * KIB, 0 },
	{ "read past the end", READ, 200 * KIB, 4 * KIB, 0 },

	{ "misaligned write, offset", WRITE_MISALIGNED, 100, SECTOR, 0 },
	{ "misaligned write, length", WRITE_MISALIGNED, PAGE, 100, 0 },
	{ "misaligned write, buffer", WRITE_MISALIGNED, 2 * PAGE, SECTOR, 4 },
	{ "misaligned read, offset", READ_MISALIGNED, 100, SECTOR, 0 },
	{ "misaligned read, length", READ_MISALIGNED, PAGE, 100, 0 },
	{ "misaligned read, buffer", READ_MISALIGNED, 2 * PAGE, SECTOR, 4 },

	{ "overwrite with bad memory", OVERWRITE_BAD, 16 * KIB, 8 * KIB, 0 },
	{ "append bad memory", APPEND_BAD, 136 * KIB, 8 * KIB, 0 },
	{ "read into bad memory", READ_BAD, 16 * KIB, 8 * KIB, 0 },

	{ "cut to a part of a sector", TRUNCATE, 100 * KIB - 77, 0, 0 },
	{ "read to the last byte", READ, 96 * KIB, 4 * KIB, 0 },
	{ "read across the last byte", READ, 64 * KIB, 64 * KIB, 0 },
	{ "write past the last byte", WRITE, 104 * KIB, 4 * KIB, 0 },
	{ "read what was cut", READ, 96 * KIB, 12 * KIB, 0 },
};

struct file {
	const struct fs	*fs;
	enum io_method	method;
	int		fd;
	char		*want;		/* zero from @size on */
	off_t		size;
	unsigned int	seed;
};

static bool has(const struct file *file, enum quirk quirk)
{
	return file->fs->quirks & quirk;
}

static void check_size(const struct file *file)
{
	struct stat st;

	must(!fstat(file->fd, &st));
	check_eq(st.st_size, file->size);
}

static void resize(struct file *file, off_t size)
{
	must(!ftruncate(file->fd, size));
	if (size < file->size)
		memset(file->want + size, 0, file->size - size);
	file->size = size;
}

/* A buffer for @op, the last @bad bytes of it in a page that is not there */
static char *buffer(const struct op *op, size_t bad)
{
	char *buf = alloc_pages(MAX_FILE);

	if (bad)
		must(!mprotect(buf + op->at + op->len - bad, PAGE, PROT_NONE));
	return buf + op->at;
}

static void free_buffer(const struct op *op, char *buf)
{
	munmap(buf - op->at, MAX_FILE);
}

static long do_io(const struct file *file, const struct op *op, bool write,
		  char *buf)
{
	struct io io = {
		.method	= file->method,
		.write	= write,
		.fd	= file->fd,
		.buf	= buf,
		.len	= op->len,
		.pos	= op->pos,
	};

	if (write && io.method == BY_URING && has(file, NO_URING_WRITE))
		io.method = BY_SYSCALL;
	io_start(&io);
	return io_wait(&io);
}

static void do_write(struct file *file, const struct op *op, size_t bad,
		     long want)
{
	char *buf = buffer(op, bad);

	pattern_fill(buf, op->len - bad, ++file->seed, op->pos);
	check_eq(do_io(file, op, true, buf), want);
	free_buffer(op, buf);
	if (want <= 0)
		return;

	pattern_fill(file->want + op->pos, want, file->seed, op->pos);
	if (file->size < op->pos + want)
		file->size = op->pos + want;
}

static void do_read(struct file *file, const struct op *op, size_t bad,
		    long want)
{
	char *buf = buffer(op, bad);

	check_eq(do_io(file, op, false, buf), want);
	if (want > 0)
		check_same(buf, file->want + op->pos, want);
	free_buffer(op, buf);
}

/* Up to the end of the file; where need be, so far and no further */
static void read_op(struct file *file, struct op op)
{
	long left = file->size > op.pos ? file->size - op.pos : 0;
	long end = (left + PAGE - 1) & -PAGE;

	if (has(file, NO_READ_ACROSS) && left && (long)op.len > end)
		op.len = end;
	do_read(file, &op, 0, left < (long)op.len ? left : (long)op.len);
}

static void write_op(struct file *file, const struct op *op)
{
	if (has(file, NO_HOLES) && file->size < op->pos)
		resize(file, op->pos);
	do_write(file, op, 0, op->len);
}

/*
 * Nothing is promised for the range of a write that failed half way, nor for
 * the size if that is where the file ended.  So what was written is read, then
 * all is made good.
 */
static void write_bad(struct file *file, const struct op *op, bool is_short)
{
	off_t size = file->size;
	struct op half = *op;

	half.len /= 2;
	do_write(file, op, half.len, is_short ? (long)half.len : -EFAULT);
	if (is_short)
		do_read(file, &half, 0, half.len);
	resize(file, size);
	if (op->pos < size)
		write_op(file, op);
}

static void do_op(struct file *file, const struct op *op)
{
	long len = op->len;

	switch (op->kind) {
	case WRITE:
		write_op(file, op);
		break;
	case READ:
		read_op(file, *op);
		break;
	case TRUNCATE:
		resize(file, op->pos);
		break;
	case WRITE_MISALIGNED:
		do_write(file, op, 0, has(file, CACHED_WRITE) ? len : -EINVAL);
		break;
	case READ_MISALIGNED:
		do_read(file, op, 0, has(file, CACHED_READ) ? len : -EINVAL);
		break;
	case OVERWRITE_BAD:
		write_bad(file, op, has(file, SHORT_OVERWRITE));
		break;
	case APPEND_BAD:
		write_bad(file, op, has(file, SHORT_APPEND));
		break;
	case READ_BAD:
		do_read(file, op, len / 2,
			has(file, SHORT_READ) ? len / 2 : -EFAULT);
		break;
	}
	check_size(file);
}

/* What a read through the page cache finds */
static void check_contents(const struct file *file)
{
	char *got = alloc_pages(MAX_FILE);
	int fd = open(FILE_PATH, O_RDONLY);

	check(fd >= 0);
	check_eq(read(fd, got, MAX_FILE), file->size);
	check_same(got, file->want, file->size);
	close(fd);
	munmap(got, MAX_FILE);
}

static void test_method(const struct fs *fs, const char *dev,
			enum io_method method)
{
	struct file file = {
		.fs	= fs,
		.method	= method,
		.fd	= open(FILE_PATH, O_RDWR | O_CREAT | O_DIRECT, 0600),
		.want	= alloc_pages(MAX_FILE),
	};
	const struct op *op;

	must(file.fd >= 0);
	for (op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		context("%s: %s", io_method_name[method], op->name);
		do_op(&file, op);
	}
	context("%s: page cache", io_method_name[method]);
	check_contents(&file);
	close(file.fd);

	fs_remount(&fs->kind, DIR, dev);
	context("%s: medium", io_method_name[method]);
	check_contents(&file);
	must(!unlink(FILE_PATH));
	munmap(file.want, MAX_FILE);
}

static void test_fs(const void *arg)
{
	const struct fs *fs = arg;
	const char *dev = fs_create(&fs->kind, DIR);
	enum io_method method;

	for (method = 0; method < NR_IO_METHODS; method++)
		test_method(fs, dev, method);
}

static const struct fs filesystems[] = {
	{ .kind.type = "affs", .kind.make = affs_make,
	  .kind.options = AFFS_OPTIONS, .quirks = SHORT | NO_READ_ACROSS },
	{ .kind.type = "btrfs", .kind.mkfs = "mkfs.btrfs -f --mixed",
	  .quirks = CACHED_WRITE | CACHED_READ | SHORT_READ },
	{ .kind.type = "exfat", .kind.mkfs = "mkfs.exfat", .quirks = SHORT },
	{ .kind.type = "ext2", .kind.mkfs = "mke2fs -F -t ext2",
	  .quirks = SHORT_READ },
	{ .kind.type = "f2fs", .kind.mkfs = "mkfs.f2fs -f" },
	{ .kind.type = "hfs", .kind.mkfs = "hformat",
	  .quirks = SHORT | NO_HOLES },
	{ .kind.type = "hfsplus", .kind.make = hfsplus_make, .quirks = SHORT },
	{ .kind.type = "jfs", .kind.mkfs = "mkfs.jfs -q",
	  .quirks = SHORT_READ },
	{ .kind.type = "nilfs2", .kind.mkfs = "mkfs.nilfs2 -f -B 256",
	  .quirks = CACHED_WRITE | SHORT | NO_URING_WRITE },
	/* It finds no room for a new file unless clusters are this large. */
	{ .kind.type = "ntfs3", .kind.mkfs = "mkntfs -F -Q -c 65536",
	  .quirks = SHORT_APPEND | SHORT_READ },
	{ .kind.type = "ocfs2", .kind.mkfs = "mkfs.ocfs2 -F -x -M local",
	  .quirks = SHORT_APPEND | SHORT_READ },
	{ .kind.type = "reiserfs", .kind.mkfs = "mkreiserfs -q -f -f",
	  .quirks = SHORT },
	{ .kind.type = "udf", .kind.mkfs = "mkudffs", .quirks = SHORT },
	{ .kind.type = "vfat", .kind.mkfs = "mkfs.vfat", .quirks = SHORT },
};

int main(void)
{
	struct dio_test tests[ARRAY_SIZE(filesystems)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(filesystems); i++)
		tests[i] = (struct dio_test) {
			filesystems[i].kind.type, test_fs, &filesystems[i]
		};
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
