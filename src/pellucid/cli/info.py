"""``pellucid info``."""

from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json

EXTRAS = {
    "audio": "soundfile",
    "cluster": "dask",
    "cuda": "jax-cuda13-plugin",
    "excel": "fastexcel",
    "export": "onnx",
    "images": "pillow",
    "mlflow": "mlflow-skinny",
    "notebook": "ipython",
    "optax": "optax",
    "optuna": "optuna",
    "plot": "matplotlib",
    "remote": "fsspec",
    "serve": "starlette",
    "shap": "shap",
    "tensorboard": "tensorboardX",
    "tokenizers": "tokenizers",
    "wandb": "wandb",
}
"""The distribution that each extra of the package installs."""


@click.command(
    epilog="""\b
Examples:
  pellucid info
  PELLUCID_KERNELS=off pellucid info --json
"""
)
@as_json
def info(as_json: bool) -> None:
    """Show versions, devices, native kernels, the cache of compiled programs, and extras.

    Without native kernels XLA computes everything; the reason is given here.
    """
    from pellucid.report.document import Document, Table

    content = gather()
    if as_json:
        print_json(content)
        return
    kernels = content["kernels"]
    native = f"{len(kernels['names'])}, for {kernels['instruction_set']}" if kernels["names"] else kernels["missing"]
    rows = [
        *content["versions"].items(),
        ("devices", ", ".join(content["devices"])),
        ("native kernels", native),
        ("compiled programs", content["compiled_programs"]),
        *((f"extra {name}", "installed" if there else "not installed") for name, there in content["extras"].items()),
    ]
    print_document(Document("pellucid", Table((), rows)), 120)


def gather() -> dict[str, Any]:
    """Collect the facts of this installation."""
    import platform
    from importlib.metadata import version

    import jax

    import pellucid
    from pellucid import kernels
    from pellucid.core.xla import compiled_programs

    library, answer = kernels.load()
    return {
        "versions": {
            "pellucid": pellucid.__version__,
            "python": platform.python_version(),
            "jax": version("jax"),
            "jaxlib": version("jaxlib"),
        },
        "devices": [f"{device} ({device.device_kind})" for device in jax.devices()],
        "kernels": {
            "names": kernels.names(),
            "instruction_set": answer if library is not None else None,
            "missing": None if library is not None else answer,
        },
        "compiled_programs": compiled_programs(),
        "extras": {name: _is_installed(distribution) for name, distribution in EXTRAS.items()},
    }


def _is_installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False
