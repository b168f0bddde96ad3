// SPDX-License-Identifier: GPL-2.0
/*
 * T77: a process is killed while the device reads to its memory, or to memory
 * that the kernel lends for it.  It tells the server to stop, but does not get
 * to hear the answer.  The device goes on all the same.  So the memory must not
 * be used for anything else before that is over.
 *
 * A second signal ends the wait for that answer.  To a process that is dying
 * none is sent.  But a thread may die, by an execve() of another one, and the
 * process be killed after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"
#include "p9_util.h"

#define SEED		1
#define FILE_SIZE	(64 * KIB)

/* How much memory is taken to find a page that was freed */
#define HAYSTACK	(64 * MIB)

static void fill_file(void)
{
	int fd = open(P9_HELD, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *data = alloc_pages(FILE_SIZE);

	pattern_fill(data, FILE_SIZE, SEED, 0);
	must(fd >= 0 && write(fd, data, FILE_SIZE) == FILE_SIZE);
	close(fd);
	munmap(data, FILE_SIZE);
}

/* What the process that is to be killed tells: its page, and its thread */
static __u64 *frame;
static pid_t *reader;

static void read_directly(void)
{
	int fd = open(P9_HELD, O_RDONLY | O_DIRECT);
	char *buf = alloc_pages(PAGE);

	must(fd >= 0);
	*frame = page_frame(buf);
	read(fd, buf, PAGE);
}

static void read_to_page_cache(void)
{
	int fd = open(P9_HELD, O_RDONLY);

	must(fd >= 0);
	/* A read() would try again, on the same folio. */
	readahead(fd, 0, PAGE);
}

static void read_to_vmalloc(void)
{
	int fd = open(P9_HELD, O_RDONLY);

	must(fd >= 0);
	syscall(__NR_finit_module, fd, "", 0);
}

static void *run_reader(void *fn)
{
	*reader = gettid();
	((void (*)(void))fn)();
	return NULL;
}

struct victim {
	pid_t pid;
	int go;		/* closed, it makes the process call execve() */
};

static struct victim start_held(void (*fn)(void))
{
	struct victim victim;
	pthread_t thread;
	int fds[2];
	char c;

	must(!pipe(fds));
	p9_hold(true);
	victim.pid = fork();
	must(victim.pid >= 0);
	if (!victim.pid) {
		close(fds[1]);
		must(!pthread_create(&thread, NULL, run_reader, fn));
		must(!read(fds[0], &c, 1));
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	close(fds[0]);
	victim.go = fds[1];
	p9_wait_held();
	return victim;
}

/* What the reader waits in */
static bool waits_in(pid_t pid, const char *function)
{
	char path[64], wchan[64] = "";
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", pid, *reader);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	len = read(fd, wchan, sizeof(wchan) - 1);
	must(len >= 0);
	close(fd);
	return !strcmp(wchan, function);
}

/* Returns whether it is gone within a second. */
static bool kill_twice(const struct victim *victim)
{
	int tries = 20;

	close(victim->go);
	/* The flush has been sent. */
	while (!waits_in(victim->pid, "p9_client_rpc"))
		usleep(1000);
	must(!kill(victim->pid, SIGKILL));
	while (tries--) {
		usleep(50000);
		if (waitpid(victim->pid, NULL, WNOHANG) == victim->pid)
			return true;
	}
	return false;
}

/* The page of that frame, if it can be had, within memory that is all OLD */
#define OLD	0x11

static char *find_frame(char *memory)
{
	size_t pos;

	memset(memory, OLD, HAYSTACK);
	for (pos = 0; pos < HAYSTACK; pos += PAGE)
		if (page_frame(memory + pos) == *frame)
			return memory + pos;
	return NULL;
}

static bool is_old(const char *page)
{
	return page[0] == OLD && !memcmp(page, page + 1, PAGE - 1);
}

static const char *user_memory(void)
{
	char *memory = mmap(NULL, HAYSTACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *page;
	struct pins start = pins_now(), pins;
	const char *verdict = "kept";
	struct victim victim;

	must(memory != MAP_FAILED);
	victim = start_held(read_directly);
	if (!kill_twice(&victim)) {
		p9_hold(false);
		p9_release();
		return "error: cannot be killed";
	}

	page = find_frame(memory);
	pins = pins_since(&start);
	p9_hold(false);
	p9_release();
	if (page && !is_old(page))
		verdict = "LOST";
	else if (page)
		verdict = "error: free";
	else if (pins.acquired - pins.released != 1)
		verdict = "error: not pinned";
	munmap(memory, HAYSTACK);
	pins = pins_since(&start);
	if (pins.acquired != pins.released)
		verdict = "leaked";
	return verdict;
}

static const char *lent_memory(void (*fn)(void))
{
	struct victim victim = start_held(fn);
	bool gone = kill_twice(&victim);

	p9_hold(false);
	p9_release();
	if (!gone)
		must(waitpid(victim.pid, NULL, 0) == victim.pid);
	return gone ? "LOST" : "kept";
}

static void report(const char *what, const char *verdict)
{
	ksft_test_result(!strcmp(verdict, "kept"), "9p killed: %s: %s\n", what,
			 verdict);
}

int main(void)
{
	cpu_set_t one;

	/* A page that is freed is the next one that is allocated, on a CPU. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(!sched_setaffinity(0, sizeof(one), &one));
	frame = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(frame != MAP_FAILED);
	reader = (pid_t *)(frame + 1);

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(3);

	p9_mount("cache=none");
	fill_file();
	report("user memory", user_memory());
	report("vmalloc memory", lent_memory(read_to_vmalloc));
	p9_umount();

	p9_mount("cache=loose");
	report("page cache", lent_memory(read_to_page_cache));
	p9_umount();
	ksft_finished();
}
