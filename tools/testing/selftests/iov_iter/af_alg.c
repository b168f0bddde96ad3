// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes and ciphers on sockets, from and to all kinds of user memory.
 *
 * What comes out is compared with known vectors first.  Longer data is compared
 * with what the same algorithm makes of it page by page, through one page.
 *
 * But for what is said of a test, it holds on any kernel: this is to find what
 * a conversion breaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../kselftest.h"
#include "af_alg_util.h"
#include "dio_util.h"

#define DIGEST		32		/* of SHA-256 */
#define KEYLEN		16
#define ASSOC		20

/* A table of the kernel's has room for so many entries. */
#define TABLE		16
#define MAX_LEN		(52 * PAGE)	/* what a socket takes by default */

#define MAX_SEGS	256
#define UNTOUCHED	0xee
#define SEED		56

static const unsigned char key[KEYLEN] = "sixteen bytes ..";
static const unsigned char iv[AES_BLOCK] = "not used twice";

/* Data, and what CTR and GCM make of it */
static unsigned char *text, *sealed;

/* Shapes of a buffer */

enum memory { PLAIN, SCATTERED, THP, HUGETLB };

static const struct shape {
	const char	*name;
	enum memory	memory;
	size_t		offset;
	unsigned int	nr_segs;	/* 0: one */
	size_t		gap;		/* behind each segment */
	bool		empty;		/* an empty segment before each */
} shapes[] = {
	{ .name = "whole pages" },
	{ .name = "one byte in", .offset = 1 },
	{ .name = "the last bytes of a page first", .offset = PAGE - 16 },
	{ .name = "pages apart from each other", .memory = SCATTERED },
	{ .name = "part of pages apart", .memory = SCATTERED, .offset = 40,
	  .nr_segs = 3, .gap = 100 },
	{ .name = "a table of segments", .offset = 8, .nr_segs = TABLE,
	  .gap = 24 },
	{ .name = "one segment more", .nr_segs = TABLE + 1, .gap = 8 },
	{ .name = "segments that meet", .memory = SCATTERED, .offset = 100,
	  .nr_segs = TABLE },
	{ .name = "empty segments between", .nr_segs = 5, .gap = 64,
	  .empty = true },
	{ .name = "transparent huge page", .memory = THP, .offset = 40 },
	{ .name = "hugetlb", .memory = HUGETLB, .offset = PAGE - 8,
	  .nr_segs = 3, .gap = 5000 },
};

struct buffer {
	unsigned char	*mem;
	size_t		size;
	struct iovec	iov[MAX_SEGS];
	unsigned int	nr;
};

static void buffer_make(struct buffer *buf, const struct shape *shape,
			size_t len)
{
	unsigned int nr = shape->nr_segs ?: 1, k;
	unsigned char *p;

	buf->size = (shape->offset + len + nr * shape->gap + PAGE - 1) & -PAGE;
	if (shape->memory == THP || shape->memory == HUGETLB)
		buf->size = HUGE;
	buf->mem = shape->memory == PLAIN ? alloc_pages(buf->size) :
		   shape->memory == SCATTERED ? map_scattered(buf->size) :
		   shape->memory == THP ? map_thp() :
					  map_huge(HUGE, MAP_PRIVATE);
	memset(buf->mem, UNTOUCHED, buf->size);

	p = buf->mem + shape->offset;
	buf->nr = 0;
	for (k = 0; k < nr; k++) {
		size_t part = len / (nr - k);

		if (shape->empty)
			buf->iov[buf->nr++] = (struct iovec) { p, 0 };
		buf->iov[buf->nr++] = (struct iovec) { p, part };
		p += part + shape->gap;
		len -= part;
	}
}

static void buffer_free(struct buffer *buf)
{
	munmap(buf->mem, buf->size);
}

/* Copies between the segments and @data. */
static void buffer_copy(struct buffer *buf, void *data, bool to)
{
	unsigned char *p = data;
	unsigned int k;

	for (k = 0; k < buf->nr; k++) {
		const struct iovec *v = &buf->iov[k];

		memcpy(to ? v->iov_base : p, to ? p : v->iov_base, v->iov_len);
		p += v->iov_len;
	}
}

