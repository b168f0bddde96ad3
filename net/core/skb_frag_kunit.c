// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of how the fragments of socket buffers hold their pages
 *
 * A model knows the data of some skbs.  After each step it is compared with
 * them, and what their fragments say that they hold with what is held: on a
 * huge page of user memory, which is referenced and pinned, and on memory of
 * the slab, which is lent and must stay as it is.  Whoever shares the ubuf_info
 * is counted as well, since lent pages last as long as that.  At the end the
 * skbs are freed, and nothing may be left.
 *
 * The helpers are tried one by one, on skbs of each layout, cut at each place
 * that matters; and in random order on a few skbs.
 */
#include <linux/if_ether.h>
#include <linux/prandom.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <net/gro.h>
#include <net/sock.h>

#include <kunit/user_mm.h>

#define P		PAGE_SIZE
#define ARENA_PAGES	16
#define ARENA_SIZE	(ARENA_PAGES * P)
#define NR_SKBS		6
#define MAX_DATA	(64 * 1024)
#define MAX_SPECS	6
/* A mode of the test: a page that belongs to the fragment alone */
#define OWN_PAGE	1U

/* A piece of the arena of the mode, or of its end in the case of a new page */
struct frag_spec {
	unsigned int mode;
	unsigned int offset;
	unsigned int size;
};

struct layout {
	const char *name;
	unsigned int head;
	bool orphan;
	struct frag_spec frags[MAX_SPECS];
	/* those of an skb in the frag_list */
	struct frag_spec list[MAX_SPECS];
};

#define LENT	0

static const struct layout layouts[] = {
	{ "referenced", 40, false, {
		{ FOLL_GET, 100, 3 * P }, { FOLL_GET, 5 * P, P },
		{ FOLL_GET, 6 * P, 2 * P + 1 } } },
	{ "pinned", 40, false, {
		{ FOLL_PIN, 100, 2 * P }, { FOLL_PIN, 4 * P, 2 * P },
		{ FOLL_PIN, 7 * P - 1, P + 2 } } },
	{ "pinned, adjacent", 0, false, {
		{ FOLL_PIN, 10, P }, { FOLL_PIN, 10 + P, P },
		{ FOLL_PIN, 10 + 2 * P, 500 } } },
	{ "referenced, adjacent", 0, false, {
		{ FOLL_GET, 10, P }, { FOLL_GET, 10 + P, P },
		{ FOLL_GET, 10 + 2 * P, 500 } } },
	{ "pinned behind referenced, adjacent", 0, false, {
		{ FOLL_GET, 10, P }, { FOLL_PIN, 10 + P, P },
		{ FOLL_GET, 10 + 2 * P, 500 } } },
	{ "lent", 40, false, {
		{ LENT, 300, 2 * P }, { LENT, 5 * P, 1 },
		{ LENT, 9 * P, P } } },
	{ "mixed", 200, false, {
		{ FOLL_GET, 5, P }, { LENT, 20, P }, { FOLL_PIN, 8 * P - 5, 10 },
		{ OWN_PAGE, 0, 700 }, { FOLL_PIN, 9 * P, 3 * P },
		{ LENT, 7 * P, 90 } } },
	{ "mixed, for one owner", 33, true, {
		{ LENT, 20, P }, { FOLL_PIN, 8 * P - 5, 10 },
		{ FOLL_GET, 5, P } } },
	{ "mixed, without zero copy", 0, false, {
		{ FOLL_PIN, P - 7, P + 9 }, { OWN_PAGE, 0, 1000 },
		{ FOLL_GET, 2 * P, 50 }, { FOLL_PIN, 3 * P, 2 * P } } },
	{ "linear", 500 },
	{ "list", 100, false, {
		{ FOLL_PIN, 1, 2 * P }, { LENT, 3, 1000 } }, {
		{ FOLL_PIN, 12 * P - 1, P }, { FOLL_GET, 8, 90 } } },
};

