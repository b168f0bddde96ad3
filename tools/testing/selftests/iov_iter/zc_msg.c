// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that hold pages of the sender: TLS, which encrypts right from there,
 * and sockets whose messages a BPF program takes apart.  (One socket cannot have
 * both.)
 *
 * What is sent holds references on the pages until the message is through.
 * Then there may be none: pages of hugetlb go back to their pool.
 *
 * T70 of the list of pitfalls.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/tls.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"

#define HUGE		(2UL << 20)
#define SIZE		(512 * 1024UL)
#define CHUNK		40000UL		/* 2 records of 16 KiB, and a rest */
#define SEED		11

#define INSN(c, d, s, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .imm = (i) }
#define MOV(dst, value)	INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, value)
#define COPY(dst, src)	INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0)
#define CALL(func)	INSN(BPF_JMP | BPF_CALL, 0, 0, func)
#define EXIT()		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0)

enum { R0, R1, R2, R3, R4, R5, R6 };

/* Puts something in between, across the end of the first page, and out again */
static const struct bpf_insn push_pop[] = {
	COPY(R6, R1),
	MOV(R2, 4000), MOV(R3, 200), MOV(R4, 0), CALL(BPF_FUNC_msg_push_data),
	COPY(R1, R6),
	MOV(R2, 4000), MOV(R3, 200), MOV(R4, 0), CALL(BPF_FUNC_msg_pop_data),
	MOV(R0, SK_PASS),
	EXIT(),
};

/* In pieces, each of which the program sees again */
static const struct bpf_insn apply[] = {
	MOV(R2, 5000), CALL(BPF_FUNC_msg_apply_bytes),
	MOV(R0, SK_PASS),
	EXIT(),
};

static const struct way {
	const char *name;
	const struct bpf_insn *insns;
	unsigned int nr_insns;
	bool sendfile;
} ways[] = {
	{ "TLS", NULL, 0, false },
	{ "TLS, mixed with sendfile", NULL, 0, true },
	{ "BPF, pushed and popped", push_pop, ARRAY_SIZE(push_pop), true },
	{ "BPF, in pieces", apply, ARRAY_SIZE(apply), true },
};

struct rig {
	int tx, rx, file;
	char *buf;
	const char *wrong;
};

static void connect_pair(struct rig *rig)
{
	struct sockaddr_in addr = net_address("127.0.0.1", 0);
	socklen_t len = sizeof(addr);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	must(server >= 0 && !bind(server, (void *)&addr, len));
	must(!listen(server, 1) && !getsockname(server, (void *)&addr, &len));
	rig->tx = socket(AF_INET, SOCK_STREAM, 0);
	must(rig->tx >= 0 && !connect(rig->tx, (void *)&addr, len));
	rig->rx = accept(server, NULL, NULL);
	must(rig->rx >= 0);
	close(server);
}

/* Have a program look at all that is sent. */
static int start_bpf(struct rig *rig, const struct way *way)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = 4, .value_size = 4, .max_entries = 1,
	};
	union bpf_attr attach = { .attach_type = BPF_SK_MSG_VERDICT };
	union bpf_attr update = { .flags = BPF_ANY };
	int map = bpf(BPF_MAP_CREATE, &create), key = 0;

	must(map >= 0);
	attach.target_fd = map;
	attach.attach_bpf_fd = bpf_load(BPF_PROG_TYPE_SK_MSG, 0, way->insns,
					way->nr_insns);
	must(!bpf(BPF_PROG_ATTACH, &attach));
	close(attach.attach_bpf_fd);
	update.map_fd = map;
	update.key = (unsigned long)&key;
	update.value = (unsigned long)&rig->tx;
	must(!bpf(BPF_MAP_UPDATE_ELEM, &update));
	return map;
}

static void *receiver(void *arg)
{
	struct rig *rig = arg;
	const char *wrong = net_receive(rig->rx, SIZE, SEED, 1);

	if (wrong)
		rig->wrong = wrong;
	return NULL;
}

static void send_all(struct rig *rig, const struct way *way)
{
	size_t done, len;
	ssize_t ret;
	off_t pos;
	int k = 0;

	for (done = 0; done < SIZE; done += ret) {
		len = SIZE - done < CHUNK ? SIZE - done : CHUNK;
		pos = 1 + done;
		if (way->sendfile && ++k % 2)
			ret = sendfile(rig->tx, rig->file, &pos, len);
		else
			ret = send(rig->tx, rig->buf + pos, len, 0);
		if (ret <= 0) {
			rig->wrong = "send failed";
			shutdown(rig->tx, SHUT_WR);
			return;
		}
	}
}

static void test(struct rig *rig, const struct way *way, bool hugetlb)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (hugetlb ? MAP_HUGETLB : 0);
	long free_before = hugetlb_free();
	struct pins start = pins_now(), pins;
	int map = -1, tries = 100;
	pthread_t thread;

	rig->wrong = NULL;
	rig->buf = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	must(rig->buf != MAP_FAILED);
	pattern_fill(rig->buf, HUGE, SEED, 0);
	connect_pair(rig);
	if (way->insns) {
		map = start_bpf(rig, way);
	} else {
		net_start_tls(rig->tx, TLS_TX);
		net_start_tls(rig->rx, TLS_RX);
	}
	must(!pthread_create(&thread, NULL, receiver, rig));
	send_all(rig, way);
	must(!pthread_join(thread, NULL));
	close(rig->tx);
	close(rig->rx);
	if (map >= 0)
		close(map);
	if (pattern_check(rig->buf, HUGE, SEED, 0) != HUGE)
		rig->wrong = rig->wrong ?: "what was sent has changed";
	munmap(rig->buf, HUGE);

	pins = pins_since(&start);
	if (pins.acquired != pins.released)
		rig->wrong = rig->wrong ?: "pins leaked";
	while (hugetlb_free() != free_before && tries--)
		usleep(100000);
	if (hugetlb_free() != free_before)
		rig->wrong = rig->wrong ?: "pages leaked";
	ksft_test_result(!rig->wrong, "%s, from %s: %s\n", way->name,
			 hugetlb ? "hugetlb" : "pages", rig->wrong ?: "ok");
}

static int make_file(void)
{
	int fd = memfd_create("zc_msg", 0);
	static char data[SIZE + 1];

	pattern_fill(data, sizeof(data), SEED, 0);
	must(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
	return fd;
}

int main(void)
{
	static struct rig rig;
	size_t k;

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(2 * ARRAY_SIZE(ways));

	run("ip link set lo up");
	run("echo 2 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	rig.file = make_file();
	for (k = 0; k < ARRAY_SIZE(ways); k++) {
		test(&rig, &ways[k], false);
		test(&rig, &ways[k], true);
	}
	run("echo 0 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	ksft_finished();
}