/* The segments hold @want, and nothing else was written to. */
static void buffer_check(struct buffer *buf, const void *want, size_t len)
{
	unsigned char *got = malloc(len + 1);
	unsigned int k;

	buffer_copy(buf, got, false);
	check_same(got, want, len);
	free(got);

	for (k = 0; k < buf->nr; k++)
		memset(buf->iov[k].iov_base, UNTOUCHED, buf->iov[k].iov_len);
	check_eq(first_difference(buf->mem, buf->mem + 1, buf->size - 1),
		 buf->size - 1);
	check(buf->mem[0] == UNTOUCHED);
}

/* The algorithms */

static int hash_open(void)
{
	return alg_open("hash", "sha256", NULL, 0);
}

static int ctr_open(void)
{
	return alg_open("skcipher", CTR_AES, key, KEYLEN);
}

static int gcm_open(void)
{
	return alg_open("aead", GCM_AES, key, KEYLEN);
}

static void ctr_send(int fd, const void *data, size_t len)
{
	const struct alg_op op = { true, iv, AES_BLOCK, 0 };

	alg_send(fd, &op, data, len, 0);
}

static void gcm_send(int fd, bool encrypt, const void *data, size_t len)
{
	const struct alg_op op = { encrypt, iv, GCM_IV, ASSOC };

	alg_send(fd, &op, data, len, 0);
}

/* What there is; a read() of more would wait for the next message. */
static ssize_t receive(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_DONTWAIT);
}

/* The digest, by way of one page that is sent again and again */
static void digest_of(const void *data, size_t len, unsigned char *digest)
{
	int fd = hash_open();
	char *page = alloc_pages(PAGE);
	size_t part;

	do {
		part = len < PAGE ? len : PAGE;
		memcpy(page, data, part);
		len -= part;
		data += part;
		must(send(fd, page, part, len ? MSG_MORE : 0) == (ssize_t)part);
	} while (len);
	must(read(fd, digest, DIGEST) == DIGEST);
	munmap(page, PAGE);
	close(fd);
}

static void check_digest(int fd, const void *data, size_t len)
{
	unsigned char got[DIGEST], want[DIGEST];

	check_eq(read(fd, got, DIGEST), DIGEST);
	digest_of(data, len, want);
	check_same(got, want, DIGEST);
}

/* What CTR makes of the text, by way of one page */
static void seal_text(void)
{
	char *page = alloc_pages(PAGE);
	int fd = ctr_open();
	size_t at;

	ctr_send(fd, text, MAX_LEN);
	for (at = 0; at < MAX_LEN; at += PAGE) {
		must(read(fd, page, PAGE) == PAGE);
		memcpy(sealed + at, page, PAGE);
	}
	munmap(page, PAGE);
	close(fd);
}

/* Known vectors */

/* FIPS 180-4's examples, RFC 4231's second */
static const unsigned char digest_abc[] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde,
	0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
	0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static const unsigned char digest_empty[] = {
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8,
	0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
	0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
};

static const unsigned char hmac_jefe[] = {
	0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26,
	0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
	0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
};

static void test_hash_vectors(const void *arg)
{
	static const char jefe[] = "what do ya want for nothing?";
	unsigned char got[DIGEST];
	int fd = hash_open();

	check_eq(send(fd, "abc", 3, 0), 3);
	check_eq(read(fd, got, DIGEST), DIGEST);
	check_same(got, digest_abc, DIGEST);
	check_eq(read(fd, got, DIGEST), DIGEST);
	check_same(got, digest_empty, DIGEST);

	fd = alg_open("hash", "hmac(sha256)", "Jefe", 4);
	check_eq(send(fd, jefe, strlen(jefe), 0), strlen(jefe));
	check_eq(read(fd, got, DIGEST), DIGEST);
	check_same(got, hmac_jefe, DIGEST);
}

/* NIST SP 800-38A, F.2.1 and F.5.1 */
static const unsigned char nist_key[] = {
	0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88,
	0x09, 0xcf, 0x4f, 0x3c,
};

static const unsigned char nist_text[] = {
	0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11,
	0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c,
	0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51,
};

static const struct cipher_vector {
	const char	*name;
	unsigned char	iv[AES_BLOCK];
	unsigned char	sealed[sizeof(nist_text)];
} cipher_vectors[] = {
	{
		.name = "cbc(aes)",
		.iv = {
			0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
			0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
		},
		.sealed = {
			0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46,
			0xce, 0xe9, 0x8e, 0x9b, 0x12, 0xe9, 0x19, 0x7d,
			0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee,
			0x95, 0xdb, 0x11, 0x3a, 0x91, 0x76, 0x78, 0xb2,
		},
	},
	{
		.name = "ctr(aes)",
		.iv = {
			0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
			0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
		},
		.sealed = {
			0x87, 0x4d, 0x61, 0x91, 0xb6, 0x20, 0xe3, 0x26,
			0x1b, 0xef, 0x68, 0x64, 0x99, 0x0d, 0xb6, 0xce,
			0x98, 0x06, 0xf6, 0x6b, 0x79, 0x70, 0xfd, 0xff,
			0x86, 0x17, 0x18, 0x7b, 0xb9, 0xff, 0xfd, 0xff,
		},
	},
};

