// SPDX-License-Identifier: GPL-2.0
/*
 * T78: vhost-scsi on all kinds of memory, with protection information, with
 * memory that is not there, with more of it than vhost-scsi takes, and with a
 * disk that goes away.  Buffers are huge pages where that is possible: one
 * reference too many on a part of it, and the page is lost for good.
 *
 * How many pages are pinned has to be right, but a kernel that pins none will
 * do; see vhost_scsi.c for those.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <asm/byteorder.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "vhost_util.h"

#define MAX_PAGES	2048		/* VHOST_SCSI_PREALLOC_SGLS */
#define RAM_DISK	"rd_pages=2064"	/* and some more */
#define NBD		"/dev/nbd0"

/* More often than there are commands, tags and entries to lose */
#define OFTEN		20

enum { PLAIN, PI, HELD, NR_TARGETS };

static const struct target targets[NR_TARGETS] = {
	[PLAIN] = { "naa.5001405000000010", "rd_mcp_0", RAM_DISK, false },
	[PI]    = { "naa.5001405000000011", "rd_mcp_1", RAM_DISK, true },
	[HELD]  = { "naa.5001405000000012", "iblock_2", "udev_path=" NBD, false },
};

static int device_do(bool write, unsigned int lba, const struct iovec *data,
		     unsigned int nr_data)
{
	struct vhost vhost;
	size_t len = 0;
	unsigned int i;
	int status;

	for (i = 0; i < nr_data; i++)
		len += data[i].iov_len;
	vhost_open(&vhost, &targets[PLAIN]);
	status = vhost_do(&vhost, &(struct vhost_cmd) {
		.write = write, .lba = lba, .nr_blocks = len / SECTOR,
		.data = data, .nr_data = nr_data,
	});
	vhost_close(&vhost);
	return status;
}

static struct iovec seg(void *base, size_t len)
{
	return (struct iovec) { base, len };
}

/* Pins since @start are none, or @pages of them. */
static void check_pins(const struct pins *start, long pages)
{
	struct pins pins = pins_since(start);

	check_eq(pins.released, pins.acquired);
	if (pins.acquired)
		check_eq(pins.acquired, pages);
}

/*
 * Layouts: @nr_segs segments of @len bytes, the first at @offset into the
 * memory, each @stride after the one before.  They take @pages pins.
 */
enum memory { SMALL, SCATTERED, HUGE_PAGES };

static const struct layout {
	enum memory memory;
	size_t offset, len, stride;
	unsigned int nr_segs;
	long pages;
} layouts[] = {
	{ SMALL,	0,	SECTOR,		0,	1,	1 },
	{ SMALL,	1,	SECTOR,		0,	1,	1 },
	{ SMALL,	PAGE - 1, SECTOR,	0,	1,	2 },
	{ SMALL,	0,	64 * KIB,	0,	1,	16 },
	{ SMALL,	100,	64 * KIB,	0,	1,	17 },
	/* several descriptors: apart, adjacent, a few bytes each */
	{ SMALL,	0,	PAGE,		2 * PAGE, 16,	16 },
	{ SMALL,	3,	PAGE,		2 * PAGE, 16,	32 },
	{ SMALL,	0,	SECTOR,		SECTOR,	8,	8 },
	{ SMALL,	0,	128,		256,	16,	16 },
	{ SMALL,	0,	8,		PAGE,	64,	64 },
	{ SCATTERED,	SECTOR,	MIB,		0,	1,	257 },
	{ SCATTERED,	0,	3 * PAGE,	4 * PAGE, 40,	120 },
	{ HUGE_PAGES,	0,	2 * MIB,	0,	1,	512 },
	{ HUGE_PAGES,	100,	4 * MIB,	0,	1,	1025 },
	{ HUGE_PAGES,	HUGE - PAGE, 2 * PAGE,	HUGE,	2,	4 },
	/* as much as there may be */
	{ HUGE_PAGES,	0,	MAX_PAGES * PAGE, 0,	1,	MAX_PAGES },
	{ HUGE_PAGES,	PAGE - SECTOR, 2 * SECTOR, 2 * PAGE, 1000, 2000 },
	{ SMALL,	PAGE - 4, 8,		2 * PAGE, 960,	1920 },
};

