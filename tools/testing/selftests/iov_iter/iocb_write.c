// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that the kernel itself makes: every path to ->write_iter() or to
 * ->swap_rw() that once did not say IOCB_WRITE.  Whoever takes the direction
 * from the kiocb makes a read of such a write, so the data must be seen to
 * arrive on the medium.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/btrfs.h>
#include <linux/elf.h>

#include "../kselftest.h"
#include "fs_util.h"

/* Names that the runner removes after each test */
#define DIR		"/tmp/iovtestfs"
#define NFS_DIR		"/tmp/iovtestnfs"
#define CGROUP_DIR	"/tmp/iovtestcgroup"
#define FILE_PATH	DIR "/file"

#define SEED		1

static char *file_map(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *map;

	must(fd >= 0 && !fstat(fd, &st));
	check(st.st_size);
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(map != MAP_FAILED);
	close(fd);
	*size = st.st_size;
	return map;
}

/* Block devices on top of a file: each method writes to a part of it. */
#define PART_SIZE	(2 * MIB)
#define FILE_SIZE	(NR_IO_METHODS * PART_SIZE)

/* Pages at least: an NVMe target has blocks as large as those of the file. */
static const struct range {
	off_t	pos;
	size_t	len;
} ranges[] = {
	{ 0, 4 * KIB },
	{ 12 * KIB, 8 * KIB },
	{ 64 * KIB, 128 * KIB },
	{ 500 * KIB, 1500 * KIB },
};

/* Returns how many bytes were written and found again on the device. */
static size_t write_part(int fd, enum io_method method, char *want)
{
	char *buf = alloc_pages(PART_SIZE);
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		off_t pos = method * PART_SIZE + ranges[i].pos;
		size_t len = ranges[i].len;
		struct io io = {
			.method = method, .write = true,
			.fd = fd, .buf = buf, .len = len, .pos = pos,
		};

		pattern_fill(buf, len, SEED, pos);
		memcpy(want + pos, buf, len);
		io_start(&io);
		if (io_wait(&io) != (ssize_t)len)
			continue;
		memset(buf, 0, len);
		if (pread(fd, buf, len, pos) == (ssize_t)len)
			done += pattern_check(buf, len, SEED, pos);
	}
	munmap(buf, PART_SIZE);
	return done;
}

static void test_file_dev(const void *arg)
{
	const char *kind = arg, *dev;
	const char *fs_dev = fs_create(&fs_ext4, DIR);
	char *want = alloc_pages(FILE_SIZE), *got;
	size_t done[NR_IO_METHODS], size, all = 0;
	enum io_method method;
	unsigned int i;
	int fd;

	fd = open(FILE_PATH, O_RDWR | O_CREAT, 0600);
	must(fd >= 0 && !ftruncate(fd, FILE_SIZE) && !close(fd));

	dev = file_dev_attach(kind, FILE_PATH);
	fd = open(dev, O_RDWR | O_DIRECT);
	must(fd >= 0);
	for (method = 0; method < NR_IO_METHODS; method++)
		done[method] = write_part(fd, method, want);
	close(fd);
	file_dev_detach(kind);

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		all += ranges[i].len;
	for (method = 0; method < NR_IO_METHODS; method++) {
		context("%s", io_method_name[method]);
		check_eq(done[method], all);
	}
	context("medium");
	fs_remount(&fs_ext4, DIR, fs_dev);
	got = file_map(FILE_PATH, &size);
	check_eq(size, FILE_SIZE);
	check_same(got, want, FILE_SIZE);
}

/* kernel_write(): a core dump has all memory of the process. */
#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

static void dump_core(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int status;
	pid_t pid;

	put_file(CORE_PATTERN, "%s", FILE_PATH);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!setrlimit(RLIMIT_CORE, &unlimited));
		abort();
	}
	must(waitpid(pid, &status, 0) == pid);
	must(WIFSIGNALED(status));
	put_file(CORE_PATTERN, "core");
	check(WCOREDUMP(status));
}

