"""Probes a script: starts it for a few steps of each configuration, as option ``probe`` says.

Knows how a script is started and read. What follows from the seconds is ``step_time``'s. What is wrong with
the script, or with the option, is an error that ends the probe: whoever asked goes on without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from trainables.command import template, verdict
from trainables.command.account import Account
from trainables.command.metrics import Metrics
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch
from trainables.command.place import TrialPlace
from trainables.command.probe_options import ProbeOptions
from trainables.command.process import Script
from trainables.command.step_time import StepTimes
from trainables.probe import ProbeResult
from trainables.telemetry.failures import ScriptError, SkippedWorkError
from trainables.telemetry.memory import MemoryMeter
from trainables.trial import ProbeSpec
from trainables.trial_account import Told


class _Seen(NamedTuple):
    """What a start showed: its seconds, and its memory in GiB (0: not measured)."""

    seconds: float
    peak_gib: float


class ScriptProbe:
    """Finds epoch time and memory of configurations by short starts of the script.

    A start is timed from the process's begin, or the line of option ``start``, to the last report that it
    prints, or to its end; by its own clock where ``keys`` names one.

    Args:
        options: The stage's options, with ``probe``.
        spec: Which configurations, and for how long a start may last.
        meter: Measures memory where the script tells none.
    """

    def __init__(self, options: CommandOptions, spec: ProbeSpec, meter: MemoryMeter) -> None:
        probe = ProbeOptions.parse(options.probe, config=options.config)
        assert probe is not None
        self._probe, self._spec, self._meter = probe, spec, meter
        self._options = _read_once(options)
        self._times = StepTimes(probe.steps, is_of_steps=bool(self._options.keys.get("time_s")))
        self._status: dict[int, str] = {}
        self._peak_gib: dict[int, float] = {}
        self._account: Account | None = None
        self._runs: Told = []
        self._says_memory = False
        self._nrmse = math.nan

    def results(self) -> list[ProbeResult]:
        """Starts the script for each configuration, and for some twice; returns their results in order.

        Raises:
            ScriptError: The script failed, does not obey the option, or its output cannot be used.
            ScriptLostError: Somebody else ended it.
            ValueError: The options cannot work here.
        """
        numbers = range(len(self._spec.configs))
        for which in numbers:
            self._visit(which, is_long=False)
            if self._status[which] == "ok" and not self._times.has_reference:
                self._visit(which, is_long=True)
                if why := self._times.why_useless(self.unit_name):
                    raise ScriptError(why)
        for which in reversed(numbers):  # so that a machine that becomes slower or faster does not tilt them
            if self._status[which] == "ok" and self._times.wants_second(which):
                self._visit(which, is_long=True)
        return [self._result(which) for which in numbers]

    @property
    def unit_name(self) -> str:
        """What a step is, in words."""
        return {"batch": "batches", "update": "updates", "sample": "samples"}[self._probe.unit]

    def what_runs(self) -> Told:
        """Returns what is started, and how often."""
        steps = self._probe.steps
        starts = f"two starts, of {steps} {self.unit_name} and of {2 * steps}"
        return [("probe", f"{starts} (option probe), instead of an epoch"), *self._runs]

    def what_was_read(self) -> Told:
        """Returns which lines of the newest start were read as what."""
        return self._account.what_was_read() if self._account else []

    def what_was_found(self) -> Told:
        """Returns what the probe has found of the first configuration."""
        found, start_s = self._times.of(0), self._times.start_s
        seen = f"{found.seconds:.3g} s a {self._probe.unit}, to within {100 * found.error:.2g} %"
        told = [("steps", f"{seen}; a start costs {start_s:.3g} s beside them")]
        report = (
            f"{self._options.quality_metric} {self._nrmse:.6g} after {2 * self._probe.steps} {self.unit_name}"
        )
        if math.isnan(self._nrmse):
            quality = self._options.quality
            report = f"no {quality} came, so it is not known whether that of a whole training would be read"
        return [*told, ("report", report)]

    @property
    def says_memory(self) -> bool:
        """Whether the script has told its memory itself."""
        return self._says_memory

    def _result(self, which: int) -> ProbeResult:
        params, status = dict(self._spec.configs[which]), self._status[which]
        if status != "ok":
            nothing = math.nan
            return ProbeResult(
                params=params,
                status=status,
                epoch_time_s=nothing,
                peak_memory_gib=nothing,
                num_steps_timed=0,
                standard_error=nothing,
            )
        found = self._times.of(which)
        return ProbeResult(
            params=params,
            status="ok",
            epoch_time_s=found.seconds * self._probe.steps_per_epoch(params, self._options.num_samples),
            peak_memory_gib=self._peak_gib[which],
            num_steps_timed=self._times.num_steps(which),
            standard_error=found.error,
        )

    def _visit(self, which: int, *, is_long: bool) -> None:
        """Starts one configuration; out of memory and skipped work are what it is then known for."""
        num_steps = self._probe.steps * (2 if is_long else 1)
        try:
            seen = self._started(self._spec.configs[which], num_steps)
        except (MemoryError, SkippedWorkError) as error:
            self._status[which] = "oom" if isinstance(error, MemoryError) else "nan"
            return
        self._status[which] = "ok"
        self._times.add(which, seen.seconds, is_long=is_long)
        self._peak_gib[which] = max(seen.peak_gib, self._peak_gib.get(which, 0.0))

    def _started(self, params: Mapping[str, Any], num_steps: int) -> _Seen:
        """Starts the script for so many steps, and waits until it has ended."""
        self._meter.reset()
        place = TrialPlace(self._options)
        script: Script | None = None
        try:
            place.furnish(
                params, self._spec.seed, self._spec.num_epochs, self._spec.num_threads, num_steps=num_steps
            )
            watch = OutputWatch(self._options, self._spec.num_epochs)
            whole = f"{num_steps} {self.unit_name}"
            self._account = account = Account(self._options, watch, self._spec.num_epochs, whole=whole)
            watch.follow(place.path(self._options.file))
            self._tell(account, place)
            script = place.start(place.command, "output.log", account.see, account.poll)
            return self._awaited(script, watch, num_steps, place.where_output_is)
        finally:
            if script is not None:
                script.end()
            place.remove()

    def _tell(self, account: Account, place: TrialPlace) -> None:
        account.launched(place.command, place.words, place.folder)
        changes = template.changes(self._options, place.words, place.more_patch)
        runs = [told for told in account.what_runs() if told[0] in ("command", "folder")]
        self._runs = [*runs, *(("config", f"{self._options.config}: {change}") for change in changes)]

    def _awaited(self, script: Script, watch: OutputWatch, num_steps: int, where: str) -> _Seen:
        began_s = script.began_s
        limit_s = self._spec.limit_s
        until_s = time.perf_counter() + (limit_s or math.inf)
        is_started = not self._options.start
        while True:
            try:
                event = script.next_event(until_s)
            except TimeoutError:
                raise ScriptError(_too_long(num_steps, self.unit_name, limit_s)) from None
            if event.metrics is not STARTED:
                break
            began_s, is_started = event.at_s, True
        if event.error is not None:
            raise verdict.unusable(event.error, where) from event.error
        num_oom_kills = script.num_oom_kills()
        if error := verdict.failure(script.end(), script.tail, num_oom_kills, where):
            raise error
        if not is_started:
            reason = f"no line of output matched option start={self._options.start!r}"
            raise verdict.no_metrics(reason, script.tail, where)
        found, at_s = watch.last or (self._nothing_read(script, where), event.at_s)
        self._nrmse = found.get("nrmse", math.nan)
        self._says_memory = self._says_memory or "peak_memory_gib" in found
        return _Seen(
            seconds=found.get("time_s", at_s - began_s),
            peak_gib=found.get("peak_memory_gib", 0.0) or self._meter.peak_gib(),
        )

    def _nothing_read(self, script: Script, where: str) -> Metrics:
        """Returns no metrics, which a probe can do without, unless the last words say that memory ran out."""
        error = verdict.no_metrics("", script.tail, where)
        if isinstance(error, MemoryError):
            raise error
        return {}


def _read_once(options: CommandOptions) -> CommandOptions:
    """Returns options by which the last report of a start counts, whichever epoch it is of."""
    keys = dict(options.keys)
    if clock := keys.pop("time_per_epoch", ""):
        keys["time_s"] = clock  # few steps are less than an epoch, so it is the time since the beginning
    return replace(options, per_epoch=False, keys=keys)


def _too_long(num_steps: int, unit_name: str, limit_s: float) -> str:
    return (
        f"a start with {num_steps} {unit_name} had not ended after {limit_s:.3g} s, by which time the "
        "baseline had reported its first epoch, so it was ended. Fix: see that the script obeys {num_steps} "
        "of option probe; if it does, write fewer probe.steps."
    )
