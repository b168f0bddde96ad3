/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets of the kernel's hashes and ciphers, for the tests of AF_ALG. */
#ifndef AF_ALG_UTIL_H
#define AF_ALG_UTIL_H

#include <stdbool.h>
#include <stddef.h>

#define AES_BLOCK	16
#define GCM_IV		12
#define GCM_TAG		16

/*
 * Without "cryptd", which takes a name for itself once it was used: the drivers
 * that do the work in the call.
 */
#define CTR_AES		"ctr(aes-generic)"
#define GCM_AES		"gcm_base(" CTR_AES ",ghash-generic)"

/* A socket to send to and to receive from.  Without a key, @keylen is 0. */
int alg_open(const char *type, const char *name, const void *key,
	     size_t keylen);

/* What begins a message for a cipher: all of it is in @iv and @assoclen. */
struct alg_op {
	bool		encrypt;
	const void	*iv;
	size_t		ivlen;
	size_t		assoclen;	/* AEAD only */
};

/* Sends @op and @len bytes; what follows is told by MSG_MORE in @flags. */
void alg_send(int fd, const struct alg_op *op, const void *data, size_t len,
	      int flags);

#endif