/* Where the dump has what was at @mem; check() that it does. */
static size_t core_offset(const char *core, size_t size, const char *mem)
{
	const struct elf64_hdr *header = (const struct elf64_hdr *)core;
	const struct elf64_phdr *seg;
	unsigned int i;

	check(size > sizeof(*header));
	check(!memcmp(header->e_ident, ELFMAG, SELFMAG));
	check(size > header->e_phoff + header->e_phnum * sizeof(*seg));
	seg = (const struct elf64_phdr *)(core + header->e_phoff);
	for (i = 0; i < header->e_phnum; i++, seg++)
		if (seg->p_type == PT_LOAD &&
		    (uintptr_t)mem - seg->p_vaddr < seg->p_filesz)
			return seg->p_offset + (uintptr_t)mem - seg->p_vaddr;
	check(!"memory is in the dump");
	return 0;
}

static void test_core_dump(const void *arg)
{
	const char *dev = fs_create(&fs_ext4, DIR);
	char *mem = alloc_pages(MIB), *core;
	size_t size, offset;

	pattern_fill(mem, MIB, SEED, 0);
	dump_core();
	fs_remount(&fs_ext4, DIR, dev);
	core = file_map(FILE_PATH, &size);
	offset = core_offset(core, size, mem);
	check(offset + MIB <= size);
	check_same(core + offset, mem, MIB);
}

/* Encoded write: what btrfs has compressed, given back to it */
#define EXTENT		(64 * KIB)
#define COPY_PATH	FILE_PATH ".copy"

static const struct fs_kind btrfs = {
	.type		= "btrfs",
	.mkfs		= "mkfs.btrfs -f --mixed",
	.options	= "compress-force=zlib",
};

static void test_btrfs_encoded(const void *arg)
{
	const char *dev = fs_create(&btrfs, DIR);
	char *want = alloc_pages(EXTENT), *encoded = alloc_pages(EXTENT), *got;
	struct iovec iov = { encoded, EXTENT };
	struct btrfs_ioctl_encoded_io_args args = { .iov = &iov, .iovcnt = 1 };
	int from = open(FILE_PATH, O_RDWR | O_CREAT, 0600);
	int to = open(COPY_PATH, O_RDWR | O_CREAT, 0600);
	size_t size;
	long len;

	pattern_fill(want, SECTOR, SEED, 0);
	for (size = SECTOR; size < EXTENT; size *= 2)
		memcpy(want + size, want, size);
	must(from >= 0 && to >= 0);
	must(write(from, want, EXTENT) == EXTENT && !fsync(from));

	len = ioctl(from, BTRFS_IOC_ENCODED_READ, &args);
	must(len > 0);
	must(args.compression == BTRFS_ENCODED_IO_COMPRESSION_ZLIB);
	must(args.unencoded_len == EXTENT);
	iov.iov_len = len;
	check_eq(ioctl(to, BTRFS_IOC_ENCODED_WRITE, &args), len);
	close(from);
	close(to);

	fs_remount(&btrfs, DIR, dev);
	got = file_map(COPY_PATH, &size);
	check_eq(size, EXTENT);
	check_same(got, want, EXTENT);
}

/*
 * Swap on NFS: a process that may have a quarter of its memory.  The server
 * runs on the same machine, so its file shows what came of each page.
 */
#define SWAP_PATH	NFS_DIR "/file"
#define SWAP_SIZE	(32 * MIB)
#define SWAP_MEM	(16 * MIB)
#define SWAP_LIMIT	(4 * MIB)
#define NR_SWAP_PAGES	(SWAP_MEM / PAGE)

struct swapper {
	pid_t	pid;
	int	orders;		/* end of file: go on */
};

/* A page of its memory: a number from 1 on, then a pattern */
static void swap_fill(char *page, __u64 nr)
{
	memcpy(page, &nr, sizeof(nr));
	pattern_fill(page + sizeof(nr), PAGE - sizeof(nr), SEED, nr * PAGE);
}

static __u64 swap_check(const char *page)
{
	__u64 nr = *(const __u64 *)page;
	size_t len = PAGE - sizeof(nr);

	if (!nr || nr > NR_SWAP_PAGES)
		return 0;
	page += sizeof(nr);
	return pattern_check(page, len, SEED, nr * PAGE) == len ? nr : 0;
}

