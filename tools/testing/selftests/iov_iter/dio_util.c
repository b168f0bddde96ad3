// SPDX-License-Identifier: GPL-2.0
/* See dio_util.h. */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/dm-ioctl.h>
#include <linux/kernel-page-flags.h>

#include "../kselftest.h"
#include "dio_util.h"

/* A test takes a second or two; this is for one that hangs. */
#define TEST_TIMEOUT	120

#define NR_HUGE_PAGES	16
#define HUGE_SYSFS	"/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NULLB_CONFIG	"/sys/kernel/config/nullb/"

/* How a test ends that failed; any other status but 0 is a broken runner. */
#define EXIT_CHECK_FAILED	3

static void remove_devices(const char *prefix);
static void release_devices(void);
static void media_close(void);

/* Files in /proc and /sys */

/* Splices up to four pages from @pos on; there are @want of them, or some. */
static void splice_from(int fd, const int fds[2], loff_t pos, ssize_t want,
			unsigned int seed)
{
	char *buf = alloc_pages(4 * PAGE);
	loff_t at = pos;
	ssize_t len = splice(fd, &at, fds[1], NULL, 4 * PAGE, 0);

	check(want ? len == want : len > 0);
	check_eq(read(fds[0], buf, len), len);
	check_pattern(buf, len, seed, pos);
	munmap(buf, 4 * PAGE);
}

void splice_to_and_fro(int fd, size_t size, unsigned int seed, size_t len,
		       unsigned int seed_new, off_t pos)
{
	char *buf = alloc_pages(len);
	loff_t at = pos;
	int fds[2];

	must(!pipe(fds));
	splice_from(fd, fds, 100, 0, seed);
	splice_from(fd, fds, size - 2000, 2000, seed);

	pattern_fill(buf, len, seed_new, pos);
	check_eq(write(fds[1], buf, len), len);
	while (at < (loff_t)(pos + len))
		check(splice(fds[0], NULL, fd, &at, len, 0) > 0);
	close(fds[0]);
	close(fds[1]);
	munmap(buf, len);
}

void dio_at_end(int fd, size_t size, unsigned int seed)
{
	char *buf = alloc_pages(4 * PAGE);

	check_eq(pread(fd, buf + 9, 3 * PAGE, size - PAGE - 11), PAGE + 11);
	check_pattern(buf + 9, PAGE + 11, seed, size - PAGE - 11);
	/* What is behind stays as it is. */
	check_eq(buf[PAGE + 20], 0);
	check_eq(pread(fd, buf, PAGE, size), 0);
	munmap(buf, 4 * PAGE);
}

void dio_at_bad_page(int fd, unsigned int seed)
{
	char *buf = alloc_pages(4 * PAGE);

	must(!mprotect(buf + 2 * PAGE, PAGE, PROT_NONE));
	check_eq(pread(fd, buf, 4 * PAGE, 0), 2 * PAGE);
	check_pattern(buf, 2 * PAGE, seed, 0);
	check_errno(pread(fd, buf + 2 * PAGE, PAGE, 0), EFAULT);
	check_errno(pwrite(fd, buf + 2 * PAGE, PAGE, 0), EFAULT);
	check_eq(pwrite(fd, buf + PAGE, 2 * PAGE, PAGE), PAGE);
	munmap(buf, 4 * PAGE);
}

/* What the page cache has no longer was written back, or is lost. */
void dio_to_mapping(int fd, size_t size, unsigned int seed, const char *other)
{
	int other_fd = open(other, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *map;

	must(other_fd >= 0 && !ftruncate(other_fd, size));
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, other_fd, 0);
	must(map != MAP_FAILED);
	check_eq(pread(fd, map, size, 0), size);
	munmap(map, size);
	must(!fsync(other_fd));
	must(!posix_fadvise(other_fd, 0, 0, POSIX_FADV_DONTNEED));
	close(other_fd);
	check_file_data(other, size, seed, 0);
}

