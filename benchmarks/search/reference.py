"""Plays a reference search that is kept outside this project, if its folder is given.

The folder holds research code with a plug-in interface: `api.py` defines what a method may know and what it
is told, and `proto_avg.py` has the method, `HG9`. Here it is driven as that interface says. It may know the
guide's row, which no other arm runs. It counts as recommending something only where it claims that it is
feasible.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.advisor import Ask, Ending, Finished, Run, Wait
from tuner.advisor.messages import Probe, ProbeResult
from tuner.core.config import CORE_NAMES, TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import Purpose, TrialState
from tuner.errors import TunerError
from tuner.scheduling import Continue, Decision, Stop
from tuner.simulate import Instance, VirtualClock

FOLDER_VARIABLE = "SEARCH_REFERENCE"
"""The environment variable that names the folder."""

MODULE, METHOD = "proto_avg", "HG9"
FURTHER = {"lr_scale": 1.0, "precision": 0}
"""What the method knows beyond the four parameters, in its order, and the values that stand for none."""

CODES = {"fp32": 0, "bf16": 1, "fp16": 2}


def folder() -> Path | None:
    """Returns the folder of the reference, or None if none was given.

    Raises:
        TunerError: It lacks a module.
    """
    text = os.environ.get(FOLDER_VARIABLE, "")
    if not text:
        return None
    path = Path(text)
    for name in ("api", MODULE):
        if not (path / f"{name}.py").is_file():
            raise TunerError(
                f"{FOLDER_VARIABLE}={text}: the reference search has no {name}.py there.",
                f"give the folder that holds api.py and {MODULE}.py, or none.",
            )
    return path


def _modules() -> tuple[ModuleType, ModuleType]:
    """The interface and the module of the method; they import each other by their plain names."""
    path = folder()
    assert path is not None  # the arm is there only then
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    return importlib.import_module("api"), importlib.import_module(MODULE)


class Reference:
    """The reference search as an arm. It is for one worker.

    If the target is relative, the baseline runs first, and the method is told of it.
    """

    margins_pct: Sequence[float] = (0.0,)
    is_anytime = False

    def __init__(self, instance: Instance, clock: VirtualClock, num_workers: int) -> None:
        if num_workers != 1:
            raise TunerError("the reference search is played with one worker.", "use --workers 1.")
        self._instance, self._study, self._clock = instance, instance.study, clock
        self._api, self._module = _modules()
        self._points = dict(zip(map(_point, self._study.lattice), self._study.lattice, strict=True))
        self._method: Any = None
        self._runs: list[TrialConfig] = []
        self._full: list[TrialConfig] = []
        self._reports: list[Measurement] = []
        self._due: Any = None
        self._answer: TrialConfig | None = None
        self._is_busy = False
        if not self._study.target.is_relative:
            self._begin(self._study.target.threshold(None))

    def _begin(self, threshold: float | None) -> None:
        """Makes the method, now that the target is known."""
        study, guide = self._study, self._study.guide
        first = next(iter(self._points))
        names = (*CORE_NAMES, "lr", "bf16")[: len(first)]
        view = self._api.ProblemView(
            names=names,
            space=list(self._points),
            target=threshold,
            max_epochs=study.stage.num_epochs,
            n_samples=study.stage.num_samples,
            baseline=_point(study.baseline),
            mem_gb=self._instance.truth.memory_gib,
            startup_s=self._instance.costs.startup_s,
            guide=_point(guide if guide is not None and guide in study.lattice else study.baseline),
        )
        self._method = getattr(self._module, METHOD)(view, study.seed)
        self._due = self._method.suggest()

    def ask(self) -> Ask:
        """Asks for what the method wants, until it ends or the budget is spent."""
        if self._is_busy:
            return Wait()
        if self._method is None:
            return self._run(self._study.baseline, Purpose.BASELINE)
        if self._clock.now_s >= self._study.budget.budget_s:
            return Finished(reason="the budget is spent")
        if isinstance(self._due, self._api.Probe):
            self._is_busy = True
            return Probe(trial_id="probe", configs=tuple(self._points[point] for point in self._due.configs))
        if isinstance(self._due, self._api.Start):
            return self._run(self._points[self._due.config], Purpose.SEARCH)
        return Finished(reason=f"the reference says {self._due}")

    def _run(self, config: TrialConfig, purpose: Purpose) -> Run:
        self._is_busy, self._reports = True, []
        number = len(self._runs)
        self._runs.append(config)
        if self._method is not None:
            self._method.started(number, _point(config))
        return Run(
            trial_id=f"{number + 1:04d}",
            config=config,
            seed=self._study.seed + number,
            num_epochs=self._study.stage.num_epochs,
            purpose=purpose,
        )

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Takes a report, and stops the trial if the method says so."""
        self._reports.append(measurement)
        if self._method is None or measurement.status is not Status.OK:
            return Continue()
        answer = self._observed(measurement)
        return Stop("the reference stops it") if answer == self._api.STOP else Continue()

    def _observed(self, report: Measurement) -> str:
        number = len(self._runs) - 1
        return str(
            self._method.observe(
                number,
                _point(self._runs[number]),
                report.epoch,
                report.time_s,
                report.nrmse,
                report.epoch_time_s,
                report.peak_memory_gib,
            )
        )

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial, and lets the method think."""
        self._is_busy = False
        config, number = self._runs[-1], len(self._runs) - 1
        if ending.state is TrialState.COMPLETE:
            self._full.append(config)
        if self._method is None:
            if ending.state is not TrialState.COMPLETE:
                return  # a lost baseline runs again
            self._begin(self._study.target.threshold(self._reports[-1].nrmse))
            self._method.started(number, _point(config))
            for report in self._reports:
                self._observed(report)
            self._method.finished(number, _point(config), "done")
            return
        if ending.state is TrialState.INFEASIBLE:
            status = "oom"
        else:
            status = "done" if ending.state is TrialState.COMPLETE else "stopped"
        self._method.finished(number, _point(config), status)
        self._think()

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Hands the results of a probe to the method."""
        self._is_busy = False
        self._method.probed(
            [(_point(r.config), r.status is Status.OK, r.epoch_time_s, r.peak_memory_gib) for r in results]
        )
        self._think()

    def _think(self) -> None:
        """Gets the next step, and what the method would recommend with the same beliefs."""
        if self._clock.now_s < self._study.budget.budget_s:
            self._due = self._method.suggest()
        point, claims = self._method.recommend()
        self._answer = self._points[point] if claims else None

    def answer(self, margin_pct: float) -> TrialConfig | None:
        """Returns the configuration that the method claims to be feasible, or None. It has its own margin."""
        return self._answer

    def evaluated(self) -> list[TrialConfig]:
        """Returns the configurations that ran to their full budget."""
        return self._full


def _point(config: TrialConfig) -> tuple[Any, ...]:
    """A configuration as the method has it: its four parameters, and learning rate and precision if any."""
    values = config.as_dict()
    core = tuple(values.get(name, 1) for name in CORE_NAMES)
    if not config.extra:
        return core
    others = sorted(set(values) - set(CORE_NAMES) - set(FURTHER))
    if others:
        raise TunerError(f"the reference search knows no parameter {', '.join(others)}.")
    rate, precision = (values.get(name, none) for name, none in FURTHER.items())
    return (*core, float(rate), CODES.get(str(precision), 0))
