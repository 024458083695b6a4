"""A certificate on real Ray: run at the end, and gone on with in a run that has ended."""

import json
import re

import pytest
import yaml

from tests.processes import ROOT, call_tuner
from tests.studies import study_dict
from tuner.core.trial import Purpose
from tuner.runs.past_run import read_past_run


@pytest.fixture(scope="module")
def undecided(tmp_path_factory, call_on_ray):
    """A run whose single pair decides nothing."""
    folder = tmp_path_factory.mktemp("certify")
    study = study_dict(
        # One point is twice as fast as any other, so that the winner never changes between pairs.
        parameters={
            "batch_size": {"values": [6, 24]},
            "micro_batch": {"values": [3, 24]},
            "num_taus": {"values": [5]},
            "accum_steps": {"values": [1]},
        },
        guide=None,
        # Trials of milliseconds would scatter so much beside other tests that no number of pairs decides.
        stage=study_dict()["stage"]
        | {"options": {"epoch_time_s": 0.05}, "num_epochs": 2, "num_samples": 240},
        budget={"trials": 8, "hours": 0.2},
        certificate={"pairs": 1, "nrmse_margin_pct": 50},
    )
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = call_on_ray("--space", folder / "study.yaml", "--runs-dir", folder / "runs", "--json")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "last", done


def test_a_real_run_gives_its_result_as_json(undecided):
    run, done = undecided
    assert json.loads(done.stdout) == json.loads((run / "result.json").read_text())
    assert "starting Ray" in done.stderr


def test_one_pair_is_undecided_and_is_not_exported(undecided, tmp_path):
    run, done = undecided
    result = json.loads(done.stdout)
    assert (result["certified"], result["certificate"]["verdict"]) == (False, "undecided")
    written = json.loads((run / "certificate.json").read_text())
    assert result["certificate"].items() <= written.items()
    assert (written["study"], written["device"]) == ("synthetic", result["device"])
    assert "--certify" in (run / "summary.txt").read_text()
    (tmp_path / "train.yaml").write_text("training: {}\n")
    refused = call_tuner("export", run, "--into", tmp_path / "train.yaml")
    assert refused.returncode == 2
    assert re.search(r"Undecided on \d fresh pairs? of runs", refused.stderr)  # more, were it disturbed


def test_an_ended_run_goes_on_with_its_certificate_until_it_is_firm(undecided, call_on_ray):
    """The command is that of docs/explanation/certificate.md."""
    run, _ = undecided
    before = read_past_run(run).records
    page = (ROOT / "docs/explanation/certificate.md").read_text()
    (words,) = re.findall(r"^    python -m tuner\.run (--resume runs/last --certify .*)$", page, re.M)
    done = call_on_ray(*words.replace("runs/last", str(run)).split(), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    past = read_past_run(run)
    assert past.records[: len(before)] == before
    more = past.records[len(before) :]
    assert {record.config for record in more} <= {record.config for record in before}, "nothing new is tried"
    # A known configuration runs once more where others disturbed all that it had.
    assert {record.purpose for record in more} - {Purpose.REPLICATE} == {Purpose.CERTIFY}
    assert len(result["certificate"]["seeds"]) in (4, 8, 16, 32), result["sentence"]
    assert past.result.conclusion.is_certified == result["certified"]
    written = json.loads((run / "certificate.json").read_text())
    if result["certified"]:
        assert written["verdict"] == "certified"
        again = call_tuner("--resume", run, "--certify")
        assert again.returncode == 2
        assert "nothing left to decide" in again.stderr
    else:  # this machine was not idle: that is said, pair by pair, and is no verdict
        assert "others disturbed" in result["sentence"]
        assert written["verdict"] == "undecided"
        assert {pair["seed"] for pair in written["disturbed"]} <= set(result["certificate"]["seeds"])
        assert all(pair["by"] for pair in written["disturbed"])
        assert written["disturbed"]
