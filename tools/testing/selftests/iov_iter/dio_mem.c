// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O from and into every kind of user memory, at any offset, on a block
 * device, ext4 and XFS: the data is right on both sides, bytes beside it are
 * untouched, other users of the same memory see what they should, and memory
 * that must not be had is refused.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/kernel-page-flags.h>

#include "../kselftest.h"
#include "dio_util.h"

/*
 * A kind of memory: map() returns HUGE bytes of it.  done() is called after an
 * I/O and checks who else should see a change; @snap is what it held before.
 */
struct kind {
	void	*(*map)(void);
	void	(*done)(const char *mem, const char *snap);
	bool	untouched;		/* taking a snapshot would change it */
	bool	slow;			/* to map: one range and medium will do */
};

static const struct range {
	size_t offset;
	size_t len;
} ranges[] = {
	{ 0,				PAGE },
	{ SECTOR,			SECTOR },
	{ 7 * SECTOR,			2 * SECTOR },
	{ HUGE / 2 - 3 * SECTOR,	64 * KIB },
	{ 5 * SECTOR,			HUGE - 8 * SECTOR },
};

/* What is read, and room for the other side of a medium. */
static char *pattern, *disk_buf;

static char *snapshot(const struct kind *kind, const char *mem)
{
	char *snap = alloc_pages(HUGE);

	if (!kind->untouched)
		memcpy(snap, mem, HUGE);
	return snap;
}

static void read_into(const struct kind *kind, const struct medium *m,
		      const struct range *r)
{
	off_t pos = 3 * SECTOR;
	size_t end = r->offset + r->len;
	char *mem = kind->map();
	char *snap = snapshot(kind, mem);

	must(pwrite(m->cached, pattern, r->len, pos) == (long)r->len);
	check_eq(pread(m->direct, mem + r->offset, r->len, pos), r->len);
	check_same(mem + r->offset, pattern, r->len);
	check_same(mem, snap, r->offset);
	check_same(mem + end, snap + end, HUGE - end);
	if (kind->done)
		kind->done(mem, snap);

	munmap(mem, HUGE);
	munmap(snap, HUGE);
}

static void write_from(const struct kind *kind, const struct medium *m,
		       const struct range *r)
{
	off_t pos = 5 * SECTOR;
	char *mem = kind->map();
	char *snap = snapshot(kind, mem);

	/* What is on the medium must not be what will be written. */
	memset(disk_buf, 0x7e, r->len);
	must(pwrite(m->cached, disk_buf, r->len, pos) == (long)r->len);

	check_eq(pwrite(m->direct, mem + r->offset, r->len, pos), r->len);
	must(pread(m->cached, disk_buf, r->len, pos) == (long)r->len);
	check_same(disk_buf, snap + r->offset, r->len);
	check_same(mem, snap, HUGE);
	if (kind->done)
		kind->done(mem, snap);

	munmap(mem, HUGE);
	munmap(snap, HUGE);
}

static void test_kind(const void *arg)
{
	const struct kind *kind = arg;
	const struct medium *m;
	const struct range *r;

	disk_buf = alloc_pages(HUGE);
	pattern = alloc_pages(HUGE);
	pattern_fill(pattern, HUGE, 2, 0);
	for (m = media; m < media + NR_MEDIA; m++) {
		for (r = ranges; r < ranges + ARRAY_SIZE(ranges); r++) {
			if (kind->slow && (m->dir || r->len < MIB))
				continue;
			context("%s, read %zu at offset %zu", m->name, r->len,
				r->offset);
			read_into(kind, m, r);
			context("%s, write %zu at offset %zu", m->name, r->len,
				r->offset);
			write_from(kind, m, r);
		}
	}
}

/* What memory holds before I/O, the same in each page so that KSM merges it. */
static void *fill(void *mem)
{
	size_t i;

	pattern_fill(mem, PAGE, 1, 0);
	for (i = PAGE; i < HUGE; i += PAGE)
		memcpy(mem + i, mem, PAGE);
	return mem;
}

static void *map_anon(void)
{
	return fill(alloc_pages(HUGE));
}

