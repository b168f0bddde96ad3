// SPDX-License-Identifier: GPL-2.0
/* See nfs_util.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "nfs_util.h"

#define PATIENCE_MS	60000

#define MAX_HELD	16
#define MAX_CALLS	1024		/* without a reply yet */

#define LAST_FRAGMENT	0x80000000u

/* What the test tells the proxy, and the proxy the test */
struct control {
	enum nfs_op hold;
	unsigned int hold_bytes;
	bool spoil_commit;
	unsigned int nr_ops[NFS_COMMIT + 1];
};

static struct control *control;
static int held_fd, release_fd, disconnect_fd, disconnected_fd;
static pid_t proxy;

/* An RPC message as it is on the wire, behind the length */
struct msg {
	size_t len;
	char *data;
};

struct call {
	__u32 xid;
	enum nfs_op op;
	unsigned int bytes;
};

struct conn {
	int client, server;
	struct call calls[MAX_CALLS];
	struct msg held[MAX_HELD];
	unsigned int nr_held;
};

/* XDR */

struct xdr {
	const char *p, *end;
};

static __u32 xdr_u32(struct xdr *xdr)
{
	__u32 value;

	must(xdr->end - xdr->p >= 4);
	memcpy(&value, xdr->p, 4);
	xdr->p += 4;
	return ntohl(value);
}

static void xdr_skip(struct xdr *xdr, size_t len)
{
	len = (len + 3) & ~3;
	must((size_t)(xdr->end - xdr->p) >= len);
	xdr->p += len;
}

static void xdr_skip_opaque(struct xdr *xdr)
{
	xdr_skip(xdr, xdr_u32(xdr));
}

static void parse_v3(struct xdr *xdr, unsigned int proc, struct call *call)
{
	static const enum nfs_op ops[] = {
		[6] = NFS_READ, [7] = NFS_WRITE, [21] = NFS_COMMIT,
	};

	if (proc >= ARRAY_SIZE(ops))
		return;
	call->op = ops[proc];
	if (call->op == NFS_OTHER)
		return;
	xdr_skip_opaque(xdr);		/* file handle */
	xdr_skip(xdr, 8);		/* offset */
	call->bytes = xdr_u32(xdr);
}

enum nfs4_op {
	OP_COMMIT = 5,
	OP_PUTFH = 22,
	OP_READ = 25,
	OP_WRITE = 38,
	OP_SEQUENCE = 53,
};

/* What interests here comes behind SEQUENCE and PUTFH. */
static void parse_v4(struct xdr *xdr, unsigned int proc, struct call *call)
{
	unsigned int nr_ops;

	if (!proc)
		return;
	xdr_skip_opaque(xdr);		/* tag */
	xdr_skip(xdr, 4);		/* minor version */
	for (nr_ops = xdr_u32(xdr); nr_ops; nr_ops--) {
		switch (xdr_u32(xdr)) {
		case OP_SEQUENCE:
			xdr_skip(xdr, 32);
			break;
		case OP_PUTFH:
			xdr_skip_opaque(xdr);
			break;
		case OP_READ:
			call->op = NFS_READ;
			xdr_skip(xdr, 16 + 8);	/* stateid, offset */
			call->bytes = xdr_u32(xdr);
			return;
		case OP_WRITE:
			call->op = NFS_WRITE;
			xdr_skip(xdr, 16 + 8 + 4); /* and stability */
			call->bytes = xdr_u32(xdr);
			return;
		case OP_COMMIT:
			call->op = NFS_COMMIT;
			return;
		default:
			return;
		}
	}
}

enum { RPC_CALL, RPC_REPLY };

static struct call parse_call(const struct msg *msg)
{
	struct xdr xdr = { msg->data, msg->data + msg->len };
	struct call call = { .op = NFS_OTHER };
	unsigned int program, version, proc;