void check_file_data(const char *path, size_t len, unsigned int seed, off_t pos)
{
	char *data = alloc_pages(len);
	int fd = open(path, O_RDONLY);

	must(fd >= 0);
	check_eq(pread(fd, data, len, pos), len);
	check_pattern(data, len, seed, pos);
	close(fd);
	munmap(data, len);
}

pid_t fork_and_write(char *other)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	*other = 0x5a;
	return pid;
}

pid_t fork_reader(int fd)
{
	char *buf = alloc_pages(PAGE);
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		pread(fd, buf, SECTOR, 0);
		_exit(0);
	}
	return pid;
}

pid_t fork_splicer(int fd, unsigned int seed)
{
	static char data[PAGE];
	pid_t pid = fork();
	int fds[2];

	must(pid >= 0);
	if (!pid) {
		pattern_fill(data, PAGE, seed, 0);
		must(!pipe(fds));
		must(write(fds[1], data, PAGE) == PAGE);
		splice(fds[0], NULL, fd, NULL, PAGE, 0);
		_exit(0);
	}
	return pid;
}

void child_kill(pid_t pid)
{
	must(!kill(pid, SIGKILL));
	must(waitpid(pid, NULL, 0) == pid);
}

void put_file(const char *path, const char *fmt, ...)
{
	va_list args;
	FILE *f = fopen(path, "w");

	must(f);
	va_start(args, fmt);
	must(vfprintf(f, fmt, args) >= 0);
	va_end(args);
	must(!fclose(f));
}

long get_file(const char *path)
{
	FILE *f = fopen(path, "r");
	long value;

	must(f && fscanf(f, "%ld", &value) == 1);
	fclose(f);
	return value;
}

/* Checks */

static char where[128];

void context(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(where, sizeof(where), fmt, args);
	va_end(args);
}

void check_failed(const char *file, int line, const char *fmt, ...)
{
	char msg[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	ksft_print_msg("%s:%d: %s: %s\n", file, line, where, msg);
	fflush(stdout);

	/* This process can only die once its I/O has ended. */
	release_devices();
	_exit(EXIT_CHECK_FAILED);
}

size_t first_difference(const void *a, const void *b, size_t len)
{
	const char *p = a, *q = b;
	size_t i;

	if (!memcmp(a, b, len))
		return len;
	for (i = 0; p[i] == q[i];)
		i++;
	return i;
}

/* The runner */

static int log_fd;

static void log_open(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	must(log_fd >= 0);
	must(lseek(log_fd, 0, SEEK_END) >= 0);
}

/* Has the kernel complained since the last call? */
static bool log_is_clean(void)
{
	static const char *const bad[] = {
		"WARNING:", "BUG", "refcount_t:", "KASAN", "INFO: ", "Oops",
		"Call Trace:", "general protection", "Bad page",
	};
	bool clean = true;
	char line[1024];
	unsigned int i;
	ssize_t len;

	while ((len = read(log_fd, line, sizeof(line) - 1)) > 0 ||
	       errno == EPIPE) {
		if (len < 0)
			continue;
		line[len] = 0;
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			if (!strstr(line, bad[i]))
				continue;
			ksft_print_msg("kernel: %s", strchr(line, ';') + 1);
			clean = false;
			break;
		}
	}
	return clean;
}

struct rest {
	struct pins	pins;
	long		huge_pages;
};

static struct rest rest_now(void)
{
	return (struct rest) {
		.pins = pins_now(),
		.huge_pages = get_file(HUGE_SYSFS "free_hugepages"),
	};
}

/* Some releases happen in a worker, after the process is gone. */
static long huge_pages_lost(long before)
{
	int tries = 200;
	long lost;

	do {
		lost = before - get_file(HUGE_SYSFS "free_hugepages");
	} while (lost && tries-- && !usleep(10000));
	return lost;
}