static void layout_desc(const struct layout *l, char *desc)
{
	strscpy(desc, l->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(layout, layouts, layout_desc);

struct model {
	struct kunit *test;
	unsigned long addr;
	struct page *huge;
	u8 *lent;
	struct kunit_held huge_before;
	struct kunit_held lent_before;
	long acquired;
	long released;
	struct ubuf_info ubuf;
	unsigned int nr_done;
	u8 *buf;
	struct rnd_state rnd;
	struct sk_buff *skbs[NR_SKBS];
	u8 *data[NR_SKBS];
	unsigned int len[NR_SKBS];
};

static void ubuf_done(struct sk_buff *skb, struct ubuf_info *ubuf, bool success)
{
	struct model *m = container_of(ubuf, struct model, ubuf);

	if (refcount_dec_and_test(&ubuf->refcnt))
		m->nr_done++;
}

static void free_model_memory(void *data)
{
	struct model *m = data;
	int k;

	for (k = 0; k < NR_SKBS; k++)
		vfree(m->data[k]);
	vfree(m->buf);
	kfree(m->lent);
}

static int init_buffers(struct kunit_resource *res, void *context)
{
	res->data = context;
	return 0;
}

static void free_buffers(struct kunit_resource *res)
{
	free_model_memory(res->data);
}

static struct model *new_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int k;

	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, init_buffers,
							 free_buffers,
							 GFP_KERNEL, m));
	m->test = test;
	prandom_seed_state(&m->rnd, 8051);
	kunit_use_mm(test);
	m->addr = kunit_user_map_huge(test);
	kunit_user_touch(test, m->addr, 1, &m->huge);
	KUNIT_ASSERT_TRUE(test, PageTransHuge(m->huge));
	prandom_bytes_state(&m->rnd, page_address(m->huge), ARENA_SIZE);

	m->lent = kmalloc(ARENA_SIZE, GFP_KERNEL);
	m->buf = vmalloc(MAX_DATA);
	KUNIT_ASSERT_NOT_NULL(test, m->lent);
	KUNIT_ASSERT_NOT_NULL(test, m->buf);
	prandom_bytes_state(&m->rnd, m->lent, ARENA_SIZE);
	for (k = 0; k < NR_SKBS; k++) {
		m->data[k] = vmalloc(MAX_DATA);
		KUNIT_ASSERT_NOT_NULL(test, m->data[k]);
	}

	m->ubuf.callback = ubuf_done;
	refcount_set(&m->ubuf.refcnt, 1);
	kunit_settle_pages();
	m->huge_before = kunit_held(m->huge);
	m->lent_before = kunit_held(virt_to_page(m->lent));
	m->acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED);
	m->released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);
	return m;
}

/* --- what skbs hold, and what they should */

struct tally {
	int refs;
	int pins;
	int ubufs;
	bool bad;
	/* what has been counted: clones share it */
	const struct skb_shared_info *seen[32];
	unsigned int nr_seen;
};

static bool tally_seen(struct tally *t, const struct skb_shared_info *shinfo)
{
	unsigned int k;

	for (k = 0; k < t->nr_seen; k++)
		if (t->seen[k] == shinfo)
			return true;
	if (t->nr_seen == ARRAY_SIZE(t->seen))
		t->bad = true;
	else
		t->seen[t->nr_seen++] = shinfo;
	return t->bad;
}

static void tally_skb(struct model *m, struct tally *t, struct sk_buff *skb)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	struct sk_buff *list;
	int k;

	if (tally_seen(t, shinfo))
		return;
	t->ubufs += !!skb_zcopy(skb);
	for (k = 0; k < shinfo->nr_frags; k++) {
		const skb_frag_t *frag = &shinfo->frags[k];

		if (skb_frag_is_lent(frag))
			t->bad |= !skb_zcopy(skb);
		else if (compound_head(skb_frag_page(frag)) != m->huge)
			t->bad |= !skb_frag_is_reffed(frag);
		else if (skb_frag_is_pinned(frag))
			t->pins += skb_frag_nr_pages(frag);
		else
			t->refs++;
	}
	skb_walk_frags(skb, list)
		tally_skb(m, t, list);
}

