"""``pellucid info``: what an installation consists of."""

import json
from importlib.metadata import metadata

import jax
from click.testing import CliRunner

import pellucid as pel
from pellucid import kernels
from pellucid.cli.info import EXTRAS
from pellucid.cli.main import main


def shown(*options):
    result = CliRunner().invoke(main, ["info", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_versions_devices_cache_and_extras(cache):
    content = json.loads(shown("--json"))
    assert content["versions"]["pellucid"] == pel.__version__
    assert content["versions"]["jax"] == jax.__version__
    assert len(content["devices"]) == len(jax.devices())
    assert content["compiled_programs"]
    assert content["extras"]["plot"]


def test_every_extra_of_the_package_is_named():
    assert sorted(EXTRAS) == sorted(metadata("pellucid").get_all("Provides-Extra") or [])


def test_native_kernels_or_why_there_are_none(monkeypatch):
    if kernels.names():
        assert f"native kernels     {len(kernels.names())}, for {kernels.load()[1]}" in shown()
    monkeypatch.setattr(kernels, "load", lambda: (None, "none for this test"))
    assert "none for this test" in shown()
    assert json.loads(shown("--json"))["kernels"]["missing"] == "none for this test"
