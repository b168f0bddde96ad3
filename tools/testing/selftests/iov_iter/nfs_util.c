// SPDX-License-Identifier: GPL-2.0
/* See nfs_util.h. */
#include <arpa/inet.h>
#include <string.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "nfs_util.h"
#include "proxy_util.h"

#define MAX_CALLS	1024		/* without a reply yet */

/* What the test tells the proxy, and the proxy the test */
static struct control {
	enum nfs_op hold;
	unsigned int hold_bytes;
	bool spoil_commit;
	unsigned int nr_ops[NFS_COMMIT + 1];
} *control;

struct call {
	__u32 xid;
	enum nfs_op op;
	unsigned int bytes;
};

static struct call calls[MAX_CALLS];

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

static struct call parse_call(const struct proxy_msg *msg)
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

/* The proxy.  Linux sends each message as one fragment. */

static __u32 msg_u32(const struct proxy_msg *msg, size_t pos)
{
	__u32 value;

	memcpy(&value, msg->data + pos, sizeof(value));
	return ntohl(value);
}

static struct call *call_slot(__u32 xid)
{
	unsigned int i;

	for (i = 0; i < MAX_CALLS; i++)
		if (calls[i].op != NFS_OTHER && calls[i].xid == xid)
			return &calls[i];
	return NULL;
}

static void note_call(const struct proxy_msg *msg)
{
	struct call call, *slot;
	unsigned int i;

	/* or an answer to a callback */
	if (msg_u32(msg, 4) != RPC_CALL)
		return;
	call = parse_call(msg);
	slot = call_slot(call.xid);
	for (i = 0; !slot && i < MAX_CALLS; i++)
		if (calls[i].op == NFS_OTHER)
			slot = &calls[i];
	must(slot);
	*slot = call;
	__atomic_add_fetch(&control->nr_ops[call.op], 1, __ATOMIC_SEQ_CST);
}

static bool is_held(const struct call *call)
{
	return call->op == __atomic_load_n(&control->hold, __ATOMIC_SEQ_CST) &&
	       call->bytes == control->hold_bytes;
}

static enum proxy_verdict judge_reply(struct proxy_msg *msg)
{
	struct call *slot, call = { .op = NFS_OTHER };

	slot = msg_u32(msg, 4) == RPC_REPLY ? call_slot(msg_u32(msg, 0)) : NULL;
	if (slot) {
		call = *slot;
		slot->op = NFS_OTHER;
	}
	/* The verifier is the last that is in the reply. */
	if (call.op == NFS_COMMIT && control->spoil_commit) {
		control->spoil_commit = false;
		msg->data[msg->len - 1] ^= 0xff;
	}
	return call.op != NFS_OTHER && is_held(&call) ? PROXY_HOLD : PROXY_PASS;
}

static const struct proxy_protocol nfs = {
	.server_port = NFS_PORT, .proxy_port = NFS_PROXY_PORT,
	.marker = 0x80000000u,		/* the last fragment */
	.call = note_call, .reply = judge_reply,
};

/* What the test calls */

void nfs_serve(const char *dir)
{
	run("./nfs_loop.sh serve %s", dir);
	control = proxy_shared(sizeof(*control));
	proxy_start(&nfs);
}

void nfs_end(void)
{
	proxy_end();
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

void nfs_spoil_commit(void)
{
	control->spoil_commit = true;
}

unsigned int nfs_nr_ops(enum nfs_op op)
{
	return __atomic_load_n(&control->nr_ops[op], __ATOMIC_SEQ_CST);
}
