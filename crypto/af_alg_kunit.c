// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of kernel memory in messages to hashes and from ciphers on sockets
 *
 * The kernel's own users of kernel_sendmsg() and kernel_recvmsg() may hand in
 * memory of any kind.  It is lent for the call, so that what is held on its
 * pages does not change; and the bytes must be those that the functions without
 * a socket come to.
 */

#include <crypto/aes.h>
#include <crypto/sha2.h>
#include <kunit/test.h>
#include <linux/if_alg.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#define P(n)		((n) * PAGE_SIZE)
#define MAX_SEGS	20
#define MAX_PAGES	40
#define UNTOUCHED	0xee

/* Memory in segments: where the first begins, how long each is, what is between */
static const struct layout {
	const char *name;
	bool vmalloc;
	unsigned int nr_segs;
	size_t offset;
	size_t len;
	size_t gap;
} layouts[] = {
	{ "a block of slab", false, 1, 64, 16, 0 },
	{ "the whole of a page", false, 1, 0, P(1), 0 },
	{ "across pages", false, 1, P(1) - 16, 32, 0 },
	{ "across pages, at any byte", false, 1, P(1) - 13, 2 * P(1) + 16, 0 },
	{ "a table of pages and more", false, 1, 48, P(20), 0 },
	{ "vmalloc", true, 1, 0, P(1), 0 },
	{ "vmalloc, across pages", true, 1, P(1) - 7, 32, 0 },
	{ "vmalloc, a table of pages", true, 1, 0, P(16), 0 },
	{ "vmalloc, one page more", true, 1, 8, P(16), 0 },
	{ "vmalloc, two tables and more", true, 1, 4000, P(33), 0 },
	{ "segments of a block", false, 20, 3, 16, 5 },
	{ "empty segments", false, 3, 0, 0, 0 },
	{ "segments of pages", true, 9, 100, P(2), 64 },
	{ "segments that meet", true, 16, 16, 528, 0 },
};