static void test_cipher_vectors(const void *arg)
{
	unsigned char got[sizeof(nist_text)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cipher_vectors); i++) {
		const struct cipher_vector *v = &cipher_vectors[i];
		int fd = alg_open("skcipher", v->name, nist_key, KEYLEN);
		struct alg_op op = { true, v->iv, AES_BLOCK, 0 };

		context("%s", v->name);
		alg_send(fd, &op, nist_text, sizeof(nist_text), 0);
		check_eq(receive(fd, got, sizeof(got)), sizeof(got));
		check_same(got, v->sealed, sizeof(got));
		op.encrypt = false;
		alg_send(fd, &op, v->sealed, sizeof(got), 0);
		check_eq(receive(fd, got, sizeof(got)), sizeof(got));
		check_same(got, nist_text, sizeof(got));
		close(fd);
	}
}

/* Test case 4 of the specification of GCM: what is associated, text, tag */
static const unsigned char gcm_key[] = {
	0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94,
	0x67, 0x30, 0x83, 0x08,
};

static const unsigned char gcm_iv[] = {
	0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88,
};

static const unsigned char gcm_text[] = {
	0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed, 0xfa, 0xce,
	0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2, 0xd9, 0x31, 0x32, 0x25,
	0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26, 0x9a,
	0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d,
	0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53,
	0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5,
	0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39,
};

static const unsigned char gcm_sealed[] = {
	0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed, 0xfa, 0xce,
	0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2, 0x42, 0x83, 0x1e, 0xc2,
	0x21, 0x77, 0x74, 0x24, 0x4b, 0x72, 0x21, 0xb7, 0x84, 0xd0, 0xd4, 0x9c,
	0xe3, 0xaa, 0x21, 0x2f, 0x2c, 0x02, 0xa4, 0xe0, 0x35, 0xc1, 0x7e, 0x23,
	0x29, 0xac, 0xa1, 0x2e, 0x21, 0xd5, 0x14, 0xb2, 0x54, 0x66, 0x93, 0x1c,
	0x7d, 0x8f, 0x6a, 0x5a, 0xac, 0x84, 0xaa, 0x05, 0x1b, 0xa3, 0x0b, 0x39,
	0x6a, 0x0a, 0xac, 0x97, 0x3d, 0x58, 0xe0, 0x91, 0x5b, 0xc9, 0x4f, 0xbc,
	0x32, 0x21, 0xa5, 0xdb, 0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47,
};

static void test_aead_vectors(const void *arg)
{
	struct alg_op op = { true, gcm_iv, GCM_IV, ASSOC };
	int fd = alg_open("aead", "gcm(aes)", gcm_key, KEYLEN);
	unsigned char got[128];

	alg_send(fd, &op, gcm_text, sizeof(gcm_text), 0);
	check_eq(receive(fd, got, sizeof(got)), sizeof(gcm_sealed));
	check_same(got, gcm_sealed, sizeof(gcm_sealed));
	op.encrypt = false;
	alg_send(fd, &op, gcm_sealed, sizeof(gcm_sealed), 0);
	check_eq(receive(fd, got, sizeof(got)), sizeof(gcm_text));
	check_same(got, gcm_text, sizeof(gcm_text));
}

/* All shapes and sizes (T26, T32, T56, T59) */

static const size_t sizes[] = {
	1, AES_BLOCK, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 7,
	(TABLE - 1) * PAGE, TABLE * PAGE - 1, TABLE * PAGE, TABLE * PAGE + 1,
	(TABLE + 1) * PAGE + 1,
};

static void hash_one(const struct shape *shape, size_t len)
{
	struct buffer buf;
	int fd = hash_open();

	buffer_make(&buf, shape, len);
	buffer_copy(&buf, text, true);
	check_eq(writev(fd, buf.iov, buf.nr), len);
	check_digest(fd, text, len);
	buffer_check(&buf, text, len);
	buffer_free(&buf);
	close(fd);
}

