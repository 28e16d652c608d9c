"""Why a network does not learn, and what fixes it, proven by experiment."""

from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.findings import Finding
from pellucid.doctor.proof import Proof, prove, repaired_settings

__all__ = ["Finding", "Proof", "diagnose", "prove", "repaired_settings"]
