"""Checks the answer of a stage's probe where it enters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from foundation.one_line import one_line
from tuner.advisor import Probe, ProbeResult
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status, figure, real
from tuner.errors import ConfigError, ReportError

_FIX = "answer with one entry for each configuration that was asked for; see trainables.probe."


def probe_results(wanted: Probe, result: Mapping[str, Any]) -> list[ProbeResult]:
    """The results of a probe.

    Args:
        wanted: The probe that was asked for.
        result: The result that the stage returned.

    Raises:
        ReportError: It answers for other configurations than those asked for, or with impossible figures.
    """
    try:
        found = [_result(values) for values in result["probe"]]
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError, ReportError) as error:
        said = error.message if isinstance(error, ReportError) else f"{type(error).__name__}: {error}"
        said = one_line(said, 300).rstrip(".")
        raise ReportError(f"the probe's answer cannot be read: {said}.", _FIX) from error
    if sorted(map(str, (r.config for r in found))) != sorted(map(str, wanted.configs)):
        raise ReportError("the probe did not answer for the configurations it was asked for.", _FIX)
    return found


def _result(values: Mapping[str, Any]) -> ProbeResult:
    status = Status(values["status"])
    is_ok = status is Status.OK
    read = figure if is_ok else real
    epoch_time_s = read("epoch_time_s", values["epoch_time_s"])
    if is_ok and not epoch_time_s:
        raise ValueError("epoch_time_s=0")
    return ProbeResult(
        config=TrialConfig.from_dict(values["params"]),
        status=status,
        epoch_time_s=epoch_time_s,
        peak_memory_gib=read("peak_memory_gib", values["peak_memory_gib"]),
        error=_error(values) if is_ok else 0.0,
    )


def _error(values: Mapping[str, Any]) -> float:
    """The relative standard error that a stage states; 0 if it states none, or does not know it."""
    error = real("standard_error", values.get("standard_error", 0.0))
    if error < 0 or math.isnan(error):
        raise ValueError(f"standard_error={error}")
    return error if error < math.inf else 0.0
