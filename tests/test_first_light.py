"""The shipped studies on this machine, for real: the bundled stage, trained."""

import json
from dataclasses import replace

import pytest

from tests.processes import run_tuner
from tuner.spec import load_study


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("space", "num_pairs"), [("cpu.yaml", 2), ("a100.yaml", 0)])
def test_a_shipped_study_finds_a_feasible_configuration_faster_than_the_baseline(space, num_pairs, tmp_path):
    study = load_study(space)
    shorter = replace(study, certificate=replace(study.certificate, pairs=num_pairs))
    path = tmp_path / space
    path.write_text(shorter.as_yaml())
    done = run_tuner("--space", path, "--trials", "6", "--runs-dir", tmp_path, timeout_s=360)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "last/result.json").read_text())
    best, baseline = result["recommended"], result["baseline"]
    assert result["status"] == "recommended"
    assert (best["state"], best["num_epochs"]) == ("complete", 6)
    assert best["nrmse"] < 0.095
    assert best["time_s"] < baseline["time_s"]
    # The guide: baseline NRMSE 0.0921. The bundled problem is calibrated to lie near it.
    assert 0.088 < baseline["nrmse"] < 0.095
    on_cpu = result["provenance"]["device"]["kind"] == "cpu"
    assert bool(result["provenance"]["hardware_mismatch"]) == (space == "a100.yaml" and on_cpu)
    certificate = tmp_path / "last/certificate.json"
    assert certificate.exists() == bool(num_pairs)
    if num_pairs:
        assert json.loads(certificate.read_text())["num_pairs_run"] >= num_pairs
