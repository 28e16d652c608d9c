"""Explanations: one example with every number, a training along its steps, the columns of the inputs."""

from pellucid.explanations.by_hand import read_exercise
from pellucid.explanations.dependence import PartialDependence, partial_dependence
from pellucid.explanations.example import explain, explain_exercise, explain_row
from pellucid.explanations.explanation import Explanation
from pellucid.explanations.importance import Importance, permutation_importance
from pellucid.explanations.shapley import shap_values
from pellucid.explanations.through_time import ThroughTime, through_time

__all__ = [
    "Explanation",
    "Importance",
    "PartialDependence",
    "ThroughTime",
    "explain",
    "explain_exercise",
    "explain_row",
    "partial_dependence",
    "permutation_importance",
    "read_exercise",
    "shap_values",
    "through_time",
]
