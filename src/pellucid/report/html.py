"""Documents as HTML that stands alone: nothing is fetched, no script runs, the same document gives the same bytes.

Pages are read at any width: columns become one, wide tables and code scroll by themselves and show that they do.
"""

import html as _html
from collections.abc import Iterable

import numpy as np

from pellucid.report import document as doc
from pellucid.report.document import number, parts
from pellucid.report.drawing import svg
from pellucid.report.picture import shaded_png

STYLE = """
*{box-sizing:border-box}
h1,h2,h3{line-height:1.25;font-weight:650;margin:0}
h1{font-size:clamp(1.5rem,1.2rem + 1.5vw,2.1rem)}
h2{font-size:1.35rem;margin-top:2.6rem;padding-top:.7rem;border-top:1px solid #d0d0d0}
h3{font-size:1.05rem;margin-top:1.6rem}
p,ul{max-width:46rem;margin:.7rem 0}
.lead{font-size:1.1rem}
.quiet,figcaption{color:#555}
a{color:#0b5394}
nav{margin:1rem 0;line-height:1.9}
nav a{margin-right:1.1rem;white-space:nowrap}
code,pre{font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}
pre{background:#f5f5f5;padding:.8rem 1rem;border-radius:.3rem;overflow-x:auto;margin:.8rem 0}
.scroll{overflow-x:auto;max-width:100%;margin:.8rem 0;background:linear-gradient(90deg,#fff 30%,#fff0) 0 0/2.5rem 100%,\
linear-gradient(270deg,#fff 30%,#fff0) 100% 0/2.5rem 100%,\
radial-gradient(farthest-side at 0 50%,#0005,#0000) 0 0/.8rem 100%,\
radial-gradient(farthest-side at 100% 50%,#0005,#0000) 100% 0/.8rem 100%;background-repeat:no-repeat;\
background-attachment:local,local,scroll,scroll}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:0}
th,td{padding:.28rem .75rem;text-align:left;border-bottom:1px solid #dedede;vertical-align:top;background:none}
thead th{border-bottom:2px solid #888;vertical-align:bottom}
th{font-weight:600}
th:first-child,td:first-child{padding-left:0}
td:first-child:not(.n),th:first-child:not(.n){min-width:7rem}
.columns td:first-child:not(.n),.columns th:first-child:not(.n){min-width:4rem}
.n{text-align:right}
td.n{white-space:nowrap}
td.t{min-width:13rem}
figure{margin:.8rem 0;min-width:0}
svg,img{display:block;width:100%;height:auto}
section>svg{margin:.8rem 0}
img{image-rendering:pixelated}
.narrow{display:none}
figcaption{font-size:.92rem;line-height:1.4;margin-top:.2rem;max-width:46rem}
.columns{display:grid;gap:1.4rem 1.8rem;margin:1rem 0;align-items:start}
.columns>*{margin:0;min-width:0}
.half{grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr))}
.third{grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr))}
.small{grid-template-columns:repeat(auto-fill,minmax(6.5rem,1fr));gap:1rem}
.small img{border:1px solid #ccc}
.line{margin:.4rem 0 .4rem 1rem;overflow-x:auto}
math{font-size:1.06em}
td math,th math{white-space:nowrap}
details{margin:.8rem 0}
summary{cursor:pointer}
.note{border-left:4px solid #0072B2;background:#f6f7f9;padding:.5rem .9rem;margin:1rem 0}
.note>b:first-child{margin-right:.4rem}
.note.good{border-color:#009E73}
.note.warning{border-color:#E69F00}
.note.problem{border-color:#D55E00}
.note>p:first-of-type{display:inline}
.note h3{display:inline;margin:0 .6rem 0 0}
.note .scroll{background:none}
.meter{display:inline-block;width:7.5rem;height:.65rem;background:#e0e0e0;margin:0 .4rem 0 0;padding:0;border:0}
td:has(.meter){white-space:nowrap}
.meter span{display:block;height:100%;background:#0072B2}
.meter.warning span{background:#E69F00}
.meter.problem span{background:#D55E00}
@media (max-width:34rem){.wide{display:none}.narrow{display:block}}
@media print{h2{break-after:avoid}figure{break-inside:avoid}.wide{display:block}.narrow{display:none}}
"""
BODY = """
:root{color-scheme:light}
body{max-width:68rem;margin:0 auto;padding:1.5rem clamp(.9rem,3vw,2rem) 4rem;background:#fff}
@media print{body{max-width:none;padding:0}}
"""
TYPE = (
    ".pellucid{font:1rem/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif;color:#1a1a1a;"
    "background:#fff;overflow-wrap:break-word}"
)
WIDE, HALF, NARROW = 1024, 500, 370
"""Pixels that a chart is drawn for: across the page, in half of it, on a telephone."""
MOST_PIXELS = 50_000
"""Bytes of the pictures in a chart above which it is written once, and not anew for a telephone."""
MANY_COLUMNS, LONG_TEXT = 6, 24
"""Columns of a table above which those with texts longer than so many characters keep a width, so that it scrolls."""
CONTENTS = 4
"""Sections from which on a page begins with links to them."""