static void cipher_one(const struct shape *shape, size_t len)
{
	struct buffer buf;
	int fd = ctr_open();

	buffer_make(&buf, shape, len);
	ctr_send(fd, text, len);
	check_eq(readv(fd, buf.iov, buf.nr), len);
	buffer_check(&buf, sealed, len);
	buffer_free(&buf);
	close(fd);
}

/* Encrypted to one buffer, which is what is decrypted to another of the kind */
static void aead_one(const struct shape *shape, size_t len)
{
	unsigned char *flat = malloc(ASSOC + len + GCM_TAG);
	unsigned char *want = malloc(ASSOC + len);
	struct buffer buf;
	int fd = gcm_open();

	/* The counters of GCM begin elsewhere than those of CTR. */
	memcpy(want, text, ASSOC + len);
	buffer_make(&buf, shape, ASSOC + len + GCM_TAG);
	gcm_send(fd, true, text, ASSOC + len);
	check_eq(readv(fd, buf.iov, buf.nr), ASSOC + len + GCM_TAG);
	buffer_copy(&buf, flat, false);
	check_same(flat, text, ASSOC);
	check(len < AES_BLOCK || memcmp(flat + ASSOC, text + ASSOC, len));
	buffer_check(&buf, flat, ASSOC + len + GCM_TAG);
	buffer_free(&buf);

	buffer_make(&buf, shape, ASSOC + len);
	gcm_send(fd, false, flat, ASSOC + len + GCM_TAG);
	check_eq(readv(fd, buf.iov, buf.nr), ASSOC + len);
	buffer_check(&buf, want, ASSOC + len);
	buffer_free(&buf);
	close(fd);
	free(flat);
	free(want);
}

struct each {
	const char	*what;
	void		(*one)(const struct shape *shape, size_t len);
};

static const struct each each_hash = { "hash", hash_one };
static const struct each each_cipher = { "cipher", cipher_one };
static const struct each each_aead = { "aead", aead_one };

static void test_shapes(const void *arg)
{
	const struct each *each = arg;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			context("%s, %s, %zu bytes", each->what,
				shapes[i].name, sizes[j]);
			each->one(&shapes[i], sizes[j]);
		}
	}
}

/*
 * T56: all that a socket takes, at the limit of what it receives at once; and
 * with less room at once than that, where the receive goes on by itself.  It
 * skipped the end of a segment before, if that was less than a block.
 */
static void test_full_socket(const void *arg)
{
	static const struct shape *const some[] = {
		&shapes[1], &shapes[3], &shapes[9], &shapes[10],
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++) {
		struct buffer buf;
		int fd, room;

		context("%s", some[i]->name);
		hash_one(some[i], MAX_LEN);
		cipher_one(some[i], MAX_LEN - PAGE);
		cipher_one(some[i], MAX_LEN);
		aead_one(some[i], MAX_LEN - PAGE - ASSOC - GCM_TAG);

		for (room = 0; room <= 9000; room += 9000) {
			fd = ctr_open();
			must(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
					 sizeof(room)));
			buffer_make(&buf, some[i], MAX_LEN);
			ctr_send(fd, text, MAX_LEN);
			check_eq(readv(fd, buf.iov, buf.nr), MAX_LEN);
			buffer_check(&buf, sealed, MAX_LEN);
			buffer_free(&buf);
			close(fd);
		}
	}
}

/*
 * Many small segments: one of them used up a table before, and the memory that
 * a socket may have for tables after some 25.
 */
static void test_many_segments(const void *arg)
{
	static const struct shape many = {
		.offset = 3, .nr_segs = MAX_SEGS, .gap = 13,
	};

	hash_one(&many, MAX_SEGS);
	hash_one(&many, 10000);
	cipher_one(&many, MAX_SEGS);
	cipher_one(&many, 10000);
	aead_one(&many, 10000);
}

/* T59: a message in parts, the last of which may be empty */
static void test_hash_parts(const void *arg)
{
	static const size_t parts[] = {
		3, 0, PAGE, PAGE + 1, 1, TABLE * PAGE, 0, 100, 0,
	};
	struct iovec none[2] = {};
	struct msghdr msg = { .msg_iov = none, .msg_iovlen = 2 };
	unsigned int last, i;

	for (last = 0; last < ARRAY_SIZE(parts); last++) {
		int fd = hash_open();
		size_t len = 0;

		context("%u parts", last + 1);
		for (i = 0; i <= last; i++) {
			check_eq(send(fd, text + len, parts[i],
				      i < last ? MSG_MORE : 0), parts[i]);
			len += parts[i];
		}
		check_digest(fd, text, len);

		/* Parts, and then it is only asked for */
		for (i = 0, len = 0; i <= last; i++) {
			check_eq(send(fd, text + len, parts[i], MSG_MORE),
				 parts[i]);
			len += parts[i];
		}
		check_eq(sendmsg(fd, &msg, MSG_MORE), 0);
		check_digest(fd, text, len);
		close(fd);
	}
}

