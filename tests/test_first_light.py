"""The shipped studies on this machine, for real: the bundled stage, trained."""

import json
from dataclasses import replace

import pytest
import yaml

from benchmarks.training.runs import Runs
from tests.studies import make_study
from trainables.consistency.stage import ConsistencyStage
from tuner.runs.journal import read_journal
from tuner.spec import load_study, study_as_yaml, study_from_text

SMALL = {
    "num_samples": 240,
    "num_eval_trajectories": 60,
    "teacher_steps": 200,
    "operator_steps": 60,
}
"""The bundled problem with an eighth of its data, whose NRMSE is therefore no longer the calibrated one."""
RELATIVE = "nrmse <= 1.04 * baseline"
"""The target of a100.yaml, which is also what cpu.yaml's target means at full size."""


def small(space, num_pairs):
    """A shipped study with short trials, no sinks, and with a certificate three clearly different points."""
    values = load_study(space).as_dict()
    if num_pairs:  # on a busy machine, what is a little faster may not be what pairs were begun with
        few = {"batch_size": [6, 24], "micro_batch": [3, 24], "num_taus": [5], "accum_steps": [1]}
        values["parameters"] = {name: {"values": kept} for name, kept in few.items()}
        del values["guide"]
    study = study_from_text(yaml.safe_dump(values, sort_keys=False).encode(), label=space)
    return replace(
        study,
        stage=replace(study.stage, options=study.stage.options | SMALL, num_samples=SMALL["num_samples"]),
        target=load_study("a100.yaml").target,
        certificate=replace(study.certificate, pairs=num_pairs),
        outputs=make_study().outputs,
        budget=replace(study.budget, hours=1.0),  # trials end it: a slow machine has its pairs too
    )


def found(study, call_on_ray):
    """Runs a study; again where others disturbed so short trials until nobody can tell which is faster."""
    for _ in range(3):
        done = call_on_ray("--space", study, "--trials", "8", "--runs-dir", study.parent)
        if "but the difference is within the error of" not in done.stdout:
            break
    return done


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("space", "num_pairs"), [("cpu.yaml", 2), ("a100.yaml", 0)])
def test_a_shipped_study_finds_a_feasible_configuration_faster_than_the_baseline(
    space, num_pairs, tmp_path, call_on_ray
):
    path = tmp_path / space
    path.write_text(study_as_yaml(small(space, num_pairs)))
    done = found(path, call_on_ray)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "last/result.json").read_text())
    best, baseline = result["recommended"], result["baseline"]
    assert result["status"] == "recommended"
    assert result["target"] == RELATIVE
    _, *events = read_journal(tmp_path / "last/journal.jsonl")
    asked = [event["answer"] for event in events if event["event"] == "ask" and "purpose" in event["answer"]]
    tried = {answer["purpose"] for answer in asked}
    assert {"baseline", "search"} | ({"certify"} if num_pairs else {"guide", "replicate"}) <= tried
    assert result["num_trials"] == len(asked) >= (6 if num_pairs else 4)
    assert (best["state"], best["num_epochs"]) == ("complete", 6)
    assert best["nrmse"] <= 1.04 * baseline["nrmse"]
    assert best["time_s"] < baseline["time_s"]
    on_cpu = result["provenance"]["device"]["kind"] == "cpu"
    assert bool(result["provenance"]["hardware_mismatch"]) == (space == "a100.yaml" and on_cpu)
    certificate = tmp_path / "last/certificate.json"
    assert certificate.exists() == bool(num_pairs)
    if num_pairs:
        assert json.loads(certificate.read_text())["num_pairs_run"] >= num_pairs


def test_at_full_size_a_configuration_of_half_the_time_meets_the_target_of_the_shipped_study():
    """The guide: baseline NRMSE 0.0921. The bundled problem is calibrated to lie near it."""
    study = load_study("cpu.yaml")
    faster = {"batch_size": 16, "micro_batch": 16, "num_taus": 3, "accum_steps": 1}
    assert study.lattice.why_not(type(study.baseline).from_dict(faster)) is None
    runs = Runs(ConsistencyStage, study.stage.options | {"device": "cpu"})
    ConsistencyStage.prepare(study.stage.options)
    baseline, best = (
        runs.train(params, seed=study.seed, num_epochs=study.stage.num_epochs)[-1]
        for params in (study.baseline.as_dict(), faster)
    )
    runs.stop()
    assert baseline["epoch"] == best["epoch"] == 6
    assert study.target.text == "nrmse < 0.095"
    assert 0.088 < baseline["nrmse"] < 0.095
    assert best["nrmse"] < 0.095
    assert best["cpu_time_s"] < 0.5 * baseline["cpu_time_s"]
