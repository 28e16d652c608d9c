"""The lessons: claims about neural networks, each tested by an experiment; ``lesson("deep-linear")`` runs one."""

# A lesson module registers its experiments when it is imported, so each is named here.
from pellucid_textbook.lessons import activations, costs, losses, networks, neurons, optimizers, regularization  # noqa: F401
from pellucid_textbook.lessons.claim import experiment, find_lesson, list_lessons
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import LessonResult, lesson

__all__ = ["LessonResult", "Quantity", "experiment", "find_lesson", "lesson", "list_lessons"]