static bool check_held(struct model *m, const struct tally *t)
{
	struct kunit_held want = m->huge_before;

	want.refs += t->refs + t->pins;
	want.pins += t->pins;
	if (t->bad || !kunit_is_held(m->huge, want, 0, 0) ||
	    !kunit_is_held(virt_to_page(m->lent), m->lent_before, 0, 0))
		return false;
	return refcount_read(&m->ubuf.refcnt) == t->ubufs + 1 && !m->nr_done;
}

static bool check_data(struct model *m, struct sk_buff *skb, const u8 *data,
		       unsigned int len)
{
	if (skb->len != len || skb_copy_bits(skb, 0, m->buf, len))
		return false;
	return !memcmp(m->buf, data, len);
}

/* Compare all skbs with the model, and a list of others that hold something. */
static bool check_with(struct model *m, struct sk_buff *others)
{
	struct tally t = {};
	int k;

	for (k = 0; k < NR_SKBS; k++) {
		if (!m->skbs[k])
			continue;
		tally_skb(m, &t, m->skbs[k]);
		if (!check_data(m, m->skbs[k], m->data[k], m->len[k])) {
			pr_err("skb %d: data differs\n", k);
			return false;
		}
	}
	for (; others; others = others->next)
		tally_skb(m, &t, others);
	return check_held(m, &t);
}

static bool check(struct model *m)
{
	return check_with(m, NULL);
}

static void drop(struct model *m, int k)
{
	kfree_skb(m->skbs[k]);
	m->skbs[k] = NULL;
	m->len[k] = 0;
}

/* Free all skbs: nothing may be held any more. */
static bool check_nothing(struct model *m)
{
	int k;

	for (k = 0; k < NR_SKBS; k++)
		drop(m, k);
	if (!check(m))
		return false;
	return kunit_pin_stat(NR_FOLL_PIN_ACQUIRED) - m->acquired ==
	       kunit_pin_stat(NR_FOLL_PIN_RELEASED) - m->released;
}

/* --- skbs to begin with */

static struct page *take_page(struct model *m, const struct frag_spec *spec)
{
	unsigned long addr = m->addr + spec->offset / P * P;
	unsigned int nr = DIV_ROUND_UP(spec->offset % P + spec->size, P);
	struct page *pages[ARENA_PAGES];
	int got = nr;

