// SPDX-License-Identifier: GPL-2.0
///
/// Pages from iov_iter_extract_pages() are pinned, referenced or only listed,
/// as iov_iter_extract_mode() says.  Release them with page_put_unpin() or
/// folio_put_unpin(), take one more with page_get_repin() or folio_get_repin(),
/// and give them that mode.
///
//# Finds what happens in the function that extracts.
//
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: iov_iter_extract_pages, put_page, page_put_unpin, page_get_repin

virtual context
virtual org
virtual report

@extract@
expression i, pages;
@@

  iov_iter_extract_pages(i, &pages, ...)

@array depends on extract exists@
expression extract.pages;
expression i, n;
identifier put = {put_page, get_page, try_get_page, unpin_user_page,
		  folio_put, folio_get, folio_try_get};
identifier put_all = {release_pages, unpin_user_pages,
		      unpin_user_pages_dirty_lock};
identifier folio = {page_folio, compound_head};
position p;
@@

  iov_iter_extract_pages(i, &pages, ...)
  ... when any
      when != pages = NULL
(
* put@p(\(pages[n]\|*pages\|folio(pages[n])\|folio(*pages)\), ...)
|
* put_all@p(\(pages\|pages + n\|&pages[n]\), ...)
)

@page depends on extract exists@
expression extract.pages;
expression i, n;
idexpression page;
identifier put = {put_page, get_page, try_get_page, unpin_user_page,
		  folio_put, folio_get, folio_try_get};
identifier folio = {page_folio, compound_head};
position p;
@@

  iov_iter_extract_pages(i, &pages, ...)
  ... when any
  page = \(pages[n]\|*pages\|folio(pages[n])\|folio(*pages)\)
  ... when any
      when != page = ...
* put@p(\(page\|folio(page)\), ...)

@script:python depends on org@
p << array.p;
@@

coccilib.org.print_todo(p[0], "WARNING page from iov_iter_extract_pages()")

@script:python depends on org@
p << page.p;
@@

coccilib.org.print_todo(p[0], "WARNING page from iov_iter_extract_pages()")

@script:python depends on report@
p << array.p;
@@

coccilib.report.print_report(p[0], "WARNING: page from iov_iter_extract_pages(), use page_put_unpin() or page_get_repin()")

@script:python depends on report@
p << page.p;
@@

coccilib.report.print_report(p[0], "WARNING: page from iov_iter_extract_pages(), use page_put_unpin() or page_get_repin()")
