// SPDX-License-Identifier: GPL-2.0
/*
 * How user memory is cut into bios: bios that are full before the memory ends,
 * pages that are taken and then not used, blocks larger than what memory has in
 * one place, pages that come twice, and what stacked devices, polled queues and
 * zone append make of it.
 *
 * Memory is of two kinds.  Pages of hugetlbfs are adjacent, so they are merged,
 * and the runner misses a huge page if one reference to it is not dropped.
 * Scattered pages are never merged, so they fill a bio.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <linux/raid/md_p.h>
#include <linux/raid/md_u.h>

#include "../kselftest.h"
#include "dio_util.h"

#define BIO_MAX_VECS	256
#define MAX_SEGS	UIO_MAXIOV
#define ARENA		(8 * MIB)

/* Where a test does its I/O */

struct disk {
	int	direct;
	int	cached;
};

static struct disk disk_open(const char *path)
{
	struct disk disk = {
		.direct = open(path, O_RDWR | O_DIRECT),
		.cached = open(path, O_RDWR),
	};

	must(disk.direct >= 0 && disk.cached >= 0);
	return disk;
}

static void disk_close(const struct disk *disk)
{
	close(disk->direct);
	close(disk->cached);
}

/* Vectors */

struct vec {
	struct iovec	seg[MAX_SEGS];
	int		nr;
	size_t		bytes;
};

static void vec_add(struct vec *vec, void *base, size_t len)
{
	must(vec->nr < MAX_SEGS);
	vec->seg[vec->nr++] = (struct iovec) { base, len };
	vec->bytes += len;
}

/* The contents of the vector in one piece. */
static char *vec_gather(const struct vec *vec)
{
	char *all = malloc(vec->bytes), *p = all;
	int i;

	for (i = 0; i < vec->nr; i++)
		p = mempcpy(p, vec->seg[i].iov_base, vec->seg[i].iov_len);
	return all;
}

enum { READ, WRITE };

static long vec_io(int op, bool uring, int fd, const struct vec *vec, off_t pos)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	long ret;

	if (!uring)
		return op == READ ? preadv(fd, vec->seg, vec->nr, pos) :
				    pwritev(fd, vec->seg, vec->nr, pos);

	must(!io_uring_queue_init(1, &ring, 0));
	io_uring_prep_rw(op == READ ? IORING_OP_READV : IORING_OP_WRITEV,
			 io_uring_get_sqe(&ring), fd, vec->seg, vec->nr, pos);
	must(io_uring_submit_and_wait(&ring, 1) == 1);
	must(!io_uring_wait_cqe(&ring, &cqe));
	ret = cqe->res;
	io_uring_queue_exit(&ring);
	errno = ret < 0 ? -ret : 0;
	return ret < 0 ? -1 : ret;
}

static char *pattern_new(size_t len)
{
	static unsigned int seed;
	char *p = malloc(len);

	pattern_fill(p, len, ++seed, 0);
	return p;
}

static void check_write(const struct disk *disk, const struct vec *vec,
			off_t pos, bool uring)
{
	char *want = vec_gather(vec), *got = malloc(vec->bytes);

	check_eq(vec_io(WRITE, uring, disk->direct, vec, pos), vec->bytes);
	must(pread(disk->cached, got, vec->bytes, pos) == (long)vec->bytes);
	check_same(got, want, vec->bytes);
	free(want);
	free(got);
}

static void check_read(const struct disk *disk, const struct vec *vec,
		       off_t pos, bool uring)
{
	char *want = pattern_new(vec->bytes), *got;

	must(pwrite(disk->cached, want, vec->bytes, pos) == (long)vec->bytes);
	check_eq(vec_io(READ, uring, disk->direct, vec, pos), vec->bytes);
	got = vec_gather(vec);
	check_same(got, want, vec->bytes);
	free(want);
	free(got);
}

static void check_both(const struct disk *disk, const struct vec *vec,
		       off_t pos)
{
	int uring;

	for (uring = 0; uring < 2; uring++) {
		check_read(disk, vec, pos, uring);
		check_write(disk, vec, pos, uring);
	}
}

/* Calls @fn for both kinds of memory, filled with a pattern. */
static void with_each_arena(void (*fn)(const struct disk *disk, char *arena),
			    const struct disk *disk)
{
	char *arena = map_huge(ARENA, MAP_PRIVATE);

	pattern_fill(arena, ARENA, 1, 0);
	fn(disk, arena);
	munmap(arena, ARENA);

	arena = map_scattered(ARENA);
	pattern_fill(arena, ARENA, 1, 0);
	fn(disk, arena);
	munmap(arena, ARENA);
}