static void swap_mem(int report, int orders)
{
	__u64 nr;
	char *mem, c = 0;

	put_file(CGROUP_DIR "/test/cgroup.procs", "%d", getpid());
	mem = alloc_pages(SWAP_MEM);
	for (nr = 1; nr <= NR_SWAP_PAGES; nr++)
		swap_fill(mem + (nr - 1) * PAGE, nr);
	must(write(report, &c, 1) == 1);
	must(!read(orders, &c, 1));
	for (nr = 1; nr <= NR_SWAP_PAGES; nr++)
		if (swap_check(mem + (nr - 1) * PAGE) != nr)
			_exit(1);
	_exit(0);
}

static struct swapper swapper_start(void)
{
	struct swapper swapper;
	int orders[2], report[2];
	char c;

	must(!pipe(orders) && !pipe(report));
	swapper.pid = fork();
	must(swapper.pid >= 0);
	if (!swapper.pid) {
		close(orders[1]);
		swap_mem(report[1], orders[0]);
	}
	close(orders[0]);
	close(report[1]);
	swapper.orders = orders[1];
	must(read(report[0], &c, 1) == 1);
	close(report[0]);
	return swapper;
}

/* How many pages of the memory are in the server's file */
static size_t pages_found(void)
{
	static bool found[NR_SWAP_PAGES + 1];
	size_t size, pos, all = 0;
	char *file = file_map(FILE_PATH, &size);

	for (pos = PAGE; pos < size; pos += PAGE) {
		__u64 nr = swap_check(file + pos);

		all += nr && !found[nr];
		found[nr] = true;
	}
	munmap(file, size);
	return all;
}

static void swap_on(void)
{
	fs_create(&fs_ext4, DIR);
	must(!mkdir(NFS_DIR, 0700) && !mkdir(CGROUP_DIR, 0700));
	run("./nfs_loop.sh start %s %s", DIR, NFS_DIR);
	run("dd if=/dev/zero of=%s bs=1M count=%lu status=none", SWAP_PATH,
	    SWAP_SIZE / MIB);
	run("chmod 600 %s && mkswap -q %s", SWAP_PATH, SWAP_PATH);
	must(!swapon(SWAP_PATH, 0));
	run("mount -t cgroup2 none %s", CGROUP_DIR);
	put_file(CGROUP_DIR "/cgroup.subtree_control", "+memory");
	must(!mkdir(CGROUP_DIR "/test", 0700));
	put_file(CGROUP_DIR "/test/memory.max", "%lu", SWAP_LIMIT);
}

static void swap_off(void)
{
	must(!rmdir(CGROUP_DIR "/test"));
	must(!swapoff(SWAP_PATH));
	run("./nfs_loop.sh stop %s", NFS_DIR);
	must(!rmdir(NFS_DIR));
}

static void test_swap(const void *arg)
{
	struct swapper swapper;
	size_t found;
	int status;

	swap_on();
	swapper = swapper_start();
	found = pages_found();
	close(swapper.orders);
	must(waitpid(swapper.pid, &status, 0) == swapper.pid);
	swap_off();

	check_eq(status, 0);
	check(found >= (SWAP_MEM - SWAP_LIMIT) / PAGE);
}

static const struct dio_test tests[] = {
	{ "kernel_write, a core dump", test_core_dump, NULL },
	{ "loop, direct", test_file_dev, "loop" },
	{ "loop, buffered", test_file_dev, "loop-buffered" },
	{ "NVMe target, direct", test_file_dev, "nvmet" },
	{ "NVMe target, buffered", test_file_dev, "nvmet-buffered" },
	{ "SCSI target, asynchronous", test_file_dev, "target" },
	{ "SCSI target, buffered", test_file_dev, "target-buffered" },
	{ "swap over NFS", test_swap, NULL },
	{ "btrfs encoded write", test_btrfs_encoded, NULL },
};

int main(void)
{
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