class Html(str):
    """Text that is HTML already, and enters a page as it is.

    Example:
        >>> element("p", "a < b ", Html("<b>!</b>"))
        '<p>a &lt; b <b>!</b></p>'
    """

    __slots__ = ()


def element(name: str, *content: str, **attributes: str | None) -> Html:
    """Write an element around its contents; text is escaped. A trailing underscore of an attribute is left out.

    Example:
        >>> element("a", "more", href="#more", class_=None)
        '<a href="#more">more</a>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(part if isinstance(part, Html) else _html.escape(part) for part in content)
    return Html(f"<{name}{written}>{inner}</{name}>")


def page(document: doc.Document) -> str:
    """Render a document as a whole page."""
    titles = [block.title for block in document.blocks if isinstance(block, doc.Section)]
    links = (element("a", title, href=f"#{anchor(title)}") for title in titles)
    contents = element("nav", Html(" ".join(links)), aria_label="Contents") if len(titles) >= CONTENTS else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_html.escape(document.title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An empty picture, so that a browser asks nobody for one.
        '<link rel="icon" href="data:,">\n'
        f'<style>{BODY}{_STYLE}</style>\n</head>\n<body>\n<main class="pellucid">\n'
        f"{element('h1', document.title)}\n{contents}\n{_blocks(document.blocks)}\n</main>\n</body>\n</html>\n"
    )


def fragment(document: doc.Document) -> str:
    """Render a document as a piece of a page with its own style, as a notebook shows it."""
    head = element("h3", document.title) if document.title else ""
    return f'<div class="pellucid"><style>{_STYLE}</style>{head}{_blocks(document.blocks)}</div>'


def anchor(title: str) -> str:
    """The name by which a heading is linked to.

    Example:
        >>> anchor("Weights, layer by layer")
        'weights-layer-by-layer'
    """
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words)


def words(content: doc.Inline) -> Html:
    """Render inline content."""
    return Html("".join(map(_word, parts(content))))


def _word(part: doc.Inline) -> str:
    match part:
        case str():
            return _html.escape(part)
        case doc.Code(code):
            return element("code", code)
        case doc.Strong(inner):
            return element("b", words(inner))
        case doc.Link(label, address):
            return element("a", label, href=address)
        case doc.Meter(fraction, kind):
            bar = element("span", style=f"width:{100 * fraction:.0f}%")
            return element("span", bar, class_=f"meter {kind}") + f"{fraction:.0%}"
        case doc.Formula() | doc.Line():
            return part.mathml
        case _:
            return number(part)


def _blocks(blocks: Iterable[doc.Block], width: int = WIDE, level: int = 2) -> Html:
    return Html("".join(_block(block, width, level) for block in blocks))


def _block(block: doc.Block, width: int, level: int) -> Html:
    match block:
        case str():
            return element("p", block)
        case doc.Paragraph():
            return element("p", words(block.content), class_=block.kind or None)
        case doc.Bullets(items):
            return element("ul", *(element("li", words(item)) for item in items))
        case doc.Table():
            return _table(block)
        case doc.Listing(code):
            return element("pre", code.rstrip("\n"), tabindex="0")
        case doc.Formulas():
            return Html("".join(element("div", Html(line.mathml), class_="line") for line in block.lines))
        case doc.Numbers(label, array):
            return element("details", element("summary", label), element("pre", _written(array), tabindex="0"))
        case doc.Picture(array, label, signed):
            return _image(shaded_png(array, signed), label)
        case doc.Image(address, label):
            return _image(address, label)
        case doc.Chart():
            drawing = block.draw(width)
            if width <= NARROW or drawing.size > MOST_PIXELS:
                return Html(svg(drawing))
            return Html(svg(drawing, "wide") + svg(block.draw(NARROW), "narrow"))
        case doc.Figure():
            caption = element("figcaption", words(block.caption)) if block.caption else ""
            return element("figure", _block(block.block, width, level), caption)
        case doc.Columns():
            narrower = HALF if block.width == "half" else NARROW
            return element("div", _blocks(block.blocks, narrower, level), class_=f"columns {block.width}")
        case doc.Details():
            shown = element("summary", words(block.summary)), _blocks(block.blocks, width, level)
            return element("details", *shown)
        case doc.Note():
            sign, title = element("b", block.sign), block.title
            head = element("h3", words(title)) if title is not None else ""
            inner = _blocks(block.blocks, width, level)
            return element("div", sign, head, inner, class_=f"note {block.kind}")
        case doc.Section():
            head = element(f"h{min(level, 6)}", block.title, id=anchor(block.title))
            return element("section", head, _blocks(block.blocks, width, level + 1))
        case _:
            return Html("")


def _table(shown: doc.Table) -> Html:
    numeric = shown.numeric if shown.head else [False] * len(shown.numeric)
    many = len(numeric) > MANY_COLUMNS
    long = [
        many and any(isinstance(cell, str) and len(cell) > LONG_TEXT for cell in column)
        for column in zip(*shown.rows, strict=True)
    ] or [False] * len(numeric)
    kinds = ["n" if right else "t" if wide else None for right, wide in zip(numeric, long, strict=True)]
    head = Html("")
    if shown.head:
        cells = (
            element("th", words(cell), scope="col", class_=kind) for cell, kind in zip(shown.head, kinds, strict=True)
        )
        head = element("thead", element("tr", *cells))
    rows = []
    for row in shown.written:
        cells = [element("td", words(cell), class_=kind) for cell, kind in zip(row, kinds, strict=True)]
        if not shown.head:
            cells[0] = element("th", words(row[0]), scope="row")
        rows.append(element("tr", *cells))
    whole = element("div", element("table", head, element("tbody", *rows)), class_="scroll", tabindex="0")
    return element("figure", element("figcaption", shown.caption), whole) if shown.caption else whole


def _image(address: str, label: str) -> Html:
    return Html(f'<img src="{_html.escape(address)}" alt="{_html.escape(label)}">')


def _written(array: np.ndarray) -> str:
    written = np.frompyfunc(lambda value: f"{value + 0.0:.4g}", 1, 1)
    return np.array2string(array, max_line_width=100, threshold=array.size + 1, formatter={"float_kind": written})


def _scoped(style: str) -> str:
    """The rules of a style, for what stands within the class ``pellucid`` alone."""
    scoped = [TYPE]
    for line in style.replace("\\\n", "").strip().splitlines():
        media, rules = ("", line) if not line.startswith("@") else line.rstrip("}").split("{", 1)
        inner = ""
        for rule in filter(None, rules.split("}")):
            selectors, declarations = rule.split("{", 1)
            inner += ",".join(f".pellucid {one}" for one in selectors.split(",")) + f"{{{declarations}}}"
        scoped.append(f"{media}{{{inner}}}" if media else inner)
    return "\n".join(scoped)


_STYLE = _scoped(STYLE)
