// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that hold pages of the sender: TLS, which encrypts right from there,
 * and sockets whose messages a BPF program takes apart, or gives to others.
 * (One socket cannot have both.)
 *
 * What is sent holds references on the pages until the message is through.
 * Then there may be none: pages of hugetlb go back to their pool.
 *
 * T70 of the list of pitfalls.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/tls.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "net_util.h"

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

/* The whole packet */
static const struct bpf_insn parse[] = {
	{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = R0, .src_reg = R1,
	  .off = offsetof(struct __sk_buff, len) },
	EXIT(),
};

/*
 * How the data is sent: the first of the senders below, or some in turn.  What
 * is received can be redirected to another socket, which sends it on or whose
 * owner reads it.
 */
static const struct way {
	const char *name;
	const struct bpf_insn *insns;
	unsigned int nr_insns;
	unsigned int nr_senders;
	enum { STAY, SEND_ON, RECEIVE } redirect;
	bool parser;
} ways[] = {
	{ "TLS", NULL, 0, 1, STAY, false },
	{ "TLS, mixed with sendfile", NULL, 0, 2, STAY, false },
	{ "BPF, pushed and popped", push_pop, ARRAY_SIZE(push_pop), 2, STAY,
	  false },
	{ "BPF, in pieces", apply, ARRAY_SIZE(apply), 2, STAY, false },
	{ "BPF, sent on", NULL, 0, 4, SEND_ON, false },
	{ "BPF, parsed and sent on", NULL, 0, 4, SEND_ON, true },
	{ "BPF, received elsewhere", NULL, 0, 4, RECEIVE, false },
	{ "BPF, parsed and received elsewhere", NULL, 0, 4, RECEIVE, true },
};

struct rig {
	int tx, rx, file;
	int on_tx, on_rx;		/* of the other connection */
	int maps[2];
	char *buf;
	const char *wrong;
};

static void connect_pair(int *tx, int *rx)
{
	struct sockaddr_in addr = net_address("127.0.0.1", 0);
	int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	socklen_t len = sizeof(addr);

	must(server >= 0 && !bind(server, (void *)&addr, len));
	must(!listen(server, 1) && !getsockname(server, (void *)&addr, &len));
	*tx = socket(AF_INET, SOCK_STREAM, 0);
	must(*tx >= 0 && !connect(*tx, (void *)&addr, len));
	must(!setsockopt(*tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	*rx = accept(server, NULL, NULL);
	must(*rx >= 0);
	close(server);
}

static int make_map(void)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = 4, .value_size = 4, .max_entries = 1,
	};
	int map = bpf(BPF_MAP_CREATE, &create);

	must(map >= 0);
	return map;
}

static void put_socket(int map, int fd)
{
	union bpf_attr update = { .flags = BPF_ANY };
	int key = 0;

	update.map_fd = map;
	update.key = (unsigned long)&key;
	update.value = (unsigned long)&fd;
	must(!bpf(BPF_MAP_UPDATE_ELEM, &update));
}

static void attach(int map, int type, int attach_type,
		   const struct bpf_insn *insns, unsigned int nr)
{
	union bpf_attr attach = { .attach_type = attach_type };

	attach.target_fd = map;
	attach.attach_bpf_fd = bpf_load(type, 0, insns, nr);
	must(!bpf(BPF_PROG_ATTACH, &attach));
	close(attach.attach_bpf_fd);
}

/* Have a program look at all that is sent. */
static void look_at_sent(struct rig *rig, const struct way *way)
{
	attach(rig->maps[0], BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT,
	       way->insns, way->nr_insns);
	put_socket(rig->maps[0], rig->tx);
}

/* Have a program give away all that is received. */
static void redirect(struct rig *rig, const struct way *way)
{
	const struct bpf_insn verdict[] = {
		INSN(BPF_LD | BPF_DW | BPF_IMM, R2, BPF_PSEUDO_MAP_FD,
		     rig->maps[1]),
		{ },
		MOV(R3, 0),
		MOV(R4, way->redirect == RECEIVE ? BPF_F_INGRESS : 0),
		CALL(BPF_FUNC_sk_redirect_map),
		EXIT(),
	};

	put_socket(rig->maps[1],
		   way->redirect == RECEIVE ? rig->on_rx : rig->on_tx);
	attach(rig->maps[0], BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_VERDICT,
	       verdict, ARRAY_SIZE(verdict));
	if (way->parser)
		attach(rig->maps[0], BPF_PROG_TYPE_SK_SKB,
		       BPF_SK_SKB_STREAM_PARSER, parse, ARRAY_SIZE(parse));
	put_socket(rig->maps[0], rig->rx);
}