	if (spec->mode == FOLL_GET)
		got = get_user_pages_fast(addr, nr = 1, 0, pages);
	else if (spec->mode == FOLL_PIN)
		got = pin_user_pages_fast(addr, nr, 0, pages);
	else if (spec->mode == OWN_PAGE)
		pages[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	else
		pages[0] = virt_to_page(m->lent + spec->offset);
	KUNIT_ASSERT_EQ(m->test, got, (int)nr);
	KUNIT_ASSERT_NOT_NULL(m->test, pages[0]);
	return pages[0];
}

static void add_frag(struct model *m, struct sk_buff *skb,
		     const struct frag_spec *spec)
{
	int nr = skb_shinfo(skb)->nr_frags;
	struct page *page = take_page(m, spec);

	skb_fill_page_desc(skb, nr, page, spec->offset % P, spec->size);
	if (spec->mode != OWN_PAGE)
		skb_frag_set_mode(&skb_shinfo(skb)->frags[nr], spec->mode);
	if (spec->mode == LENT)
		skb_zcopy_set(skb, &m->ubuf, NULL);
	skb->len += spec->size;
	skb->data_len += spec->size;
	skb->truesize += ALIGN(spec->size, P);
}

static struct sk_buff *new_skb(struct model *m, unsigned int head,
			       const struct frag_spec *specs)
{
	struct sk_buff *skb = alloc_skb(head + 256, GFP_KERNEL);
	int k;

	KUNIT_ASSERT_NOT_NULL(m->test, skb);
	skb_reserve(skb, 128);
	prandom_bytes_state(&m->rnd, skb_put(skb, head), head);
	for (k = 0; k < MAX_SPECS && specs[k].size; k++)
		add_frag(m, skb, &specs[k]);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb->protocol = htons(ETH_P_IP);
	return skb;
}

/* Let the model learn the data of an skb that is known to be right. */
static void adopt(struct model *m, int k, struct sk_buff *skb)
{
	m->skbs[k] = skb;
	m->len[k] = skb->len;
	KUNIT_ASSERT_EQ(m->test, 0, skb_copy_bits(skb, 0, m->data[k], skb->len));
}

static void lay_out(struct model *m, int k, const struct layout *l)
{
	struct sk_buff *skb, *list;

	m->ubuf.flags = SKBFL_ZEROCOPY_FRAG |
			(l->orphan ? 0 : SKBFL_DONT_ORPHAN);
	skb = new_skb(m, l->head, l->frags);
	if (l->list[0].size) {
		list = new_skb(m, 30, l->list);
		skb_shinfo(skb)->frag_list = list;
		skb->len += list->len;
		skb->data_len += list->len;
		skb->truesize += list->truesize;
	}
	adopt(m, k, skb);
}

/* --- what is done to them: with skb k, perhaps to make skb n, and a place */

struct op {
	const char *name;
	bool (*run)(struct model *m, int k, int n, unsigned int cut);
};

static void made(struct model *m, int n, struct sk_buff *skb, const u8 *data,
		 unsigned int len)
{
	drop(m, n);
	m->skbs[n] = skb;
	m->len[n] = len;
	memmove(m->data[n], data, len);
}

static bool op_clone(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = skb_clone(m->skbs[k], GFP_KERNEL);

	made(m, n, skb, m->data[k], m->len[k]);
	return skb;
}

static bool op_pskb_copy(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = __pskb_copy(m->skbs[k], 64, GFP_KERNEL);

	made(m, n, skb, m->data[k], m->len[k]);
	return skb;
}

static bool op_expand(struct model *m, int k, int n, unsigned int cut)
{
	return !pskb_expand_head(m->skbs[k], 16, 16, GFP_KERNEL);
}

static bool op_trim(struct model *m, int k, int n, unsigned int cut)
{
	m->len[k] = cut;
	return !pskb_trim(m->skbs[k], cut);
}

static bool op_pull(struct model *m, int k, int n, unsigned int cut)
{
	return cut <= skb_headlen(m->skbs[k]) ||
	       __pskb_pull_tail(m->skbs[k], cut - skb_headlen(m->skbs[k]));
}

static bool op_split(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k], *rest;

	if (skb_has_frag_list(skb) || !cut || cut >= skb->len)
		return true;
	rest = alloc_skb(skb_headlen(skb) + 64, GFP_KERNEL);
	if (!rest || skb_unclone(skb, GFP_KERNEL))
		return false;
	skb_split(skb, rest, cut);
	made(m, n, rest, m->data[k] + cut, m->len[k] - cut);
	m->len[k] = cut;
	return true;
}

/* Data from the start of k goes to the end of n. */
static void moved(struct model *m, int k, int n, unsigned int size)
{
	memcpy(m->data[n] + m->len[n], m->data[k], size);
	m->len[n] += size;
	m->len[k] -= size;
	memmove(m->data[k], m->data[k] + size, m->len[k]);
}

static bool can_join(struct model *m, int k, int n)
{
	struct sk_buff *skb = m->skbs[k], *to = m->skbs[n];

	return to && !skb_headlen(skb) && !skb_has_frag_list(skb) &&
	       !skb_has_frag_list(to) && skb->len + to->len <= MAX_DATA;
}

static bool op_shift(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k];
	int size;

	if (!cut || !can_join(m, k, n))
		return true;
	size = skb_shift(m->skbs[n], skb, cut);
	if (size && size != cut)
		return false;
	moved(m, k, n, size);
	if (!skb->len)
		drop(m, k);
	return true;
}

static bool op_coalesce(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k];
	bool stolen;
	int delta;

	if (!can_join(m, k, n))
		return true;
	/* Some of the others leave it to their callers to count. */
	skb->truesize = SKB_TRUESIZE(skb_end_offset(skb)) + skb->data_len;
	if (!skb_try_coalesce(m->skbs[n], skb, &stolen, &delta))
		return true;
	kfree_skb_partial(skb, stolen);
	moved(m, k, n, m->len[k]);
	m->skbs[k] = NULL;
	return true;
}

