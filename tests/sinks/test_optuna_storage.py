"""The storage says of every trial what the report says, to Optuna itself."""

import sys
from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState as OptunaState
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from tests.sinks.cases import PROVENANCE, play, records
from tests.sinks.postgresql import PASSWORD, QUOTED, postgresql
from tests.studies import make_record, make_study, study_dict
from tuner.core.outputs import check_optuna_output
from tuner.core.trial import Purpose, TrialState
from tuner.errors import SpecError, TunerError
from tuner.report.conclusion import sentence
from tuner.sinks.optuna_note import note_attributes
from tuner.sinks.optuna_storage import OptunaStorage, storage_url


def opened(folder, output="sqlite"):
    """The study as any script reads it."""
    url = f"sqlite:///{folder / 'optuna.sqlite3'}" if output == "sqlite" else output
    storage = RDBStorage(
        url.replace("${DB_PASSWORD}", QUOTED),
        engine_kwargs={"poolclass": NullPool},  # a connection left open is a warning
    )
    return optuna.load_study(study_name=folder.name, storage=storage)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def output(request):
    """Yields values of `outputs.optuna`: a file, and a database on a real server."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    with postgresql() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DB_PASSWORD", PASSWORD)
        yield url


@pytest.fixture(scope="module")
def played(output, tmp_path_factory):
    folder = tmp_path_factory.mktemp("optuna") / "mine-20260101-000000"
    return play(OptunaStorage(output), folder), opened(folder, output)


@pytest.fixture
def open_sink(output):
    """Opens sinks of that output; the connections of those that a test leaves unfinished are closed."""
    made = []
    yield lambda: made.append(OptunaStorage(output)) or made[-1]
    for sink in made:
        sink._storage.engine.dispose()


def test_states_and_values_are_those_of_the_trials(played):
    _, study = played
    told = {t.user_attrs["trial_id"]: (t.state.name, t.values) for t in study.trials}
    assert told == {
        "0001": ("COMPLETE", [4.0, 0.09]),
        "0002": ("COMPLETE", [1.0, 0.094]),
        "0003": ("COMPLETE", [0.8, 0.097]),
        "0004": ("PRUNED", None),
        "0005": ("FAIL", None),
        "0006": ("FAIL", None),
        "0007": ("FAIL", None),
    }


def test_only_measured_feasible_trials_are_on_the_front(played):
    _, study = played
    assert {t.user_attrs["trial_id"] for t in study.best_trials} == {"0001", "0002"}
    assert study.metric_names == ["time_s", "nrmse"]
    assert [d.name for d in study.directions] == ["MINIMIZE", "MINIMIZE"]


def test_a_missed_target_is_a_violated_constraint_under_the_key_the_dashboard_reads(played):
    _, study = played
    assert study.user_attrs["constraints"] == ["nrmse < 0.095"]
    missed = study.trials[2]
    assert missed.system_attrs["constraints"] == pytest.approx([0.002])
    assert list(missed.constraints.values()) == pytest.approx([0.002])
    assert study.trials[1].system_attrs["constraints"] == pytest.approx([-0.001])


def test_a_stopped_trial_has_its_projection_as_an_attribute_and_its_curve(played):
    _, study = played
    stopped = study.trials[3]
    assert stopped.user_attrs["projected_time_s"] == 2.0
    assert stopped.user_attrs["censored"] is True
    assert stopped.user_attrs["reason"] == "too slow"
    assert stopped.intermediate_values == {1: 0.2}


def test_an_infeasible_trial_says_which_constraint_and_why(played):
    _, study = played
    attrs = study.trials[4].user_attrs
    assert (attrs["constraint"], attrs["reason"], attrs["state"]) == ("memory", "out of memory", "infeasible")
    assert attrs["peak_memory_gib"] == 0.25
    assert "state" not in study.trials[6].user_attrs
    assert study.trials[6].user_attrs["reason"] == "the run ended before it did"
    assert [t.user_attrs["purpose"] for t in study.trials[:2]] == ["baseline", "search"]


def test_the_study_carries_provenance_and_conclusion(played):
    result, study = played
    assert study.user_attrs["provenance"] == PROVENANCE
    assert study.user_attrs["conclusion"] == sentence(result)
    assert study.user_attrs["status"] == "recommended"
    assert study.user_attrs["recommended"]["batch_size"] == 24
    assert study.user_attrs["speedup"] == 4.0


def test_what_a_complete_trial_misses_is_an_attribute_that_every_list_shows(played):
    _, study = played
    assert [t.user_attrs.get("misses") for t in study.trials[:4]] == [[], [], ["nrmse < 0.095"], None]


def test_the_note_is_one_the_dashboard_reads_and_the_next_one_replaces_it():
    get_note = pytest.importorskip("optuna_dashboard._note").get_note_from_system_attrs
    long = "".join(f"{k} " for k in range(2000))
    attributes = note_attributes(long, {})
    assert get_note(attributes, None) == {"version": 1, "body": long}
    attributes |= note_attributes("short", attributes)
    assert get_note(attributes, None) == {"version": 2, "body": "short"}


def test_a_trial_shows_as_running_and_grows(open_sink, output, tmp_path):
    sink, folder = open_sink(), tmp_path / "grows"
    folder.mkdir()
    sink.start(make_study(), PROVENANCE, folder)
    begun = make_record(curve=[], state=TrialState.RUNNING)
    sink.show(begun)
    assert opened(folder, output).trials[0].state is OptunaState.RUNNING
    sink.show(make_record(curve=[0.1], state=TrialState.RUNNING))
    assert opened(folder, output).trials[0].intermediate_values == {1: 0.1}
    sink.show(make_record(curve=[0.1, 0.09], purpose=Purpose.BASELINE))
    (trial,) = opened(folder, output).trials
    assert (trial.state, trial.values) == (OptunaState.COMPLETE, [2.0, 0.09])
    assert trial.intermediate_values == {1: 0.1, 2: 0.09}
    assert trial.datetime_complete is not None


def test_a_resumed_run_goes_on_in_the_same_study(open_sink, output, tmp_path):
    folder = tmp_path / "resumed"
    folder.mkdir()
    first = open_sink()
    first.start(make_study(), PROVENANCE, folder)
    for record in records():
        first.show(record)
    second = open_sink()
    second.start(make_study(), PROVENANCE, folder)
    for record in records()[:-1]:
        second.show(record)
    second.show(records()[-1].ended(TrialState.FAILED, reason="the run was killed"))
    second.show(make_record("0008", curve=(0.1, 0.093)))
    trials = opened(folder, output).trials
    assert [t.user_attrs["trial_id"] for t in trials] == [f"{k:04d}" for k in range(1, 9)]
    assert (trials[6].state, trials[6].user_attrs["reason"]) == (OptunaState.FAIL, "the run was killed")
    assert trials[7].values == [2.0, 0.093]


def test_a_resumed_trial_has_no_values_since_its_time_is_not_comparable(tmp_path):
    folder = tmp_path / "again"
    folder.mkdir()
    sink = OptunaStorage("sqlite")
    sink.start(make_study(), PROVENANCE, folder)
    sink.show(make_record(resumed=True))
    assert opened(folder).trials[0].state is OptunaState.PRUNED


def test_a_relative_target_and_limits_are_constraints_from_the_baseline_on(tmp_path):
    study = make_study(target="nrmse <= 1.04 * baseline", limits=["time_s <= 0.2 * baseline"])
    play(OptunaStorage("sqlite"), folder := tmp_path / "relative", study)
    found = opened(folder)
    assert found.user_attrs["constraints"] == ["nrmse <= 1.04 * baseline", "time_s <= 0.2 * baseline"]
    kept = {t.user_attrs["trial_id"]: [c <= 0 for c in t.constraints.values()] for t in found.trials[:3]}
    assert kept == {"0001": [True, False], "0002": [False, False], "0003": [False, True]}


def test_a_run_that_was_interrupted_and_resumed_has_one_conclusion_and_no_trial_twice(output, tmp_path):
    folder = tmp_path / "twice"
    play(OptunaStorage(output), folder)
    play(OptunaStorage(output), folder, make_study(target="nrmse < 0.01"))
    study = opened(folder, output)
    assert len(study.trials) == len(records())
    assert study.user_attrs["recommended"] is None
    assert study.user_attrs["status"] != "recommended"


def test_distributions_are_the_lattices(tmp_path):
    parameters = study_dict()["parameters"] | {
        "precision": {"type": "categorical", "values": ["fp32", "bf16"]},
        "lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
    }
    more = {"precision": "bf16", "lr": 1e-3}
    baseline = {"batch_size": 6, "micro_batch": 3, "num_taus": 5, **more}
    study = make_study(parameters=parameters, baseline=baseline, guide=None)
    sink, folder = OptunaStorage("sqlite"), tmp_path / "more"
    folder.mkdir()
    sink.start(study, PROVENANCE, folder)
    sink.show(replace(make_record(), config=study.baseline))
    (trial,) = opened(folder).trials
    assert trial.params == baseline | {"accum_steps": 1}
    assert trial.distributions == {
        "batch_size": IntDistribution(4, 24),
        "micro_batch": IntDistribution(1, 24),
        "num_taus": IntDistribution(2, 6),
        "accum_steps": IntDistribution(1, 2),
        "precision": CategoricalDistribution(("fp32", "bf16")),
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
    }


@pytest.mark.parametrize(
    ("output", "url"),
    [
        ("postgresql://me:${DB_PASSWORD}@host/db", "postgresql://me:p%40ss%2Fw%231@host/db"),
        ("postgresql://${DB_PASSWORD}@host/db", "postgresql://p%40ss%2Fw%231@host/db"),
        ("postgresql://host/db?user=me&password=${DB_PASSWORD}", None),
        ("postgresql://me@${HOST}:${PORT}/${DB}", "postgresql://me@db.host:5432/runs"),
        ("${URL}", "postgresql://me:p%40ss@host/db?sslmode=require"),
    ],
)
def test_a_variable_is_the_environments_quoted_where_the_url_is_decoded(output, url, tmp_path, monkeypatch):
    given = {"DB_PASSWORD": "p@ss/w#1", "HOST": "db.host", "PORT": "5432", "DB": "runs"}
    for name, value in (given | {"URL": "postgresql://me:p%40ss@host/db?sslmode=require"}).items():
        monkeypatch.setenv(name, value)
    check_optuna_output(output)
    told = storage_url(output, tmp_path)
    assert told == url or url is None
    if "DB_PASSWORD" in output:
        read = make_url(told)
        assert "p@ss/w#1" in (read.username, read.password, read.query.get("password"))
        assert (read.host, read.database) == ("host", "db")


def test_a_variable_that_is_not_set_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    told = r"names \$\{DB_PASSWORD\}, which is not set. Fix: export DB_PASSWORD"
    with pytest.raises(SpecError, match=told):
        storage_url("postgresql://me:${DB_PASSWORD}@host/db", tmp_path)


def test_a_folder_of_any_name_holds_its_file(tmp_path):
    folder = tmp_path / "50%25 of {these}, why? #1"
    play(OptunaStorage("sqlite"), folder)
    assert (folder / "optuna.sqlite3").is_file()


@pytest.mark.parametrize(
    ("module", "url", "fix"),
    [
        ("psycopg", "postgresql+psycopg", "'psycopg[binary]'"),
        ("psycopg2", "postgresql+psycopg2", "psycopg2-binary"),
        ("MySQLdb", "mysql", "mysqlclient"),
        ("pymysql", "mysql+pymysql", "pymysql"),
    ],
)
def test_a_driver_that_is_not_installed_is_told_with_what_to_install(module, url, fix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TunerError) as raised:
        OptunaStorage(f"{url}://me@host/db").start(make_study(), PROVENANCE, tmp_path)
    assert raised.value.message.startswith(f"outputs.optuna: the driver of {url} does not load (")
    assert raised.value.hint == f"pip install {fix}."


def test_any_url_will_do_and_holds_several_runs(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("one", "two"):
        play(OptunaStorage(url), tmp_path / name)
    assert sorted(optuna.get_all_study_names(url)) == ["one", "two"]
    assert not (tmp_path / "one" / "optuna.sqlite3").exists()
