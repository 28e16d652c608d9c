"""Ready models built of the floors below."""

from pellucid.models.perceptron import (
    Certificate,
    FittedPerceptron,
    Gate,
    LearningStep,
    NotSeparable,
    Perceptron,
    Separable,
    SpamDetection,
    and_gate,
    separability,
    spam_detection,
)

__all__ = [
    "Certificate",
    "FittedPerceptron",
    "Gate",
    "LearningStep",
    "NotSeparable",
    "Perceptron",
    "Separable",
    "SpamDetection",
    "and_gate",
    "separability",
    "spam_detection",
]