/*
 * T37, T38: @lead segments of a block in pages of their own leave less and less
 * of a bio to a long segment that starts @offset bytes into a page, until the
 * bio is full in the middle of one of its blocks.
 */
static void fill_bio(const struct disk *disk, char *arena, unsigned int lead,
		     size_t block, size_t offset)
{
	struct vec vec = { .nr = 0 };
	unsigned int i;

	context("%u blocks of %zu, then a long segment at %zu", lead, block,
		offset);
	for (i = 0; i < lead; i++)
		vec_add(&vec, arena + 2 * i * PAGE, block);
	arena += 2 * i * PAGE;
	vec_add(&vec, arena + offset, (BIO_MAX_VECS + 20) * PAGE);
	vec_add(&vec, arena + offset + (BIO_MAX_VECS + 21) * PAGE, block);
	check_both(disk, &vec, 8 * PAGE);
}

/*
 * The same with nothing but blocks that lie across two pages: one entry of the
 * bio and two pages each if the pages are adjacent, else two entries.
 */
static void fill_bio_with_blocks(const struct disk *disk, char *arena,
				 size_t block, size_t offset)
{
	struct vec vec = { .nr = 0 };
	unsigned int i;

	context("blocks of %zu at %zu", block, offset);
	vec_add(&vec, arena, block);
	for (i = 1; i < BIO_MAX_VECS + 20; i++)
		vec_add(&vec, arena + 3 * i * PAGE + offset, block);
	check_both(disk, &vec, 8 * PAGE);
}

static const unsigned int leads[] = {
	0, 1, BIO_MAX_VECS - 2, BIO_MAX_VECS - 1, BIO_MAX_VECS,
	BIO_MAX_VECS + 1,
};

static void sector_blocks(const struct disk *disk, char *arena)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leads); i++)
		fill_bio(disk, arena, leads[i], SECTOR, 0xf00);
	fill_bio_with_blocks(disk, arena, SECTOR, 0xf00);
}

static void page_blocks(const struct disk *disk, char *arena)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leads); i++)
		fill_bio(disk, arena, leads[i], PAGE, 0xe00);
	fill_bio_with_blocks(disk, arena, PAGE, 0xe00);
}

/* SCSI takes memory at any multiple of 4, so that a sector can be cut. */
static void test_sector_blocks(const void *arg)
{
	struct disk disk = disk_open(scsi_debug_node("block"));

	with_each_arena(sector_blocks, &disk);
}

/*
 * A loop device with blocks of 4 KiB.  (null_blk wants each page of a request
 * to hold whole blocks.)
 */
static struct disk disk_of_big_blocks(void)
{
	struct loop_config config = {
		.fd = memfd_create("loop", 0),
		.block_size = PAGE,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR), loop;
	struct disk disk;
	char path[32];

	must(!ftruncate(config.fd, 16 * MIB));
	snprintf(path, sizeof(path), "/dev/loop%d",
		 ioctl(control, LOOP_CTL_GET_FREE));
	loop = open(path, O_RDWR);
	must(loop >= 0 && !ioctl(loop, LOOP_CONFIGURE, &config));
	disk = disk_open(path);
	close(loop);
	return disk;
}

static void test_page_blocks(const void *arg)
{
	struct disk disk = disk_of_big_blocks();

	with_each_arena(page_blocks, &disk);
}

