"""Why a network does not learn, and what fixes it, proven by experiment."""

from pellucid.doctor.check import Checkup, check
from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.findings import Finding
from pellucid.doctor.prove import Proof, prove, repaired_settings

__all__ = ["Checkup", "Finding", "Proof", "check", "diagnose", "prove", "repaired_settings"]
