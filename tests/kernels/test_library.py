"""Loading the compiled kernels: which library, and why none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jaxlib
import pytest

from pellucid import kernels

COMPILER = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

OF_ANOTHER_VERSION = """
#include "xla/ffi/api/c_api.h"
#undef XLA_FFI_API_MAJOR
#define XLA_FFI_API_MAJOR 7
#include "xla/ffi/api/ffi.h"
extern "C" const char* pellucid_instruction_set() { return "baseline"; }
XLA_FFI_DEFINE_HANDLER_SYMBOL(probe, [] { return xla::ffi::Error::Success(); }, xla::ffi::Ffi::Bind());
"""


@needs_compiler
def test_where_a_compiler_is_kernels_load():
    library, answer = kernels.load()
    assert library is not None, answer
    assert answer in ("baseline", "avx2", "avx512")
    assert all(hasattr(library, name) for name in kernels.names())
    assert {"lstm_forward", "lstm_backward"} <= set(kernels.names())


def test_they_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "off")
    assert kernels.load.__wrapped__() == (None, "switched off by PELLUCID_KERNELS=off")


def test_without_a_library_the_reason_is_given(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels, "FOLDER", tmp_path)
    library, reason = kernels.load.__wrapped__()
    assert library is None
    assert "no C++ compiler" in reason
    (tmp_path / "libpellucid_baseline.so").write_text("not a library")
    library, reason = kernels.load.__wrapped__()
    assert library is None
    assert reason.startswith("not loadable:")


@needs_compiler
def test_a_library_for_another_version_of_the_interface_is_refused_and_xla_computes(tmp_path):
    (tmp_path / "probe.cpp").write_text(OF_ANOTHER_VERSION)
    headers = Path(jaxlib.__file__).parent / "include"
    library = tmp_path / "libpellucid_baseline.so"
    options = ("-std=c++17", "-shared", "-fPIC", "-isystem", str(headers), "-o", str(library))
    subprocess.run([COMPILER, *options, str(tmp_path / "probe.cpp")], check=True)
    program = f"""
from pathlib import Path
from pellucid import kernels
kernels.FOLDER = Path({str(tmp_path)!r})
print(kernels.load()[1])
import jax.numpy as jnp
print(jnp.ones(3).sum(), kernels.names(), kernels.covers(jnp.ones(3)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    reason, rest = done.stdout.strip().splitlines()
    assert reason.startswith("compiled for another version of jaxlib's foreign function interface:")
    assert "(7." in reason
    assert rest == "3.0 [] False"
