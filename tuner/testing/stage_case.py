"""A stage on the bench: its trials run in this process through Ray's Trainable protocol.

Knows `train`, `save`, `restore`, `reset` and `stop`, and the dict a trial is started with; not what is
trained, nor Ray itself.
"""

from __future__ import annotations

import importlib
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from foundation import quality_name
from tuner.errors import StageError

Report = dict[str, Any]
REL_TOL_ON_A_CARD = 1e-3
"""Largest difference in NRMSE between equal trials if the order of a sum is not fixed."""


@dataclass(kw_only=True)
class StageCase:
    """A stage with what its trials shall run with.

    Attributes:
        stage: The class, or `module:Class`.
        params: A legal configuration, small enough for about twenty trials.
        options: Options as in the study's `stage.options`; with `num_samples`, which every stage is handed.
        num_epochs: Full budget of a trial; at least 2, so that there is something to resume.
        other_params: Another legal configuration, by default `params`. Of the parameters that the stage's
            `quality_invariant_to` names, each of its values must also be legal alone in `params`.
        bad_params: Configurations the stage must refuse. Default: `params` with a `micro_batch` that does not
            divide `batch_size`; `()` for a stage that takes whatever it is given.
        seed: Seed of the trials.

    Raises:
        ValueError: `num_samples` is not among the options, or there are fewer than two epochs.
        StageError: The class cannot be imported.
    """

    stage: Any
    params: Mapping[str, Any]
    options: Mapping[str, Any]
    num_epochs: int = 3
    other_params: Mapping[str, Any] | None = None
    bad_params: Sequence[Mapping[str, Any]] | None = None
    seed: int = 0
    _is_prepared: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if "num_samples" not in self.options:
            raise ValueError("options has no num_samples. Fix: add it; a study hands it to every stage.")
        if self.num_epochs < 2:
            raise ValueError(f"num_epochs={self.num_epochs} leaves nothing to resume. Fix: use 2 or more.")
        if isinstance(self.stage, str):
            self.stage = _load(self.stage)
        if self.bad_params is None:
            has_both = {"batch_size", "micro_batch"} <= set(self.params)
            self.bad_params = (
                [{**self.params, "micro_batch": self.params["batch_size"] + 1}] if has_both else []
            )

    def config(self, **changes: Any) -> dict[str, Any]:
        """The dict that starts a trial, as a study makes it."""
        return {
            "params": dict(self.params),
            "seed": self.seed,
            "num_epochs": self.num_epochs,
            "stage": dict(self.options),
            "num_threads": 1,
        } | changes

    @contextmanager
    def trial(self, *, stage_class: Any = None, drawn: int = 0, **changes: Any) -> Iterator[Any]:
        """A trial of `config(**changes)`, stopped at the end.

        Args:
            stage_class: Another class than `self.stage`.
            drawn: State of the process's random generators before it starts.
            changes: Changes of the trial's config; see `config`.
        """
        if not self._is_prepared:
            self.stage.prepare(dict(self.options))
            self._is_prepared = True
        stir(drawn)
        trial = (stage_class or self.stage)(config=self.config(**changes))
        try:
            yield trial
        finally:
            trial.stop()

    def run(self, trial: Any, num_epochs: int | None = None) -> list[Report]:
        """Reports of the next epochs, all there are by default; ends where the stage does."""
        reports: list[Report] = []
        for _ in range(num_epochs or self.num_epochs):
            reports.append(dict(trial.train()))
            if reports[-1].get("status", "ok") != "ok" or reports[-1].get("epoch") == self.num_epochs:
                break
        return reports

    def fresh(self, **changes: Any) -> list[Report]:
        """Reports of a whole trial in a new object; arguments as of `trial`."""
        with self.trial(**changes) as trial:
            return self.run(trial)

    @cached_property
    def undisturbed(self) -> list[Report]:
        """Reports of a whole trial: what others are compared with."""
        return self.fresh()

    @cached_property
    def resumed(self) -> list[tuple[list[Report], list[Report]]]:
        """For every epoch but the last, the reports up to it, and those of a new object restored there."""
        return [self._resumed_after(epoch) for epoch in range(1, len(self.undisturbed))]

    def _resumed_after(self, epoch: int) -> tuple[list[Report], list[Report]]:
        with tempfile.TemporaryDirectory() as folder, self.trial() as killed:
            before = self.run(killed, epoch)
            killed.save(folder)
            with self.trial() as trial:
                trial.restore(folder)
                return before, self.run(trial, self.num_epochs - epoch)

    @cached_property
    def rel_tol(self) -> float:
        """Returns by how much the NRMSE of equal trials may differ: not at all on a CPU."""
        on_cpu = self.stage.describe_device(dict(self.options)).get("kind") == "cpu"
        return 0.0 if on_cpu else REL_TOL_ON_A_CARD

    @property
    def quality(self) -> str:
        """Name of the quality figure, as a study with these options calls it."""
        return str(self.options.get(quality_name.STAGE_OPTION, quality_name.DEFAULT))

    def quality_of(self, reports: Sequence[Report]) -> list[float]:
        """The quality figure by epoch; NaN where there is none."""
        return [float(report.get(self.quality, "nan")) for report in reports]

    def differs(self, reports: Sequence[Report], what: str = "") -> str | None:
        """Returns how the NRMSE of a whole trial differs from the undisturbed one's; None if it does not."""
        expected, found = self.quality_of(self.undisturbed), self.quality_of(reports)
        if len(expected) == len(found) and np.allclose(found, expected, rtol=self.rel_tol, atol=0.0):
            return None
        return f"{what}{quality_name.label(self.quality)} by epoch {found} instead of {expected}"


def stir(state: int) -> None:
    """Puts the process's own random generators (torch's where it is loaded) into a state."""
    random.seed(state)
    np.random.seed(state)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(state)


def _load(class_path: str) -> Any:
    module_name, _, class_name = class_path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StageError(
            f"the stage {class_path!r} cannot be imported: {error}.",
            "write module:Class, and install the module or run from the folder that holds it.",
        ) from error
