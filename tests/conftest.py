"""The strict laboratory: no silent promotion of dtype or rank, warnings are errors, shapes checked at each call."""

import os
from importlib.metadata import version
from pathlib import Path

# Most of the time of the tests is compiling, and no test looks at speed: XLA optimises nothing and leaves out its
# emitters of fused loops, whose setting up takes more than half of the compilation of a small program. Before the
# first import of jax; the processes that tests start have the same. Custom flags come last and win. XLA ends the
# process at a flag that it does not know: the second one is given to the versions that are known to have it.
FAST_TO_COMPILE = "--xla_backend_optimization_level=0"
if version("jaxlib").split(".")[:2] == ["0", "10"]:
    FAST_TO_COMPILE += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{FAST_TO_COMPILE} {os.environ.get('XLA_FLAGS', '')}".strip()

from jaxtyping import install_import_hook

# Before the first import of the package: every annotated shape in it is checked by beartype.
install_import_hook(
    ["pellucid.functions", "pellucid.layers", "pellucid.network", "pellucid.training"], "typechecker.check"
)

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Downloads of the tests go to a folder of their own; compiled programs too."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["PELLUCID_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Programs are let go between modules; inside one they are kept, for some tests count what is compiled."""
    from pellucid.training import program

    program.make_room()
    room, program.MAPS = program.MAPS, 50_000
    yield
    program.MAPS = room


@pytest.fixture
def float64():
    """Double precision inside one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped, saying so, where there is none."""
    folder = os.environ.get("PELLUCID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the real data: set PELLUCID_DATA to their folder")
    return Path(folder)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers of a fixed seed."""
    return np.random.default_rng(0)
