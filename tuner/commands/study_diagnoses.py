"""What `doctor --space` finds of a study: whether it loads, has all that it names, and fits this device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.commands.diagnosis import FAIL, OK, WARN, Diagnosis, mistake
from tuner.commands.preflight import preflight_diagnoses
from tuner.commands.trial_check import trial_diagnoses
from tuner.errors import TunerError
from tuner.spec import load_study


def study_diagnoses(
    name: str, device: Mapping[str, Any], try_timeout_s: float | None = None
) -> Iterator[Diagnosis]:
    """Whether a study loads, fits this device, and its stage and plug-ins can be made; tries it if asked.

    Args:
        name: Path of the study, or the name of a shipped one.
        device: The device, as hardware profiles compare it.
        try_timeout_s: Seconds that its trial may take to report; None to run no trial.
    """
    try:
        study = load_study(name)
    except TunerError as error:
        yield mistake("study", error)
        return
    seen = f"{study.name}: {len(study.lattice)} legal configurations, {study.target.text}"
    yield Diagnosis(name="study", level=OK, seen=seen)
    if mismatch := study.hardware.why_not(device):
        fix = "it runs all the same; `init` writes a study for this device."
        yield Diagnosis(name="hardware", level=WARN, seen=f"{mismatch}.", fix=fix)
    else:
        yield Diagnosis(name="hardware", level=OK, seen=f"{study.hardware.description}: {device['name']}")
    levels = []
    for diagnosis in preflight_diagnoses(study):
        levels.append(diagnosis.level)
        yield diagnosis
    if try_timeout_s is not None and FAIL not in levels:
        yield from trial_diagnoses(study, try_timeout_s)