static bool op_extract(struct model *m, int k, int n, unsigned int cut)
{
	unsigned int size = (m->len[k] - cut + 1) / 2;
	struct sk_buff *skb;

	if (!size)
		return true;
	skb = pskb_extract(m->skbs[k], cut, size, GFP_KERNEL);
	if (skb)
		made(m, n, skb, m->data[k] + cut, size);
	return skb;
}

static bool op_zerocopy(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k], *to;
	int hlen = skb_zerocopy_headlen(skb);

	if (!skb->len)
		return true;
	to = alloc_skb(hlen, GFP_KERNEL);
	if (!to || skb_zerocopy(to, skb, skb->len, hlen))
		return false;
	made(m, n, to, m->data[k], m->len[k]);
	return true;
}

static bool op_orphan(struct model *m, int k, int n, unsigned int cut)
{
	return !skb_orphan_frags_rx(m->skbs[k], GFP_KERNEL) &&
	       !skb_zcopy(m->skbs[k]);
}

static bool check_segments(struct model *m, struct sk_buff *segs, int k)
{
	unsigned int done = 0;
	struct sk_buff *skb;

	for (skb = segs; skb; done += skb->len, skb = skb->next)
		if (!check_data(m, skb, m->data[k] + done,
				min(skb->len, m->len[k] - done)))
			return false;
	return done == m->len[k] && check_with(m, segs);
}

static bool op_segment(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k], *segs;
	unsigned int mss = max3(cut, skb->len / 12 + 1, 100U);
	bool ok;

	if (skb_has_frag_list(skb) || !skb->len)
		return true;
	/* It looks for the protocol and for headers, which not all skbs have. */
	skb->protocol = htons(ETH_P_IP);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_mac_len(skb);
	SKB_GSO_CB(skb)->mac_offset = skb_headroom(skb);
	skb_shinfo(skb)->gso_size = mss;
	segs = skb_segment(skb, NETIF_F_SG | NETIF_F_HW_CSUM);
	skb_shinfo(skb)->gso_size = 0;
	if (IS_ERR(segs))
		return false;
	ok = check_segments(m, segs, k);
	kfree_skb_list(segs->next);
	skb_mark_not_on_list(segs);
	made(m, n, segs, m->data[k], min(mss, m->len[k]));
	return ok;
}

/* What a driver has received goes to the end of another packet, but for @cut. */
static bool op_gro(struct model *m, int k, int n, unsigned int cut)
{
	struct sk_buff *skb = m->skbs[k], *to = m->skbs[n];
	struct net_device *dev;

	if (!can_join(m, k, n) || skb_cloned(skb) || skb_cloned(to) ||
	    !skb_shinfo(skb)->nr_frags ||
	    cut >= skb_frag_size(&skb_shinfo(skb)->frags[0]))
		return true;
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return false;
	dev->gro_max_size = MAX_DATA;
	to->dev = dev;
	memset(NAPI_GRO_CB(to), 0, sizeof(*NAPI_GRO_CB(to)));
	memset(NAPI_GRO_CB(skb), 0, sizeof(*NAPI_GRO_CB(skb)));
	NAPI_GRO_CB(to)->last = to;
	NAPI_GRO_CB(skb)->data_offset = cut;
	if (!skb_gro_receive(to, skb)) {
		moved(m, k, n, cut);
		m->len[n] -= cut;
		moved(m, k, n, m->len[k]);
		/* If there are too many fragments, it is in the frag_list. */
		if (!NAPI_GRO_CB(skb)->free)
			m->skbs[k] = NULL;
		else
			drop(m, k);
	}
	to->dev = NULL;
	kfree(dev);
	return true;
}

static const struct op ops[] = {
	{ "skb_clone", op_clone },
	{ "__pskb_copy", op_pskb_copy },
	{ "pskb_expand_head", op_expand },
	{ "pskb_trim", op_trim },
	{ "__pskb_pull_tail", op_pull },
	{ "skb_split", op_split },
	{ "skb_shift", op_shift },
	{ "skb_try_coalesce", op_coalesce },
	{ "pskb_extract", op_extract },
	{ "skb_zerocopy", op_zerocopy },
	{ "skb_orphan_frags_rx", op_orphan },
	{ "skb_segment", op_segment },
	{ "skb_gro_receive", op_gro },
};