/* T29, T56: nothing to receive, or nothing to receive it into */
static void test_empty(const void *arg)
{
	static const unsigned char nothing[ASSOC];
	const struct alg_op tag = { true, iv, GCM_IV, 0 };
	const struct alg_op untag = { false, iv, GCM_IV, 0 };
	struct iovec none[3] = {};
	unsigned char got[64];
	int fd = ctr_open();

	ctr_send(fd, text, 0);
	check_eq(receive(fd, got, sizeof(got)), 0);
	ctr_send(fd, text, 32);
	check_eq(read(fd, got, 0), 0);
	check_eq(readv(fd, none, 3), 0);
	check_eq(receive(fd, got, sizeof(got)), 32);
	check_same(got, sealed, 32);
	close(fd);

	/* The tag, of nothing and of what is only associated; and back */
	fd = gcm_open();
	alg_send(fd, &tag, nothing, 0, 0);
	check_eq(receive(fd, got, sizeof(got)), GCM_TAG);
	alg_send(fd, &untag, got, GCM_TAG, 0);
	check_eq(receive(fd, got, sizeof(got)), 0);
	gcm_send(fd, true, nothing, ASSOC);
	check_eq(receive(fd, got, sizeof(got)), ASSOC + GCM_TAG);
	gcm_send(fd, false, got, ASSOC + GCM_TAG);
	check_eq(read(fd, got + 1, ASSOC), ASSOC);
	check_same(got + 1, nothing, ASSOC);

	/* Not what was sealed */
	got[0] ^= 1;
	alg_send(fd, &untag, got, GCM_TAG, 0);
	check_errno(receive(fd, got, sizeof(got)), EBADMSG);
	close(fd);
}

/* A page that is not there: what was taken before it is given back. */
static void test_fault(const void *arg)
{
	size_t gap = (TABLE + 2) * PAGE, size = 2 * gap;
	char *buf = alloc_pages(size);
	unsigned char digest[DIGEST];
	struct iovec iov[2];
	int fd = hash_open();

	memcpy(buf, text, gap);
	must(!mprotect(buf + gap, PAGE, PROT_NONE));

	check_eq(send(fd, buf, size, 0), gap);
	check_errno(send(fd, buf + gap, PAGE, 0), EFAULT);
	check_eq(send(fd, buf, gap, 0), gap);
	check_digest(fd, text, gap);
	/* Each page but one, the first of them not */
	iov[0] = (struct iovec) { buf + gap, 1 };
	iov[1] = (struct iovec) { buf, gap };
	check_errno(writev(fd, iov, 2), EFAULT);
	check_eq(send(fd, "abc", 3, 0), 3);
	check_eq(read(fd, digest, DIGEST), DIGEST);
	close(fd);

	fd = ctr_open();
	ctr_send(fd, text, size);
	check_errno(read(fd, buf, size), EFAULT);
	check_errno(read(fd, buf + gap, PAGE), EFAULT);
	must(!mprotect(buf + gap, PAGE, PROT_READ));
	check_errno(read(fd, buf + gap, PAGE), EFAULT);
	check_eq(read(fd, buf, gap), gap);
	check_same(buf, sealed, gap);
	close(fd);

	fd = gcm_open();
	gcm_send(fd, true, text, size - ASSOC - GCM_TAG);
	check_errno(read(fd, buf, size), EFAULT);
	must(!mprotect(buf + gap, PAGE, PROT_READ | PROT_WRITE));
	check_eq(receive(fd, buf, size), size - ASSOC);
	close(fd);
}

/* T58: what comes from a file, or goes into a pipe */