	call.xid = xdr_u32(&xdr);
	xdr_skip(&xdr, 4 + 4);		/* a call, version of RPC */
	program = xdr_u32(&xdr);
	version = xdr_u32(&xdr);
	proc = xdr_u32(&xdr);
	xdr_skip(&xdr, 4);		/* flavour of the credentials */
	xdr_skip_opaque(&xdr);
	xdr_skip(&xdr, 4);		/* and of the verifier */
	xdr_skip_opaque(&xdr);
	if (program == 100003 && version == 3)
		parse_v3(&xdr, proc, &call);
	if (program == 100003 && version == 4)
		parse_v4(&xdr, proc, &call);
	return call;
}

/* The proxy */

static bool send_all(int sock, const void *buf, size_t len)
{
	return send(sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool msg_send(int sock, struct msg *msg)
{
	__u32 header = htonl(msg->len | LAST_FRAGMENT);
	bool sent = send_all(sock, &header, sizeof(header)) &&
		    send_all(sock, msg->data, msg->len);

	free(msg->data);
	return sent;
}

/* Linux sends each message as one fragment. */
static bool msg_receive(int sock, struct msg *msg)
{
	__u32 header;

	if (recv(sock, &header, sizeof(header), MSG_WAITALL) != sizeof(header))
		return false;
	header = ntohl(header);
	must(header & LAST_FRAGMENT);
	msg->len = header & ~LAST_FRAGMENT;
	must(msg->len >= 8);
	msg->data = malloc(msg->len);
	must(msg->data);
	if (recv(sock, msg->data, msg->len, MSG_WAITALL) == (ssize_t)msg->len)
		return true;
	free(msg->data);
	return false;
}

static __u32 msg_u32(const struct msg *msg, size_t pos)
{
	__u32 value;

	memcpy(&value, msg->data + pos, sizeof(value));
	return ntohl(value);
}

static struct call *call_slot(struct conn *conn, __u32 xid)
{
	unsigned int i;

	for (i = 0; i < MAX_CALLS; i++)
		if (conn->calls[i].op != NFS_OTHER && conn->calls[i].xid == xid)
			return &conn->calls[i];
	return NULL;
}

static bool pass_call(struct conn *conn)
{
	struct call call, *slot;
	struct msg msg;
	unsigned int i;

	if (!msg_receive(conn->client, &msg))
		return false;
	/* or an answer to a callback */
	if (msg_u32(&msg, 4) == RPC_CALL) {
		call = parse_call(&msg);
		slot = call_slot(conn, call.xid);
		for (i = 0; !slot && i < MAX_CALLS; i++)
			if (conn->calls[i].op == NFS_OTHER)
				slot = &conn->calls[i];
		must(slot);
		*slot = call;
		__atomic_add_fetch(&control->nr_ops[call.op], 1,
				   __ATOMIC_SEQ_CST);
	}
	return msg_send(conn->server, &msg);
}

static bool is_held(const struct call *call)
{
	return call->op == __atomic_load_n(&control->hold, __ATOMIC_SEQ_CST) &&
	       call->bytes == control->hold_bytes;
}

static bool pass_reply(struct conn *conn)
{
	struct call *slot, call = { .op = NFS_OTHER };
	struct msg msg;

	if (!msg_receive(conn->server, &msg))
		return false;
	slot = msg_u32(&msg, 4) == RPC_REPLY ?
		call_slot(conn, msg_u32(&msg, 0)) : NULL;
	if (slot) {
		call = *slot;
		slot->op = NFS_OTHER;
	}
	/* The verifier is the last that is in the reply. */
	if (call.op == NFS_COMMIT && control->spoil_commit) {
		control->spoil_commit = false;
		msg.data[msg.len - 1] ^= 0xff;
	}
	if (call.op != NFS_OTHER && is_held(&call)) {
		must(conn->nr_held < MAX_HELD);
		conn->held[conn->nr_held++] = msg;
		must(!eventfd_write(held_fd, 1));
		return true;
	}
	return msg_send(conn->client, &msg);
}

static bool release_oldest(struct conn *conn)
{
	struct msg msg = conn->held[0];
	eventfd_t one;

	must(!eventfd_read(release_fd, &one));
	memmove(&conn->held[0], &conn->held[1],
		--conn->nr_held * sizeof(conn->held[0]));
	return msg_send(conn->client, &msg);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void conn_open(struct conn *conn, int listener)
{
	struct sockaddr_in addr = loopback(NFS_PORT);

	memset(conn, 0, sizeof(*conn));
	conn->client = accept(listener, NULL, NULL);
	must(conn->client >= 0);
	conn->server = socket(AF_INET, SOCK_STREAM, 0);
	must(conn->server >= 0);
	must(!connect(conn->server, (struct sockaddr *)&addr, sizeof(addr)));
}

static void conn_close(struct conn *conn)
{
	while (conn->nr_held)
		free(conn->held[--conn->nr_held].data);
	close(conn->client);
	close(conn->server);
}

/* Until the connection ends, one way or the other */
static void serve_conn(struct conn *conn)
{
	enum { CLIENT, SERVER, RELEASE, DISCONNECT, NR };
	eventfd_t one;
	bool up = true;

	while (up) {
		struct pollfd fds[NR] = {
			[CLIENT] = { conn->client, POLLIN, 0 },
			[SERVER] = { conn->server, POLLIN, 0 },
			[RELEASE] = { conn->nr_held ? release_fd : -1,
				      POLLIN, 0 },
			[DISCONNECT] = { disconnect_fd, POLLIN, 0 },
		};

		must(poll(fds, NR, -1) > 0);
		if (fds[DISCONNECT].revents) {
			must(!eventfd_read(disconnect_fd, &one));
			conn_close(conn);
			must(!eventfd_write(disconnected_fd, 1));
			return;
		}
		if (fds[CLIENT].revents)
			up = pass_call(conn);
		if (up && fds[SERVER].revents)
			up = pass_reply(conn);
		if (up && fds[RELEASE].revents)
			up = release_oldest(conn);
	}
	conn_close(conn);
}

/* The client has one connection at a time. */
static void run_proxy(int listener)
{
	static struct conn conn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		conn_open(&conn, listener);
		serve_conn(&conn);
	}
}

static void proxy_start(void)
{
	struct sockaddr_in addr = loopback(NFS_PROXY_PORT);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(control != MAP_FAILED);
	held_fd = eventfd(0, EFD_SEMAPHORE);
	release_fd = eventfd(0, EFD_SEMAPHORE);
	disconnect_fd = eventfd(0, EFD_SEMAPHORE);
	disconnected_fd = eventfd(0, EFD_SEMAPHORE);
	must(held_fd >= 0 && release_fd >= 0 && disconnect_fd >= 0 &&
	     disconnected_fd >= 0);

	must(listener >= 0);
	must(!setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	must(!bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
	must(!listen(listener, 8));
	proxy = fork();
	must(proxy >= 0);
	if (!proxy)
		run_proxy(listener);
	close(listener);
}

/* What the test calls */

void nfs_serve(const char *dir)
{
	run("./nfs_loop.sh serve %s", dir);
	proxy_start();
}

void nfs_end(void)
{
	must(!kill(proxy, SIGKILL));
	must(waitpid(proxy, NULL, 0) == proxy);
	run("./nfs_loop.sh end");
}

void nfs_mount(const char *version, int port, const char *dir, const char *at,
	       const char *options)
{
	run("./nfs_loop.sh mount %s %d %s %s %s", version, port, dir, at,
	    options);
}

void nfs_hold(enum nfs_op op, unsigned int bytes)
{
	control->hold_bytes = bytes;
	__atomic_store_n(&control->hold, op, __ATOMIC_SEQ_CST);
}

void nfs_hold_nothing(void)
{
	nfs_hold(NFS_OTHER, 0);
}

static void wait_eventfd(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	eventfd_t one;

	must(poll(&pollfd, 1, PATIENCE_MS) == 1);
	must(!eventfd_read(fd, &one));
}

void nfs_wait_held(void)
{
	wait_eventfd(held_fd);
}

void nfs_release(void)
{
	must(!eventfd_write(release_fd, 1));
}

void nfs_disconnect(void)
{
	must(!eventfd_write(disconnect_fd, 1));
	wait_eventfd(disconnected_fd);
}

void nfs_spoil_commit(void)
{
	control->spoil_commit = true;
}

unsigned int nfs_nr_ops(enum nfs_op op)
{
	return __atomic_load_n(&control->nr_ops[op], __ATOMIC_SEQ_CST);
}