/* --- each of them, on each layout, at each place where fragments or pages meet */

static unsigned int add_cut(unsigned int *cuts, unsigned int nr, int cut,
			    unsigned int len)
{
	if (cut >= 0 && cut < len)
		cuts[nr++] = cut;
	return nr;
}

/* Around the ends of fragments and of their pages */
static unsigned int list_cuts(struct sk_buff *skb, unsigned int *cuts)
{
	int pos = skb_headlen(skb), k, d;
	unsigned int nr = 0, off, end, rest;

	nr = add_cut(cuts, nr, pos / 2, skb->len);
	for (k = 0; k < skb_shinfo(skb)->nr_frags; k++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[k];

		end = skb_frag_size(frag);
		for (off = 0; off < end; off += rest) {
			for (d = -1; d <= 1; d++)
				nr = add_cut(cuts, nr, pos + off + d, skb->len);
			rest = P - (skb_frag_off(frag) + off) % P;
		}
		pos += end;
	}
	return add_cut(cuts, nr, skb->len - 1, skb->len);
}

/* One operation on an skb, which may be cloned, and on a second one like it */
static bool try_op(struct model *m, const struct layout *l, const struct op *op,
		   unsigned int cut, bool cloned)
{
	lay_out(m, 0, l);
	lay_out(m, 1, l);
	if (cloned && !op_clone(m, 0, 2, 0))
		return false;
	return check(m) && op->run(m, 0, 1, cut) && check(m) &&
	       check_nothing(m);
}

static void frag_ops(struct kunit *test)
{
	const struct layout *l = test->param_value;
	struct model *m = new_model(test);
	unsigned int cuts[128], nr, n, k;

	lay_out(m, 0, l);
	nr = list_cuts(m->skbs[0], cuts);
	KUNIT_ASSERT_LT(test, nr, (unsigned int)ARRAY_SIZE(cuts));
	KUNIT_ASSERT_TRUE(test, check_nothing(m));

	for (k = 0; k < ARRAY_SIZE(ops); k++) {
		for (n = 0; n < 2 * nr; n++) {
			if (try_op(m, l, &ops[k], cuts[n / 2], n % 2))
				continue;
			KUNIT_FAIL(test, "%s at %u%s", ops[k].name, cuts[n / 2],
				   n % 2 ? ", cloned" : "");
			return;
		}
	}
}

/* --- many of them, in random order */

#define RANDOM_STEPS	4000

static unsigned int below(struct model *m, unsigned int limit)
{
	return prandom_u32_state(&m->rnd) % limit;
}

static bool random_step(struct model *m, const struct op **op)
{
	int k = below(m, NR_SKBS), n = below(m, NR_SKBS - 1);

	n += n >= k;
	if (!m->skbs[k]) {
		*op = NULL;
		lay_out(m, k, &layouts[below(m, ARRAY_SIZE(layouts))]);
		return true;
	}
	if (!below(m, 8)) {
		*op = NULL;
		drop(m, k);
		return true;
	}
	*op = &ops[below(m, ARRAY_SIZE(ops))];
	return (*op)->run(m, k, n, m->len[k] ? below(m, m->len[k]) : 0);
}

static void frag_random(struct kunit *test)
{
	struct model *m = new_model(test);
	const struct op *op;
	unsigned int step;

	for (step = 0; step < RANDOM_STEPS; step++) {
		if (random_step(m, &op) && check(m))
			continue;
		KUNIT_FAIL(test, "step %u, %s", step, op ? op->name : "new");
		return;
	}
	KUNIT_EXPECT_TRUE(test, check_nothing(m));
}

/* --- zero copy from iterators */

struct zc_test {
	struct model *m;
	struct sock *sk;
	struct sk_buff *skb;
};