static void *map_untouched(void)
{
	void *mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mem != MAP_FAILED);
	madvise(mem, HUGE, MADV_NOHUGEPAGE);
	return mem;
}

/* T13: read faults map the zero page. */
static void *map_zero_page(void)
{
	char *mem = map_untouched();
	size_t i;

	for (i = 0; i < HUGE; i += PAGE)
		touch_read(mem + i);
	must(page_is(mem + PAGE, KPF_ZERO_PAGE));
	return mem;
}

static void *map_huge_zero_page(void)
{
	char *mem = map_thp();

	/* Drop the page that map_thp() wrote to, and read. */
	must(!madvise(mem, HUGE, MADV_DONTNEED));
	touch_read(mem);
	must(page_is(mem, KPF_ZERO_PAGE) && page_is(mem, KPF_THP));
	return mem;
}

static void *map_full_thp(void)
{
	return fill(map_thp());
}

/* T22: the page in the middle belongs to another folio than the rest. */
static void *map_thp_patched(void)
{
	char *mem = map_full_thp();
	char *middle = mem + HUGE / 2;

	must(!madvise(middle, PAGE, MADV_DONTNEED));
	memcpy(middle, mem, PAGE);
	must(page_is(mem, KPF_THP) && !page_is(middle, KPF_THP));
	return mem;
}

/* T23 */
static void *map_huge_private(void)
{
	return fill(map_huge(HUGE, MAP_PRIVATE));
}

static void *map_huge_shared(void)
{
	return fill(map_huge(HUGE, MAP_SHARED));
}

/* A child that shares the memory, and must keep what it held at the fork. */
static pid_t child;
static int child_pipe;

static void *share_with_child(void *mem)
{
	int fds[2];
	char c;

	must(!pipe(fds));
	child = fork();
	must(child >= 0);
	if (!child) {
		char *own = alloc_pages(PAGE);
		size_t i;

		close(fds[1]);
		pattern_fill(own, PAGE, 1, 0);
		must(!read(fds[0], &c, 1));
		for (i = 0; i < HUGE; i += PAGE)
			check_same(mem + i, own, PAGE);
		_exit(0);
	}
	close(fds[0]);
	child_pipe = fds[1];
	return mem;
}

static void child_done(const char *mem, const char *snap)
{
	int status;

	close(child_pipe);
	must(waitpid(child, &status, 0) == child);
	check_eq(status, 0);
}

static void *map_anon_forked(void)
{
	return share_with_child(map_anon());
}

static void *map_huge_forked(void)
{
	return share_with_child(map_huge_private());
}

/* T22 again: all but the page in the middle are the child's as well. */
static void *map_thp_forked(void)
{
	char *mem = share_with_child(map_full_thp());
	char *middle = mem + HUGE / 2;

	touch_write(middle);
	must(!page_is(middle, KPF_THP));
	return mem;
}

/* T24: a file behind the memory. */
static int file = -1;

static void *map_file(int fd, int flags)
{
	char *contents = map_anon();
	void *mem;

	must(fd >= 0);
	must(write(fd, contents, HUGE) == HUGE);
	mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	must(mem != MAP_FAILED);
	munmap(contents, HUGE);
	file = fd;
	return mem;
}

static int new_file(void)
{
	return open(media[1].dir, O_RDWR | O_TMPFILE, 0600);
}

static void *map_file_shared(void)
{
	return map_file(new_file(), MAP_SHARED);
}

static void *map_file_private(void)
{
	return map_file(new_file(), MAP_PRIVATE);
}

/* T49 */
static void *map_memfd(void)
{
	return map_file(memfd_create("dio_mem", 0), MAP_SHARED);
}

static void check_file(const char *want)
{
	char *contents = alloc_pages(HUGE);

	must(pread(file, contents, HUGE, 0) == HUGE);
	check_same(contents, want, HUGE);
	munmap(contents, HUGE);
}

