"""What the examples share: a setting for each seed, bars, results, and the tables of their pages."""

import importlib
import json
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Protocol, TypeAlias, cast

import pellucid as pel

HERE = Path(__file__).parent
GALLERY = HERE.parent / "docs" / "gallery"

Scores: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Data → method → score, such as ``{"held-out messages": {"network": {"F1": 0.97}}}``: a table for each data."""


@dataclass(frozen=True)
class Setting:
    """What an example is given.

    Attributes:
        seed: of the network and of everything that is drawn.
        quick: a trial run on little data, for the tests: it asks for a meaningful score, not for the bar.
        folder: where runs of this seed are kept; `pellucid.load` reads them again.
        pictures: the beginning of the pictures' paths.
    """

    seed: int
    quick: bool
    folder: Path
    pictures: Path

    def picture(self, name: str) -> Path:
        """The file of a picture, such as ``picture("words.svg")``."""
        return self.pictures.with_name(f"{self.pictures.name}-{name}")


@dataclass(frozen=True)
class Bar:
    """What a score must reach, in the mean over the seeds.

    Attributes:
        data: the table.
        method: its row.
        score: its column.
        relation: ``">="``, ``"<="``, ``">"`` or ``"<"``.
        value: a number, or the method that must be surpassed in the same column.
    """

    data: str
    method: str
    score: str
    relation: str
    value: float | str

    def judge(self, scores: list[Scores]) -> tuple[float, float, bool]:
        """The score reached, what it must reach, and whether it does."""
        reached = mean(each[self.data][self.method][self.score] for each in scores)
        if isinstance(self.value, str):
            asked = mean(each[self.data][self.value][self.score] for each in scores)
        else:
            asked = self.value
        met = {">=": reached >= asked, "<=": reached <= asked, ">": reached > asked, "<": reached < asked}
        return reached, asked, met[self.relation]


SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


class Example(Protocol):
    """The module ``example.py`` of an example's folder. Its docstring begins with the title."""

    __doc__: str
    BARS: list[Bar]

    def measure(self, setting: Setting) -> Scores:
        """Train and evaluate for one seed; the baselines too."""
        ...

    def draw(self, setting: Setting) -> Mapping[str, str]:
        """Draw the pictures of the page from the runs of one seed; texts to show on it, by name."""
        ...


def names() -> list[str]:
    """The names of all examples, as they are typed: ``spam-filter``."""
    return sorted(path.parent.name.replace("_", "-") for path in HERE.glob("*/example.py"))


def load(name: str) -> Example:
    """The example of this name."""
    return cast(Example, importlib.import_module(f"examples.{name.replace('-', '_')}.example"))


def title(example: Example) -> str:
    """The first line of its docstring, to a colon or the full stop."""
    return re.split("[.:]", example.__doc__)[0]


def find(file: str, origin: str) -> Path:
    """A file in the folder of data, which the environment variable ``PELLUCID_DATA`` names.

    Raises:
        pellucid.DataError: it is not there; says where it comes from.
    """
    folder = Path(os.environ.get("PELLUCID_DATA", "data"))
    if not (folder / file).exists():
        raise pel.DataError(
            f"{folder / file} does not exist. The file comes from {origin}; put it there, or name the folder that "
            f"holds {file} by the environment variable PELLUCID_DATA."
        )
    return folder / file