static bool is_at_rest(const struct rest *before)
{
	struct pins pins = pins_since(&before->pins);
	long lost = huge_pages_lost(before->huge_pages);
	bool clean = log_is_clean();

	if (pins.acquired != pins.released)
		ksft_print_msg("%ld pages pinned, %ld released\n",
			       pins.acquired, pins.released);
	if (lost)
		ksft_print_msg("%ld huge pages lost\n", lost);
	return clean && pins.acquired == pins.released && !lost;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int wait_for_test(pid_t pid)
{
	int status;

	alarm(TEST_TIMEOUT);
	while (waitpid(pid, &status, 0) != pid) {
		must(errno == EINTR);
		ksft_print_msg("killed after %d s\n", TEST_TIMEOUT);
		kill(pid, SIGKILL);
		release_devices();
		alarm(TEST_TIMEOUT);
	}
	alarm(0);
	return status;
}

static bool run_test(const struct dio_test *test)
{
	struct rest before = rest_now();
	int status;
	bool rest;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		test->run(test->arg);
		exit(0);
	}

	status = wait_for_test(pid);
	if (WIFSIGNALED(status))
		ksft_print_msg("signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status) && WEXITSTATUS(status) != EXIT_CHECK_FAILED)
		exit(KSFT_FAIL);

	remove_devices("iovtest");
	rest = is_at_rest(&before);
	return !status && rest;
}

void dio_run_tests(const struct dio_test *tests, unsigned int nr)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	long nr_huge = get_file(HUGE_SYSFS "nr_hugepages"), in_use;
	unsigned int i;

	must(!sigaction(SIGALRM, &act, NULL));
	/* Some may be lost already, to a test that ran before. */
	in_use = nr_huge - get_file(HUGE_SYSFS "free_hugepages");
	put_file(HUGE_SYSFS "nr_hugepages", "%ld", in_use + NR_HUGE_PAGES);
	must(get_file(HUGE_SYSFS "free_hugepages") >= NR_HUGE_PAGES);
	log_open();

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(nr);
	for (i = 0; i < nr; i++)
		ksft_test_result(run_test(&tests[i]), "%s\n", tests[i].name);

	media_close();
	remove_devices("iov");
	put_file(HUGE_SYSFS "nr_hugepages", "%ld", nr_huge);
	ksft_finished();
}

/* Memory */

/* Fault a page in, and make it private to this process, as it is. */
void touch_read(const char *p)
{
	__atomic_load_n(p, __ATOMIC_SEQ_CST);
}

void touch_write(char *p)
{
	__atomic_fetch_add(p, 0, __ATOMIC_SEQ_CST);
}

void *map_thp(void)
{
	void *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	p = (void *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	must(!madvise(p, HUGE, MADV_HUGEPAGE));
	touch_write(p);
	must(page_is(p, KPF_THP));
	return p;
}

void *map_huge(size_t len, int flags)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       flags | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE,
		       -1, 0);

	must(p != MAP_FAILED);
	return p;
}

struct frame {
	__u64	number;
	off_t		offset;		/* in the file */
};

static int frame_cmp(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Takes twice the pages, and maps every second one in physical order. */
void *map_scattered(size_t len)
{
	size_t nr = 2 * len / PAGE, i;
	struct frame *frames = calloc(nr, sizeof(*frames));
	int fd = memfd_create("scattered", 0);
	char *all, *p;

	must(frames && fd >= 0 && !ftruncate(fd, 2 * len));
	all = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, fd, 0);
	must(all != MAP_FAILED);
	for (i = 0; i < nr; i++)
		frames[i] = (struct frame) {
			page_frame(all + i * PAGE), i * PAGE
		};
	qsort(frames, nr, sizeof(*frames), frame_cmp);
	munmap(all, 2 * len);

	p = alloc_pages(len);
	for (i = 0; i < len; i += PAGE)
		must(mmap(p + i, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			  frames[2 * i / PAGE].offset) == p + i);
	free(frames);
	close(fd);
	return p;
}

static __u64 read_entry(const char *path, __u64 index)
{
	int fd = open(path, O_RDONLY);
	__u64 entry;

	must(fd >= 0);
	must(pread(fd, &entry, sizeof(entry), index * sizeof(entry)) ==
	     sizeof(entry));
	close(fd);
	return entry;
}

__u64 page_frame(const void *page)
{
	__u64 entry = read_entry("/proc/self/pagemap",
				    (uintptr_t)page / PAGE);

	must(entry >> 63);	/* present */
	return entry & ((1ULL << 55) - 1);
}

