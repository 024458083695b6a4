"""A run as a study in an Optuna storage, so that `optuna-dashboard` and any script of Optuna's open it.

One trial a run, replicates included; written while the run goes on, also after it was killed. What was not
run to its full budget never has values, so Optuna's Pareto front holds measured trials only. Asks nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from tuner.core.metric import Metric
from tuner.core.outputs import SQLITE
from tuner.core.parameters import Continuous, Parameter
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import SpecError, TunerError
from tuner.report.conclusion import sentence, speedup_basis
from tuner.runs.result import RunResult
from tuner.search.by_optuna.spaces import distribution_of
from tuner.sinks.contract import Sink, SinkBusyError
from tuner.sinks.facts import Judge, facts
from tuner.sinks.optuna_note import note, note_attributes

FILE_NAME = "optuna.sqlite3"

CONSTRAINTS = "constraints"
"""The key under which the dashboard (0.21) and every Optuna read them: a list, in the order of the study's
attribute `constraints`. Optuna 5 would write one key each, which the dashboard does not read yet."""

METRIC_NAMES = "study:metric_names"
"""The key that `Study.set_metric_names` writes; that one warns of being experimental, in Optuna 5 still."""

_DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Packages to install for drivers whose module has another name; others share the module's name."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DECODED = re.compile(r"(?<=://)[^/?@]*@|\?.*")
"""The parts of a URL that whoever opens it decodes: user with password, and query."""


@dataclass(slots=True)
class _Shown:
    """The storage's entry of a trial.

    Attributes:
        key: Key of the trial in the storage.
        epochs: Epochs whose quality was written.
        is_ended: Whether it is in its final state, so that nothing can be added.
    """

    key: int
    epochs: set[int] = field(default_factory=set)
    is_ended: bool = False


@contextmanager
def _busy_while_locked() -> Iterator[None]:
    """Says of a database file that another process holds, for longer than SQLite waits, that it is busy."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        if "database is locked" in f"{error} {error.__cause__}":
            raise SinkBusyError("another process has locked its database.") from error
        raise


