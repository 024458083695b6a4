"""What may not be resumed is refused before Ray is started, and nothing is written."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.processes import run_tuner
from tuner.core.certificate import Verdict
from tuner.errors import TunerError
from tuner.ray_adapter.resume import check_same_device, hold
from tuner.report.past import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study


@pytest.fixture(scope="module")
def simulated_folder(tmp_path_factory):
    study = simulated(load_study("cpu.yaml")).with_overrides(trials=3)
    return run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1]


def test_a_simulated_run_is_refused_and_left_alone(simulated_folder, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(simulated_folder, copy)
    with (copy / "journal.jsonl").open("a") as journal:
        journal.write("torn")
    before = (copy / "journal.jsonl").read_bytes()
    with pytest.raises(TunerError, match="that run is simulated"):
        hold(copy)
    assert (copy / "journal.jsonl").read_bytes() == before


@pytest.fixture(scope="module")
def all_looks_taken(tmp_path_factory):
    """A run as if on a CPU, undecided after 32 pairs: its margin is what it lost on average."""
    study = simulated(load_study("cpu.yaml"))
    study = replace(study, certificate=replace(study.certificate, pairs=32))
    folder = run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1]
    start, *rest = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    event = json.loads(start)
    event["provenance"]["device"]["kind"] = "cpu"
    (folder / "journal.jsonl").write_text("".join([json.dumps(event) + "\n", *rest]))
    nrmse = next(c for c in read_past_run(folder).result.conclusion.certificate.checks if c.key == "nrmse")
    margin = nrmse.figures["change_pct"]
    terms = replace(study.certificate, nrmse_margin_pct=margin)
    (folder / "study.yaml").write_text(replace(study, certificate=terms).as_yaml())
    return folder


def test_a_certificate_that_has_had_all_its_looks_is_refused_before_ray_starts(all_looks_taken):
    assert read_past_run(all_looks_taken).result.conclusion.certificate.verdict is Verdict.UNDECIDED
    before = (all_looks_taken / "journal.jsonl").read_bytes()
    done = run_tuner("--resume", all_looks_taken, "--certify", "--hours", "1")
    assert done.returncode == 2
    assert f"--resume {all_looks_taken.resolve()} --certify: there is nothing more to run" in done.stderr
    assert "wider certificate.nrmse_margin_pct" in done.stderr
    assert (all_looks_taken / "journal.jsonl").read_bytes() == before


def test_times_of_two_devices_do_not_mix(simulated_folder):
    past = read_past_run(simulated_folder)
    device = past.provenance["device"]
    check_same_device(past, device, 1)
    with pytest.raises(TunerError, match=r"and here is 1 x NVIDIA H100.*--warm-start"):
        check_same_device(past, device | {"name": "NVIDIA H100"}, 1)
    with pytest.raises(TunerError, match="and here is 4 x "):
        check_same_device(past, device, 4)


@pytest.mark.parametrize(
    "option", [("--trials", "3"), ("--hours", "1"), ("--seed", "0"), ("--simulate",), ("--plan",)]
)
def test_options_that_would_change_a_run_are_refused(option, simulated_folder):
    done = run_tuner("--resume", simulated_folder, *option)
    assert done.returncode == 2
    assert f"{option[0]} means nothing with --resume" in done.stderr


def test_a_folder_that_is_no_run_is_one_message(tmp_path):
    done = run_tuner("--resume", tmp_path)
    assert done.returncode == 2
    assert "there is no journal.jsonl and no study.yaml in it" in done.stderr
