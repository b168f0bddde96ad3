// SPDX-License-Identifier: GPL-2.0
/*
 * A TLS record that is decrypted right into the memory of recv(), while the
 * process forks and the memory is written.
 *
 * fork() shares the pages copy-on-write.  Unless the kernel has pinned them,
 * whoever touches one first moves the process to a copy, the plain text goes to
 * the original, and recv() returns success without data.
 *
 * The first page is there and the second one is missing.  So the kernel holds
 * the first when it asks a userfaultfd for the second, and the cipher does not
 * run before the test has answered: the outcome is the same on every run.
 *
 * T69 of the list of pitfalls.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_alg.h>
#include <linux/tls.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"

#define PAGE		4096UL
#define SIZE		(2 * PAGE)
#define OLD		0x00
#define SEED		3

/* @broken: what happens loses the data of a page that is not pinned */
static const struct scenario {
	const char *name;
	bool fork, child_writes, parent_writes, broken;
} scenarios[] = {
	{ "nofork", false, false, true, false },
	{ "childwrite", true, true, false, false },
	{ "parentwrite", true, false, true, true },
};

struct rig {
	const char *cipher;
	int tx, rx, uffd;
	char *buf;
	size_t offset;		/* of the record in the first page */
	ssize_t ret;
};

/* From now on, the cipher works in the background. */
static void make_async(void)
{
	struct sockaddr_alg sa = {
		.salg_family = AF_ALG,
		.salg_type = "aead",
		.salg_name = "cryptd(gcm_base(ctr(aes-generic),ghash-generic))",
	};
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

	must(fd >= 0 && !bind(fd, (void *)&sa, sizeof(sa)));
	close(fd);
}

static void connect_pair(struct rig *rig)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	must(server >= 0 && !bind(server, (void *)&addr, len));
	must(!listen(server, 1) && !getsockname(server, (void *)&addr, &len));
	rig->tx = socket(AF_INET, SOCK_STREAM, 0);
	must(rig->tx >= 0 && !connect(rig->tx, (void *)&addr, len));
	rig->rx = accept(server, NULL, NULL);
	must(rig->rx >= 0);
	close(server);
	net_start_tls(rig->tx, TLS_TX);
	net_start_tls(rig->rx, TLS_RX);
}

/* Memory whose second page is there when the test says so */
static void map_buffer(struct rig *rig)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	rig->buf = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(rig->buf != MAP_FAILED);
	memset(rig->buf, OLD, PAGE);
	rig->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	must(rig->uffd >= 0 && !ioctl(rig->uffd, UFFDIO_API, &api));
	reg.range.start = (unsigned long)rig->buf + PAGE;
	reg.range.len = PAGE;
	must(!ioctl(rig->uffd, UFFDIO_REGISTER, &reg));
}

static void wait_for_fault(struct rig *rig)
{
	struct uffd_msg msg;

	must(read(rig->uffd, &msg, sizeof(msg)) == sizeof(msg));
	must(msg.event == UFFD_EVENT_PAGEFAULT);
}

static void let_fault(struct rig *rig)
{
	struct uffdio_zeropage zero = {
		.range.start = (unsigned long)rig->buf + PAGE,
		.range.len = PAGE,
	};

	must(!ioctl(rig->uffd, UFFDIO_ZEROPAGE, &zero));
}

static void *reader(void *arg)
{
	struct rig *rig = arg;

	rig->ret = recv(rig->rx, rig->buf + rig->offset, SIZE - rig->offset, 0);
	if (rig->ret < 0)
		rig->ret = -errno;
	return NULL;
}

static void send_record(struct rig *rig)
{
	size_t len = SIZE - rig->offset;
	char record[SIZE];

	pattern_fill(record, len, SEED, 0);
	must(send(rig->tx, record, len, 0) == (ssize_t)len);
}

/* A child that has the memory as well, until end of file on @orders */
static pid_t start_child(struct rig *rig, bool writes, int *orders)
{
	int order[2], report[2];
	char byte = 0;
	pid_t pid;

	must(!pipe(order) && !pipe(report));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		close(order[1]);
		if (writes)
			rig->buf[0] = OLD;
		must(write(report[1], &byte, 1) == 1);
		must(!read(order[0], &byte, 1));
		_exit(0);
	}
	must(read(report[0], &byte, 1) == 1);
	close(order[0]);
	close(report[0]);
	close(report[1]);
	*orders = order[1];
	return pid;
}

static const char lost[] = "LOST";

static const char *check(const struct rig *rig, const struct pins *pins,
			 bool pinned)
{
	size_t len = SIZE - rig->offset, good;

	if (rig->ret != (ssize_t)len)
		return "short read";
	good = pattern_check(rig->buf + rig->offset, len, SEED, 0);
	if (good < PAGE - rig->offset)
		return lost;
	if (good != len)
		return "wrong data";
	if (pins->acquired != pins->released)
		return "pins leaked";
	/* What is right without a pin was luck. */
	if (pinned && pins->acquired != 2)
		return "not pinned";
	return NULL;
}

static void test(struct rig *rig, const struct scenario *scenario)
{
	struct pins start = pins_now(), pins;
	const char *wrong, *error = "";
	pthread_t thread;
	int orders = -1;
	pid_t child = 0;

	map_buffer(rig);
	send_record(rig);
	must(!pthread_create(&thread, NULL, reader, rig));
	wait_for_fault(rig);
	if (scenario->fork)
		child = start_child(rig, scenario->child_writes, &orders);
	if (scenario->parent_writes)
		rig->buf[0] = OLD;
	let_fault(rig);
	must(!pthread_join(thread, NULL));
	if (child) {
		close(orders);
		must(waitpid(child, NULL, 0) == child);
	}

	pins = pins_since(&start);
	wrong = check(rig, &pins, scenario->broken);
	if (wrong && !(wrong == lost && scenario->broken))
		error = "error: ";
	ksft_test_result(!wrong, "tls recv%s at %zu: %s: %s%s, pins +%ld -%ld\n",
			 rig->cipher, rig->offset, scenario->name, error,
			 wrong ?: scenario->broken ? "kept" : "ok",
			 pins.acquired, pins.released);
	close(rig->uffd);
	munmap(rig->buf, SIZE);
}

static void test_all(struct rig *rig, const char *cipher)
{
	static const size_t offsets[] = { 0, 1000 };
	size_t i, k;

	rig->cipher = cipher;
	connect_pair(rig);
	for (k = 0; k < ARRAY_SIZE(offsets); k++) {
		rig->offset = offsets[k];
		for (i = 0; i < ARRAY_SIZE(scenarios); i++)
			test(rig, &scenarios[i]);
	}
	close(rig->tx);
	close(rig->rx);
}

int main(void)
{
	static struct rig rig;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(2 * 2 * ARRAY_SIZE(scenarios));

	run("ip link set lo up");
	test_all(&rig, "");
	make_async();
	test_all(&rig, ", async");
	ksft_finished();
}