bool frame_is(__u64 frame, unsigned int kpf)
{
	return read_entry("/proc/kpageflags", frame) >> kpf & 1;
}

bool page_is(const void *page, unsigned int kpf)
{
	return frame_is(page_frame(page), kpf);
}

/* Devices */

const char *nullb_create(const char *name, const char *attrs)
{
	char path[256], list[256], *attr, *pos, *dev;

	if (access(NULLB_CONFIG, F_OK))
		run("mount -t configfs none /sys/kernel/config");
	snprintf(path, sizeof(path), NULLB_CONFIG "%s", name);
	must(!mkdir(path, 0700));

	must(strlen(attrs) < sizeof(list));
	strcpy(list, attrs);
	for (attr = strtok_r(list, " ", &pos); attr;
	     attr = strtok_r(NULL, " ", &pos)) {
		char *value = strchr(attr, '=');

		*value++ = 0;
		snprintf(path, sizeof(path), NULLB_CONFIG "%s/%s", name, attr);
		put_file(path, "%s", value);
	}
	snprintf(path, sizeof(path), NULLB_CONFIG "%s/power", name);
	put_file(path, "1");

	must(asprintf(&dev, "/dev/%s", name) > 0);
	return dev;
}

/* One ioctl; returns the minor number of the device, or -1. */
static int dm_ioctl(unsigned long cmd, const char *name, unsigned int flags,
		    __u64 len, const char *target, const char *params)
{
	struct {
		struct dm_ioctl		dm;
		struct dm_target_spec	spec;
		char			params[256];
	} arg = {
		.dm = {
			.version = { DM_VERSION_MAJOR },
			.data_size = sizeof(arg),
			.data_start = offsetof(typeof(arg), spec),
			.target_count = target ? 1 : 0,
			.flags = flags,
		},
		.spec.length = len / SECTOR,
	};
	int fd = open("/dev/mapper/control", O_RDWR);
	int ret;

	must(fd >= 0);
	strcpy(arg.dm.name, name);
	if (target) {
		strcpy(arg.spec.target_type, target);
		must(strlen(params) < sizeof(arg.params));
		strcpy(arg.params, params);
	}
	ret = ioctl(fd, cmd, &arg);
	close(fd);
	return ret ? -1 : (int)(arg.dm.dev & 0xff);
}

const char *dm_create(const char *name, __u64 len, const char *target,
		      const char *params)
{
	char *dev;
	int minor;

	must(dm_ioctl(DM_DEV_CREATE, name, 0, 0, NULL, NULL) >= 0);
	must(dm_ioctl(DM_TABLE_LOAD, name, 0, len, target, params) >= 0);
	minor = dm_ioctl(DM_DEV_SUSPEND, name, 0, 0, NULL, NULL);
	must(minor >= 0);
	must(asprintf(&dev, "/dev/dm-%d", minor) > 0);
	return dev;
}

void dm_hold(const char *name)
{
	unsigned int flags = DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG |
			     DM_SKIP_LOCKFS_FLAG;

	must(dm_ioctl(DM_DEV_SUSPEND, name, flags, 0, NULL, NULL) >= 0);
}

void dm_release(const char *name)
{
	must(dm_ioctl(DM_DEV_SUSPEND, name, 0, 0, NULL, NULL) >= 0);
}

