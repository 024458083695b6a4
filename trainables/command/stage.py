"""CommandStage: runs any existing training script as a stage, without a change to it.

Joins template, process and output to the contract of ``MeasuredTrainable``. Does not know what the
script trains. Not resumable: a lost trial is asked again from the start.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from trainables.base import MeasuredTrainable
from trainables.command import evaluation, source, template, verdict
from trainables.command.account import Account, ScriptAccount
from trainables.command.card import MeasuredOnItsCard
from trainables.command.environment import script_environment
from trainables.command.epochs import check_clock
from trainables.command.options import CommandOptions, at_home
from trainables.command.output import STARTED, Metrics, OutputWatch
from trainables.command.parameters import check_parameters
from trainables.command.process import Script, Surroundings
from trainables.command.reader import Event, Poll, nowhere
from trainables.command.usage import Usage
from trainables.command.words import fill
from trainables.command.workdir import NAME, from_workdir, make_workdir
from trainables.telemetry.contention import CpuUse, judge
from trainables.telemetry.sampler import GpuUsage
from trainables.telemetry.steps import StepTimes
from trainables.trial import EpochCounts

NOT_OF_QUALITY = ("logs", "grace_s", "device")
"""Options on which NRMSE does not depend."""

LEAST_S = 1e-6
"""Seconds that are put between two epochs whose lines were read together."""


class CommandStage(ScriptAccount, MeasuredOnItsCard, MeasuredTrainable):
    """Runs a script; each line with an ``nrmse`` is an epoch, unless ``per_epoch`` is off.

    What it prints is checked (``output``, ``epochs``): figures that cannot be are a failed trial, and a
    script that says it ran out of memory or skipped work is ended there, as infeasible.
    ``time_s`` is the script's own when ``keys`` maps it, else wall time between the reports as they arrive;
    the first epoch starts at the ``start`` line, or without one when the process does. ``cpu_time_s``
    is of the script's processes, from the same moment.
    """

    pins_cores: ClassVar[bool] = False

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        """Raises ValueError for what would fail in every trial; see ``template.check``."""
        template.check(CommandOptions.parse(options))

    @classmethod
    def check_parameters(
        cls, options: Mapping[str, Any], varying: Collection[str], fixed: Collection[str]
    ) -> None:
        """Raises ValueError for a parameter that would not reach the script, and a word that is no parameter.

        Looks at the configuration file too, if it is there: trials may run on another machine.
        """
        parsed = CommandOptions.parse(options)
        if parsed.config and Path(parsed.config).is_file():
            template.check_config(parsed)
        check_parameters(parsed, varying, fixed)

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options without those of logs and device, and with the content of the config file."""
        kept = {name: value for name, value in options.items() if name not in NOT_OF_QUALITY}
        if kept.get("config") and (path := Path(at_home("config", kept["config"]))).is_file():
            kept["config"] = source.config_hash(path)
        return kept

    @classmethod
    def source_files(cls, options: Mapping[str, Any]) -> list[Path]:
        """Returns the script's own files instead of this module's; see ``source``."""
        return source.source_files(options)

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Fills the template and starts the script in a session of its own."""
        self._script: Script | None = None
        self._dir: Path | None = None
        self._options = CommandOptions.parse(options)
        self._own_time_s = self._own_peak_gib = 0.0
        self._own_epoch_time_s = math.nan
        self._contended_by = self._read_together = ""
        self._is_started = not self._options.start
        self._watch_output = OutputWatch(self._options, self.num_epochs)
        self._account = Account(self._options, self._watch_output, self.num_epochs, gives_up=self.is_tried)
        self._dir = self._make_folder()
        with self._released_if_it_fails():
            self._launch(self._dir, params, seed)
        self._at_s, self._usage = self._script_of_trial.began_s, Usage(run_delay_s=0.0)
        self._began_s, self._cpu_before_s = self._at_s, 0.0

    def warm_up(self) -> None:
        """Waits for the ``start`` line, if the script prints one."""
        with self._released_if_it_fails():
            self._await_start()

    def train_epoch(self, epoch: int) -> EpochCounts:
        """Waits for the next metrics, or for the end of the script when it reports only then."""
        self._await_start()
        event = self._script_of_trial.next_event()
        found, at_s = event.metrics, event.at_s
        if found is None:
            self._require_success(event)
            found, at_s = self._final_metrics(at_s)
            self._epoch = self.num_epochs
        elif epoch == self.num_epochs:
            self._require_success(self._script_of_trial.next_event())
        self._take(found, at_s, event.usage)
        return EpochCounts(loss=found.get("loss", 0.0))

    def evaluate(self) -> dict[str, float]:
        """Returns the NRMSE that the script reported, or that a second command now computes."""
        if self._options.evaluate:
            return {"nrmse": self._evaluated()}
        return {"nrmse": self._reported_nrmse}

    def step(self) -> dict[str, Any]:
        """Returns one report, with the script's clock and memory instead of this process's."""
        with self._released_if_it_fails():
            result = super().step()
        own = {
            "time_s": self._own_time_s,
            "cpu_time_s": max(0.0, self._usage.cpu_s - self._cpu_before_s),
            "peak_memory_gib": self._own_peak_gib or result["peak_memory_gib"],
        }
        if result["status"] == "ok":
            own["epoch_time_s"] = self._own_epoch_time_s
        reasons = [
            reason
            for reason in (result["contended_reason"], self._contended_by, self._read_together)
            if reason
        ]
        return result | own | {"contended": bool(reasons), "contended_reason": "; ".join(reasons)}

    def release(self) -> None:
        """Ends the script and all its descendants; removes the trial's folder unless ``logs`` keeps it."""
        script, self._script = getattr(self, "_script", None), None
        if script is not None:
            script.end()
        folder, self._dir = getattr(self, "_dir", None), None
        if folder is not None:
            shutil.rmtree(folder / NAME if self._options.logs else folder, ignore_errors=True)

    # How it is done.

    def _make_folder(self) -> Path:
        """Makes the trial's folder: below ``logs`` with a name that sorts by time, else a temporary one."""
        if not self._options.logs:
            return Path(tempfile.mkdtemp(prefix="distill-trial-"))
        template.make_logs(self._options.logs)
        prefix = time.strftime("trial-%Y%m%d-%H%M%S-")
        return Path(tempfile.mkdtemp(prefix=prefix, dir=self._options.logs)).resolve()

    def _launch(self, folder: Path, params: Mapping[str, Any], seed: int) -> None:
        words = {
            **params,
            "seed": seed,
            "num_epochs": self.num_epochs,
            "num_samples": self._options.num_samples,
            "num_threads": self._spec.num_threads,
            "python": sys.executable,
            "dir": str(folder),
        }
        if self._options.config:
            words["config"] = str(template.write_config(self._options, words, folder))
        workdir = self._options.workdir
        self._words, self._cwd = words, make_workdir(workdir, folder) if workdir else None
        self._watch_output.follow(self._path(self._options.file))
        command = self._filled(self._options.command)
        told = {"params": dict(params), "seed": seed, "command": command}
        self._account.launched(command, words, folder)
        (folder / "trial.json").write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")
        account = self._account
        self._script = self._started(command, folder / "output.log", account.see, account.poll)

    def _filled(self, command: list[str]) -> list[str]:
        """Returns a command with its words replaced, as it starts in the folder of the script."""
        filled = [fill(word, self._words) for word in command]
        return from_workdir(filled, self._cwd) if self._cwd else filled

    def _path(self, text: str) -> Path:
        """Returns the path of a file that a command writes; a relative one is in the folder where it runs."""
        return Path(self._cwd or "", fill(text, self._words))

    def _started(
        self,
        command: list[str],
        log: Path,
        see: Callable[[str, float], Iterable[Metrics]],
        poll: Poll = nowhere,
    ) -> Script:
        return Script(
            command,
            log,
            see,
            surroundings=Surroundings(
                env=script_environment(self._options, self._words),
                cwd=self._cwd,
                removed_if_killed=self._cwd if self._options.logs else self._dir,
            ),
            grace_s=self._options.grace_s,
            poll=poll,
        )

    def _evaluated(self) -> float:
        """Runs the command of option evaluate; returns the NRMSE that it says."""
        assert self._dir is not None
        log = self._dir / evaluation.LOG
        command = self._filled(self._options.evaluate)
        self._script = self._started(command, log, evaluation.notice)
        file = self._path(self._options.evaluate_file) if self._options.evaluate_file else None
        nrmse = evaluation.nrmse_of(self._script, self._options, file, log)
        self._account.evaluated(command, nrmse)
        return nrmse

    def _await_start(self) -> None:
        """Returns at once when the ``start`` line has come already, or none is expected."""
        if self._is_started:
            return
        event = self._script_of_trial.next_event()
        if event.metrics is not STARTED:
            self._require_success(event)
            raise self._no_metrics(f"no line of output matched option start={self._options.start!r}")
        self._at_s, self._usage = event.at_s, event.usage
        self._began_s, self._cpu_before_s = event.at_s, event.usage.cpu_s
        self._is_started = True

    @contextmanager
    def _released_if_it_fails(self) -> Iterator[None]:
        """Releases the trial if the body fails: Ray drops its worker without calling ``release``."""
        try:
            yield
        except BaseException:
            self.release()
            raise

    @property
    def _script_of_trial(self) -> Script:
        assert self._script is not None
        return self._script

    def _final_metrics(self, ended_at_s: float) -> tuple[Metrics, float]:
        """Returns metrics and their time from a script that has ended well and reports only at its end.

        Where ``evaluate`` says the NRMSE, the script need not report anything: it trains until it ends.
        """
        last = self._watch_output.last
        if self._options.evaluate and not self._options.keys.get("time_s"):
            return (last[0] if last else {}), ended_at_s
        if last is None:
            raise self._no_metrics(self._watch_output.explain())
        return last

    def _take(self, found: Metrics, at_s: float, usage: Usage) -> None:
        """Keeps an epoch's figures, and judges from the script's own waiting if it was disturbed."""
        at_s = self._later(found, at_s)
        wall_s, delay_s = at_s - self._at_s, None
        self._check_clock(found, wall_s)
        if usage.run_delay_s is not None and self._usage.run_delay_s is not None:
            delay_s = usage.run_delay_s - self._usage.run_delay_s
        if delay_s is not None:
            self._contended_by = self._contended_by or judge(
                wall_s=wall_s,
                cpu_s=usage.cpu_s - self._usage.cpu_s,
                cpu=CpuUse(run_delay_s=delay_s, num_preempted=0),
                load_average=0.0,  # judged for every stage already
                num_cores=1,
                steps=StepTimes(),
                gpu=GpuUsage(),
            )
        self._at_s, self._usage = at_s, usage
        self._reported_nrmse = found.get("nrmse", math.nan)
        before = self._own_time_s
        self._own_time_s = found.get("time_s", at_s - self._began_s)
        self._own_epoch_time_s = self._own_time_s - before
        self._own_peak_gib = max(self._own_peak_gib, found.get("peak_memory_gib", 0.0))

    def _later(self, found: Metrics, at_s: float) -> float:
        """Returns when a line came; a moment after the line before it if both were read together.

        Lines are read together if the script does not flush them, or if this process got no core for longer
        than an epoch takes. The total is still right, unless no two lines were read apart.
        """
        if at_s > self._at_s or "time_s" in found:
            return at_s
        self._read_together = "lines of several epochs were read at the same moment"
        at_s = self._at_s + LEAST_S
        if self._epoch == self.num_epochs and at_s - self._began_s < 2 * self.num_epochs * LEAST_S:
            raise verdict.unusable(
                ValueError(
                    "all its lines came at the same moment, so no time could be measured. Fix: make the "
                    "script flush each line, or name its own clock in keys.time_s."
                ),
                self._where(),
            )
        return at_s

    def _check_clock(self, found: Metrics, wall_s: float) -> None:
        """Raises unless the script's own clock, where it has one, agrees with ours."""
        if "time_s" not in found:
            return
        is_first = self._at_s == self._began_s
        is_all_training = bool(self._options.start) or not is_first
        readings = self._own_time_s, found["time_s"]
        name = "time_per_epoch" if self._options.keys.get("time_per_epoch") else "time_s"
        try:
            check_clock(*readings, wall_s, is_wall_all_training=is_all_training, name=name)
        except ValueError as error:
            raise verdict.unusable(error, self._where()) from error

    def _require_success(self, event: Event) -> None:
        """Ends what the script left behind, and raises unless it ended well by itself."""
        if event.error is not None:
            raise verdict.unusable(event.error, self._where()) from event.error
        script = self._script_of_trial
        num_oom_kills = script.num_oom_kills()
        error = verdict.failure(script.end(), script.tail, num_oom_kills, self._where())
        if error is not None:
            raise error

    def _no_metrics(self, reason: str) -> Exception:
        """Returns the error for a script that ended well, but without what was waited for."""
        return verdict.no_metrics(reason, self._script_of_trial.tail, self._where())

    def _where(self) -> str:
        if self._options.logs:
            return f"its output: {self._dir}/output.log"
        return "option logs keeps all of its output"
