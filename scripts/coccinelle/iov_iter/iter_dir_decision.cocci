// SPDX-License-Identifier: GPL-2.0
///
/// What an operation does is known to the operation: IOCB_WRITE of a kiocb, the
/// op of a bio or request.  The direction of the iterator only has to agree
/// with that, which iov_iter_extract_pages() and the functions that copy check.
/// A decision from it turns a caller's mistake into I/O in the wrong direction.
///
//# To pass the direction on to a function is fine.
//
// Confidence: Moderate
// Options: --all-includes
// Keywords: iov_iter_dir, data_source, ITER_SOURCE, ITER_DEST

virtual context
virtual org
virtual report

@passed@
expression list before;
position p;
identifier f;
@@

  f(before, iov_iter_dir@p(...), ...)

// Where the direction is defined, checked and tested
@decision depends on !(file in "lib/iov_iter.c") && !(file in "include/linux/uio.h") && !(file in "include/linux/iov_iter_walk.h") && !(file in "lib/iov_iter_convert_kunit.c")@
struct iov_iter i;
struct iov_iter *ip;
position p != passed.p;
@@

(
* iov_iter_dir@p(...)
|
* i.data_source@p
|
* ip->data_source@p
)

@script:python depends on org@
p << decision.p;
@@

coccilib.org.print_todo(p[0], "WARNING decision from the direction of an iterator")

@script:python depends on report@
p << decision.p;
@@

coccilib.report.print_report(p[0], "WARNING: decision from the direction of an iterator, ask the operation")
