"""CommandStage: any existing training script as a stage, without a change to it.

Joins template, process and output to the contract of ``MeasuredTrainable``. Does not know what the
script trains. Not resumable: a lost trial is asked again from the start.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from trainables.base import MeasuredTrainable
from trainables.command import template, verdict
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, Metrics, OutputWatch, read_metrics_file
from trainables.command.process import Script
from trainables.command.reader import Event
from trainables.command.usage import Usage
from trainables.telemetry.contention import CpuUse, judge
from trainables.telemetry.sampler import GpuUsage
from trainables.telemetry.steps import StepTimes
from trainables.trial import EpochCounts


class CommandStage(MeasuredTrainable):
    """Runs a script; each line with an ``nrmse`` is an epoch, unless ``per_epoch`` is off.

    ``time_s`` is the script's own when ``keys`` maps it, else wall time between the lines as they arrive;
    the first epoch starts at the ``start`` line, or without one when the process does. ``cpu_time_s``
    is of the script's processes, from the same moment.
    """

    resumable: ClassVar[bool] = False

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        """Raises ValueError for what would fail in every trial; see ``template.check``."""
        template.check(CommandOptions.parse(options))

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """All but where logs are kept and how a script is ended; of the config file what is in it."""
        kept = {name: value for name, value in options.items() if name not in ("logs", "grace_s")}
        if kept.get("config") and Path(kept["config"]).is_file():
            kept["config"] = hashlib.sha256(Path(kept["config"]).read_bytes()).hexdigest()
        return kept

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Fills the template and starts the script in a session of its own."""
        self._script: Script | None = None
        self._dir: Path | None = None
        self._options = CommandOptions.parse(options)
        self._own_time_s = self._own_peak_gib = 0.0
        self._own_epoch_time_s = math.nan
        self._contended_by = ""
        self._is_started = not self._options.start
        self._watch_output = OutputWatch(self._options, self.num_epochs)
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
        """What the script reported."""
        return {"nrmse": self._nrmse}

    def step(self) -> dict[str, Any]:
        """One report, with the script's clock and memory instead of this process's."""
        with self._released_if_it_fails():
            result = super().step()
        own = {
            "time_s": self._own_time_s,
            "cpu_time_s": max(0.0, self._usage.cpu_s - self._cpu_before_s),
            "peak_memory_gib": self._own_peak_gib,
        }
        if result["status"] == "ok":
            own["epoch_time_s"] = self._own_epoch_time_s
        reasons = [reason for reason in (result["contended_reason"], self._contended_by) if reason]
        return result | own | {"contended": bool(reasons), "contended_reason": "; ".join(reasons)}

    def state_dict(self) -> dict[str, Any]:
        """Refuses: a script cannot be resumed."""
        raise RuntimeError("a CommandStage cannot be checkpointed. Fix: ask its trial again.")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuses, as ``state_dict`` does."""
        raise RuntimeError("a CommandStage cannot be resumed. Fix: ask its trial again.")

    def release(self) -> None:
        """Ends the script and all its descendants; removes the trial's folder unless ``logs`` keeps it."""
        script, self._script = getattr(self, "_script", None), None
        if script is not None:
            script.end()
        folder, self._dir = getattr(self, "_dir", None), None
        if folder is not None and not self._options.logs:
            shutil.rmtree(folder, ignore_errors=True)

    # How it is done.

    def _make_folder(self) -> Path:
        """The trial's folder: below ``logs``, in the order of time; else a temporary one."""
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
        self._file = Path(template.fill(self._options.file, words))
        command = [template.fill(word, words) for word in self._options.command]
        told = {"params": dict(params), "seed": seed, "command": command}
        (folder / "trial.json").write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")
        self._script = Script(
            command,
            folder / "output.log",
            self._watch_output.see,
            num_threads=self._spec.num_threads,
            grace_s=self._options.grace_s,
            removed_if_killed=None if self._options.logs else folder,
        )

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
        """Ray drops the worker of a failed trial without a call to ``release``."""
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
        """Of a script that has ended well and reports only then; with their time."""
        if self._options.source == "file":
            try:
                return read_metrics_file(self._file, self._options.keys), ended_at_s
            except ValueError as error:
                raise self._no_metrics(str(error)) from error
        if self._options.per_epoch and self._epoch > 1:
            said = f"after {self._epoch - 1} of {self.num_epochs} epochs, since"
            fix = "have it print one such line an epoch, or write per_epoch: false"
            raise self._no_metrics(f"{said} it printed no more NRMSE. Fix: {fix}")
        if self._watch_output.last is None:
            raise self._no_metrics(self._watch_output.explain())
        return self._watch_output.last

    def _take(self, found: Metrics, at_s: float, usage: Usage) -> None:
        """Keeps an epoch's figures, and judges from the script's own waiting if it was disturbed."""
        wall_s, delay_s = at_s - self._at_s, None
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
        self._nrmse = found["nrmse"]
        before = self._own_time_s
        self._own_time_s = found.get("time_s", at_s - self._began_s)
        self._own_epoch_time_s = self._own_time_s - before
        self._own_peak_gib = max(self._own_peak_gib, found.get("peak_memory_gib", 0.0))

    def _require_success(self, event: Event) -> None:
        """Ends what the script left behind, and raises unless it ended well by itself."""
        if event.error is not None:
            raise RuntimeError(f"cannot use the script's output: {event.error}") from event.error
        script = self._script_of_trial
        num_oom_kills = script.num_oom_kills()
        error = verdict.failure(script.end(), script.tail, num_oom_kills, self._where())
        if error is not None:
            raise error

    def _no_metrics(self, reason: str) -> Exception:
        """The error for a script that ended well, but without what was waited for."""
        tail = self._script_of_trial.tail
        if verdict.is_out_of_memory(tail):
            return MemoryError(
                f"the script ran out of memory, as its output says, and ended; {self._where()}"
            )
        last = "\n".join(tail[-20:])
        return RuntimeError(f"the script ended without a metric nrmse: {reason}; {self._where()}\n{last}")

    def _where(self) -> str:
        if self._options.logs:
            return f"its output: {self._dir}/output.log"
        return "option logs keeps all of its output"
