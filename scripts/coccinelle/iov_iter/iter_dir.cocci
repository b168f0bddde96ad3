// SPDX-License-Identifier: GPL-2.0
///
/// The direction of an iterator is an enum iter_dir.  READ and WRITE, what
/// rq_data_dir() returns, an int or a bool have the same values but say it the
/// other way round: a write() takes data from its buffer, which makes the
/// buffer a source.  Say ITER_SOURCE or ITER_DEST, or pass on an enum iter_dir.
///
//# A variable or member is taken to be right unless the file itself tells that
//# its type is another; sparse knows the type in any case.
//
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: iov_iter, enum iter_dir, ITER_SOURCE, ITER_DEST

virtual context
virtual org
virtual report

@number@
constant C != {ITER_SOURCE, ITER_DEST};
typedef bool, u8;
{int, unsigned int, bool, u8} N;
expression i, a, b, c;
identifier f = {rq_data_dir, bio_data_dir, op_is_write};
position p;
@@

(
* \(iov_iter_init@p\|iov_iter_ubuf@p\|iov_iter_kvec@p\|iov_iter_bvec@p\|
*   iov_iter_pipe@p\|iov_iter_xarray@p\|iov_iter_discard@p\)
*	(i, \(C\|N\|f(...)\|!a\|a & b\|c ? C : b\|c ? b : C\), ...)
|
* \(import_iovec@p\|__import_iovec@p\|import_single_range@p\)
*	(\(C\|N\|f(...)\|!a\|a & b\|c ? C : b\|c ? b : C\), ...)
)

@script:python depends on org@
p << number.p;
@@

coccilib.org.print_todo(p[0], "WARNING direction is not an enum iter_dir")

@script:python depends on report@
p << number.p;
@@

coccilib.report.print_report(p[0], "WARNING: direction is not an enum iter_dir, say ITER_SOURCE or ITER_DEST")
