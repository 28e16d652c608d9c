"""The claims of the subject, each measured: ``lesson("deep-linear")`` runs its experiment and computes the verdict.

A lesson file registers its claims when it is imported, so each is named here.
"""

from pellucid_textbook.lessons import (
    activations,
    costs,
    losses,
    networks,
    neurons,
    optimizers,
    regularization,
    saturation,
)
from pellucid_textbook.lessons.claims import Condition, Lesson, Measured, claim, find_lesson, list_lessons
from pellucid_textbook.lessons.panels import Curve, Curves, Dots, Images, Points
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import LessonResult, lesson, train_variants
from pellucid_textbook.lessons.walkthroughs import walk_through

__all__ = [
    "Condition",
    "Curve",
    "Curves",
    "Dots",
    "Images",
    "Lesson",
    "LessonResult",
    "Measured",
    "Points",
    "Quantity",
    "activations",
    "claim",
    "costs",
    "find_lesson",
    "lesson",
    "list_lessons",
    "losses",
    "networks",
    "neurons",
    "optimizers",
    "regularization",
    "saturation",
    "train_variants",
    "walk_through",
]