class OptunaStorage(Sink):
    """Writes to a database; see `outputs.optuna`."""

    _storage: RDBStorage
    _study_key: int

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown: dict[str, _Shown] = {}

    @_busy_while_locked()
    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Makes the study, named as the run's folder, or finds it again."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._judge, self._metric = Judge(study.goal), study.metric
        self._distributions = {p.name: _distribution(p) for p in study.parameters}
        self._storage = _opened(storage_url(self._url, folder))
        made = optuna.create_study(
            study_name=folder.name,
            storage=self._storage,
            directions=[StudyDirection.MINIMIZE, _direction(study.metric)],
            load_if_exists=True,
        )
        made.set_user_attr("provenance", dict(provenance))
        made.set_user_attr("target", study.target.text)
        made.set_user_attr(CONSTRAINTS, list(self._judge.names))
        self._study_key = self._storage.get_study_id_from_name(folder.name)
        names = [study.objective.value, study.metric.name]
        self._storage.set_study_system_attr(self._study_key, METRIC_NAMES, names)
        for trial in made.get_trials(deepcopy=False):
            self._shown[trial.user_attrs["trial_id"]] = _Shown(
                key=trial._trial_id, epochs=set(trial.intermediate_values), is_ended=trial.state.is_finished()
            )
        self._study = made

    @_busy_while_locked()
    def show(self, record: TrialRecord) -> None:
        """Adds the trial, or what is new of it.

        | state | told as |
        |---|---|
        | RUNNING | RUNNING |
        | COMPLETE | COMPLETE with values and constraints; PRUNED when it was resumed |
        | STOPPED | PRUNED without values, its projected time as a user attribute |
        | INFEASIBLE, FAILED, DISCARDED | FAIL, with the reason and the constraint it broke |
        """
        self._judge.heard(record)
        shown = self._shown.get(record.trial_id)
        if shown is None:
            self._shown[record.trial_id] = self._add(record)
        elif not shown.is_ended:
            self._update(shown, record)

    def _add(self, record: TrialRecord) -> _Shown:
        state, values = self._told(record)
        params = record.config.as_dict()
        trial = create_trial(
            state=state,
            values=values,
            params={name: params[name] for name in self._distributions},
            distributions=self._distributions,
            user_attrs=self._user_attrs(record, state),
            system_attrs=self._system_attrs(record, state),
            intermediate_values=self._metric.curve(record),
        )
        key = self._storage.create_new_trial(self._study_key, template_trial=trial)
        return _Shown(key=key, epochs=set(record.nrmse_curve), is_ended=state.is_finished())

    def _update(self, shown: _Shown, record: TrialRecord) -> None:
        for epoch, quality in self._metric.curve(record).items():
            if epoch not in shown.epochs:
                self._storage.set_trial_intermediate_value(shown.key, epoch, quality)
                shown.epochs.add(epoch)
        state, values = self._told(record)
        if state is OptunaState.RUNNING:
            return
        for name, value in self._user_attrs(record, state).items():
            self._storage.set_trial_user_attr(shown.key, name, value)
        for name, value in self._system_attrs(record, state).items():
            self._storage.set_trial_system_attr(shown.key, name, value)
        self._storage.set_trial_state_values(shown.key, state, values)
        shown.is_ended = True

    def _told(self, record: TrialRecord) -> tuple[OptunaState, tuple[float, float] | None]:
        match record.state:
            case TrialState.RUNNING:
                return OptunaState.RUNNING, None
            case TrialState.COMPLETE if (values := self._judge.values(record)) is not None:
                return OptunaState.COMPLETE, values
            case TrialState.COMPLETE | TrialState.STOPPED:
                return OptunaState.PRUNED, None
            case _:
                return OptunaState.FAIL, None

    def _user_attrs(self, record: TrialRecord, state: OptunaState) -> dict[str, Any]:
        """The dashboard's lists ignore constraints, but show these."""
        if state is not OptunaState.COMPLETE:
            return facts(record)
        return facts(record) | {"misses": self._judge.misses(record)}

    def _system_attrs(self, record: TrialRecord, state: OptunaState) -> dict[str, Any]:
        if state is not OptunaState.COMPLETE:
            return {}
        return {CONSTRAINTS: list(self._judge.constraints(record).values())}

    @_busy_while_locked()
    def finish(self, result: RunResult) -> None:
        """Writes the conclusion to the study, as a note too; ends what never ended, unless it may go on."""
        for shown in self._shown.values():
            if result.has_ended and not shown.is_ended:
                self._storage.set_trial_user_attr(shown.key, "reason", "the run ended before it did")
                self._storage.set_trial_state_values(shown.key, OptunaState.FAIL)
        self._study.set_user_attr("status", result.status)
        self._study.set_user_attr("conclusion", sentence(result))
        self._study.set_user_attr("finish_reason", result.finish_reason)
        found, speedup = result.conclusion.recommendation, result.conclusion.speedup
        self._study.set_user_attr("recommended", found.estimate.config.as_dict() if found else None)
        self._study.set_user_attr("speedup", speedup.ratio if speedup else None)
        self._study.set_user_attr("speedup_basis", speedup_basis(speedup) if speedup else None)
        body = note(result, self._number_of)
        old = self._storage.get_study_system_attrs(self._study_key)
        for name, value in note_attributes(body, old).items():
            self._storage.set_study_system_attr(self._study_key, name, value)
        self._storage.remove_session()
        self._storage.engine.dispose()  # otherwise a server would keep the connections until the process ends

    def _number_of(self, trial_id: str) -> int | None:
        shown = self._shown.get(trial_id)
        return None if shown is None else self._storage.get_trial(shown.key).number


def storage_url(output: str, folder: Path) -> str:
    """The URL of a study's `outputs.optuna`.

    A variable that stands for user or password, or in the query, is quoted: it may hold any character.

    Raises:
        SpecError: The URL names a variable that the environment lacks.
    """
    if output == SQLITE:
        path = URL.create("sqlite", database=str(folder / FILE_NAME))
        return path.render_as_string(hide_password=False)
    missing = [name for name in _VARIABLE.findall(output) if name not in os.environ]
    if missing:
        raise SpecError(f"outputs.optuna names ${{{missing[0]}}}, which is not set.", f"export {missing[0]}.")
    quoted = _DECODED.sub(lambda part: _filled(part[0], partial(quote, safe="")), output)
    return _filled(quoted, str)


def _filled(text: str, told: Callable[[str], str]) -> str:
    """Fills in the environment's values, as changed by `told`."""
    return _VARIABLE.sub(lambda found: told(os.environ[found[1]]), text)


def _opened(url: str) -> RDBStorage:
    """The storage, its tables made.

    Raises:
        TunerError: The driver of that database is not installed.
    """
    try:
        return RDBStorage(url)
    except ImportError as error:
        cause = error.__cause__ or error
        module = (getattr(cause, "name", None) or "").partition(".")[0]
        scheme, line = url.partition(":")[0], str(cause).splitlines()[0]
        raise TunerError(
            f"outputs.optuna: the driver of {scheme} does not load ({line}).",
            f"pip install {_DRIVERS.get(module, module)}." if module else "install it anew.",
        ) from error


def _direction(metric: Metric) -> StudyDirection:
    return StudyDirection.MAXIMIZE if metric.is_maximized else StudyDirection.MINIMIZE


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Continuous):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return distribution_of(parameter.values, is_ordered=parameter.is_ordered)