static void each_dm(const char *prefix, void (*fn)(const char *name))
{
	char name[DM_NAME_LEN];
	glob_t found;
	size_t i;
	FILE *f;

	if (glob("/sys/block/dm-*/dm/name", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		f = fopen(found.gl_pathv[i], "r");
		if (f && fscanf(f, "%127s", name) == 1 &&
		    !strncmp(name, prefix, strlen(prefix)))
			fn(name);
		if (f)
			fclose(f);
	}
	globfree(&found);
}

static void release_devices(void)
{
	each_dm("iov", dm_release);
}

static void dm_remove(const char *name)
{
	must(dm_ioctl(DM_DEV_REMOVE, name, 0, 0, NULL, NULL) >= 0);
}

static void each_path(const char *pattern, const char *prefix,
		      int (*fn)(const char *path))
{
	char path[256];
	glob_t found;
	size_t i;

	snprintf(path, sizeof(path), "%s%s*", pattern, prefix);
	if (glob(path, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		must(!fn(found.gl_pathv[i]));
	globfree(&found);
}

static int remove_mount(const char *path)
{
	return umount(path) ?: rmdir(path);
}

static void remove_devices(const char *prefix)
{
	release_devices();
	each_path("/tmp/", prefix, remove_mount);
	each_dm(prefix, dm_remove);
	each_path(NULLB_CONFIG, prefix, rmdir);
}

const char *scsi_debug_node(const char *class)
{
	char pattern[128], *path = NULL, model[32];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern),
		 "/sys/bus/scsi/devices/*:*:*:*/%s/*", class);
	must(!glob(pattern, 0, NULL, &found));
	for (i = 0; i < found.gl_pathc && !path; i++) {
		char *name = strrchr(found.gl_pathv[i], '/') + 1;
		FILE *f;

		snprintf(pattern, sizeof(pattern), "%s/../../model",
			 found.gl_pathv[i]);
		f = fopen(pattern, "r");
		must(f && fgets(model, sizeof(model), f));
		fclose(f);
		if (!strncmp(model, "scsi_debug", 10))
			must(asprintf(&path, "/dev/%s%s",
				      strcmp(class, "bsg") ? "" : "bsg/",
				      name) > 0);
	}
	globfree(&found);
	must(path);
	return path;
}

/* Media */

struct medium media[NR_MEDIA] = {
	{ .name = "bdev", .dev = "iovbdev" },
	{ .name = "ext4", .dev = "iovext4", .dir = "/tmp/iovext4" },
	{ .name = "xfs", .dev = "iovxfs", .dir = "/tmp/iovxfs" },
	/* one that uses fs/direct-io.c */
	{ .name = "ext2", .dev = "iovext2", .dir = "/tmp/iovext2",
	  .short_read = true },
};

static const struct {
	unsigned int	size;		/* of the device, in MiB */
	const char	*mkfs;
} media_setup[NR_MEDIA] = {
	{ 16,	NULL },
	/* A journal could wait for I/O that a test holds back. */
	{ 16,	"mkfs.ext4 -q -F -b 4096 -O ^has_journal" },
	{ 320,	"mkfs.xfs -q -f" },
	{ 16,	"mkfs.ext2 -q -F -b 4096" },
};

static const char *medium_device(const char *name, unsigned int size,
				 bool holdable)
{
	char attrs[64], params[64];
	const char *dev;

	snprintf(attrs, sizeof(attrs), "memory_backed=1 size=%u", size);
	dev = nullb_create(name, attrs);
	if (!holdable)
		return dev;
	snprintf(params, sizeof(params), "%s 0", dev);
	return dm_create(name, size * MIB, "linear", params);
}

static void medium_open(struct medium *m, const char *path)
{
	char *zeroes = calloc(1, MEDIUM_SIZE);

	m->cached = open(path, O_RDWR | O_CREAT, 0600);
	must(m->cached >= 0);
	must(pwrite(m->cached, zeroes, MEDIUM_SIZE, 0) == MEDIUM_SIZE);
	must(!fsync(m->cached));
	free(zeroes);

	m->direct = open(path, O_RDWR | O_DIRECT);
	must(m->direct >= 0);
}

void media_create(bool holdable)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < NR_MEDIA; i++) {
		struct medium *m = &media[i];
		const char *dev = medium_device(m->dev, media_setup[i].size,
						holdable);

		if (!m->dir) {
			medium_open(m, dev);
			continue;
		}
		must(!mkdir(m->dir, 0700));
		run("%s %s", media_setup[i].mkfs, dev);
		run("mount -o noatime,lazytime %s %s", dev, m->dir);
		snprintf(path, sizeof(path), "%s/file", m->dir);
		medium_open(m, path);
	}
}

static void media_close(void)
{
	struct medium *m;

	for (m = media; m < media + NR_MEDIA; m++) {
		close(m->direct);
		close(m->cached);
	}
}
