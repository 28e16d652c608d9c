"""Studying a lesson: its experiment run, its quantities kept, its verdict computed."""

import time
from dataclasses import dataclass
from typing import Any

from pellucid.report import document as doc
from pellucid_textbook.charts import from_plain, to_plain
from pellucid_textbook.lessons.claim import VERDICTS, Lesson, check_seeds, find_lesson
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.page import Shown

LEGEND = (
    "Lines: means over the seeds; bands: from the lowest seed to the highest. Small dots: one a seed; large dots: "
    "their means."
)


@dataclass(frozen=True, repr=False)
class LessonResult(Shown):
    """The measurements of a lesson. The verdict is computed from them and stored nowhere.

    Args:
        name: of the lesson.
        seeds: that it was measured with.
        quantities: what was measured, by name.
        panels: the charts, as plain data.
        seconds: that it took.
        fingerprint: of the lesson as it was then.
    """

    name: str
    seeds: tuple[int, ...]
    quantities: dict[str, Quantity]
    panels: tuple[dict[str, Any], ...]
    seconds: float
    fingerprint: str

    @property
    def lesson(self) -> Lesson:
        """The lesson."""
        return find_lesson(self.name)

    @property
    def holds(self) -> bool:
        """True if the claim holds here, by the rule."""
        return self.lesson.holds(self.quantities)

    @property
    def verdict(self) -> str:
        """``"holds"`` or ``"does not hold here"``."""
        return VERDICTS[self.holds]

    @property
    def charts(self) -> list[Any]:
        """The charts of the experiment."""
        return [from_plain(panel) for panel in self.panels]

    def document(self, image: str | None = None, ending: str = "") -> doc.Document:
        """The lesson and its result: claim, verdict, reason, experiment, rule, quantities, exercises.

        ``ending`` is that of the pages beside it, to link to.
        """
        lesson = self.lesson
        place: list[doc.Inline] = [f"{lesson.part} · "]
        for i, name in enumerate(lesson.after):
            place += [", " if i else "after ", doc.Link(name, f"{name}.{ending}") if ending else name]
        place += [" · " if lesson.after else "", doc.Code(f"pellucid lesson {lesson.name}")]
        place += [" · ", doc.Link("all lessons", f"index.{ending}")] if ending else []
        judged = lesson.judged(self.quantities)
        met = [doc.Words(text, ": ", doc.Strong("met" if holds else "not met")) for text, holds in judged]
        seeds = f"measured, seeds {self.seeds[0]} to {self.seeds[-1]}"
        rows = []
        for q in self.quantities.values():
            low, mean, high = (doc.number(value, 3) for value in (q.low, q.mean, q.high))
            rows.append((f"{q.name}, {q.unit}" if q.unit else q.name, mean, f"{low} to {high}"))
        table = doc.Table((seeds, "mean", "95 % interval"), rows)
        charts = doc.Image(image, lesson.claim) if image else doc.Columns(*self.charts)
        exercises = [
            block
            for i, exercise in enumerate(lesson.exercises, 1)
            for block in (
                doc.Paragraph(doc.Strong(f"{i}."), f" {exercise.task}"),
                doc.Listing(exercise.run) if exercise.run else None,
                doc.Paragraph(doc.Strong("Expect:"), f" {exercise.expect}"),
            )
        ]
        return doc.Document(
            f"{lesson.number} {lesson.claim}",
            doc.Paragraph(*place, kind="quiet"),
            doc.Paragraph(doc.Strong(f"Verdict: {self.verdict}."), kind="lead"),
            doc.Section("Why it should be so", lesson.reason),
            doc.Section("Experiment", lesson.experiment),
            doc.Section("Rule", "The claim holds if all of this is met:", doc.Bullets(met)),
            doc.Section("Measured", table, charts, doc.Paragraph(LEGEND, kind="quiet")),
            doc.Section("Exercises", *exercises),
        )

    @property
    def data(self) -> dict[str, Any]:
        """Everything but the charts as plain data, the verdict too."""
        lesson = self.lesson
        return {
            "number": lesson.number,
            "name": lesson.name,
            "claim": lesson.claim,
            "experiment": lesson.experiment,
            "rule": lesson.rule_text,
            "verdict": self.verdict,
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 2),
            "quantities": {
                name: {"mean": q.mean, "low": q.low, "high": q.high, "unit": q.unit, "values": list(q.values)}
                for name, q in self.quantities.items()
            },
        }


def lesson(name: str | int, *, seeds: int = 5, seed: int = 0) -> LessonResult:
    """Test a claim: run its experiment, compute the verdict.

    Args:
        name: of the lesson, or its number; see `list_lessons`.
        seeds: how many seeds, at least 2.
        seed: the first of them.

    Raises:
        UnknownName: no such lesson.
        InvalidValue: fewer than two seeds.

    Example:
        >>> result = lesson("deep-linear", seeds=2)
        >>> result.verdict
        'holds'
    """
    chosen = find_lesson(name)
    check_seeds(seeds)
    used = tuple(range(seed, seed + seeds))
    started = time.perf_counter()
    measured = chosen.measure(used)
    quantities = [Quantity.of(name, values) for name, values in measured.quantities.items()]
    return LessonResult(
        chosen.name,
        used,
        {quantity.name: quantity for quantity in quantities},
        tuple(map(to_plain, measured.charts)),
        time.perf_counter() - started,
        chosen.fingerprint,
    )