static int text_file(size_t len)
{
	int fd = memfd_create("text", 0);

	must(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	return fd;
}

static void splice_all(int from, int to, size_t len)
{
	loff_t pos = 0;
	ssize_t n;
	int pipes[2];

	must(!pipe(pipes));
	while (len) {
		n = splice(from, &pos, pipes[1], NULL, len, 0);
		check(n > 0);
		len -= n;
		check_eq(splice(pipes[0], NULL, to, NULL, n,
				len ? SPLICE_F_MORE : 0), n);
	}
	close(pipes[0]);
	close(pipes[1]);
}

static void test_from_file(const void *arg)
{
	static const size_t lens[] = { 1, PAGE - 1, PAGE, 10 * PAGE + 5 };
	const struct alg_op op = { true, iv, AES_BLOCK, 0 };
	unsigned char *got = alloc_pages(11 * PAGE);
	unsigned int i, by;

	for (i = 0; i < 2 * ARRAY_SIZE(lens); i++) {
		size_t len = lens[i / 2];
		int file = text_file(len), fd = hash_open();

		by = i % 2;
		context("%s, %zu bytes", by ? "splice" : "sendfile", len);
		if (by)
			splice_all(file, fd, len);
		else
			check_eq(sendfile(fd, file, &(off_t) { 0 }, len), len);
		check_digest(fd, text, len);
		close(fd);

		/* What is sent is a copy: the file may change meanwhile. */
		fd = ctr_open();
		alg_send(fd, &op, NULL, 0, MSG_MORE);
		if (by)
			splice_all(file, fd, len);
		else
			check_eq(sendfile(fd, file, &(off_t) { 0 }, len), len);
		must(pwrite(file, sealed, len, 0) == (ssize_t)len);
		check_eq(receive(fd, got, 11 * PAGE), len);
		check_same(got, sealed, len);
		close(fd);
		close(file);
	}
}

static void test_to_pipe(const void *arg)
{
	static const size_t lens[] = { 2 * ASSOC, PAGE, PAGE + 1, 9 * PAGE };
	unsigned char *got = alloc_pages(10 * PAGE);
	unsigned int i;
	int pipes[2];

	must(!pipe(pipes));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = lens[i];
		int fd = ctr_open();

		context("%zu bytes", len);
		ctr_send(fd, text, len);
		check_eq(splice(fd, NULL, pipes[1], NULL, len, 0), len);
		check_eq(read(pipes[0], got, len), len);
		check_same(got, sealed, len);
		close(fd);

		fd = gcm_open();
		gcm_send(fd, true, text, len);
		check_eq(read(fd, got, len + GCM_TAG), len + GCM_TAG);
		gcm_send(fd, false, got, len + GCM_TAG);
		check_eq(splice(fd, NULL, pipes[1], NULL, len, 0), len);
		gcm_send(fd, false, sealed, len + GCM_TAG);
		check_errno(splice(fd, NULL, pipes[1], NULL, len, 0), EBADMSG);
		check_eq(read(pipes[0], got, 10 * PAGE), len);
		check_same(got, text, len);
		close(fd);
	}
}

/* Each page of a receive is pinned, while it lasts; and none for a hash. */
static void test_pins(const void *arg)
{
	static const size_t len = TABLE * PAGE + 1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];
		struct pins start = pins_now(), pins;

		if (shape->nr_segs)
			continue;
		context("%s", shape->name);
		hash_one(shape, len);
		cipher_one(shape, len);
		pins = pins_since(&start);
		/* A digest is copied, and so is what it is compared with. */
		start.acquired = (shape->offset + len + PAGE - 1) / PAGE;
		/* Two tables have a part each of the page that they meet in. */
		if (shape->memory == THP)
			start.acquired++;
		check_eq(pins.acquired, start.acquired);
		check_eq(pins.released, start.acquired);
	}
}

int main(void)
{
	static const struct dio_test tests[] = {
		{ "hash: known vectors", test_hash_vectors, NULL },
		{ "cipher: known vectors", test_cipher_vectors, NULL },
		{ "aead: known vectors", test_aead_vectors, NULL },
		{ "hash: all shapes and sizes", test_shapes, &each_hash },
		{ "cipher: all shapes and sizes", test_shapes, &each_cipher },
		{ "aead: all shapes and sizes", test_shapes, &each_aead },
		{ "as much as a socket takes", test_full_socket, NULL },
		{ "many segments", test_many_segments, NULL },
		{ "hash: in parts", test_hash_parts, NULL },
		{ "nothing", test_empty, NULL },
		{ "a page that is not there", test_fault, NULL },
		{ "from a file", test_from_file, NULL },
		{ "to a pipe", test_to_pipe, NULL },
		{ "pins", test_pins, NULL },
	};

	text = alloc_pages(MAX_LEN);
	sealed = alloc_pages(MAX_LEN);
	pattern_fill(text, MAX_LEN, SEED, 0);
	seal_text();
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