static void zc_start(struct kunit *test, struct zc_test *z)
{
	z->m = new_model(test);
	z->m->ubuf.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
	z->sk = kunit_kzalloc(test, sizeof(*z->sk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, z->sk);
	z->sk->sk_type = SOCK_DGRAM;
	refcount_set(&z->sk->sk_wmem_alloc, 1);
	z->skb = new_skb(z->m, 50, layouts[0].list);
	skb_zcopy_set(z->skb, &z->m->ubuf, NULL);
}

static int zc_add(struct zc_test *z, struct iov_iter *iter, size_t len)
{
	int ret;

	z->skb->sk = z->sk;
	ret = __zerocopy_sg_from_iter(z->sk, z->skb, iter, len);
	z->skb->sk = NULL;
	return ret;
}

/* The data behind the head is @data, in so many fragments of that mode. */
static void zc_expect(struct zc_test *z, const u8 *data, unsigned int len,
		      unsigned int nr_frags, unsigned int mode)
{
	struct kunit *test = z->m->test;
	struct tally t = {};
	int k;

	KUNIT_EXPECT_EQ(test, z->skb->data_len, len);
	KUNIT_ASSERT_EQ(test, 0, skb_copy_bits(z->skb, 50, z->m->buf, len));
	KUNIT_EXPECT_EQ(test, 0, memcmp(z->m->buf, data, len));
	KUNIT_EXPECT_EQ(test, skb_shinfo(z->skb)->nr_frags, nr_frags);
	for (k = 0; k < skb_shinfo(z->skb)->nr_frags; k++)
		KUNIT_EXPECT_EQ(test, mode,
				skb_frag_mode(&skb_shinfo(z->skb)->frags[k]));
	tally_skb(z->m, &t, z->skb);
	KUNIT_EXPECT_TRUE(test, check_held(z->m, &t));
}

static void zc_end(struct zc_test *z)
{
	kfree_skb(z->skb);
	KUNIT_EXPECT_TRUE(z->m->test, check_nothing(z->m));
}

/* T62: pages of a huge page become one fragment, which holds one reference. */
static void zc_user(struct kunit *test)
{
	struct iov_iter iter;
	struct zc_test z;

	zc_start(test, &z);
	iov_iter_ubuf(&iter, ITER_SOURCE, (void __user *)z.m->addr + 100, 5 * P);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, 2 * P));
	zc_expect(&z, page_address(z.m->huge) + 100, 2 * P, 1, FOLL_GET);
	/* the second call goes on in the middle of a page */
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, 3 * P));
	zc_expect(&z, page_address(z.m->huge) + 100, 5 * P, 1, FOLL_GET);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 0UL);
	KUNIT_EXPECT_EQ(test, refcount_read(&z.sk->sk_wmem_alloc),
			1U + 3 * (unsigned int)P + 4 * (unsigned int)P);
	zc_end(&z);
}

/* T62: segments that meet within a page, each of which brings a reference */
static void zc_user_parts(struct kunit *test)
{
	struct iovec iov[2 * MAX_SKB_FRAGS];
	struct iov_iter iter;
	struct zc_test z;
	unsigned int k;

	zc_start(test, &z);
	for (k = 0; k < ARRAY_SIZE(iov); k++)
		iov[k] = (struct iovec){ (void __user *)z.m->addr + 64 * k, 64 };
	iov_iter_init(&iter, ITER_SOURCE, iov, k, 64 * k);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, 64 * k));
	zc_expect(&z, page_address(z.m->huge), 64 * k, 1, FOLL_GET);
	zc_end(&z);
}

/* T67: what is left when a later segment cannot be had, and when it is full */
static void zc_user_fault(struct kunit *test)
{
	struct iov_iter iter;
	struct iovec iov[2];
	struct zc_test z;

	zc_start(test, &z);
	iov[0] = (struct iovec){ (void __user *)z.m->addr, P };
	iov[1] = (struct iovec){ (void __user *)TASK_SIZE - P, P };
	iov_iter_init(&iter, ITER_SOURCE, iov, 2, 2 * P);
	KUNIT_EXPECT_EQ(test, -EFAULT, zc_add(&z, &iter, 2 * P));
	zc_expect(&z, page_address(z.m->huge), P, 1, FOLL_GET);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), P);
	zc_end(&z);
}

