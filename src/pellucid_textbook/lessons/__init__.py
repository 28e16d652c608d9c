"""The lessons: claims about neural networks, each tested by an experiment; ``lesson("deep-linear")`` runs one.

A lesson module registers its experiments when it is imported, so each is named here.
"""

from pellucid_textbook.lessons import activations, costs, losses, networks, neurons, optimizers, regularization
from pellucid_textbook.lessons.claim import Condition, Exercise, Lesson, Measured, experiment, find_lesson, list_lessons
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import LessonResult, lesson
from pellucid_textbook.lessons.trainings import train_variants
from pellucid_textbook.lessons.walkthroughs import walk_through

__all__ = [
    "Condition",
    "Exercise",
    "Lesson",
    "LessonResult",
    "Measured",
    "Quantity",
    "activations",
    "costs",
    "experiment",
    "find_lesson",
    "lesson",
    "list_lessons",
    "losses",
    "networks",
    "neurons",
    "optimizers",
    "regularization",
    "train_variants",
    "walk_through",
]
