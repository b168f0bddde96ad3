// SPDX-License-Identifier: GPL-2.0
/*
 * Receives from a cipher into memory that changes hands while the cipher works:
 * the process forks and the rest of the page is written, or the page is one of
 * a file and is written back.  (T18, T55)
 *
 * The cipher is cryptd's, which has its work done by a kernel thread of the CPU
 * that asks for it.  A process with a real-time priority keeps that CPU busy
 * until the test has done what it wants to do meanwhile, so the outcome is the
 * same on every run.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "af_alg_util.h"
#include "dio_util.h"

/* Where the test runs, and the CPU that is held */
#define CPU_TEST	0
#define CPU_CIPHER	1

/* While it is held, nothing that has to run on every CPU can be asked for. */
#define RT_HOLDER	1
#define RT_READER	2
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

/* The page: the message at its start, the CPU writes behind it. */
#define MESSAGE		512
#define TEXT		(MESSAGE - GCM_TAG)
#define AT_CPU		2048
#define OLD		0x00
#define NEW		0xff
#define SEED		55

#define RAM_DISK	"/dev/ram0"
#define MOUNT_POINT	"/tmp/af_alg_fork"

static const char lost[] = "LOST";

static char want[MESSAGE];

/* The CPU */

static struct {
	pid_t pid;
	int orders;
	int *busy;
} holder;

/* On the CPU that is held, nothing runs without a priority, not even this. */
static void move_to(int cpu, int rt_priority)
{
	struct sched_param param = { .sched_priority = rt_priority };
	int policy = rt_priority ? SCHED_FIFO : SCHED_OTHER;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (rt_priority)
		must(!sched_setscheduler(0, policy, &param));
	must(!sched_setaffinity(0, sizeof(set), &set));
	if (!rt_priority)
		must(!sched_setscheduler(0, policy, &param));
}

static int holder_is_busy(void)
{
	return __atomic_load_n(holder.busy, __ATOMIC_SEQ_CST);
}

static void holder_set(int busy)
{
	__atomic_store_n(holder.busy, busy, __ATOMIC_SEQ_CST);
}

static void holder_start(void)
{
	int orders[2];
	char byte;

	holder.busy = mmap(NULL, sizeof(*holder.busy), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(holder.busy != MAP_FAILED);
	must(!pipe(orders));
	holder.pid = fork();
	must(holder.pid >= 0);
	if (!holder.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		move_to(CPU_CIPHER, RT_HOLDER);
		while (read(orders[0], &byte, 1) == 1) {
			holder_set(1);
			while (holder_is_busy())
				;
		}
		_exit(0);
	}
	close(orders[0]);
	holder.orders = orders[1];
}

static void cpu_hold(void)
{
	must(write(holder.orders, "", 1) == 1);
	while (!holder_is_busy())
		usleep(1000);
}

static void cpu_release(void)
{
	holder_set(0);
}

static void holder_stop(void)
{
	close(holder.orders);
	must(waitpid(holder.pid, NULL, 0) == holder.pid);
}

/* A receive of the message, in flight */

struct receive {
	struct io io;
	pid_t tid;		/* BY_SYSCALL: the thread that waits */
};

static void *receive_thread(void *arg)
{
	struct receive *rcv = arg;

	move_to(CPU_CIPHER, RT_READER);
	__atomic_store_n(&rcv->tid, syscall(__NR_gettid), __ATOMIC_SEQ_CST);
	rcv->io.ret = read(rcv->io.fd, rcv->io.buf, rcv->io.len);
	return NULL;
}

/* Waits until the thread sleeps in the receive. */
static void wait_asleep(struct receive *rcv)
{
	char path[64], func[64] = "";
	FILE *f;

	while (!strstr(func, "recvmsg")) {
		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/wchan",
			 __atomic_load_n(&rcv->tid, __ATOMIC_SEQ_CST));
		f = fopen(path, "r");
		if (!f)
			continue;
		must(fscanf(f, "%63s", func) == 1);
		fclose(f);
	}
}

static void receive_start(struct receive *rcv, enum io_method method,
			  char *page)
{
	static const char iv[AES_BLOCK];
	bool aead = method != BY_SYSCALL;
	const struct alg_op op = { true, iv, aead ? GCM_IV : AES_BLOCK, 0 };
	char text[MESSAGE];

	*rcv = (struct receive) {
		.io = {
			.method	= method,
			.fd	= aead ? alg_open("aead", "cryptd(" GCM_AES ")",
						  iv, AES_BLOCK) :
					 alg_open("skcipher",
						  "cryptd(" CTR_AES ")",
						  iv, AES_BLOCK),
			.buf	= page,
			.len	= MESSAGE,
		},
	};
	pattern_fill(text, MESSAGE, SEED, 0);
	alg_send(rcv->io.fd, &op, text, aead ? TEXT : MESSAGE, 0);

	/* What the message has to be is known from the same, in no hurry. */
	memset(want, 0, MESSAGE);
	must(read(rcv->io.fd, want, MESSAGE) == MESSAGE);
	alg_send(rcv->io.fd, &op, text, aead ? TEXT : MESSAGE, 0);

	cpu_hold();
	if (method == BY_SYSCALL) {
		must(!pthread_create(&rcv->io.thread, NULL, receive_thread,
				     rcv));
		wait_asleep(rcv);
		return;
	}
	move_to(CPU_CIPHER, RT_READER);
	io_start(&rcv->io);
	move_to(CPU_TEST, 0);
}

static void receive_finish(struct receive *rcv)
{
	cpu_release();
	rcv->io.ret = io_wait(&rcv->io);
	close(rcv->io.fd);
}

