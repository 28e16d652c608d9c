"""The rules that need no history: of rows, targets, program and initial network."""

from pellucid.doctor.alone import ALONE
from pellucid.doctor.initial import INITIAL
from pellucid.doctor.labels import LABELS
from pellucid.doctor.program import PROGRAM
from pellucid.doctor.rows import ROWS

BEFORE = (*ROWS, *LABELS, *ALONE, *PROGRAM, *INITIAL)
"""All of them."""
