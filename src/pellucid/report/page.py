"""A page of HTML that stands alone: nothing is fetched, no scripts, the same bytes for the same content.

A page is made of pieces of `Html`. Whatever is not `Html` is text, and escaped where it enters a piece::

    page("iris", section("Result", table(("name", "value"), [("accuracy", 0.967)])))

Pages are read on any width: figures stand side by side where there is room, wide tables and code scroll by themselves.
"""

import html as _html
import math
from collections.abc import Iterable, Sequence
from typing import Any

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif;color:#1a1a1a;
background:#fff;max-width:68rem;margin:0 auto;padding:1.5rem clamp(.9rem,3vw,2rem) 4rem;overflow-wrap:break-word}
h1,h2,h3{line-height:1.25;font-weight:650;margin:0}
h1{font-size:clamp(1.5rem,1.2rem + 1.5vw,2.1rem)}
h2{font-size:1.35rem;margin-top:2.6rem;padding-top:.7rem;border-top:1px solid #d0d0d0}
h3{font-size:1.05rem;margin-top:1.6rem}
p,ul,ol{max-width:46rem;margin:.7rem 0}
.lead{font-size:1.1rem}
.quiet,figcaption{color:#555}
a{color:#0b5394}
nav{margin:1rem 0;line-height:1.9}
nav a{margin-right:1.1rem;white-space:nowrap}
code,pre{font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}
pre{background:#f5f5f5;padding:.8rem 1rem;border-radius:.3rem;overflow-x:auto;margin:.8rem 0}
.scroll{overflow-x:auto;max-width:100%;margin:.8rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .75rem;text-align:left;border-bottom:1px solid #dedede;vertical-align:top}
thead th{border-bottom:2px solid #888;vertical-align:bottom;white-space:nowrap}
th{font-weight:600}
th:first-child,td:first-child{padding-left:0}
.n{text-align:right;white-space:nowrap}
figure{margin:0;min-width:0}
figure svg,figure img{display:block;width:100%;height:auto}
figcaption{font-size:.92rem;line-height:1.4;margin-top:.2rem;max-width:46rem}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:1.4rem 1.6rem;
margin:1rem 0;align-items:start}
.figures.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,28rem),1fr))}
.figures.small{grid-template-columns:repeat(auto-fill,minmax(6.5rem,1fr));gap:1rem}
.figures.small img{image-rendering:pixelated;border:1px solid #ccc}
.pixels img{image-rendering:pixelated}
.chain{display:flex;flex-wrap:wrap;gap:.6rem 1.9rem;list-style:none;padding:0 1.6rem 0 0;margin:1rem 0;max-width:none}
.chain li{position:relative;border:1.5px solid #444;border-radius:.35rem;padding:.35rem .7rem;line-height:1.35}
.chain li:not(:last-child)::after{content:"→";position:absolute;right:-1.55rem;top:50%;
transform:translateY(-50%);color:#555}
.chain b,.chain span{display:block}
.chain span{font-size:.82rem;color:#444}
.confusion td{text-align:right;min-width:2.6rem;border:1px solid #fff}
.confusion th{font-weight:500;border:0}
details{margin:.8rem 0}
summary{cursor:pointer}
.note{border-left:4px solid #777;background:#f5f5f5;padding:.5rem .9rem;margin:1rem 0;max-width:46rem}
.finding{border-left:4px solid #0072B2;padding:.1rem 0 .1rem .9rem;margin:1.1rem 0;max-width:46rem}
.finding.problem{border-color:#D55E00}
.finding.warning{border-color:#E69F00}
.finding h3{margin-top:.2rem}
.finding p{margin:.35rem 0}
.odds svg{width:7.5rem;height:.65rem}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}figure{break-inside:avoid}}
"""


class Html(str):
    """Text that is HTML already, and enters a page as it is.

    Example:
        >>> element("p", "a < b ", Html("<b>!</b>"))
        '<p>a &lt; b <b>!</b></p>'
    """

    __slots__ = ()


Content = str | int | float | None
"""What a piece is made of: `Html` as it is, text escaped, numbers rounded, nothing for None."""


def join(*content: Content) -> Html:
    """The contents one after another."""
    return Html("".join(_escaped(one) for one in content))


def element(name: str, *content: Content, **attributes: str | None) -> Html:
    """An element around its contents. A trailing underscore of an attribute is left out: ``class_``.

    Example:
        >>> element("a", "more", href="#more", class_=None)
        '<a href="#more">more</a>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*content)}</{name}>")


def paragraph(*content: Content, kind: str | None = None) -> Html:
    """A paragraph; ``kind`` is ``"lead"`` for a first sentence, ``"quiet"`` for a remark, ``"note"`` for a box."""
    return element("p", *content, class_=kind)


def code(text: str) -> Html:
    """A word of code within a sentence."""
    return element("code", text)


def code_block(text: str) -> Html:
    """Lines of code or of text in columns, which scroll where they are too wide."""
    return element("pre", text.rstrip("\n"), tabindex="0")


def bullets(items: Iterable[Content]) -> Html:
    """A list."""
    return element("ul", *(element("li", item) for item in items))


def section(title: str, *content: Content, level: int = 2) -> Html:
    """A heading and what stands below it; the heading can be linked to by its words: ``#worst-mistakes``."""
    return element("section", element(f"h{level}", title, id=anchor(title)), *content)


def anchor(title: str) -> str:
    """What a heading is linked to by.

    Example:
        >>> anchor("Weights, layer by layer")
        'weights-layer-by-layer'
    """
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words)


def contents(titles: Iterable[str]) -> Html:
    """Links to the sections of these titles."""
    links = (element("a", title, href=f"#{anchor(title)}") for title in titles)
    return element("nav", Html(" ".join(links)), aria_label="Contents")


def table(
    head: Sequence[Content], rows: Iterable[Sequence[Content]], caption: str = "", *, right: Iterable[int] | None = None
) -> Html:
    """A table, which scrolls where it is too wide.

    Args:
        head: the name of each column.
        rows: the cells of each row.
        caption: what the table shows.
        right: the columns that stand right; by default those of numbers.
    """
    rows = [list(row) for row in rows]
    if right is None:
        right = [i for i in range(len(head)) if rows and all(row[i] is None or _is_number(row[i]) for row in rows)]
    chosen = set(right)
    kinds = ["n" if i in chosen else None for i in range(len(head))]
    top = (element("th", cell, scope="col", class_=kind) for cell, kind in zip(head, kinds, strict=True))
    body = (
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    )
    return scrolling(element("table", element("thead", element("tr", *top)), element("tbody", *body)), caption)


def scrolling(wide: Html, caption: str = "") -> Html:
    """Something that may be wider than the page and then scrolls by itself, below what it shows."""
    box = element("div", wide, class_="scroll", tabindex="0")
    return element("figure", element("figcaption", caption), box) if caption else box


def facts(pairs: Iterable[tuple[str, Content]]) -> Html:
    """Names and their values, one to a row."""
    rows = (element("tr", element("th", name, scope="row"), element("td", value)) for name, value in pairs)
    return scrolling(element("table", element("tbody", *rows)))


def figure(picture: Html, *caption: Content) -> Html:
    """A picture and what it shows."""
    return element("figure", picture, element("figcaption", *caption) if caption else None)


def figures(*shown: Html, kind: str | None = None) -> Html:
    """Figures side by side where there is room; ``kind`` is ``"large"`` for two a row, ``"small"`` for many."""
    return element("div", *shown, class_=" ".join(filter(None, ("figures", kind))))


def image(data: str, alt: str, *, width: int | None = None) -> Html:
    """A picture from a ``data:`` address, with what it shows in words."""
    size = "" if width is None else f' width="{width}"'
    return Html(f'<img src="{_html.escape(data)}" alt="{_html.escape(alt)}"{size}>')


def page(title: str, *content: Content, lang: str = "en") -> str:
    """The whole page: a title, and sections below it."""
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_html.escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An empty picture, so that a browser asks nobody for one.
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{element('h1', title)}\n{join(*content)}\n</main>\n"
        "</body>\n</html>\n"
    )


def number(value: float) -> str:
    """A number as it is read: large ones with their thousands set apart, others to four digits.

    Example:
        >>> number(60000), number(0.98765), number(1234.5), number(float("nan"))
        ('60,000', '0.9877', '1,234', '–')
    """
    if isinstance(value, float) or not hasattr(value, "__index__"):
        if math.isnan(value):
            return "–"
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{float(value):.4g}"
    return f"{int(value):,}"


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (str, bool))


def _escaped(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    return _html.escape(number(content) if _is_number(content) else str(content))