static void zc_full(struct kunit *test)
{
	struct iovec iov[MAX_SKB_FRAGS + 1];
	struct iov_iter iter;
	struct zc_test z;
	unsigned int k;

	zc_start(test, &z);
	/* not adjacent, and thus a fragment each */
	for (k = 0; k < ARRAY_SIZE(iov); k++)
		iov[k] = (struct iovec){ (void __user *)z.m->addr + 20 * k, 10 };
	iov_iter_init(&iter, ITER_SOURCE, iov, k, 10 * k);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, zc_add(&z, &iter, 10 * k));
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 10UL);
	KUNIT_EXPECT_EQ(test, z.skb->data_len, 10 * (k - 1));
	KUNIT_EXPECT_EQ(test, skb_shinfo(z.skb)->nr_frags, MAX_SKB_FRAGS);
	zc_end(&z);
}

/* The memory of the slab is lent: it is sent, and its count not touched. */
static void zc_kvec(struct kunit *test)
{
	struct iov_iter iter;
	struct zc_test z;
	struct kvec kvec;

	zc_start(test, &z);
	kvec = (struct kvec){ z.m->lent + 33, 3 * P };
	iov_iter_kvec(&iter, ITER_SOURCE, &kvec, 1, 3 * P);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, 3 * P));
	zc_expect(&z, kvec.iov_base, 3 * P, 1, 0);
	zc_end(&z);
}

static void zc_bvec(struct kunit *test)
{
	struct bio_vec bvec[2];
	struct iov_iter iter;
	struct zc_test z;

	zc_start(test, &z);
	bvec_set_page(&bvec[0], virt_to_page(z.m->lent), P + 20, 7);
	bvec_set_page(&bvec[1], virt_to_page(z.m->lent) + 1, P, 27);
	iov_iter_bvec(&iter, ITER_SOURCE, bvec, 2, 2 * P + 20);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, 2 * P + 20));
	/* They are adjacent. */
	zc_expect(&z, z.m->lent + 7, 2 * P + 20, 1, 0);
	zc_end(&z);
}

/* What was lent is not appended to by what is referenced, and so on. */
static void zc_mixed(struct kunit *test)
{
	struct bio_vec bvec;
	struct iov_iter iter;
	struct zc_test z;
	unsigned int k;

	zc_start(test, &z);
	bvec_set_page(&bvec, z.m->huge, P, 0);
	iov_iter_bvec(&iter, ITER_SOURCE, &bvec, 1, P);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, P));
	iov_iter_ubuf(&iter, ITER_SOURCE, (void __user *)z.m->addr + P, P);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, P));
	bvec_set_page(&bvec, z.m->huge + 2, P, 0);
	iov_iter_bvec(&iter, ITER_SOURCE, &bvec, 1, P);
	KUNIT_EXPECT_EQ(test, 0, zc_add(&z, &iter, P));
	KUNIT_ASSERT_EQ(test, skb_shinfo(z.skb)->nr_frags, 3);
	for (k = 0; k < 3; k++)
		KUNIT_EXPECT_EQ(test, k == 1 ? FOLL_GET : 0,
				skb_frag_mode(&skb_shinfo(z.skb)->frags[k]));
	zc_end(&z);
}

static struct kunit_case skb_frag_cases[] = {
	KUNIT_CASE_PARAM(frag_ops, layout_gen_params),
	KUNIT_CASE(frag_random),
	KUNIT_CASE(zc_user),
	KUNIT_CASE(zc_user_parts),
	KUNIT_CASE(zc_user_fault),
	KUNIT_CASE(zc_full),
	KUNIT_CASE(zc_kvec),
	KUNIT_CASE(zc_bvec),
	KUNIT_CASE(zc_mixed),
	{}
};

static struct kunit_suite skb_frag_suite = {
	.name = "skb_frag",
	.test_cases = skb_frag_cases,
};

kunit_test_suite(skb_frag_suite);
