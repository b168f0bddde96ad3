// SPDX-License-Identifier: GPL-2.0
///
/// iov_iter_get_pages2() and its relatives take a plain reference on each page.
/// That loses data when a device writes to user memory that is copied on write
/// meanwhile, and it is not theirs to take for pages that a kernel iterator
/// lends.  Use iov_iter_extract_pages(), and iov_iter_extract_mode() to know
/// how to release the pages.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: iov_iter_get_pages2, iov_iter_extract_pages

virtual context
virtual org
virtual report

@call@
position p;
@@

* \(iov_iter_get_pages@p\|iov_iter_get_pages2@p\|iov_iter_get_pages_alloc@p\|
*   iov_iter_get_pages_alloc2@p\)(...)

@script:python depends on org@
p << call.p;
@@

coccilib.org.print_todo(p[0], "WARNING use iov_iter_extract_pages()")

@script:python depends on report@
p << call.p;
@@

coccilib.report.print_report(p[0], "WARNING: takes references only, use iov_iter_extract_pages()")
