"""A whole run with its sinks: what breaks one of them changes nothing of the run."""

import json
import subprocess
import sys
import time

import optuna
import pyarrow.parquet as pq
import pytest

from tests.processes import ROOT
from tests.sinks.cases import PROVENANCE, a_result, records
from tests.sinks.wandb_file import read_wandb
from tests.studies import make_study
from tuner.report.past import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.sinks import background, open_sinks

NO_DISK = """
import json, pathlib, subprocess, sys, time
from tests.sinks.cases import PROVENANCE, a_result, records
from tuner.sinks import open_sinks
from tests.studies import make_study
folder = pathlib.Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], check=True)
(folder / "ballast").write_bytes(bytes(256 * 1024 - 12 * 1024))
said = []
begun = time.monotonic()
sinks = open_sinks(make_study(outputs={"wandb": sys.argv[2]}), PROVENANCE, folder, said.append)
for record in records():
    sinks.show(record)
sinks.finish(a_result())
print(json.dumps({"said": said, "troubles": sinks.troubles, "seconds": time.monotonic() - begun}))
"""


@pytest.fixture(autouse=True)
def _nobody_says_that_he_waits(monkeypatch):
    """A simulated run is over before W&B's process has begun."""
    monkeypatch.setattr(background, "PATIENCE_S", background.FLUSH_S)


def run(folder, wandb):
    study = simulated(make_study(outputs={"wandb": wandb}))
    said = []
    result, folder, _ = run_simulated(study, folder, lambda *_: None, say=said.append)
    return result, folder, said


def outcome(result):
    return [(r.trial_id, r.state, r.config) for r in result.records], result.sentence, result.certified


def test_every_sink_has_every_trial_of_the_journal(tmp_path):
    result, folder, said = run(tmp_path, "offline")
    assert said == []
    ids = [record.trial_id for record in read_past_run(folder).records]
    assert len(ids) > 5
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'optuna.sqlite3'}")
    assert sorted(t.user_attrs["trial_id"] for t in study.trials) == ids
    assert sorted(path.name for path in (folder / "tensorboard").iterdir()) == ids
    assert pq.read_table(folder / "trials.parquet").column("trial_id").to_pylist() == ids
    runs = [read_wandb(path) for path in (folder / "wandb").glob("offline-run-*/*.wandb")]
    assert sorted(run["name"] for run in runs) == [*ids, "report"]
    report = next(run for run in runs if run["name"] == "report")
    assert {"report.html", "result.json", "trials.csv", "study.yaml"} <= set(report["files"])
    assert report["summary"]["conclusion"] == result.sentence


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the run finds without W&B."""
    result, _, _ = run(tmp_path_factory.mktemp("without"), "off")
    return outcome(result)


@pytest.mark.parametrize("how", ["absent", "raises", "exits"])
def test_a_wandb_that_is_absent_or_raises_is_one_line_and_the_run_is_the_same(
    how, expected, tmp_path, monkeypatch
):
    broken = {
        "absent": "raise ImportError",
        "raises": "raise RuntimeError('broken installation')",
        "exits": "raise SystemExit('no')",
    }
    (tmp_path / "wandb.py").write_text(broken[how])
    monkeypatch.syspath_prepend(tmp_path)
    result, folder, said = run(tmp_path / "with", "offline")
    (line,) = said
    assert line.startswith("wandb is off from here on, the run goes on without: ")
    assert {"absent": "pip install", "raises": "broken installation", "exits": "no"}[how] in line
    assert outcome(result) == expected
    assert (folder / "errors" / "output-wandb.txt").is_file()
    assert (folder / "optuna.sqlite3").is_file()


def test_a_database_that_is_not_there_is_one_line(tmp_path):
    study = simulated(make_study(outputs={"optuna": "sqlite:////nowhere/at/all.db", "wandb": "off"}))
    said = []
    _, folder, _ = run_simulated(study, tmp_path, lambda *_: None, say=said.append)
    (line,) = said
    assert line.startswith("optuna is off from here on")
    assert (folder / "trials.parquet").is_file()


def test_a_driver_that_is_not_installed_is_one_line_with_its_fix(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    outputs = {"optuna": "postgresql+psycopg://me@host/db", "tensorboard": False, "wandb": "off"}
    said = []
    sinks = open_sinks(make_study(outputs=outputs), PROVENANCE, tmp_path, said.append, records())
    sinks.finish(a_result())
    assert said == [
        "optuna is off from here on, the run goes on without: outputs.optuna: the driver of "
        "postgresql+psycopg does not load (import of psycopg halted; None in sys.modules). "
        "Fix: pip install 'psycopg[binary]'."
    ]
    assert (tmp_path / "trials.parquet").is_file()


@pytest.mark.parametrize("wandb", ["off", "offline"])
def test_a_full_disk_is_a_line_a_sink_and_ends_within_the_limit(wandb, tmp_path):
    unshare = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a mount namespace of its own, for a small disk")
    begun = time.monotonic()
    done = subprocess.run(
        [*unshare, sys.executable, "-c", NO_DISK, tmp_path, wandb],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {"optuna", "tensorboard"} <= set(told["troubles"])
    assert any("off from here on, the run goes on without" in line for line in told["said"])
    assert told["seconds"] < 25
    assert time.monotonic() - begun < 60


def test_outputs_are_no_part_of_what_a_study_is():
    one, two = make_study(), make_study(outputs={"optuna": "off", "wandb": "off"})
    assert one.study_hash() == two.study_hash()
    assert one == two
