// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of folio_put_unpin() and its relatives
 *
 * Only get_user_pages() and pin_user_pages() take the first reference or pin on
 * a page, so all pages here are those of user memory.  Each kind of page is
 * tried with each mode, and what is held on it is counted at every step.
 */

#include <linux/mm.h>
#include <linux/module.h>

#include <kunit/user_mm.h>

static unsigned long map_page(struct kunit *test)
{
	unsigned long addr = kunit_user_map(test, 0, PAGE_SIZE,
					    PROT_READ | PROT_WRITE);
	struct page *page;

	kunit_user_touch(test, addr, 1, &page);
	KUNIT_ASSERT_FALSE(test, PageCompound(page));
	return addr;
}

static unsigned long map_huge_head(struct kunit *test)
{
	unsigned long addr = kunit_user_map_huge(test);
	struct page *page;

	kunit_user_touch(test, addr, 1, &page);
	KUNIT_ASSERT_TRUE(test, PageTransHuge(page));
	return addr;
}

static unsigned long map_huge_tail(struct kunit *test)
{
	return map_huge_head(test) + 5 * PAGE_SIZE;
}

/* Memory that is read before it is written has a zero page. */
static unsigned long map_zero(struct kunit *test)
{
	return kunit_user_map(test, 0, PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static unsigned long map_huge_zero(struct kunit *test)
{
	return kunit_user_map_huge(test);
}

static const struct pin_param {
	const char *name;
	unsigned long (*map)(struct kunit *test);
	unsigned int mode;
	bool is_zero;
} pin_params[] = {
	{ "page, nothing", map_page, 0 },
	{ "page, reference", map_page, FOLL_GET },
	{ "page, pin", map_page, FOLL_PIN },
	{ "head of a huge page, nothing", map_huge_head, 0 },
	{ "head of a huge page, reference", map_huge_head, FOLL_GET },
	{ "head of a huge page, pin", map_huge_head, FOLL_PIN },
	{ "tail of a huge page, reference", map_huge_tail, FOLL_GET },
	{ "tail of a huge page, pin", map_huge_tail, FOLL_PIN },
	{ "zero page, nothing", map_zero, 0, true },
	{ "zero page, reference", map_zero, FOLL_GET, true },
	{ "zero page, pin", map_zero, FOLL_PIN, true },
	{ "huge zero page, reference", map_huge_zero, FOLL_GET },
	{ "huge zero page, pin", map_huge_zero, FOLL_PIN },
};

static void pin_param_desc(const struct pin_param *p, char *desc)
{
	strscpy(desc, p->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pin, pin_params, pin_param_desc);

/* A page, what was held on it at first, and how often we hold it now */
struct pin_test {
	struct kunit *test;
	unsigned long addr;
	unsigned int mode;
	bool is_zero;
	struct page *page;
	struct kunit_held before;
	long acquired;
	long released;
};

static void take(struct pin_test *t, unsigned int nr)
{
	struct page *page;
	int got = 1;

	while (nr-- && got == 1) {
		if (t->mode == FOLL_GET)
			got = get_user_pages_fast(t->addr, 1, 0, &page);
		else if (t->mode == FOLL_PIN)
			got = pin_user_pages_fast(t->addr, 1, 0, &page);
		else
			page = t->page;
		KUNIT_EXPECT_EQ(t->test, got, 1);
		KUNIT_EXPECT_PTR_EQ(t->test, page, t->page);
	}
	kunit_settle_pages();
}

/* All that was taken and all that was given back, since the start */
static void expect(struct pin_test *t, unsigned int taken, unsigned int given)
{
	bool pins = t->mode == FOLL_PIN && !t->is_zero;

	KUNIT_EXPECT_TRUE(t->test, kunit_is_held(t->page, t->before,
						 taken - given, t->mode));
	KUNIT_EXPECT_EQ(t->test, kunit_pin_stat(NR_FOLL_PIN_ACQUIRED),
			t->acquired + (pins ? taken : 0));
	KUNIT_EXPECT_EQ(t->test, kunit_pin_stat(NR_FOLL_PIN_RELEASED),
			t->released + (pins ? given : 0));
}

static void start(struct kunit *test, struct pin_test *t)
{
	const struct pin_param *p = test->param_value;

	kunit_use_mm(test);
	*t = (struct pin_test){
		.test = test,
		.addr = p->map(test),
		.mode = p->mode,
		.is_zero = p->is_zero,
	};
	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(t->addr, 1, 0, &t->page));
	put_page(t->page);
	KUNIT_ASSERT_EQ(test, is_zero_page(t->page), p->is_zero);
	KUNIT_ASSERT_EQ(test, is_huge_zero_page(compound_head(t->page)),
			p->map == map_huge_zero);
	kunit_settle_pages();
	t->before = kunit_held(t->page);
	t->acquired = kunit_pin_stat(NR_FOLL_PIN_ACQUIRED);
	t->released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);
	expect(t, 0, 0);
}

static void put_unpin_one(struct kunit *test)
{
	struct pin_test t;

	start(test, &t);
	take(&t, 3);
	expect(&t, 3, 0);
	page_put_unpin(t.page, t.mode);
	expect(&t, 3, 1);
	folio_put_unpin(page_folio(t.page), t.mode);
	expect(&t, 3, 2);
	page_put_unpin(t.page, t.mode);
	expect(&t, 3, 3);
}

/* A run of pages is given back at once, and may be only a part of it. */
static void put_unpin_run(struct kunit *test)
{
	struct pin_test t;

	start(test, &t);
	take(&t, HPAGE_PMD_NR + 3);
	expect(&t, HPAGE_PMD_NR + 3, 0);
	folio_put_unpin_refs(page_folio(t.page), 2, t.mode);
	expect(&t, HPAGE_PMD_NR + 3, 2);
	folio_put_unpin_refs(page_folio(t.page), HPAGE_PMD_NR, t.mode);
	expect(&t, HPAGE_PMD_NR + 3, HPAGE_PMD_NR + 2);
	folio_put_unpin_refs(page_folio(t.page), 1, t.mode);
	expect(&t, HPAGE_PMD_NR + 3, HPAGE_PMD_NR + 3);
}

/* One more is released on its own, before or after the first. */
static void get_repin(struct kunit *test)
{
	struct pin_test t;

	start(test, &t);
	take(&t, 1);
	page_get_repin(t.page, t.mode);
	expect(&t, 2, 0);
	folio_get_repin(page_folio(t.page), t.mode);
	expect(&t, 3, 0);
	page_put_unpin(t.page, t.mode);
	expect(&t, 3, 1);
	page_get_repin(t.page, t.mode);
	expect(&t, 4, 1);
	folio_put_unpin_refs(page_folio(t.page), 3, t.mode);
	expect(&t, 4, 4);
}

/* Where nothing was taken the page may be anything, and is not looked at. */
static void mode_0_of_no_page(struct kunit *test)
{
	struct page *nowhere = (struct page *)BIT(60);

	page_put_unpin(nowhere, 0);
	page_get_repin(nowhere, 0);
	folio_put_unpin((struct folio *)nowhere, 0);
	folio_put_unpin_refs((struct folio *)nowhere, 5, 0);
	folio_get_repin((struct folio *)nowhere, 0);
}

/*
 * Some architectures have a zero page for each colour of the cache.  All are
 * told by the helper, and none is pinned.
 */
static void zero_pages_of_all_colours(struct kunit *test)
{
	long released = kunit_pin_stat(NR_FOLL_PIN_RELEASED);
	unsigned int n;

	for (n = 0; n < 16; n++) {
		struct page *zero = ZERO_PAGE(n * PAGE_SIZE);
		struct kunit_held held = kunit_held(zero);

		page_get_repin(zero, FOLL_PIN);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(zero, held, 0, 0));
		page_put_unpin(zero, FOLL_PIN);
		KUNIT_EXPECT_TRUE(test, kunit_is_held(zero, held, 0, 0));
	}
	KUNIT_EXPECT_EQ(test, released, kunit_pin_stat(NR_FOLL_PIN_RELEASED));
}