static size_t layout_fill(const struct layout *l, char *mem, struct iovec *segs)
{
	unsigned int i;

	for (i = 0; i < l->nr_segs; i++)
		segs[i] = seg(mem + l->offset + i * l->stride, l->len);
	return l->nr_segs * l->len;
}

static void *layout_memory(const struct layout *l, size_t *len)
{
	*len = l->offset + (l->nr_segs - 1) * l->stride + l->len;
	*len = (*len + PAGE - 1) & -PAGE;
	switch (l->memory) {
	case SCATTERED:
		return map_scattered(*len);
	case HUGE_PAGES:
		*len = (*len + HUGE - 1) & -HUGE;
		return map_huge(*len, MAP_PRIVATE);
	default:
		return alloc_pages(*len);
	}
}

static void test_layout(const struct layout *l, unsigned int seed)
{
	struct iovec segs[MAX_SEGS];
	size_t mem_len, len, i;
	struct pins start;
	char *mem = layout_memory(l, &mem_len);

	len = layout_fill(l, mem, segs);
	context("offset %zu, %u times %zu", l->offset, l->nr_segs, l->len);
	start = pins_now();
	for (i = 0; i < l->nr_segs; i++)
		pattern_fill(segs[i].iov_base, l->len, seed, i * l->len);
	check_eq(device_do(true, seed, segs, l->nr_segs), 0);
	check_pins(&start, 0);

	memset(mem, 0, mem_len);
	check_eq(device_do(false, seed, segs, l->nr_segs), 0);
	check_pins(&start, l->pages);
	for (i = 0; i < l->nr_segs; i++) {
		check_pattern(segs[i].iov_base, l->len, seed, i * l->len);
		memset(segs[i].iov_base, 0, l->len);
	}
	for (i = 0; i < mem_len; i++)
		if (mem[i])
			break;
	check_eq(i, mem_len);
	check(len % SECTOR == 0);
	munmap(mem, mem_len);
}

static void test_layouts(const void *arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		test_layout(&layouts[i], i + 1);
}

/* More pages than there are entries: refused, with nothing held. */
static void test_too_many(const void *arg)
{
	static const struct layout many[] = {
		{ HUGE_PAGES, 0, (MAX_PAGES + 1) * PAGE, 0, 1, 0 },
		{ HUGE_PAGES, 1, MAX_PAGES * PAGE, 0, 1, 0 },
		{ HUGE_PAGES, PAGE - SECTOR, PAGE + 2 * SECTOR, PAGE, 1000, 0 },
	};
	struct iovec segs[MAX_SEGS];
	struct pins start = pins_now();
	size_t mem_len;
	unsigned int i, write;
	char *mem;

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		mem = layout_memory(&many[i], &mem_len);
		layout_fill(&many[i], mem, segs);
		for (write = 0; write < 2; write++)
			check_eq(device_do(write, 0, segs, many[i].nr_segs),
				 VHOST_BAD_TARGET);
		munmap(mem, mem_len);
	}
	check_pins(&start, 0);
}

/* Memory that is not there after @good bytes; some of it was taken before. */
static void test_fault_at(bool write, char *mem, size_t len, size_t good,
			  const struct iovec *segs, unsigned int nr_segs)
{
	const struct iovec whole = seg(mem, good);
	struct vhost vhost;
	struct vhost_cmd bad = {
		.write = write, .nr_blocks = len / SECTOR,
		.data = segs, .nr_data = nr_segs,
	}, ok = {
		.write = write, .nr_blocks = good / SECTOR,
		.data = &whole, .nr_data = 1,
	};
	unsigned int i;

	pattern_fill(mem, good, 1, 0);
	vhost_open(&vhost, &targets[PLAIN]);
	for (i = 0; i < OFTEN; i++)
		check_eq(vhost_do(&vhost, &bad), VHOST_BAD_TARGET);
	check_pattern(mem, good, 1, 0);
	check_eq(vhost_do(&vhost, &ok), 0);
	vhost_close(&vhost);
}

/*
 * A huge page, and behind it pages that cannot be had: not mapped, not
 * accessible, or not writable.
 */