/* The file has the data, also once it had to be read again: it was dirty. */
static void file_shared_done(const char *mem, const char *snap)
{
	check_file(mem);
	must(!fsync(file));
	must(!posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
	check_file(mem);
	close(file);
}

static void file_private_done(const char *mem, const char *snap)
{
	check_file(snap);
	close(file);
}

/* T24: two copies of equal pages, which ksmd merges. */
static char *ksm_twin;

static void wait_for_ksm(const char *mem)
{
	unsigned int tries = 3000;
	size_t i;

	for (i = 0; i < HUGE; i += PAGE)
		while (!page_is(mem + i, KPF_KSM)) {
			must(tries--);
			usleep(10000);
		}
}

static void *map_ksm(void)
{
	char *mem = map_anon();

	ksm_twin = map_anon();
	put_file("/sys/kernel/mm/ksm/sleep_millisecs", "0");
	put_file("/sys/kernel/mm/ksm/pages_to_scan", "2000");
	put_file("/sys/kernel/mm/ksm/run", "1");
	must(!madvise(mem, HUGE, MADV_MERGEABLE));
	must(!madvise(ksm_twin, HUGE, MADV_MERGEABLE));
	wait_for_ksm(mem);
	wait_for_ksm(ksm_twin);
	put_file("/sys/kernel/mm/ksm/run", "0");
	return mem;
}

static void ksm_done(const char *mem, const char *snap)
{
	check_same(ksm_twin, snap, HUGE);
	munmap(ksm_twin, HUGE);
}

/* T49: the pages are in a pipe, too, which shows what becomes of them. */
static int spliced[2];

static void *map_vmspliced(void)
{
	struct iovec iov = { .iov_base = map_anon(), .iov_len = HUGE };

	must(!pipe(spliced));
	must(fcntl(spliced[1], F_SETPIPE_SZ, HUGE) == HUGE);
	must(vmsplice(spliced[1], &iov, 1, 0) == HUGE);
	return iov.iov_base;
}

static void vmspliced_done(const char *mem, const char *snap)
{
	char *contents = alloc_pages(HUGE);

	must(read(spliced[0], contents, HUGE) == HUGE);
	check_same(contents, mem, HUGE);
	munmap(contents, HUGE);
	close(spliced[0]);
	close(spliced[1]);
}

/* Memory that cannot be had: I/O on two pages of it fails. */

/* Far below what mmap() hands out, or else a thread's stack may come there. */
static void *refuse_unmapped(void)
{
	void *mem = (void *)(1024 * MIB);

	must(mmap(mem, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		  MAP_FIXED_NOREPLACE, -1, 0) == mem);
	must(!munmap(mem, HUGE));
	return mem;
}

static void *refuse_prot_none(void)
{
	void *mem = map_anon();

	must(!mprotect(mem, HUGE, PROT_NONE));
	return mem;
}

static void *refuse_secret(void)
{
	int fd = syscall(SYS_memfd_secret, 0);
	void *mem;

	must(fd >= 0);
	must(!ftruncate(fd, HUGE));
	mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(mem != MAP_FAILED);
	return fill(mem);
}

/* The vvar pages have no struct page to take: VM_PFNMAP. */
static void *refuse_pfnmap(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start;
	char line[256];

	must(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[vvar]"))
			continue;
		start = strtoul(line, NULL, 16);
		fclose(f);
		return (void *)start;
	}
	must(!"no vvar");
	return NULL;
}

static void test_refused(const void *arg)
{
	void *(*const *map)(void) = arg;
	char *mem = (*map)();
	const struct medium *m;
	unsigned int i;

	for (m = media; m < media + NR_MEDIA; m++) {
		for (i = 0; i < 2 * NR_IO_METHODS; i++) {
			struct io io = {
				.method = i / 2,
				.write = i % 2,
				.fd = m->direct,
				.buf = mem + SECTOR,
				.len = 2 * PAGE,
			};

			context("%s, %s of a %s", m->name,
				io_method_name[io.method],
				io.write ? "source" : "destination");
			io_start(&io);
			check_eq(io_wait(&io), -EFAULT);
		}
	}
}

/* To write to it is more than the mapping allows. */
static void test_read_only(const void *arg)
{
	char *mem = map_anon();
	const struct medium *m;

	must(!mprotect(mem, HUGE, PROT_READ));
	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		check_eq(pwrite(m->direct, mem, PAGE, 0), PAGE);
		check_errno(pread(m->direct, mem, PAGE, 0), EFAULT);
	}
}

