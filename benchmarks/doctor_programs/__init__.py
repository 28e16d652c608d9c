"""Programs as beginners write them, faulty and healthy, to judge the doctor by.

They were written without a look at the doctor's rules, after what people ask in public forums: one, two or three
faults at once. Data come from scikit-learn or from a seed. ``verified.json`` holds what five paired seeds gave: that
the repair of every faulty program beats it, which of its faults truly hold and whose repair alone helps most, and that
every healthy one reaches what another method does. Half of them, by a hash of their names, is not to be looked at while
the doctor is changed::

    python -m benchmarks.doctor_programs FOLDER --part looked   # or aside; without it, all
    python -m benchmarks.doctor --cases FOLDER --only diagnose
    python -m benchmarks.doctor_programs --verify               # after a change of the tables
"""

from benchmarks.doctor_programs.faulty import FAULTY
from benchmarks.doctor_programs.healthy import HEALTHY
from benchmarks.doctor_programs.program import Program
from benchmarks.doctor_programs.verify import VERIFIED, current, verify
from benchmarks.doctor_programs.write import write

PROGRAMS: tuple[Program, ...] = (*FAULTY, *HEALTHY)

__all__ = ["FAULTY", "HEALTHY", "PROGRAMS", "VERIFIED", "Program", "current", "verify", "write"]
