"""The machine that the figures belong to."""

import importlib.metadata
import os
import platform
from pathlib import Path

from benchmarks.contenders import cores

PACKAGES = ("pellucid", "jax", "numpy", "torch", "keras", "flax", "optax", "scikit-learn")


def describe() -> dict[str, str]:
    """Processor, cores, memory, system, versions; no name and no date."""
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{package: version for package in PACKAGES if (version := _version(package))},
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