/* The pin is all that is left of a page that has been unmapped. */
static void last_one_frees(struct kunit *test)
{
	static const unsigned int modes[] = { FOLL_GET, FOLL_PIN };
	struct page *page;
	unsigned int n;

	kunit_use_mm(test);
	for (n = 0; n < ARRAY_SIZE(modes); n++) {
		struct pin_test t = { test, map_page(test), modes[n] };
		int refs = t.mode == FOLL_PIN ? GUP_PIN_COUNTING_BIAS : 1;

		KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(t.addr, 1, 0,
							     &page));
		put_page(page);
		t.page = page;
		take(&t, 1);
		vm_munmap(t.addr, PAGE_SIZE);
		kunit_settle_pages();
		KUNIT_EXPECT_EQ(test, page_count(page), refs);

		preempt_disable();	/* or somebody else gets it */
		page_put_unpin(page, t.mode);
		refs = page_count(page);
		preempt_enable();
		KUNIT_EXPECT_EQ(test, refs, 0);
	}
}

static struct kunit_case folio_pin_cases[] = {
	KUNIT_CASE_PARAM(put_unpin_one, pin_gen_params),
	KUNIT_CASE_PARAM(put_unpin_run, pin_gen_params),
	KUNIT_CASE_PARAM(get_repin, pin_gen_params),
	KUNIT_CASE(mode_0_of_no_page),
	KUNIT_CASE(zero_pages_of_all_colours),
	KUNIT_CASE(last_one_frees),
	{}
};

static struct kunit_suite folio_pin_suite = {
	.name = "folio_pin",
	.test_cases = folio_pin_cases,
};

kunit_test_suite(folio_pin_suite);

MODULE_LICENSE("GPL");