static char *huge_page_before(int prot)
{
	char *p = mmap(NULL, 4 * HUGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	must(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		  MAP_HUGETLB | MAP_POPULATE | MAP_FIXED, -1, 0) == p);
	if (prot < 0)
		must(!munmap(p + HUGE, HUGE));
	else
		must(!mprotect(p + HUGE, HUGE, prot));
	return p;
}

static const int absent[] = { -1, PROT_NONE, PROT_READ };

static void test_fault(const void *arg)
{
	bool write = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(absent) - write; i++) {
		char *mem = huge_page_before(absent[i]);
		size_t good = 16 * PAGE;
		char *at = mem + HUGE - good;
		const struct iovec one = seg(at, 2 * good);
		struct iovec many[34];
		unsigned int k;

		context("memory %d", absent[i]);
		test_fault_at(write, at, 2 * good, good, &one, 1);

		/* more runs than are taken at a time */
		for (k = 0; k < 33; k++)
			many[k] = seg(mem + 2 * k * PAGE, PAGE);
		many[k] = seg(mem + HUGE, PAGE);
		test_fault_at(write, mem, 34 * PAGE, PAGE, many, 34);
		many[0] = seg(mem + HUGE, PAGE);
		test_fault_at(write, mem, 34 * PAGE, PAGE, many, 34);
		munmap(mem, HUGE);
	}
}

/* Protection information: guard, application tag, reference tag */

struct tuple {
	__be16 guard;
	__be16 app;
	__be32 ref;
};

static __u16 crc_t10dif(const unsigned char *p, size_t len)
{
	__u16 crc = 0;
	int bit;

	while (len--) {
		crc ^= *p++ << 8;
		for (bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0);
	}
	return crc;
}

static void tuples_fill(void *prot, const char *data, unsigned int lba,
			unsigned int nr_blocks)
{
	struct tuple tuple;
	unsigned int i;

	for (i = 0; i < nr_blocks; i++) {
		tuple.guard = __cpu_to_be16(crc_t10dif((void *)data, SECTOR));
		tuple.app = 0x1234;
		tuple.ref = __cpu_to_be32(lba + i);
		memcpy(prot + i * sizeof(tuple), &tuple, sizeof(tuple));
		data += SECTOR;
	}
}

#define PI_BLOCKS	1024
#define PI_LEN		(PI_BLOCKS * sizeof(struct tuple))
#define PI_DATA		(PI_BLOCKS * SECTOR)

struct pi_rig {
	struct vhost vhost;
	char *mem;		/* data, and tuples in the second page from the end */
	struct iovec data, prot[2];
	struct vhost_cmd cmd;
};

static void pi_start(struct pi_rig *rig, bool write)
{
	char *prot;

	rig->mem = map_huge(HUGE, MAP_PRIVATE);
	rig->data = seg(rig->mem + SECTOR, PI_DATA);
	/* tuples do not cross a page */
	prot = rig->mem + HUGE - 4 * PAGE;
	rig->prot[0] = seg(prot, PI_LEN - 40);
	rig->prot[1] = seg(prot + 3 * PAGE + 8, 40);
	rig->cmd = (struct vhost_cmd) {
		.write = write, .lba = 4, .nr_blocks = PI_BLOCKS,
		.data = &rig->data, .nr_data = 1,
		.prot = rig->prot, .nr_prot = 2,
	};
	vhost_open(&rig->vhost, &targets[PI]);
}

static void pi_fill(const struct pi_rig *rig)
{
	char tuples[PI_LEN];

	pattern_fill(rig->data.iov_base, PI_DATA, 7, 0);
	tuples_fill(tuples, rig->data.iov_base, rig->cmd.lba, PI_BLOCKS);
	memcpy(rig->prot[0].iov_base, tuples, PI_LEN - 40);
	memcpy(rig->prot[1].iov_base, tuples + PI_LEN - 40, 40);
}

static void pi_end(struct pi_rig *rig)
{
	vhost_close(&rig->vhost);
	munmap(rig->mem, HUGE);
}