/* T38: each segment has to be of whole blocks, at any sector of a page. */
static void alignment(const struct disk *disk, char *arena)
{
	static const struct {
		size_t offset[2], len[2];
		bool ok;
	} rows[] = {
		{ { 0, PAGE },			{ PAGE, PAGE },		true },
		{ { SECTOR, 3 * PAGE },		{ PAGE, 2 * PAGE },	true },
		{ { 7 * SECTOR, 4 * PAGE + 3 * SECTOR },
						{ 2 * PAGE, PAGE },	true },
		{ { 0, PAGE },			{ SECTOR, PAGE },	false },
		{ { 0, PAGE },			{ SECTOR, 7 * SECTOR },	false },
		{ { 0, PAGE },			{ PAGE, SECTOR },	false },
		{ { SECTOR / 2, 2 * PAGE },	{ PAGE, PAGE },		false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vec vec = { .nr = 0 };

		context("row %u", i);
		vec_add(&vec, arena + rows[i].offset[0], rows[i].len[0]);
		vec_add(&vec, arena + rows[i].offset[1], rows[i].len[1]);
		if (rows[i].ok) {
			check_both(disk, &vec, PAGE);
			check_errno(vec_io(READ, false, disk->direct, &vec,
					   SECTOR), EINVAL);
		} else {
			check_errno(vec_io(READ, false, disk->direct, &vec,
					   PAGE), EINVAL);
			check_errno(vec_io(WRITE, false, disk->direct, &vec,
					   PAGE), EINVAL);
		}
	}
}

static void test_alignment(const void *arg)
{
	struct disk disk = disk_of_big_blocks();

	with_each_arena(alignment, &disk);
}

/*
 * T48: a page that comes more than once, so that one entry of the bio stands
 * for several times that it was taken.
 */
static void same_page(const struct disk *disk, char *arena)
{
	struct vec twice = { .nr = 0 }, swapped = { .nr = 0 };
	struct vec cut = { .nr = 0 }, sectors = { .nr = 0 };
	struct vec one_page = { .nr = 0 };
	size_t i;

	context("two halves of a page");
	vec_add(&twice, arena, PAGE / 2);
	vec_add(&twice, arena + PAGE / 2, PAGE / 2);
	check_both(disk, &twice, 0);

	context("two halves of a page, second first");
	vec_add(&swapped, arena + PAGE / 2, PAGE / 2);
	vec_add(&swapped, arena, PAGE / 2);
	check_both(disk, &swapped, 0);

	context("segments that begin where the last one ended");
	for (i = 0; i < 300; i++)
		vec_add(&cut, arena + i * (PAGE + SECTOR), PAGE + SECTOR);
	check_both(disk, &cut, 0);

	context("pages cut into sectors");
	for (i = 0; i < MAX_SEGS; i++)
		vec_add(&sectors, arena + i * SECTOR, SECTOR);
	check_both(disk, &sectors, 0);

	context("one page all over");
	for (i = 0; i < 600; i++)
		vec_add(&one_page, arena + i % 2 * SECTOR, 3 * SECTOR);
	check_write(disk, &one_page, 0, false);
	check_write(disk, &one_page, 0, true);
}

static void test_same_page(const void *arg)
{
	struct disk disk;

	disk = disk_open(nullb_create("iovtest", "memory_backed=1 size=16"));
	with_each_arena(same_page, &disk);
}

/*
 * T44: devices on top of others clone, split and copy bios, and only the bio of
 * the top may give the pages back.
 */
static void stacked(const struct disk *disk, char *arena)
{
	fill_bio(disk, arena, 1, SECTOR, 0xe00);
	fill_bio(disk, arena, BIO_MAX_VECS - 1, SECTOR, 0xe00);
	fill_bio_with_blocks(disk, arena, PAGE, 0xe00);
}

struct stack {
	const char *target;
	const char *params;	/* with the paths of the two disks */
};

#define LEG		"memory_backed=1 size=16"
#define STACK_SIZE	(12 * MIB)

static void test_dm(const void *arg)
{
	const char *a = nullb_create("iovtesta", LEG);
	const char *b = nullb_create("iovtestb", LEG);
	const struct stack *stack = arg;
	char params[256];
	struct disk disk;

	snprintf(params, sizeof(params), stack->params, a, b);
	disk = disk_open(dm_create("iovtest", STACK_SIZE, stack->target,
				   params));
	with_each_arena(stacked, &disk);
}

static void md_add(int md, int number, const char *path)
{
	mdu_disk_info_t info = {
		.number = number,
		.raid_disk = number,
		.state = 1 << MD_DISK_ACTIVE | 1 << MD_DISK_SYNC,
	};
	struct stat st;

	must(!stat(path, &st));
	info.major = major(st.st_rdev);
	info.minor = minor(st.st_rdev);
	must(!ioctl(md, ADD_NEW_DISK, &info));
}

#define MD_PATH "/tmp/dio_block-md"

static int md_create(int level, const char *a, const char *b)
{
	mdu_array_info_t info = {
		.minor_version = 90,
		.level = level,
		.nr_disks = 2,
		.raid_disks = 2,
		.active_disks = 2,
		.working_disks = 2,
		.md_minor = 0,
		.not_persistent = 1,
		.state = 1 << MD_SB_CLEAN,
		.chunk_size = 64 * KIB,
	};
	int md;

	unlink(MD_PATH);
	must(!mknod(MD_PATH, S_IFBLK | 0600, makedev(MD_MAJOR, 0)));
	md = open(MD_PATH, O_RDWR);
	must(md >= 0);
	ioctl(md, STOP_ARRAY, NULL);	/* of a test that failed */
	must(!ioctl(md, SET_ARRAY_INFO, &info));
	md_add(md, 0, a);
	md_add(md, 1, b);
	must(!ioctl(md, RUN_ARRAY, NULL));
	return md;
}

/* Both legs of a mirror hold what was written. */
static void check_mirror(const char *a, const char *b)
{
	char *x = alloc_pages(2 * MIB), *y = alloc_pages(2 * MIB);
	int fd_a = open(a, O_RDONLY | O_DIRECT);
	int fd_b = open(b, O_RDONLY | O_DIRECT);

	must(pread(fd_a, x, 2 * MIB, 0) == 2 * MIB);
	must(pread(fd_b, y, 2 * MIB, 0) == 2 * MIB);
	check_same(x, y, 2 * MIB);
	close(fd_a);
	close(fd_b);
}

static void test_md(const void *arg)
{
	const char *a = nullb_create("iovtesta", LEG);
	const char *b = nullb_create("iovtestb", LEG);
	int level = *(const int *)arg, md = md_create(level, a, b);
	struct disk disk = disk_open(MD_PATH);

	with_each_arena(stacked, &disk);
	must(!fsync(disk.cached));
	disk_close(&disk);
	if (level == 1)
		check_mirror(a, b);
	must(!ioctl(md, STOP_ARRAY, NULL));
	close(md);
}

/* T45: a polled queue. */
static void test_polled(const void *arg)
{
	struct disk disk = disk_open(nullb_create("iovtest",
			"memory_backed=1 size=16 poll_queues=1"));
	char *mem = map_huge(HUGE, MAP_PRIVATE), *want = pattern_new(MIB);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	size_t len;
	int op;

	/* null_blk sleeps in the first write to a page, polled or not. */
	must(pwrite(disk.direct, mem, MIB, 0) == MIB);
	must(!io_uring_queue_init(1, &ring, IORING_SETUP_IOPOLL));
	/* Polled I/O must not be so long that the device has it split. */
	for (len = SECTOR; len <= 64 * KIB; len = 2 * len + SECTOR) {
		for (op = WRITE; op >= READ; op--) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			context("%zu bytes, %s", len, op ? "write" : "read");
			memcpy(mem + SECTOR, want, op == WRITE ? len : 0);
			io_uring_prep_rw(op ? IORING_OP_WRITE : IORING_OP_READ,
					 sqe, disk.direct, mem + SECTOR, len,
					 PAGE);
			must(io_uring_submit(&ring) == 1);
			must(!io_uring_wait_cqe(&ring, &cqe));
			check_eq(cqe->res, len);
			io_uring_cqe_seen(&ring, cqe);
			check_same(mem + SECTOR, want, len);
			memset(mem + SECTOR, 0, len);
		}
	}
	io_uring_queue_exit(&ring);
}

