#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py BASE SERIES SVG: the table of "make bench" from what the two guests
printed, with the budget of each row and the verdict, and the plot beside it."""

import math
import sys

# name: what it is, and how many instructions it may take
ROWS = {
    'ubuf-1': ('UBUF, 1 page', 540),
    'ubuf-1-huge': ('the same, of a huge page', None),
    'ubuf-1024': ('UBUF, 1024 pages, per page', 15),
    'ubuf-1024-runs': ('the same as runs', None),
    'ubuf-huge': ('UBUF over huge pages, per 4 KiB', 10),
    'ubuf-huge-runs': ('the same as runs', 2),
    'iovec-256': ('IOVEC of 256 separate pages, per page', 180),
    'bvec-256': ('BVEC of 256 pages, per page', 20),
    'bvec-folio': ('BVEC of one 2 MiB folio, per page', 5),
    'bvec-folio-runs': ('the same as runs', 0.5),
    'kvec-vmalloc': ('KVEC over vmalloc, per page', 30),
    'xarray-256': ('XARRAY of 256 pages, per page', None),
    'nullb-4k': ('null_blk direct read, 4 KiB', 2950),
    'nullb-4k-huge': ('the same, of a huge page', None),
    'nullb-1m': ('null_blk direct read, 1 MiB of 4 KiB pages', 24000),
    'nullb-1m-huge': ('null_blk direct read, 1 MiB of a huge page', 6000),
    'brd-1m': ('brd direct read, 1 MiB', 160000),
    'tcp': ('TCP to oneself, 1 MiB', None),
    'tcp-zc': ('the same with MSG_ZEROCOPY, of 4 KiB pages', None),
    'tcp-zc-huge': ('the same, of a huge page', None),
    'tcp-fixed': ('by io_uring, registered, of 4 KiB pages', None),
    'tcp-fixed-huge': ('the same, of a huge page', None),
    'tls': ('TLS to oneself, 1 MiB, of 4 KiB pages', None),
    'tls-huge': ('the same, of a huge page', None),
    'smb-write': ('SMB write, 1 MiB', None),
    'smb-read': ('SMB read, 1 MiB', None),
    'smb-write-direct': ('SMB direct write, 1 MiB of 4 KiB pages', None),
    'smb-read-direct': ('SMB direct read, 1 MiB of 4 KiB pages', None),
    'smb-write-direct-huge': ('SMB direct write, 1 MiB of huge pages', None),
    'smb-read-direct-huge': ('SMB direct read, 1 MiB of huge pages', None),
}

LINES = [('base', 'small', '#b0413e'), ('base', 'huge', '#e0a03a'),
         ('series', 'small', '#2b6ea3'), ('series', 'huge', '#3a9a5b')]
PAGES = {'small': '4 KiB pages', 'huge': 'huge pages'}


def read(path):
    """The rows {name: cost} and points {(pages, size): cost} of a guest"""
    rows, points = {}, {}
    with open(path) as log:
        for line in log:
            word = line.rstrip('\n').split('\t')
            if word[0] == 'row':
                rows[word[1]] = None if word[2] == '-' else float(word[2])
            elif word[0] == 'plot':
                points[word[1], int(word[2])] = float(word[3])
    missing = ROWS.keys() - rows.keys()
    if missing or not points:
        sys.exit(f'error: {path} lacks {", ".join(sorted(missing)) or "the plot"}')
    return rows, points


def number(cost):
    if cost is None:
        return '-'
    return f'{cost:.1f}' if cost < 1000 else f'{cost:.0f}'


def table(base, series):
    """Print it, and return how many rows are over their budget."""
    over = 0
    form = '{:<44}{:>10}{:>10}{:>10}  {}'
    print(form.format('instructions', 'base', 'series', 'budget', '').rstrip())
    for name, (what, budget) in ROWS.items():
        verdict = ''
        if budget is not None:
            met = series[name] is not None and series[name] <= budget
            verdict = 'within' if met else 'OVER'
            over += not met
        print(form.format(what, number(base[name]), number(series[name]),
                          number(budget), verdict).rstrip())
    print()
    for name in (n for n in series if n not in ROWS):
        if name not in base:
            sys.exit(f'error: base lacks {name}')
        print(form.format(name, number(base[name]), number(series[name]),
                          '', '').rstrip())
    return over


def plot(points, path):
    """Cost of a direct read from null_blk against its size, both logarithmic"""
    width, height, left, top, bottom = 640, 400, 70, 20, 50
    sizes = sorted({size for _, size in points['base']})
    costs = [c for p in points.values() for c in p.values()]
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))

    def x(size):
        span = math.log2(sizes[-1]) - math.log2(sizes[0])
        return left + (math.log2(size) - math.log2(sizes[0])) / span * (width - left - 20)

    def y(cost):
        return top + (high - math.log10(cost)) / (high - low) * (height - top - bottom)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
           ' font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for exp in range(low, high + 1):
        out.append(f'<path d="M{left} {y(10 ** exp):.1f}H{width - 20}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y(10 ** exp) + 4:.1f}" '
                   f'text-anchor="end">{10 ** exp:,}</text>')
    for size in sizes[::2]:
        label = f'{size >> 10} KiB' if size < 1 << 20 else f'{size >> 20} MiB'
        out.append(f'<text x="{x(size):.1f}" y="{height - bottom + 18}" '
                   f'text-anchor="middle">{label}</text>')
    for k, (kernel, pages, colour) in enumerate(LINES):
        path_d = 'L'.join(f'{x(s):.1f} {y(points[kernel][pages, s]):.1f}' for s in sizes)
        out.append(f'<path d="M{path_d}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<path d="M{left + 12} {top + 12 + 16 * k}h20" stroke="{colour}" '
                   f'stroke-width="2"/><text x="{left + 38}" y="{top + 16 + 16 * k}">'
                   f'{kernel}, {PAGES[pages]}</text>')
    out.append(f'<text x="{(left + width) / 2}" y="{height - 8}" text-anchor="middle">'
               'direct read from null_blk: instructions against size</text></svg>')
    with open(path, 'w') as svg:
        svg.write('\n'.join(out) + '\n')


def main():
    if len(sys.argv) != 4:
        sys.exit('usage: bench.py BASE SERIES SVG')
    base, base_points = read(sys.argv[1])
    series, series_points = read(sys.argv[2])
    over = table(base, series)
    plot({'base': base_points, 'series': series_points}, sys.argv[3])
    print(f'\nplot: {sys.argv[3]}')
    with_budget = sum(budget is not None for _, budget in ROWS.values())
    print(f'{with_budget - over} rows within their budget, {over} over it')


if __name__ == '__main__':
    main()