static void test_kernel_address(const void *arg)
{
	void *kernel = (void *)-(512 * MIB);
	struct iovec iov[] = { { alloc_pages(PAGE), PAGE }, { kernel, PAGE } };
	const struct medium *m;

	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		check_errno(pread(m->direct, kernel, PAGE, 0), EFAULT);
		check_errno(pwrite(m->direct, kernel, PAGE, 0), EFAULT);
		check_errno(preadv(m->direct, iov, 2, 0), EFAULT);
		check_errno(pwritev(m->direct, iov, 2, 0), EFAULT);
	}
}

/*
 * Vectors over memory of which one page, BAD, cannot be had.  If that is met
 * after good ones, a block device does what it can and a file system fails, but
 * for those whose reads go as far as they get.
 */
#define VEC_SIZE	(16 * PAGE)
#define BAD		(12 * PAGE)
#define MAX_SEGS	6

struct vec {
	struct {
		size_t offset;
		size_t len;
	} seg[MAX_SEGS];
	size_t	done;		/* bytes, 0 for EFAULT */
	bool	partial;	/* @done is for the block device alone */
};

static void vec_iov(const struct vec *vec, char *mem, struct iovec *iov)
{
	unsigned int i;

	for (i = 0; i < MAX_SEGS; i++)
		iov[i] = (struct iovec) {
			mem + vec->seg[i].offset, vec->seg[i].len
		};
}

/* What the I/O should do, byte by byte, between @mem and @disk. */
static void vec_copy(const struct vec *vec, char *mem, char *disk, bool write)
{
	size_t i, j, pos = 0;

	for (i = 0; i < MAX_SEGS; i++) {
		char *seg = mem + vec->seg[i].offset;

		for (j = 0; j < vec->seg[i].len && pos < vec->done; j++, pos++)
			*(write ? disk + pos : seg + j) =
				*(write ? seg + j : disk + pos);
	}
}

static void vec_io(const struct vec *vec, const struct medium *m, char *mem,
		   bool write)
{
	char *disk = alloc_pages(VEC_SIZE), *got = alloc_pages(VEC_SIZE);
	char *want = alloc_pages(VEC_SIZE);
	struct iovec iov[MAX_SEGS];
	long ret;

	pattern_fill(disk, VEC_SIZE, 1, 0);
	must(pwrite(m->cached, disk, VEC_SIZE, 0) == VEC_SIZE);
	pattern_fill(mem, BAD, 2, 0);
	memcpy(want, mem, BAD);

	vec_iov(vec, mem, iov);
	ret = write ? pwritev(m->direct, iov, MAX_SEGS, 0) :
		      preadv(m->direct, iov, MAX_SEGS, 0);
	if (!vec->done ||
	    (vec->partial && m->dir && (write || !m->short_read))) {
		check_errno(ret, EFAULT);
		return;
	}
	check_eq(ret, vec->done);

	vec_copy(vec, want, disk, write);
	must(pread(m->cached, got, VEC_SIZE, 0) == VEC_SIZE);
	check_same(got, disk, VEC_SIZE);
	check_same(mem, want, BAD);
}

static void test_vec(const void *arg)
{
	char *mem = alloc_pages(VEC_SIZE);
	const struct medium *m;

	must(!mprotect(mem + BAD, PAGE, PROT_NONE));
	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s, readv", m->name);
		vec_io(arg, m, mem, false);
		context("%s, writev", m->name);
		vec_io(arg, m, mem, true);
	}
}

/*
 * T47: io_uring pins a registered buffer once; I/O on it takes nothing more.
 */