/* Fork */

/* @broken: what happens loses the data of a page that is not pinned */
static const struct scenario {
	const char *name;
	bool broken;
	bool child_writes;
	bool child_exits;
	bool parent_writes;
} scenarios[] = {
	{ .name = "childwrite", .child_writes = true },
	{ .name = "parentwrite", .broken = true, .parent_writes = true },
	{ .name = "childexit", .broken = true, .child_exits = true,
	  .parent_writes = true },
};

static const char *const path_name[NR_IO_METHODS] = {
	[BY_SYSCALL]	= "cipher read",
	[BY_AIO]	= "aead aio",
	[BY_URING]	= "aead io_uring",
};

/* A child that lives until its pipe is closed, and has written by then */
static pid_t child_start(const struct scenario *scenario, char *page,
			 int *until)
{
	int orders[2], report[2];
	char byte;
	pid_t pid;

	must(!pipe(orders) && !pipe(report));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		close(orders[1]);
		if (scenario->child_writes)
			page[AT_CPU] = NEW;
		must(write(report[1], "", 1) == 1);
		_exit(read(orders[0], &byte, 1));
	}
	close(orders[0]);
	must(read(report[0], &byte, 1) == 1);
	close(report[0]);
	close(report[1]);
	*until = orders[1];
	return pid;
}

static void child_end(pid_t pid, int until)
{
	close(until);
	must(waitpid(pid, NULL, 0) == pid);
}

static bool is_old(const char *page)
{
	return page[0] == OLD && !memcmp(page, page + 1, MESSAGE - 1);
}

/* NULL, or what went wrong */
static const char *check_receive(const struct receive *rcv, const char *page)
{
	if (rcv->io.ret != MESSAGE)
		return "short read";
	if (!memcmp(page, want, MESSAGE))
		return NULL;
	return is_old(page) ? lost : "wrong data";
}

static void report(const char *path, const char *name, bool broken,
		   const char *wrong, const struct pins *pins)
{
	const char *error = "";

	if (!wrong && pins->acquired != pins->released)
		wrong = "pins leaked";
	/* What is right without a pin was luck.  @want was received too. */
	if (!wrong && broken && pins->acquired != 2)
		wrong = "not pinned";
	if (wrong && !(wrong == lost && broken))
		error = "error: ";
	ksft_test_result(!wrong, "%s: %s: %s%s, pins +%ld -%ld\n", path, name,
			 error, wrong ?: broken ? "kept" : "ok",
			 pins->acquired, pins->released);
}

static void test_fork(enum io_method method, const struct scenario *scenario)
{
	struct pins start = pins_now(), pins;
	char *page = alloc_pages(PAGE);
	const char *wrong = NULL;
	struct receive rcv;
	pid_t child;
	int until;

	receive_start(&rcv, method, page);
	child = child_start(scenario, page, &until);
	if (scenario->child_exits)
		child_end(child, until);
	if (scenario->parent_writes)
		page[AT_CPU] = NEW;
	if (!is_old(page))
		wrong = "not held back";
	receive_finish(&rcv);
	if (!scenario->child_exits)
		child_end(child, until);

	wrong = wrong ?: check_receive(&rcv, page);
	if (!wrong && page[AT_CPU] != (scenario->parent_writes ? (char)NEW : OLD))
		wrong = "the write of the CPU is gone";
	munmap(page, PAGE);
	pins = pins_since(&start);
	report(path_name[method], scenario->name, scenario->broken, wrong,
	       &pins);
}

/*
 * A page of a file is written back after it was taken for the receive.  The RAM
 * disk does its I/O in the call, on the CPU that is not held.
 */
static void test_written_back(enum io_method method)
{
	struct pins start = pins_now(), pins;
	char *page, got[PAGE] = {};
	const char *wrong = NULL;
	struct receive rcv;
	int fd;

	fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0);
	must(write(fd, got, PAGE) == PAGE && !fsync(fd));
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(page != MAP_FAILED);

	receive_start(&rcv, method, page);
	must(!msync(page, PAGE, MS_SYNC));
	if (!is_old(page))
		wrong = "not held back";
	receive_finish(&rcv);
	wrong = wrong ?: check_receive(&rcv, page);

	/* What is clean is thrown away, and read again from the disk. */
	munmap(page, PAGE);
	must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	must(pread(fd, got, PAGE, 0) == PAGE);
	wrong = wrong ?: check_receive(&rcv, got);
	close(fd);
	pins = pins_since(&start);
	report(path_name[method], "written back", true, wrong, &pins);
}

int main(void)
{
	long runtime = get_file(RT_RUNTIME);
	enum io_method method;
	unsigned int i;

	setlinebuf(stdout);
	ksft_print_header();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("there is no CPU to hold\n");
	ksft_set_plan(NR_IO_METHODS * (ARRAY_SIZE(scenarios) + 1));

	run("mke2fs -q -F -t ext2 %s", RAM_DISK);
	run("mkdir -p %s && mount -t ext2 %s %s", MOUNT_POINT, RAM_DISK,
	    MOUNT_POINT);
	put_file(RT_RUNTIME, "-1");
	move_to(CPU_TEST, 0);
	holder_start();

	for (method = 0; method < NR_IO_METHODS; method++) {
		for (i = 0; i < ARRAY_SIZE(scenarios); i++)
			test_fork(method, &scenarios[i]);
		test_written_back(method);
	}

	holder_stop();
	put_file(RT_RUNTIME, "%ld", runtime);
	run("umount %s", MOUNT_POINT);
	ksft_finished();
}
