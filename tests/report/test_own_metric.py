"""A study of another quality figure shows it by its own name and in its own values, wherever it is shown."""

import csv
import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import optuna
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from tests.commands.calls import call
from tests.sinks.test_tensorboard import scalars
from tests.studies import make_study
from tuner.core.trial import TrialState
from tuner.report.html import write_report
from tuner.report.live import LiveView
from tuner.report.progress import plain_line
from tuner.report.screens import PlainScreen
from tuner.runs.past_run import read_past_run
from tuner.runs.progress import Progress
from tuner.simulate.session import run_simulated, simulated
from tuner.sinks.optuna_storage import OptunaStorage
from tuner.sinks.tables import Parquet
from tuner.sinks.tensorboard import TensorBoard

STUDIES = {
    "val_loss": ({"name": "val_loss"}, "val_loss < 2.5", (2.0, 3.0)),
    "nll": ({"name": "nll", "range": "any"}, "nll < -3.2", (-4.0, -2.5)),
    "r2": ({"name": "r2", "goal": "maximize"}, "r2 >= 0.9", (0.7, 1.1)),
}
"""Metric and target, and between what the figures of a simulated run lie."""

A_STUDY_KEY = re.compile("nrmse_margin_pct")


@pytest.fixture(scope="module", params=STUDIES)
def run(request, tmp_path_factory):
    """A simulated run: its folder, the name, the least and the most value, and what it said."""
    metric, target, (low, high) = STUDIES[request.param]
    study = make_study(
        name="mine", metric=metric, target=target, budget={"trials": 6, "hours": 1}, certificate={"pairs": 3}
    )
    said = []
    screen = PlainScreen(said.append, "")
    _, folder, _ = run_simulated(
        simulated(study), tmp_path_factory.mktemp("runs"), screen.show, say=said.append
    )
    write_report(read_past_run(folder))
    return folder, request.param, low, high, said


def no_nrmse(text):
    assert "nrmse" not in A_STUDY_KEY.sub("", text).lower()
    return text


def test_files_carry_its_name_and_raw_values(run):
    folder, name, low, high, _ = run
    rows = list(csv.DictReader(io.StringIO(no_nrmse((folder / "trials.csv").read_text()))))
    assert all(low < float(row[name]) < high for row in rows)
    result = json.loads(no_nrmse((folder / "result.json").read_text()))
    assert low < result["baseline"][name] < high
    assert result["baseline"][f"{name}_sd"] > 0
    [check] = [c for c in result["certificate"]["checks"] if c["key"] == name]
    assert low < check["figures"][f"mean_{name}"] < high
    figures = check["figures"]
    assert figures["change_lower_pct"] < figures["change_pct"] < figures["change_upper_pct"]
    recommended = yaml.safe_load(no_nrmse((folder / "recommended.yaml").read_text()))
    assert low < recommended["provenance"][name] < high


def test_the_mean_shown_meets_the_target_exactly_when_what_is_recommended_does(run):
    folder, name, *_ = run
    past = read_past_run(folder)
    found = past.result.conclusion.recommendation
    assert found is not None
    shown = json.loads((folder / "result.json").read_text())["recommended"][name]
    bound = float(past.study.target.text.split()[-1])
    assert shown >= bound if name == "r2" else shown < bound
    assert json.loads((folder / "result.json").read_text())["margin_pct"] > 0


def test_words_carry_its_name(run):
    folder, name, *_, said = run
    assert any(re.search(rf" s, {name} -?\d", line) for line in said)
    no_nrmse("\n".join(said))
    summary = no_nrmse((folder / "summary.txt").read_text())
    assert f"at {name} " in summary
    header = next(line for line in summary.splitlines() if "time_s" in line)
    assert name in header.split()
    of_size = f"{name} unchanged within 1 % of the target's size, and"
    assert (of_size in summary) == (name != "val_loss")


def test_the_page_and_its_figures_carry_its_name(run):
    folder, name, *_ = run
    page = no_nrmse((folder / "report.html").read_text())
    for title in (f"Time against {name}", f"for {name}", f"How {name} {'rose' if name == 'r2' else 'fell'}"):
        assert title in page
    assert f'"text": "{name}"' in page or f'"text":"{name}"' in page  # an axis


def test_status_compare_and_the_live_view_carry_its_name(run):
    folder, name, low, high, _ = run
    assert f"at {name} " in no_nrmse(call("status", folder).text)
    assert low < call("status", folder, "--json").json["best"][name] < high
    assert re.search(rf"winner's {name} +-?\d", no_nrmse(call("compare", folder, folder).text))
    past = read_past_run(folder)
    running = (replace(past.records[0], state=TrialState.RUNNING),)
    progress = replace(Progress.of_past(past, past.elapsed_s), running=running)
    console = Console(width=120, height=40, record=True, file=io.StringIO())
    console.print(LiveView(progress, "mine"))
    seen = no_nrmse(console.export_text())
    assert re.search(rf"ETA +{name} ", seen)
    heights = [float(v) for v in re.findall(r"^│ +(-?\d+\.?\d*)\|", seen, re.MULTILINE)]
    assert len(heights) >= 3
    assert all(low < height < high and height > below for height, below in pairwise(heights))
    no_nrmse(plain_line(progress))


def test_sinks_carry_its_name_and_raw_values(run, tmp_path):
    folder, name, low, high, _ = run
    past = read_past_run(folder)
    for sink in (OptunaStorage("sqlite"), TensorBoard(), Parquet()):
        sink.start(past.study, past.provenance, tmp_path)
        for record in past.records:
            sink.show(record)
        sink.finish(past.result)
    column = pq.read_table(tmp_path / "trials.parquet").column(name).to_pylist()
    assert all(low < value < high for value in column)
    study = optuna.load_study(study_name=tmp_path.name, storage=f"sqlite:///{tmp_path}/optuna.sqlite3")
    assert study.metric_names == ["time_s", name]
    assert (study.directions[1] is optuna.study.StudyDirection.MAXIMIZE) == (name == "r2")
    assert all(low < t.values[1] < high for t in study.trials if t.values)
    assert all(low < v < high for t in study.trials for v in list(t.intermediate_values.values())[-1:])
    kept = [t for t in study.trials if t.values and not t.user_attrs["misses"]]
    bound = float(past.study.target.text.split()[-1])
    assert all((t.values[1] >= bound) if name == "r2" else (t.values[1] < bound) for t in kept)
    assert kept
    written = scalars(tmp_path / "tensorboard" / "0001")
    assert all(low < value < high for value in written[f"final/{name}"].values())
    assert max(written[f"epoch/{name}"]) == past.study.stage.num_epochs
    assert not [tag for tag in written if "nrmse" in tag or "reported_quality" in tag]
