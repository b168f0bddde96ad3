// SPDX-License-Identifier: GPL-2.0
/* See smb_util.h. */
#include <endian.h>
#include <string.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "smb_util.h"

/* Where things are in a reply of version 2 and 3 of the protocol */
#define AT_COMMAND	12
#define AT_BYTES	68	/* of a read and of a write */
#define READ_HEAD	80
#define TRANSFORM_HEAD	52

/* What the test tells the proxy */
static struct control {
	enum proxy_verdict verdict;
	enum smb_op op;
	unsigned int bytes;
} *control;

struct reply {
	enum smb_op op;
	unsigned int bytes;
};

static struct reply parse_reply(const struct proxy_msg *msg)
{
	struct reply reply = { .op = SMB_OTHER };
	__u16 command;
	__u32 bytes;

	/* A read, if it is longer than the replies without data */
	if (!memcmp(msg->data, "\xfdSMB", 4) &&
	    msg->len >= TRANSFORM_HEAD + READ_HEAD + SECTOR) {
		reply.op = SMB_READ;
		reply.bytes = msg->len - TRANSFORM_HEAD - READ_HEAD;
	}
	if (!memcmp(msg->data, "\xfeSMB", 4) && msg->len > AT_BYTES + 4) {
		memcpy(&command, msg->data + AT_COMMAND, sizeof(command));
		memcpy(&bytes, msg->data + AT_BYTES, sizeof(bytes));
		if (le16toh(command) == SMB_READ ||
		    le16toh(command) == SMB_WRITE) {
			reply.op = le16toh(command);
			reply.bytes = le32toh(bytes);
		}
	}
	return reply;
}

static enum proxy_verdict judge_reply(struct proxy_msg *msg)
{
	struct reply reply = parse_reply(msg);
	enum proxy_verdict verdict;

	verdict = __atomic_load_n(&control->verdict, __ATOMIC_SEQ_CST);
	if (reply.op != control->op || reply.bytes != control->bytes)
		return PROXY_PASS;
	if (verdict == PROXY_CUT)
		smb_pass();
	return verdict;
}

static const struct proxy_protocol smb = {
	.server_port = SMB_PORT, .proxy_port = SMB_PROXY_PORT,
	.reply = judge_reply,
};

/* What the test calls */

void smb_serve(const char *dir, const char *setting)
{
	run("./smb_loop.sh samba %s %d '%s'", dir, SMB_PORT, setting);
	control = proxy_shared(sizeof(*control));
	proxy_start(&smb);
}

void smb_end(void)
{
	proxy_end();
	run("./smb_loop.sh samba-end");
}

void ksmbd_serve(const char *dir)
{
	run("./smb_loop.sh net iovrdma %s siw", RDMA_ADDRESS);
	run("./smb_loop.sh net iovtcp %s", TCP_ADDRESS);
	run("./smb_loop.sh ksmbd %s", dir);
}

void ksmbd_end(void)
{
	run("./smb_loop.sh ksmbd-end");
	run("./smb_loop.sh net-end iovtcp");
	run("./smb_loop.sh net-end iovrdma");
}

void smb_mount(int port, const char *at, const char *options)
{
	run("./smb_loop.sh mount 127.0.0.1 %d %s %s", port, at, options);
}

void smb_judge(enum proxy_verdict verdict, enum smb_op op, unsigned int bytes)
{
	control->op = op;
	control->bytes = bytes;
	__atomic_store_n(&control->verdict, verdict, __ATOMIC_SEQ_CST);
}

void smb_hold(enum smb_op op, unsigned int bytes)
{
	smb_judge(PROXY_HOLD, op, bytes);
}

void smb_pass(void)
{
	__atomic_store_n(&control->verdict, PROXY_PASS, __ATOMIC_SEQ_CST);
}

bool smb_passes(void)
{
	return __atomic_load_n(&control->verdict, __ATOMIC_SEQ_CST) ==
	       PROXY_PASS;
}