static ssize_t uring_wait(struct io_uring *ring, unsigned int *flags)
{
	struct io_uring_cqe *cqe;
	ssize_t ret;

	must(io_uring_submit(ring) == 1);
	must(!io_uring_wait_cqe(ring, &cqe));
	ret = cqe->res;
	*flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static void fixed_io(struct io_uring *ring, const struct medium *m, char *mem,
		     size_t len)
{
	struct pins start = pins_now(), delta;
	unsigned int flags;

	pattern_fill(mem, len, 1, 0);
	io_uring_prep_write_fixed(io_uring_get_sqe(ring), m->direct, mem, len,
				  0, 0);
	check_eq(uring_wait(ring, &flags), len);
	memset(mem, 0, len);
	io_uring_prep_read_fixed(io_uring_get_sqe(ring), m->direct, mem, len,
				 0, 0);
	check_eq(uring_wait(ring, &flags), len);
	check_pattern(mem, len, 1, 0);

	delta = pins_since(&start);
	check_eq(delta.acquired, 0);
	check_eq(delta.released, 0);
}

static void test_registered_buffer(const void *arg)
{
	const struct kind *kind = arg;
	struct iovec iov = { kind->map(), HUGE };
	const struct medium *m;
	struct io_uring ring;

	must(!io_uring_queue_init(1, &ring, 0));
	must(!io_uring_register_buffers(&ring, &iov, 1));
	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		fixed_io(&ring, m, iov.iov_base, PAGE);
		fixed_io(&ring, m, iov.iov_base + 5 * SECTOR, 3 * PAGE);
		fixed_io(&ring, m, iov.iov_base + SECTOR, MIB + PAGE);
	}
	io_uring_queue_exit(&ring);
}

/* T47: the kernel chooses the buffer of a read among those it was given. */
static void test_provided_buffers(const void *arg)
{
	enum { NR = 4, GROUP = 7, LEN = 2 * PAGE };
	char *mem = map_huge(HUGE, MAP_PRIVATE) + SECTOR;
	struct io_uring_sqe *sqe;
	const struct medium *m;
	struct io_uring ring;
	unsigned int flags, i;

	must(!io_uring_queue_init(1, &ring, 0));
	disk_buf = alloc_pages(LEN);
	for (m = media; m < media + NR_MEDIA; m++) {
		context("%s", m->name);
		pattern_fill(disk_buf, LEN, 1, 0);
		must(pwrite(m->cached, disk_buf, LEN, 0) == LEN);
		memset(mem, 0, NR * LEN);

		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_provide_buffers(sqe, mem, LEN, NR, GROUP, 0);
		check_eq(uring_wait(&ring, &flags), 0);
		for (i = 0; i < NR; i++) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read(sqe, m->direct, NULL, LEN, 0);
			sqe->flags = IOSQE_BUFFER_SELECT;
			sqe->buf_group = GROUP;
			check_eq(uring_wait(&ring, &flags), LEN);
			check(flags & IORING_CQE_F_BUFFER);
			check_pattern(mem + (flags >> IORING_CQE_BUFFER_SHIFT) *
				      LEN, LEN, 1, 0);
		}
		for (i = 0; i < NR; i++)
			check_pattern(mem + i * LEN, LEN, 1, 0);
	}
	io_uring_queue_exit(&ring);
}

/*
 * T15: a pin on the zero page is none, but that is a success, also where it is
 * asked for in the slow path: process_vm_readv() pins what it reads.  The huge
 * zero page is pinned as any other.
 */
static void test_pin_zero_page(const void *arg)
{
	const struct kind *kind = arg;
	struct iovec local = { alloc_pages(HUGE), HUGE };
	struct iovec remote = { kind->map(), HUGE };
	struct pins before = pins_now(), pins;

	memset(local.iov_base, 0x5a, HUGE);
	check_eq(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), HUGE);
	check_same(local.iov_base, remote.iov_base, HUGE);
	pins = pins_since(&before);
	check_eq(pins.acquired, kind->map == map_zero_page ? 0 : HUGE / PAGE);
	check_eq(pins.released, pins.acquired);
}

#define KIND(name, ...) \
	{ name, test_kind, &(const struct kind) { __VA_ARGS__ } }
#define REGISTERED(name, fn) \
	{ "T47 registered buffer, " name, test_registered_buffer, \
	  &(const struct kind) { .map = fn } }
#define REFUSED(name, map) \
	{ name ", refused", test_refused, (void *(*[])(void)) { map } }
#define VEC(name, bytes, ...) \
	{ "vector, " name, test_vec, \
	  &(const struct vec) { .seg = { __VA_ARGS__ }, .done = bytes } }