static void test_pi(const void *arg)
{
	struct pins start = pins_now();
	char *want = alloc_pages(HUGE);
	struct pi_rig rig;

	pi_start(&rig, true);
	pi_fill(&rig);
	check_eq(vhost_do(&rig.vhost, &rig.cmd), 0);
	check_pins(&start, 0);
	memcpy(want, rig.mem, HUGE);

	memset(rig.mem, 0, HUGE);
	rig.cmd.write = false;
	check_eq(vhost_do(&rig.vhost, &rig.cmd), 0);
	check_pins(&start, PI_DATA / PAGE + 1 + 2 + 1);
	check_same(rig.mem, want, HUGE);

	/* The disk looks at the tuples, and refuses what does not fit. */
	rig.cmd.write = true;
	rig.mem[SECTOR + 5]++;
	check_eq(vhost_do(&rig.vhost, &rig.cmd), CHECK_CONDITION);
	/* No tuples on the wire, in a request that has room for them */
	rig.cmd.write = false;
	rig.cmd.nr_prot = 0;
	check_eq(vhost_do(&rig.vhost, &rig.cmd), 0);
	check_same(rig.mem, want, HUGE);
	pi_end(&rig);
	munmap(want, HUGE);
}

/* A fault in the tuples, in data behind good tuples; too many tuples */
static void test_pi_fault(const void *arg)
{
	bool write = arg;
	char *bad = huge_page_before(-1);
	struct iovec prot, data;
	struct pi_rig rig;
	unsigned int i;

	pi_start(&rig, write);
	pi_fill(&rig);
	prot = rig.prot[1];
	data = rig.data;
	for (i = 0; i < OFTEN; i++) {
		rig.prot[1] = seg(bad + HUGE, 40);
		check_eq(vhost_do(&rig.vhost, &rig.cmd), VHOST_BAD_TARGET);
		rig.prot[1] = prot;
		rig.data = seg(bad + HUGE - PI_DATA / 2, PI_DATA);
		check_eq(vhost_do(&rig.vhost, &rig.cmd), VHOST_BAD_TARGET);
		rig.data = data;
	}
	munmap(bad, HUGE);
	bad = map_huge(5 * HUGE, MAP_PRIVATE);
	rig.prot[0] = seg(bad, MAX_PAGES * PAGE);
	for (i = 0; i < OFTEN; i++)
		check_eq(vhost_do(&rig.vhost, &rig.cmd), VHOST_BAD_TARGET);
	/* tuples that fit, and data that does not: the tuples are taken */
	pi_end(&rig);
	pi_start(&rig, write);
	for (i = 0; i < OFTEN; i++) {
		rig.data = seg(bad, (MAX_PAGES + 1) * PAGE);
		check_eq(vhost_do(&rig.vhost, &rig.cmd), VHOST_BAD_TARGET);
	}
	munmap(bad, 5 * HUGE);
	/* What is left is a disk that works. */
	rig.data = seg(rig.mem + SECTOR, PI_DATA);
	pi_fill(&rig);
	check_eq(vhost_do(&rig.vhost, &rig.cmd), 0);
	pi_end(&rig);
}

/*
 * Requests that are all tuples, by what they say.  The kernel goes down with it
 * if it does not look.
 */
static void test_pi_excess(const void *arg)
{
	bool write = arg;
	struct pi_rig rig;
	static const size_t lens[] = { PI_DATA + PI_LEN, PI_DATA + PI_LEN + 1,
				       0x7fffffff, 0x80000000, 0xffffffff };
	unsigned int i;

	pi_start(&rig, write);
	pi_fill(&rig);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		rig.cmd.prot_len = lens[i];
		check_eq(vhost_do(&rig.vhost, &rig.cmd), VHOST_BAD_TARGET);
	}
	pi_end(&rig);
}

/* A command in flight, and what becomes of it if the disk goes away */

static struct nbd nbd = { .path = NBD };

struct flight {
	struct vhost vhost;
	char *mem;
	struct iovec data;
	pid_t tid;
};