static void open_all(struct rig *rig, const struct way *way)
{
	connect_pair(&rig->tx, &rig->rx);
	connect_pair(&rig->on_tx, &rig->on_rx);
	rig->maps[0] = make_map();
	rig->maps[1] = make_map();
	if (way->redirect) {
		redirect(rig, way);
	} else if (way->insns) {
		look_at_sent(rig, way);
	} else {
		net_start_tls(rig->tx, TLS_TX);
		net_start_tls(rig->rx, TLS_RX);
	}
}

static void close_all(struct rig *rig)
{
	close(rig->tx);
	close(rig->rx);
	close(rig->on_tx);
	close(rig->on_rx);
	close(rig->maps[0]);
	close(rig->maps[1]);
}

struct receiver {
	struct rig *rig;
	int fd;
};

static void *receiver(void *arg)
{
	struct receiver *receiver = arg;
	const char *wrong = net_receive(receiver->fd, SIZE, SEED, 1);

	if (wrong)
		receiver->rig->wrong = wrong;
	return NULL;
}

static ssize_t send_plain(struct rig *rig, off_t pos, size_t len)
{
	return send(rig->tx, rig->buf + pos, len, 0);
}

static ssize_t send_file(struct rig *rig, off_t pos, size_t len)
{
	return sendfile(rig->tx, rig->file, &pos, len);
}

static ssize_t send_zerocopy(struct rig *rig, off_t pos, size_t len)
{
	return send(rig->tx, rig->buf + pos, len, MSG_ZEROCOPY);
}

/* The only pages of the sender that go through the loopback device */
static ssize_t send_spliced(struct rig *rig, off_t pos, size_t len)
{
	struct iovec iov = { rig->buf + pos, len };
	ssize_t in, out, ret = 0;
	int fds[2];

	must(!pipe(fds));
	in = vmsplice(fds[1], &iov, 1, 0);
	must(in > 0);
	for (out = 0; out < in && ret >= 0; out += ret)
		ret = splice(fds[0], NULL, rig->tx, NULL, in - out, 0);
	close(fds[0]);
	close(fds[1]);
	return ret < 0 ? ret : out;
}

static void send_all(struct rig *rig, const struct way *way)
{
	static ssize_t (*const senders[])(struct rig *, off_t, size_t) = {
		send_plain, send_file, send_zerocopy, send_spliced,
	};
	size_t done, len;
	ssize_t ret;
	int k = 0;

	for (done = 0; done < SIZE; done += ret) {
		len = SIZE - done < CHUNK ? SIZE - done : CHUNK;
		ret = senders[k++ % way->nr_senders](rig, 1 + done, len);
		if (ret <= 0) {
			rig->wrong = "send failed";
			shutdown(rig->tx, SHUT_WR);
			shutdown(rig->on_tx, SHUT_WR);
			return;
		}
	}
}

static void test(struct rig *rig, const struct way *way, bool hugetlb)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (hugetlb ? MAP_HUGETLB : 0);
	struct receiver to = { .rig = rig };
	long free_before = hugetlb_free();
	struct pins start = pins_now(), pins;
	int tries = 100;
	pthread_t thread;

	rig->wrong = NULL;
	rig->buf = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	must(rig->buf != MAP_FAILED);
	pattern_fill(rig->buf, HUGE, SEED, 0);
	open_all(rig, way);
	to.fd = way->redirect ? rig->on_rx : rig->rx;
	must(!pthread_create(&thread, NULL, receiver, &to));
	send_all(rig, way);
	must(!pthread_join(thread, NULL));
	close_all(rig);
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
	hugetlb_start();
	rig.file = make_file();
	for (k = 0; k < ARRAY_SIZE(ways); k++) {
		test(&rig, &ways[k], false);
		test(&rig, &ways[k], true);
	}
	hugetlb_end();
	ksft_finished();
}
