"""The provenance of a run: where its figures come from, as its journal and its result repeat it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from typing import Any

from tuner import __version__
from tuner.core.study import StudySpec

_MODEL_PACKAGES = ("optuna", "numpy", "scipy")
_TRAINING_PACKAGES = ("ray", "optuna", "torch", "numpy", "scipy")


def real_versions() -> dict[str, str]:
    """Returns the versions of the packages on which the figures of a real run may depend."""
    return _versions(_TRAINING_PACKAGES)


def simulated_versions() -> dict[str, str]:
    """Returns the versions of the packages on which the figures of a simulated run may depend."""
    return _versions(_MODEL_PACKAGES)


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {
        "distill-tuner": __version__,
        "python": sys.version.split()[0],
        **{name: metadata.version(name) for name in packages},
    }


def provenance_of(
    study: StudySpec,
    device: Mapping[str, Any],
    versions: Mapping[str, str],
    *,
    hardware_mismatch: str = "",
    simulated: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Returns where the figures of a run that starts now come from, as plain JSON values.

    Args:
        study: The resolved study.
        device: Description of the device; `kind`, `name` and `memory_gib` at least.
        versions: Version of each package, by its name.
        hardware_mismatch: Why the device is not the study's hardware; empty if it is.
        simulated: What a simulation supposes, in sentences; None for a real run.
    """
    return {
        "study": study.name,
        "study_hash": study.study_hash(),
        "seed": study.seed,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        **({} if simulated is None else {"simulated": simulated}),
        "device": device,
        "hardware": study.hardware.name,
        "hardware_mismatch": hardware_mismatch,
        "platform": platform.platform(),
        "versions": versions,
    }
