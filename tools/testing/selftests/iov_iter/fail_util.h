/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail, by CONFIG_FAILSLAB, one at a time.  A system call is
 * made again and again, and each time the next one of its allocations fails, so
 * that all of its ways out are gone.
 */
#ifndef FAIL_UTIL_H
#define FAIL_UTIL_H

/*
 * Calls @fn, which makes the system call, with the first, the second and so on
 * of the allocations of this thread failing, until it is through without one
 * that does.  Returns how many there were.
 */
unsigned int fail_each_allocation(void (*fn)(void *arg), void *arg);

#endif
