"""A certificate on real Ray: run at the end, and gone on with in a run that has ended."""

import json
import re

import pytest
import yaml

from tests.processes import ROOT, run_tuner
from tests.studies import study_dict
from tuner.core.trial import Purpose
from tuner.report.past import read_past_run


@pytest.fixture(scope="module")
def undecided(tmp_path_factory):
    """A run whose single pair decides nothing."""
    folder = tmp_path_factory.mktemp("certify")
    study = study_dict(
        # Trials of milliseconds would scatter so much beside other tests that no number of pairs decides.
        stage=study_dict()["stage"]
        | {"options": {"epoch_time_s": 0.05}, "num_epochs": 2, "num_samples": 240},
        budget={"trials": 8, "hours": 0.2},
        certificate={"pairs": 1, "nrmse_margin_pct": 50},
    )
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = run_tuner("--space", folder / "study.yaml", "--runs-dir", folder / "runs", "--json")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "last", json.loads(done.stdout)


def test_one_pair_is_undecided_and_is_not_exported(undecided, tmp_path):
    run, result = undecided
    assert (result["certified"], result["certificate"]["verdict"]) == (False, "undecided")
    written = json.loads((run / "certificate.json").read_text())
    assert result["certificate"].items() <= written.items()
    assert (written["study"], written["device"]) == ("synthetic", result["device"])
    assert "--certify" in (run / "summary.txt").read_text()
    (tmp_path / "train.yaml").write_text("training: {}\n")
    refused = run_tuner("export", run, "--into", tmp_path / "train.yaml")
    assert refused.returncode == 2
    assert re.search(r"Undecided on \d fresh pairs? of runs", refused.stderr)  # more, were it disturbed


def test_an_ended_run_goes_on_with_its_certificate_until_it_is_firm(undecided):
    """By the command of docs/explanation/certificate.md."""
    run, _ = undecided
    before = read_past_run(run).records
    page = (ROOT / "docs/explanation/certificate.md").read_text()
    (words,) = re.findall(r"^    python -m tuner\.run (--resume runs/last --certify .*)$", page, re.M)
    done = run_tuner(*words.replace("runs/last", str(run)).split(), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    past = read_past_run(run)
    assert past.records[: len(before)] == before
    assert all(record.purpose is Purpose.CERTIFY for record in past.records[len(before) :])
    assert len(result["certificate"]["seeds"]) in (4, 8, 16, 32), result["sentence"]
    assert past.result.conclusion.is_certified == result["certified"]
    if not result["certified"]:  # this machine was not idle, and that is said
        assert "others disturbed" in result["sentence"]
        return
    again = run_tuner("--resume", run, "--certify")
    assert again.returncode == 2
    assert "nothing left to decide" in again.stderr
