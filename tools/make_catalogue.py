"""Write docs/catalogue: a page a kind with comparison, charts and items; the other comparisons; the walk-throughs."""

from pathlib import Path

from pellucid_textbook.catalogue.comparisons import COMPARISONS
from pellucid_textbook.catalogue.show import KINDS
from pellucid_textbook.lessons.walkthroughs import WALKTHROUGHS

FOLDER = Path("docs/catalogue")
HEAD = """# The catalogue

Every activation, loss, optimiser, regulariser, initialiser, schedule, metric and layer, read from the objects and
measured from them. `pellucid show NAME` prints a page, `pellucid show activations` a comparison; in Python
`pel.textbook.show("relu")`. The last three pages work an example by hand, number by number: `pellucid lesson
and-by-hand`, `xor-by-hand`, `forward-and-backward`. All are written by `python tools/make_catalogue.py`.
"""

FOLDER.mkdir(exist_ok=True)
lines = [HEAD]
others = [(make(), None) for make in (*COMPARISONS.values(), *WALKTHROUGHS.values())]
for page, kind in [(kind.comparison(), kind) for kind in KINDS] + others:
    image = f"{page.name}.svg" if page.charts else None
    if image:
        page.save_figure(FOLDER / image)
    entries = [] if kind is None else [kind.entry(kind.item(name)) for name in kind.names()]
    text = page.markdown(image) + "".join("\n" + entry.markdown(level=2) for entry in entries)
    (FOLDER / f"{page.name}.md").write_text(text, encoding="utf-8")
    listed = ": " + ", ".join(entry.name for entry in entries) if entries else ""
    lines.append(f"- [{page.title}]({page.name}.md){listed}")
(FOLDER / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