#define PARTIAL_VEC(name, bytes, ...) \
	{ "vector, " name, test_vec, \
	  &(const struct vec) { .seg = { __VA_ARGS__ }, .done = bytes, \
				.partial = true } }

static const struct dio_test tests[] = {
	KIND("anonymous", .map = map_anon),
	KIND("anonymous, shared with a child", .map = map_anon_forked,
	     .done = child_done),
	KIND("never touched", .map = map_untouched, .untouched = true),
	KIND("T13 zero page", .map = map_zero_page),
	KIND("T13 huge zero page", .map = map_huge_zero_page),
	{ "T15 pin of the zero page", test_pin_zero_page,
	  &(const struct kind) { .map = map_zero_page } },
	{ "T15 pin of the huge zero page", test_pin_zero_page,
	  &(const struct kind) { .map = map_huge_zero_page } },
	KIND("T22 huge page", .map = map_full_thp),
	KIND("T22 huge page, one page replaced", .map = map_thp_patched),
	KIND("T22 huge page, one page copied after fork", .map = map_thp_forked,
	     .done = child_done),
	KIND("T23 hugetlb, private", .map = map_huge_private),
	KIND("T23 hugetlb, shared", .map = map_huge_shared),
	KIND("T23 hugetlb, shared with a child", .map = map_huge_forked,
	     .done = child_done),
	KIND("T24 KSM", .map = map_ksm, .done = ksm_done, .slow = true),
	KIND("T24 file, shared", .map = map_file_shared,
	     .done = file_shared_done),
	KIND("T24 file, private and not yet copied", .map = map_file_private,
	     .done = file_private_done),
	KIND("T49 memfd", .map = map_memfd, .done = file_shared_done),
	KIND("T49 in a pipe by vmsplice", .map = map_vmspliced,
	     .done = vmspliced_done),

	REGISTERED("anonymous", map_anon),
	REGISTERED("huge page", map_full_thp),
	REGISTERED("hugetlb", map_huge_private),
	REGISTERED("memfd", map_memfd),
	{ "T47 provided buffers", test_provided_buffers, NULL },

	REFUSED("unmapped", refuse_unmapped),
	REFUSED("PROT_NONE", refuse_prot_none),
	REFUSED("T24 secret memory", refuse_secret),
	REFUSED("T24 PFN mapping", refuse_pfnmap),
	{ "read-only memory, refused as a destination", test_read_only, NULL },
	{ "kernel address, refused", test_kernel_address, NULL },

	VEC("page aligned", 5 * PAGE,
	    { PAGE, PAGE }, { 4 * PAGE, 3 * PAGE }, { 2 * PAGE, PAGE }),
	VEC("aligned and not", 4 * PAGE + 2 * SECTOR,
	    { SECTOR, SECTOR }, { PAGE, PAGE }, { 5 * PAGE + SECTOR, PAGE },
	    { 8 * PAGE, 2 * PAGE }, { 3 * PAGE + 7 * SECTOR, SECTOR }),
	VEC("ends and starts on page borders", PAGE + 6 * SECTOR,
	    { 3 * SECTOR, 5 * SECTOR }, { 2 * PAGE, PAGE },
	    { 4 * PAGE, SECTOR }),
	VEC("empty segments", PAGE + 3 * SECTOR,
	    { 0, 0 }, { SECTOR, 2 * SECTOR }, { 0, 0 }, { PAGE, PAGE },
	    { BAD, 0 }, { 3 * PAGE, SECTOR }),
	VEC("bad page first", 0,
	    { BAD, PAGE }, { 0, PAGE }),
	VEC("empty segment, then the bad page", 0,
	    { 0, 0 }, { BAD, PAGE }, { 0, PAGE }),
	PARTIAL_VEC("bad page in the second segment", PAGE,
		    { SECTOR, PAGE }, { BAD, PAGE }, { 0, PAGE }),
	PARTIAL_VEC("bad page at the end of a segment", 3 * PAGE,
		    { BAD - 3 * PAGE, 4 * PAGE }),
	PARTIAL_VEC("bad page in the middle of a segment", PAGE + SECTOR,
		    { 0, PAGE }, { BAD - SECTOR, 2 * SECTOR }),
};

int main(void)
{
	media_create(false);
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