/*
 * Zone append, which btrfs uses on a zoned device.  Such a bio cannot be split,
 * so it ends where the device takes no more, and pages that were taken already
 * are given back.  (The user in zonefs fails each write of 6.1.192 once it is
 * done: it expects it to be where the next one should go.)
 */
#define ZONED	"memory_backed=1 zoned=1 size=64 zone_size=4 zone_nr_conv=0"
#define ZONED_DIR	"/tmp/iovtest"

static void zone_append(const struct disk *disk, char *arena)
{
	struct vec longer = { .nr = 0 }, pages = { .nr = 0 };
	unsigned int i;

	context("one long segment");
	vec_add(&longer, arena, 300 * PAGE);
	check_write(disk, &longer, 0, false);
	check_write(disk, &longer, 0, true);

	context("pages that are not adjacent");
	for (i = 0; i < 300; i++)
		vec_add(&pages, arena + 2 * i * PAGE, PAGE);
	check_write(disk, &pages, 0, false);
	check_write(disk, &pages, 0, true);
}

static void test_zone_append(const void *arg)
{
	const char *dev = nullb_create("iovtest", ZONED);
	struct disk disk;

	run("mkfs.btrfs -q -m single -d single %s >/dev/null", dev);
	must(!mkdir(ZONED_DIR, 0700));
	must(!mount(dev, ZONED_DIR, "btrfs", 0, NULL));
	close(open(ZONED_DIR "/file", O_CREAT, 0600));
	disk = disk_open(ZONED_DIR "/file");
	with_each_arena(zone_append, &disk);
}

#define DM(name, ...) \
	{ "T44 dm-" name, test_dm, &(const struct stack) { __VA_ARGS__ } }
#define MD(level) \
	{ "T44 md raid" #level, test_md, &(const int) { level } }
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const struct dio_test tests[] = {
	{ "T37 full bios, blocks of a sector", test_sector_blocks, NULL },
	{ "T38 full bios, blocks of a page", test_page_blocks, NULL },
	{ "T38 alignment, blocks of a page", test_alignment, NULL },
	{ "T48 same page again", test_same_page, NULL },
	DM("linear", "linear", "%s 8"),
	DM("striped", "striped", "2 8 %s 0 %s 0"),
	DM("crypt", "crypt", "aes-xts-plain64 " KEY " 0 %s 0"),
	MD(0),
	MD(1),
	{ "T45 polled queue", test_polled, NULL },
	{ "T37 zone append", test_zone_append, NULL },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
