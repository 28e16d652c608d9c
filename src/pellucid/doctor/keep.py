"""What the doctor finds of a saved run goes into its folder, and onto its page."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pellucid.data import Dataset
from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.findings import Finding, Findings
from pellucid.doctor.prove import Proof, prove
from pellucid.runs.folder import RunFolder
from pellucid.runs.gan_run import GanRun
from pellucid.runs.keeping import data_of_run
from pellucid.runs.pages import page_of_gan, page_of_run
from pellucid.runs.run import Run


def diagnose_and_keep(run: Run | GanRun, data: Dataset | None = None) -> Findings:
    """The findings of `diagnose`; of a run with a folder also as ``findings.json`` and on ``report.html``.

    Args:
        run: the run.
        data: its data, where it was loaded and they came as arrays.
    """
    data = _data_of(run, data)
    findings = diagnose(run, data)
    plain = [finding.to_dict() for finding in findings]
    if run.folder is not None:
        _keep(run, data, "findings", plain, compared=findings.compared)
    return findings


def prove_and_keep(
    run: Run | GanRun, data: Dataset | None = None, *, findings: Sequence[Finding] | None = None, **options: Any
) -> Proof:
    """The proof of `prove`; of a run with a folder also as ``proof.json`` and on ``report.html``.

    Args:
        run: the run.
        data: its data, where it was loaded and they came as arrays.
        findings: whose remedies are tried; None diagnoses first, and keeps that too.
        options: the others of `prove`.
    """
    data = _data_of(run, data)
    if findings is None:
        findings = diagnose_and_keep(run, data)
    proof = prove(run, data, findings=findings, **options)
    _keep(run, data, "proof", proof.to_dict())
    return proof


def _data_of(run: Run | GanRun, data: Dataset | None) -> Dataset | None:
    """The data of a run, opened once for all that follows."""
    if run.data is not None or run.folder is None:
        return run.data if data is None else data
    return data_of_run(RunFolder(run.folder), run.experiment.data, data)


def _keep(run: Run | GanRun, data: Dataset | None, name: str, content: Any, **beside: Any) -> None:
    if run.folder is None:
        return
    files = RunFolder(run.folder)
    files.write_verdict(name, content, **beside)
    if isinstance(run, GanRun):
        page = page_of_gan(replace(run, data=data), files)
    else:
        page = page_of_run(replace(run, data=data), files)
    files.write_text("report.html", page)