static void flight_start(struct flight *f, bool write)
{
	vhost_open(&f->vhost, &targets[HELD]);
	f->mem = map_huge(HUGE, MAP_PRIVATE);
	f->data = seg(f->mem + PAGE - 7, SECTOR);
	if (write)
		pattern_fill(f->data.iov_base, SECTOR, 3, 0);
	nbd_hold(&nbd, NBD_HOLD_BOTH);
	vhost_submit(&f->vhost, 0, &(struct vhost_cmd) {
		.write = write, .lba = 8, .nr_blocks = 1,
		.data = &f->data, .nr_data = 1,
	});
	nbd_wait_held(&nbd);
}

static void flight_end(struct flight *f, bool write)
{
	nbd_hold(&nbd, NBD_HOLD_NONE);
	check_eq(vhost_wait(&f->vhost, 0), 0);
	if (write)
		check_pattern(nbd.disk + 8 * SECTOR, SECTOR, 3, 0);
	else
		check_pattern(f->data.iov_base, SECTOR, 2, 8 * SECTOR);
	vhost_close(&f->vhost);
	pattern_fill(nbd.disk, nbd.size, 2, 0);
}

/* Until the thread of that id waits for what the kernel cannot interrupt */
static void wait_blocked(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	while (state != 'D') {
		f = fopen(path, "r");
		must(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
		fclose(f);
		usleep(10000);
	}
}

static void *clear_thread(void *arg)
{
	struct flight *f = arg;

	__atomic_store_n(&f->tid, gettid(), __ATOMIC_SEQ_CST);
	vhost_clear_endpoint(&f->vhost);
	return NULL;
}

static void *unlink_thread(void *arg)
{
	struct flight *f = arg;

	__atomic_store_n(&f->tid, gettid(), __ATOMIC_SEQ_CST);
	target_unlink(&targets[HELD]);
	return NULL;
}

static void test_in_flight(bool write, void *(*fn)(void *arg))
{
	struct flight f = {};
	pthread_t thread;

	flight_start(&f, write);
	must(!pthread_create(&thread, NULL, fn, &f));
	while (!__atomic_load_n(&f.tid, __ATOMIC_SEQ_CST))
		usleep(1000);
	wait_blocked(f.tid);
	nbd_release(&nbd);
	must(!pthread_join(thread, NULL));
	flight_end(&f, write);
}

static void test_clear(const void *arg)
{
	test_in_flight(arg, clear_thread);
}

static void test_unlink(const void *arg)
{
	test_in_flight(arg, unlink_thread);
	target_link(&targets[HELD]);
}

/* The process dies, with all of its memory, while the disk still works. */
static void test_killed(const void *arg)
{
	struct flight f = {};
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		flight_start(&f, arg);
		raise(SIGKILL);
	}
	/* The command was seen by the child, which has to die first. */
	wait_blocked(pid);
	nbd_release(&nbd);
	must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	nbd_hold(&nbd, NBD_HOLD_NONE);
	if (arg)
		check_pattern(nbd.disk + 8 * SECTOR, SECTOR, 3, 0);
	pattern_fill(nbd.disk, nbd.size, 2, 0);
}

#define READS(test)	{ #test "_read", test_ ## test, NULL }
#define WRITES(test)	{ #test "_write", test_ ## test, "write" }

static const struct dio_test tests[] = {
	{ "layouts", test_layouts, NULL },
	{ "too_many", test_too_many, NULL },
	READS(fault), WRITES(fault),
	{ "pi", test_pi, NULL },
	READS(pi_fault), WRITES(pi_fault),
	READS(clear), WRITES(clear),
	READS(unlink), WRITES(unlink),
	READS(killed), WRITES(killed),
	READS(pi_excess), WRITES(pi_excess),
};

static pid_t main_pid;

static void remove_targets(void)
{
	unsigned int i;

	if (getpid() != main_pid)
		return;
	for (i = 0; i < NR_TARGETS; i++)
		target_remove(&targets[i]);
	nbd_stop(&nbd);
}

int main(void)
{
	unsigned int i;

	nbd_start(&nbd, NBD, MIB);
	pattern_fill(nbd.disk, nbd.size, 2, 0);
	for (i = 0; i < NR_TARGETS; i++)
		target_create(&targets[i]);
	main_pid = getpid();
	must(!atexit(remove_targets));
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
