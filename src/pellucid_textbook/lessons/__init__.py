"""The lessons: claims about neural networks, each tested by an experiment; ``lesson("deep-linear")`` runs one."""

from pellucid_textbook.lessons import activations, costs, losses, networks, neurons, optimizers, regularization
from pellucid_textbook.lessons.claim import experiment, find_lesson, list_lessons
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import LessonResult, lesson

EXPERIMENTS = (activations, costs, losses, networks, neurons, optimizers, regularization)
"""The modules of the experiments, each of which registers its own when it is imported."""

__all__ = ["LessonResult", "Quantity", "experiment", "find_lesson", "lesson", "list_lessons"]
