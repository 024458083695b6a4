"""CommandStage: runs any existing training script as a stage, without a change to it.

Joins template, process and output to the contract of ``MeasuredTrainable``. Does not know what the
script trains. Not resumable: a lost trial is asked again from the start.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from trainables.base import MeasuredTrainable
from trainables.command import evaluation, source, template, verdict
from trainables.command.account import Account, ScriptAccount
from trainables.command.card import MeasuredOnItsCard
from trainables.command.figures import ScriptFigures
from trainables.command.metrics import Metrics
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch
from trainables.command.parameters import check_parameters
from trainables.command.paths import at_home
from trainables.command.place import NOT_KEPT, TrialPlace
from trainables.command.process import Script
from trainables.command.reader import Event
from trainables.command.script_probe import ScriptProbe
from trainables.command.usage import Usage
from trainables.probe import ProbeResult
from trainables.trial import EpochCounts, ProbeSpec

NOT_OF_QUALITY = ("logs", "grace_s", "device", "evaluate_start", "probe")
"""Options on which NRMSE does not depend."""


class CommandStage(ScriptAccount, MeasuredOnItsCard, MeasuredTrainable):
    """Runs a script; each line with its quality figure is an epoch, unless ``per_epoch`` is off.

    What it prints is checked (``output``, ``epochs``): figures that cannot be are a failed trial, and a
    script that says it ran out of memory or skipped work is ended there, as infeasible.
    ``time_s`` is the script's own when ``keys`` maps it, else wall time between the reports as they arrive;
    the first epoch starts at a line of epoch 0, else at the ``start`` line, else when the process does.
    ``cpu_time_s`` is of the script's processes, from the same moment.
    """

    pins_cores: ClassVar[bool] = False
    probes_in_proportion: ClassVar[bool] = True

    @classmethod
    def offers_probe(cls, options: Mapping[str, Any]) -> bool:
        """Whether option ``probe`` says how the script does few steps."""
        return bool(options.get("probe"))

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
    def evaluates_start(cls, options: Mapping[str, Any]) -> bool:
        """Whether there is a command that evaluates the untrained start."""
        return bool(options.get("evaluate_start"))

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options without those of logs and device, and with what is in the files a trial copies.

        Those are the configuration, and what ``workdir`` copies, such as the checkpoint it starts from.
        """
        kept = {name: value for name, value in options.items() if name not in NOT_OF_QUALITY}
        if kept.get("config") and (path := Path(at_home("config", kept["config"]))).is_file():
            kept["config"] = source.config_hash(path)
        if workdir := kept.get("workdir"):
            copies = {path: source.content_hash(Path(path)) for path in workdir.get("copy", ())}
            kept["workdir"] = {**workdir, "copy": copies}
        return kept

    @classmethod
    def source_files(cls, options: Mapping[str, Any]) -> list[Path]:
        """Returns the script's own files instead of this module's; see ``source``."""
        return source.source_files(options)

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Fills the template and starts the script in a session of its own."""
        self._script: Script | None = None
        self._evaluation: Script | None = None
        self._place: TrialPlace | None = None
        self._options = CommandOptions.parse(options)
        self._is_started = not self._options.start
        self._figures = ScriptFigures(self._options, self.num_epochs)
        self._watch_output = OutputWatch(self._options, self.num_epochs)
        self._account = Account(self._options, self._watch_output, self.num_epochs, is_tried=self.is_tried)
        self._place = TrialPlace(self._options)
        with self._released_if_it_fails():
            self._place.furnish(params, seed, self.num_epochs, self._spec.num_threads)
            self._start_nrmse = self._of_start(self._place) if self._spec.measures_start else None
            self._script = self._launched(self._place)
        self._figures.begin(self._script.began_s, Usage(run_delay_s=0.0))

    def warm_up(self) -> None:
        """Waits for the ``start`` line, if the script prints one."""
        with self._released_if_it_fails():
            self._await_start()

    def train_epoch(self, epoch: int) -> EpochCounts:
        """Waits for the next metrics, or for the end of the script when it reports only then."""
        self._await_start()
        event = self._next_report()
        found, at_s = event.metrics, event.at_s
        if found is None:
            self._require_success(event)
            found, at_s = self._final_metrics(at_s)
            self._epoch = self.num_epochs
        elif epoch == self.num_epochs:
            self._require_success(self._script_of_trial.next_event())
        at_s = self._script_of_trial.running_s(at_s)
        try:
            self._figures.take(found, at_s, event.usage, is_last=self._epoch == self.num_epochs)
        except ValueError as error:
            raise verdict.unusable(error, self._where()) from error
        printed = self._watch_output.start_nrmse
        self._progress.start_nrmse = self._start_nrmse if printed is None else printed
        return EpochCounts(loss=found.get("loss", 0.0))

    def evaluate(self) -> dict[str, float]:
        """Returns the NRMSE that the script reported, or that a second command now computes."""
        if self._options.evaluate:
            assert self._place is not None  # it is there until the trial is released
            return {self.quality_name: self._evaluated(self._place)}
        return {self.quality_name: self._figures.nrmse}

    def evaluate_start(self) -> dict[str, float]:
        """Returns the NRMSE that a command computed before the script started."""
        return {self.quality_name: math.nan if self._start_nrmse is None else self._start_nrmse}

    def step(self) -> dict[str, Any]:
        """Returns one report, with the script's clock and memory instead of this process's."""
        with self._released_if_it_fails():
            result = super().step()
        return result if self._probe else self._figures.over(result)

    def release(self) -> None:
        """Ends the script and all its descendants; removes the trial's folder unless ``logs`` keeps it."""
        scripts = [getattr(self, name, None) for name in ("_evaluation", "_script")]
        self._evaluation = self._script = None
        for script in scripts:
            if script is not None:
                script.end()
        place, self._place = getattr(self, "_place", None), None
        if place is not None:
            place.remove()

    # How it is done.

    def _probed(self, spec: ProbeSpec) -> list[ProbeResult]:
        self._script_probe = ScriptProbe(CommandOptions.parse(spec.options), spec, self._instruments.meter)
        return self._script_probe.results()

    def _launched(self, place: TrialPlace) -> Script:
        self._watch_output.follow(place.path(self._options.file))
        command, account = place.command, self._account
        account.launched(command, place.words, place.folder)
        num_held = self.num_epochs if self._options.is_evaluated_by_epoch else 0
        return place.start(command, "output.log", account.see, account.poll, num_held)

    def _evaluated(self, place: TrialPlace) -> float:
        """Returns the NRMSE that the command of option evaluate says, and lets the script go on."""
        command, nrmse = evaluation.nrmse_after(place, self._options, self._epoch, self._evaluates)
        self._account.evaluated(command, nrmse)
        self._script_of_trial.go_on(self._epoch)
        return nrmse

    def _of_start(self, place: TrialPlace) -> float:
        """Returns the NRMSE that the command of option evaluate_start says."""
        command, nrmse = evaluation.nrmse_of_start(place, self._options, self._evaluates)
        self._account.evaluated(command, nrmse)
        return nrmse

    def _evaluates(self, evaluation_script: Script) -> None:
        self._evaluation = evaluation_script

    def _await_start(self) -> None:
        """Returns at once when the ``start`` line has come already, or none is expected."""
        if self._is_started:
            return
        event = self._script_of_trial.next_event()
        if event.metrics is not STARTED:
            self._require_success(event)
            raise self._no_metrics(f"no line of output matched option start={self._options.start!r}")
        self._figures.begin(event.at_s, event.usage)
        self._is_started = True

    def _next_report(self) -> Event:
        """Returns what the script reports next; a line of epoch 0 only says that training begins there."""
        event = self._script_of_trial.next_event()
        while event.metrics is STARTED:
            self._figures.begin(event.at_s, event.usage)
            event = self._script_of_trial.next_event()
        return event

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
        is_silent = self._options.evaluate and not self._options.per_epoch
        if is_silent and not self._options.keys.get("time_s"):
            found, at_s = (last[0] if last else {}), ended_at_s
        elif last is not None:
            found, at_s = last
        else:
            raise self._no_metrics(self._watch_output.explain())
        try:
            return self._watch_output.final(found, at_s)
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
        return verdict.no_metrics(
            reason,
            self._script_of_trial.tail,
            self._where(),
            self.quality_name,
            has_others=self._watch_output.has_other_names,
        )

    def _where(self) -> str:
        return self._place.where_output_is if self._place else NOT_KEPT
