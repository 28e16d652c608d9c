"""Write docs/catalogue: a page a kind with comparison, figure and items; the other comparisons; the walk-throughs."""

from pathlib import Path

from pellucid_textbook.catalogue.comparisons import COMPARISONS
from pellucid_textbook.catalogue.show import KINDS
from pellucid_textbook.lessons.walkthroughs import WALKTHROUGHS

FOLDER = Path("docs/catalogue")
FOLDER.mkdir(exist_ok=True)

lines = [
    "# The catalogue",
    "Every activation, loss, optimiser, regulariser, initialiser, schedule, metric and layer, read from the objects "
    "and measured from them. `pellucid show NAME` prints a page, `pellucid show activations` a comparison; in "
    'Python `pel.textbook.show("relu")`. The last three pages work an example by hand, number by number: '
    "`pellucid lesson and-by-hand`, `xor-by-hand`, `forward-and-backward`. All are written by "
    "`python tools/make_catalogue.py`.",
]
others = [(make(), None) for make in (*COMPARISONS.values(), *WALKTHROUGHS.values())]
for page, pages in [(kind.comparison(), kind) for kind in KINDS] + others:
    image = None
    if page.has_figure:
        image = f"{page.name}.png"
        page.save_figure(FOLDER / image)
    text = page.markdown(image)
    if pages is not None:
        text += "".join("\n" + pages.entry(pages.item(name)).markdown(level=2) for name in pages.names())
    (FOLDER / f"{page.name}.md").write_text(text, encoding="utf-8")
    listed = ": " + ", ".join(pages.names()) if pages is not None else ""
    lines.append(f"- [{page.title}]({page.name}.md){listed}")
(FOLDER / "README.md").write_text("\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]) + "\n", encoding="utf-8")
