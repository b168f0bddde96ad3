// SPDX-License-Identifier: GPL-2.0
/* See af_alg_util.h. */
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <linux/if_alg.h>

#include "af_alg_util.h"
#include "iov_iter_util.h"

#define MAX_IV	16

int alg_open(const char *type, const char *name, const void *key,
	     size_t keylen)
{
	struct sockaddr_alg addr = { .salg_family = AF_ALG };
	int alg = socket(AF_ALG, SOCK_SEQPACKET, 0), fd;

	must(alg >= 0);
	must(strlen(name) < sizeof(addr.salg_name));
	strcpy((char *)addr.salg_type, type);
	strcpy((char *)addr.salg_name, name);
	must(!bind(alg, (struct sockaddr *)&addr, sizeof(addr)));
	must(!keylen || !setsockopt(alg, SOL_ALG, ALG_SET_KEY, key, keylen));
	fd = accept(alg, NULL, 0);
	must(fd >= 0);
	close(alg);
	return fd;
}

/* Adds one piece to a control message, whose room is zeroed. */
static void *add_cmsg(struct msghdr *msg, int type, size_t len)
{
	struct cmsghdr *cmsg = (void *)((char *)msg->msg_control +
					msg->msg_controllen);

	cmsg->cmsg_level = SOL_ALG;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	msg->msg_controllen += CMSG_SPACE(len);
	return CMSG_DATA(cmsg);
}

void alg_send(int fd, const struct alg_op *op, const void *data, size_t len,
	      int flags)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct af_alg_iv) + MAX_IV) +
			  2 * CMSG_SPACE(sizeof(uint32_t))];
	} control = {};
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_iov	= &iov,
		.msg_iovlen	= 1,
		.msg_control	= &control,
	};
	struct af_alg_iv *iv;

	*(uint32_t *)add_cmsg(&msg, ALG_SET_OP, sizeof(uint32_t)) =
		op->encrypt ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT;
	iv = add_cmsg(&msg, ALG_SET_IV, sizeof(*iv) + op->ivlen);
	iv->ivlen = op->ivlen;
	memcpy(iv->iv, op->iv, op->ivlen);
	if (op->assoclen)
		*(uint32_t *)add_cmsg(&msg, ALG_SET_AEAD_ASSOCLEN,
				      sizeof(uint32_t)) = op->assoclen;
	must(sendmsg(fd, &msg, flags) == (ssize_t)len);
}