static void layout_name(const struct layout *layout, char *name)
{
	strscpy(name, layout->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(layout, layouts, layout_name);

struct memory {
	u8 *base;
	size_t size;
	size_t total;
	struct kvec vec[MAX_SEGS];
	unsigned int nr_pages;
	int held[MAX_PAGES];
};

static struct page *memory_page(const struct memory *mem, unsigned int k)
{
	u8 *p = mem->base + P(k);

	return is_vmalloc_addr(p) ? vmalloc_to_page(p) :
				    virt_to_head_page(p);
}

static struct memory *memory_make(struct kunit *test,
				  const struct layout *layout)
{
	struct memory *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);
	unsigned int k;
	u8 *p;

	KUNIT_ASSERT_NOT_NULL(test, mem);
	mem->total = layout->nr_segs * layout->len;
	mem->size = PAGE_ALIGN(layout->offset + mem->total +
			       layout->nr_segs * layout->gap + 1);
	mem->nr_pages = mem->size / PAGE_SIZE;
	KUNIT_ASSERT_LE(test, mem->nr_pages, MAX_PAGES);
	mem->base = layout->vmalloc ? vmalloc(mem->size) :
				      kmalloc(mem->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem->base);
	memset(mem->base, UNTOUCHED, mem->size);
	for (k = 0; k < mem->nr_pages; k++)
		mem->held[k] = page_ref_count(memory_page(mem, k));

	p = mem->base + layout->offset;
	for (k = 0; k < layout->nr_segs; k++) {
		mem->vec[k].iov_base = p;
		mem->vec[k].iov_len = layout->len;
		p += layout->len + layout->gap;
	}
	return mem;
}

/* Between the segments and @data */
static void memory_copy(const struct memory *mem, void *data, bool to)
{
	unsigned int k;

	for (k = 0; k < MAX_SEGS; k++) {
		const struct kvec *v = &mem->vec[k];

		if (v->iov_len)
			memcpy(to ? v->iov_base : data,
			       to ? data : v->iov_base, v->iov_len);
		data += v->iov_len;
	}
}

/* The segments hold @want, nothing else was written to, and nothing is held. */
static void memory_expect(struct kunit *test, struct memory *mem,
			  const void *want)
{
	void *got = kunit_kzalloc(test, mem->total + 1, GFP_KERNEL);
	unsigned int k;

	KUNIT_ASSERT_NOT_NULL(test, got);
	memory_copy(mem, got, false);
	KUNIT_EXPECT_EQ(test, memcmp(got, want, mem->total), 0);
	for (k = 0; k < MAX_SEGS; k++)
		if (mem->vec[k].iov_len)
			memset(mem->vec[k].iov_base, UNTOUCHED,
			       mem->vec[k].iov_len);
	KUNIT_EXPECT_NULL(test, memchr_inv(mem->base, UNTOUCHED, mem->size));

	for (k = 0; k < mem->nr_pages; k++)
		KUNIT_EXPECT_EQ(test, mem->held[k],
				page_ref_count(memory_page(mem, k)));
	kvfree(mem->base);
}

static u8 *make_text(struct kunit *test, size_t len)
{
	u8 *text = kunit_kzalloc(test, len + 1, GFP_KERNEL);
	size_t k;

	KUNIT_ASSERT_NOT_NULL(test, text);
	for (k = 0; k < len; k++)
		text[k] = k * 7 + k / 251;
	return text;
}

static struct socket *alg_socket(struct kunit *test, const char *type,
				 const char *name, u8 *key, size_t keylen)
{
	struct sockaddr_alg addr = { .salg_family = AF_ALG };
	struct socket *alg, *sock;
	int err;

	strscpy(addr.salg_type, type, sizeof(addr.salg_type));
	strscpy(addr.salg_name, name, sizeof(addr.salg_name));
	err = sock_create_kern(&init_net, AF_ALG, SOCK_SEQPACKET, 0, &alg);
	KUNIT_ASSERT_EQ(test, err, 0);
	err = kernel_bind(alg, (struct sockaddr *)&addr, sizeof(addr));
	KUNIT_ASSERT_EQ(test, err, 0);
	if (keylen) {
		err = alg->ops->setsockopt(alg, SOL_ALG, ALG_SET_KEY,
					   KERNEL_SOCKPTR(key), keylen);
		KUNIT_ASSERT_EQ(test, err, 0);
	}
	/* kernel_accept() gives the new socket the operations of the old. */
	err = sock_create_lite(AF_ALG, SOCK_SEQPACKET, 0, &sock);
	KUNIT_ASSERT_EQ(test, err, 0);
	err = alg->ops->accept(alg, sock, 0, true);
	KUNIT_ASSERT_EQ(test, err, 0);
	sock_release(alg);
	return sock;
}

/* A hash reads the segments. */
static void alg_hash(struct kunit *test)
{
	const struct layout *layout = test->param_value;
	struct socket *sock = alg_socket(test, "hash", "sha256", NULL, 0);
	struct memory *mem = memory_make(test, layout);
	u8 got[SHA256_DIGEST_SIZE] = {}, want[SHA256_DIGEST_SIZE];
	struct kvec digest = { got, sizeof(got) };
	u8 *text = make_text(test, mem->total);
	struct msghdr msg = {};
	size_t left;

	memory_copy(mem, text, true);
	KUNIT_EXPECT_EQ(test, mem->total,
			kernel_sendmsg(sock, &msg, mem->vec, layout->nr_segs,
				       mem->total));
	left = msg_data_left(&msg);
	KUNIT_EXPECT_EQ(test, left, 0);
	memset(&msg, 0, sizeof(msg));
	KUNIT_EXPECT_EQ(test, sizeof(got),
			kernel_recvmsg(sock, &msg, &digest, 1, sizeof(got), 0));
	sha256(text, mem->total, want);
	KUNIT_EXPECT_EQ(test, memcmp(got, want, sizeof(got)), 0);
	memory_expect(test, mem, text);
	sock_release(sock);
}

static void send_text(struct kunit *test, struct socket *sock, void *text,
		      size_t len)
{
	struct {
		struct cmsghdr cmsg;
		u32 op;
	} control = {
		.cmsg = {
			.cmsg_len = CMSG_LEN(sizeof(u32)),
			.cmsg_level = SOL_ALG,
			.cmsg_type = ALG_SET_OP,
		},
		.op = ALG_OP_ENCRYPT,
	};
	struct msghdr msg = {
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct kvec vec = { text, len };

	KUNIT_ASSERT_EQ(test, len, kernel_sendmsg(sock, &msg, &vec, 1, len));
}

/* A cipher writes to the segments. */
static void alg_cipher(struct kunit *test)
{
	static u8 key[AES_KEYSIZE_128] = "sixteen bytes ..";
	const struct layout *layout = test->param_value;
	struct socket *sock = alg_socket(test, "skcipher", "ecb(aes)", key,
					 sizeof(key));
	struct memory *mem = memory_make(test, layout);
	u8 *text = make_text(test, mem->total);
	struct crypto_aes_ctx aes;
	struct msghdr msg = {};
	size_t at;

	send_text(test, sock, text, mem->total);
	KUNIT_EXPECT_EQ(test, mem->total,
			kernel_recvmsg(sock, &msg, mem->vec, layout->nr_segs,
				       mem->total, 0));
	at = msg_data_left(&msg);
	KUNIT_EXPECT_EQ(test, at, 0);

	KUNIT_ASSERT_EQ(test, aes_expandkey(&aes, key, sizeof(key)), 0);
	for (at = 0; at < mem->total; at += AES_BLOCK_SIZE)
		aes_encrypt(&aes, text + at, text + at);
	memory_expect(test, mem, text);
	sock_release(sock);
}

static struct kunit_case af_alg_cases[] = {
	KUNIT_CASE_PARAM(alg_hash, layout_gen_params),
	KUNIT_CASE_PARAM(alg_cipher, layout_gen_params),
	{}
};

static struct kunit_suite af_alg_suite = {
	.name = "af_alg",
	.test_cases = af_alg_cases,
};

kunit_test_suite(af_alg_suite);

MODULE_LICENSE("GPL");