def measure(example: Example, setting: Setting) -> dict[str, Any]:
    """The scores of one seed, with the seconds they took on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    scores = example.measure(setting)
    return {
        "scores": scores,
        "seconds": round(time.perf_counter() - clock, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, pellucid {pel.__version__}",
    }


def _results_file(name: str) -> Path:
    return HERE / name.replace("-", "_") / "results.json"


def results(name: str) -> dict[str, Any]:
    """What the example has measured: ``seeds`` and ``outputs``."""
    path = _results_file(name)
    return json.loads(path.read_text()) if path.exists() else {"seeds": {}, "outputs": {}}


def keep(name: str, found: Mapping[str, Any]) -> None:
    """Write what an example has measured."""
    _results_file(name).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def judged(example: Example, found: Mapping[str, Any]) -> list[tuple[Bar, float, float, bool]]:
    """Each bar of an example with what was reached, what must be reached, and whether it is."""
    scores = [each["scores"] for each in found["seeds"].values()]
    return [(bar, *bar.judge(scores)) for bar in example.BARS]


def tables(found: Mapping[str, Any]) -> str:
    """Markdown tables of all scores: mean ± standard deviation over the seeds."""
    seeds = list(found["seeds"].values())
    lines = []
    for data, methods in seeds[0]["scores"].items():
        columns = list(dict.fromkeys(score for scores in methods.values() for score in scores))
        lines += [f"| {data} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for method in methods:
            cells = [
                spread([each["scores"][data][method][score] for each in seeds]) if score in methods[method] else ""
                for score in columns
            ]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines.append("")
    processor = mean(each["processor_seconds"] for each in seeds)
    number = f"{len(seeds)} seeds, mean ± standard deviation" if len(seeds) > 1 else "1 seed"
    lines.append(f"{number}; {duration(processor)} of processor time a seed, baselines included.")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean and standard deviation, as many digits as the size of the number asks for."""
    middle = mean(values)
    digits = max(0, min(4, 4 - len(str(int(abs(middle)))))) if abs(middle) >= 1 else 4
    deviation = stdev(values) if len(values) > 1 else 0.0
    return f"{middle:.{digits}f}" + (f" ± {deviation:.{digits}f}" if deviation > 0 else "")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def render(name: str) -> None:
    """Fill the places of an example's page that hold what was measured."""
    found = results(name)
    page = GALLERY / f"{name}.md"
    text = filled(page.read_text(encoding="utf-8"), "scores", lambda _: tables(found))
    text = filled(text, "output", lambda output: f"```text\n{found['outputs'][output].rstrip()}\n```")
    page.write_text(text, encoding="utf-8")


def render_index() -> None:
    """Fill the table of the gallery's first page: a row for each bar."""
    lines = [
        "| Application | Data | Score | Mean over the seeds | Asked for | Best of the others |",
        "|---|---|---|---|---|---|",
    ]
    for name in names():
        example, found = load(name), results(name)
        first = f"[{title(example)}]({name}.md)"
        for bar, reached, asked, met in judged(example, found) if found["seeds"] else ():
            wanted = f"{SIGNS[bar.relation]} {asked:.4g}{'' if met else ', **not met**'}"
            cells = [first, bar.data, f"{bar.score}, {bar.method}", f"{reached:.4g}", wanted, other(bar, found)]
            lines.append(f"| {' | '.join(cells)} |")
            first = ""
    page = GALLERY / "index.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), "gallery", lambda _: "\n".join(lines)), encoding="utf-8")


def other(bar: Bar, found: Mapping[str, Any]) -> str:
    """The best of the other methods in the same table and column, with what it reaches."""
    seeds = [each["scores"][bar.data] for each in found["seeds"].values()]
    reached = {
        method: mean(each[method][bar.score] for each in seeds)
        for method, scores in seeds[0].items()
        if method != bar.method and bar.score in scores
    }
    if not reached:
        return "–"
    best = (max if bar.relation.startswith(">") else min)(reached, key=lambda method: reached[method])
    return f"{best} {reached[best]:.4g}"


def filled(text: str, kind: str, content: Callable[[str], str]) -> str:
    """Text whose places ``<!-- kind: name --> … <!-- end of kind -->`` hold the content of their name."""
    place = re.compile(rf"(<!-- {kind}(?:: ([^>]+?))? -->\n).*?(<!-- end of {kind} -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}\n{content(found[2] or '')}\n\n{found[3]}", text)
