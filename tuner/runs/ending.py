"""The end of a run: its outputs, its last event, its report, in the order in which nothing is lost.

Whatever ended the run, and whatever fails here: what can be written is written, and the first failure is the
one that is told.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tuner.certificate import Certificate
from tuner.core.recommend import Admitted
from tuner.errors import Interrupted, TunerError
from tuner.runs.open_run import OpenRun
from tuner.runs.past_run import write_end
from tuner.runs.result import RunResult
from tuner.runs.unexpected import as_tuner_error


class Outputs(Protocol):
    """Writes what people read of a run; `tuner.report.outputs` is the one there is."""

    def sentence(self, result: RunResult) -> str:
        """Returns the finding and the certificate's verdict, as every output words them."""

    def verdict(self, certificate: Certificate) -> str:
        """Returns the verdict of a certificate as one sentence."""

    def write(self, folder: Path, result: RunResult) -> None:
        """Writes the run's files: summary, result, table of trials, recommended values, certificate.

        Raises:
            RecordsError: The disk is full or gone.
        """

    def try_report(self, folder: Path, failure: str) -> str:
        """Writes the report, once all else is written; a line on why there is none, else nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """The ending of a run.

    Attributes:
        result: The result from which its outputs were made.
        failure: The error that ended it, or kept its outputs from being written; None if there was none.
        troubles: Lines on what else could not be written.
    """

    result: RunResult
    failure: TunerError | None
    troubles: tuple[str, ...]


def end_run(
    run: OpenRun,
    elapsed_s: float,
    outputs: Outputs,
    *,
    interrupted_by: str = "",
    error: BaseException | None = None,
) -> EndedRun:
    """Writes all there is, then closes the journal; a run that failed gets no last event: it may be resumed.

    Args:
        run: The run; its journal is open, and its advisor is asked for nothing more.
        elapsed_s: Seconds since the study began.
        outputs: Writes all but the last event.
        interrupted_by: The signal that ended the run, empty when none did.
        error: The error that was raised while it ran; None if there was none.
    """
    failures = _Failures(run.folder)
    if error is not None:
        failures.add(error)
    result = _conclude(run, interrupted_by, failures, outputs)
    try:
        _write(run, elapsed_s, result, outputs)
    except Interrupted:
        raise
    except BaseException as trouble:
        failures.add(trouble)
        if not result.failure:
            result = replace(result, failure=failures.text)
            with suppress(Exception):  # known already; whatever can be written has to say so
                _write(run, elapsed_s, result, outputs)
    try:
        if no_report := outputs.try_report(run.folder, result.failure):
            failures.add_line(no_report)
    finally:
        run.journal.close()  # the folder is complete once nobody holds its journal
    return EndedRun(result=result, failure=failures.first, troubles=tuple(failures.later))


@dataclass(slots=True)
class _Failures:
    """The first failure of a run, and what failed after it, in words."""

    folder: Path
    first: TunerError | None = None
    later: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The first failure in words; empty if there is none."""
        return str(self.first or "")

    def add(self, error: BaseException) -> None:
        told = as_tuner_error(error, self.folder)
        if self.first is None:
            self.first = told
        else:
            self.add_line(str(told))

    def add_line(self, line: str) -> None:
        """Adds what failed besides, unless the disk is why: the first failure has told that."""
        cause = None if self.first is None else self.first.__cause__
        if not (isinstance(cause, OSError) and cause.strerror and cause.strerror in line):
            self.later.append(line)


def _conclude(run: OpenRun, interrupted_by: str, failures: _Failures, outputs: Outputs) -> RunResult:
    """The result with its conclusion drawn: by the models, else by the records alone, else by neither."""

    def of(admitted: Admitted | None, *, is_conclusive: bool = True) -> RunResult:
        return RunResult.of(
            run.advisor,
            run.provenance,
            interrupted_by=interrupted_by,
            failure=failures.text,
            admitted=admitted,
            is_conclusive=is_conclusive,
        )

    attempts: tuple[Admitted | None, ...] = (None, {})
    for admitted in attempts:
        try:
            result = of(admitted)
            outputs.sentence(result)  # drawn now, where it may fail
        except Interrupted:
            raise
        except BaseException as error:
            failures.add(error)
        else:
            return result
    return of({}, is_conclusive=False)


def _write(run: OpenRun, elapsed_s: float, result: RunResult, outputs: Outputs) -> None:
    outputs.write(run.folder, result)
    if not result.failure:
        write_end(run.journal, round(elapsed_s, 3), result)
