/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory for KUnit cases, and what is held on its pages
 *
 * A case runs in a kernel thread, which has no user memory.  kunit_use_mm()
 * gives it some until it ends.  For the suites that test page extraction; only
 * for code that is built in.
 */
#ifndef _KUNIT_USER_MM_H
#define _KUNIT_USER_MM_H

#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include <kunit/test.h>

static inline int kunit_use_mm_init(struct kunit_resource *res, void *context)
{
	res->data = context;
	return 0;
}

static inline void kunit_use_mm_free(struct kunit_resource *res)
{
	struct mm_struct *mm = res->data;

	if (current->mm == mm) {
		kthread_unuse_mm(mm);
		mmput(mm);
	} else {
		/*
		 * A failed assertion has ended the thread of the case, which
		 * did mmput() on its way out.  What is left is the reference
		 * that kthread_use_mm() took.
		 */
		mmdrop(mm);
	}
}

/* Give this case an empty address space. */
static inline void kunit_use_mm(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mm);
	mm->task_size = TASK_SIZE;
	/* A bit that is set keeps khugepaged from having a look at it. */
	set_bit(MMF_VM_HUGEPAGE, &mm->flags);
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	KUNIT_ASSERT_PTR_EQ(test, (void *)mm,
			    kunit_alloc_resource(test, kunit_use_mm_init,
						 kunit_use_mm_free, GFP_KERNEL,
						 mm));
}

/* Map private memory that has no pages yet: at @addr, or anywhere if 0. */
static inline unsigned long kunit_user_map(struct kunit *test,
					   unsigned long addr, size_t len,
					   unsigned long prot)
{
	unsigned long flags = MAP_PRIVATE | MAP_ANONYMOUS;

	addr = vm_mmap(NULL, addr, len, prot, flags | (addr ? MAP_FIXED : 0),
		       0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return addr;
}

/* The same for memory that will have one huge page, at the address returned. */
static inline unsigned long kunit_user_map_huge(struct kunit *test)
{
	unsigned long addr = kunit_user_map(test, 0, 2 * PMD_SIZE,
					    PROT_READ | PROT_WRITE);

	addr = ALIGN(addr, PMD_SIZE);
	KUNIT_ASSERT_EQ(test, 0, do_madvise(current->mm, addr, PMD_SIZE,
					    MADV_HUGEPAGE));
	return addr;
}

/*
 * Write its number to the start of each of some pages of user memory, and look
 * up what they are.
 */
static inline void kunit_user_touch(struct kunit *test, unsigned long addr,
				    unsigned int nr_pages, struct page **pages)
{
	unsigned int n;

	for (n = 0; n < nr_pages; n++, addr += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(test, 0, put_user(n, (int __user *)addr));
		KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, 0,
							     &pages[n]));
		put_page(pages[n]);
	}
}

/* Take pages out of the queues that hold a reference on them for a while. */
static inline void kunit_settle_pages(void)
{
	lru_add_drain_all();
}

/* What is held on the folio that a page is in: how much by anybody, by pins */
struct kunit_held {
	int refs;
	int pins;
};

static inline struct kunit_held kunit_held(struct page *page)
{
	struct folio *folio = page_folio(page);
	struct kunit_held held = { .refs = folio_ref_count(folio) };

	if (folio_test_large(folio))
		held.pins = atomic_read(folio_pincount_ptr(folio));
	return held;
}

/* What is to be held after a mode has been applied to a folio @nr more times. */
static inline struct kunit_held kunit_held_more(struct kunit_held held,
						struct page *page, int nr,
						unsigned int mode)
{
	if (mode == FOLL_GET) {
		held.refs += nr;
	} else if (mode == FOLL_PIN && PageCompound(page)) {
		held.refs += nr;
		held.pins += nr;
	} else if (mode == FOLL_PIN && !is_zero_page(page)) {
		held.refs += nr * GUP_PIN_COUNTING_BIAS;
	}
	return held;
}

/* Is that what is held now? */
static inline bool kunit_is_held(struct page *page, struct kunit_held held,
				 int nr, unsigned int mode)
{
	struct kunit_held now = kunit_held(page);

	held = kunit_held_more(held, page, nr, mode);
	if (now.refs == held.refs && now.pins == held.pins)
		return true;
	pr_err("page has %d references and %d pins, not %d and %d\n",
	       now.refs, now.pins, held.refs, held.pins);
	return false;
}

/* NR_FOLL_PIN_ACQUIRED or _RELEASED, to the page. */
static inline long kunit_pin_stat(enum node_stat_item item)
{
	struct pglist_data *pgdat;
	long sum = 0;
	int cpu;

	preempt_disable();	/* hold off vmstat_update() */
	for_each_online_pgdat(pgdat) {
		sum += atomic_long_read(&pgdat->vm_stat[item]);
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(pgdat->per_cpu_nodestats,
					   cpu)->vm_node_stat_diff[item];
	}
	preempt_enable();
	return sum;
}

#endif /* _KUNIT_USER_MM_H */
