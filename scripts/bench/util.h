/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs that measure share */
#ifndef UTIL_H
#define UTIL_H

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define PAGE		(4 * KIB)
#define HUGE		(2 * MIB)
#define BUF_SIZE	(16 * MIB)

/* BUF_SIZE bytes of memory; @advice is MADV_HUGEPAGE or MADV_NOHUGEPAGE */
char *buffer(int advice);

/* in nanoseconds, of a clock that counts instructions */
double now(void);

/* Print what something costs, or that it cannot be had if that is negative. */
void row(const char *name, double ns);

#endif
