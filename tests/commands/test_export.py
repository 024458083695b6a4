"""`export` writes what a run recommends into the user's YAML, and refuses what nobody has proved."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from tests.commands.calls import call, cut
from tests.pipeline import CONFIG, copy_pipeline, study_of_pipeline
from tests.processes import call_tuner, run_tuner
from tests.studies import NO_SINKS, make_study, study_dict
from tuner.core.pipeline import PIPELINE_KEYS, pipeline_name
from tuner.errors import TunerError
from tuner.runs.past_run import PastRun
from tuner.runs.result import RunResult
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train_config.yaml"
    path.write_text(CONFIG.replace("batch_size: 6", "batch_size: 6  # rows at once"))
    return path


def recommended(folder):
    return json.loads((folder / "result.json").read_text())["recommended"]["config"]


def values_of(path):
    return values_of_mapping(yaml.safe_load(path.read_text()))


def values_of_mapping(values):
    training = values["training"]
    return {
        "batch_size": values["stages"]["consistency_distill"]["batch_size"],
        "micro_batch": training["distill_micro_batch"],
        "num_taus": training["distill_num_taus"],
        "accum_steps": training["accum_steps"],
    }


def test_without_a_certificate_it_refuses_and_changes_nothing(ended_run, config):
    before = config.read_text()
    with pytest.raises(TunerError, match=r"no certificate.*--force"):
        call("export", ended_run, "--into", config)
    with pytest.raises(TunerError, match="it was simulated"):
        call("export", ended_run, "--into", config)
    assert config.read_text() == before
    assert list(config.parent.glob("*.bak*")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"caf\xe9: 1\n", r"not UTF-8 text.*save it as UTF-8"), (None, r"cannot read it: No such file")],
)
def test_a_file_that_is_not_text_or_not_there_is_one_message(ended_run, tmp_path, content, message):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TunerError, match=rf"mine\.yaml.*{message}"):
        call("export", ended_run, "--into", file, "--force")
    assert file.exists() == (content is not None)


def test_a_parameter_of_ones_own_needs_a_key(tmp_path):
    """The guide's names have default keys, others have none."""
    study = make_study(
        parameters=study_dict()["parameters"] | {"width": {"values": [1, 2]}},
        baseline=study_dict()["baseline"] | {"width": 1},
        guide=None,
        target="nrmse < 1",
        budget={"trials": 5, "hours": 1},
    )
    _, run, _ = run_simulated(simulated(study), tmp_path, lambda *_: None)
    file = tmp_path / "mine.yaml"
    file.write_text("training: {}\n")
    with pytest.raises(TunerError, match=r"no key is known for it.*--map width=DOTTED\.KEY"):
        call("export", run, "--into", file, "--force", "--create")
    assert file.read_text() == "training: {}\n"
    call("export", run, "--into", file, "--force", "--create", "--map", "width=training.width")
    assert yaml.safe_load(file.read_text())["training"]["width"] == recommended(run)["width"]


def test_a_parameter_that_a_script_was_never_told_keeps_the_value_of_the_file_with_which_it_ran(tmp_path):
    given = study_dict()
    patch = {
        "stages.consistency_distill.batch_size": "batch_size",
        "training.distill_micro_batch": "micro_batch",
    }
    study = make_study(
        stage=given["stage"] | {"options": {"patch": patch | {"training.distill_num_taus": "{num_taus}"}}},
        parameters={name: values for name, values in given["parameters"].items() if name != "accum_steps"},
        guide=None,
        target="nrmse < 1",
        budget={"trials": 3, "hours": 1},
    )
    _, run, _ = run_simulated(simulated(study), tmp_path, lambda *_: None)
    file = tmp_path / "mine.yaml"
    file.write_text(CONFIG.replace("accum_steps: 1", "accum_steps: 4"))
    call("export", run, "--into", file, "--force")
    assert values_of(file) == recommended(run) | {"accum_steps": 4}
    call("export", run, "--into", file, "--force", "--map", "accum_steps=training.accum_steps")
    assert values_of(file) == recommended(run) | {"accum_steps": 1}


def test_a_parameter_with_one_value_and_no_key_of_its_own_is_left_alone_in_the_file_of_a_script(tmp_path):
    """A script with neither micro-batches nor noise levels has them with a single value, and no `patch`."""
    given = study_dict()
    script = {"command": ["{python}", "train.py", "--bs", "{batch_size}"]}
    study = make_study(
        stage=given["stage"] | {"options": script},
        parameters={
            "batch_size": {"values": [6, 12, 24]},
            "micro_batch": {"values": [1]},
            "num_taus": {"values": [2]},
        },
        constraints=[],
        baseline={"batch_size": 6, "micro_batch": 1, "num_taus": 2},
        guide=None,
        target="nrmse < 1",
        budget={"trials": 3, "hours": 1},
    )
    _, run, _ = run_simulated(simulated(study), tmp_path, lambda *_: None)
    file = tmp_path / "mine.yaml"
    file.write_text("bs: 6\n")
    call("export", run, "--into", file, "--force", "--map", "batch_size=bs")
    assert yaml.safe_load(file.read_text()) == {"bs": recommended(run)["batch_size"]}


def test_a_key_of_a_file_that_is_included_is_written_on_top_of_it(ended_run, config):
    base = config.rename(config.with_name("base.yaml"))
    config.write_text("include: base\ntraining:\n  workers: 8\n\nlogging: {run: x}\n")
    before = base.read_text()
    call("export", ended_run, "--into", config, "--force")
    assert base.read_text() == before
    merged, own = yaml.safe_load(before), yaml.safe_load(config.read_text())
    for section in ("training", "stages"):
        merged[section] |= own[section]
    config.write_text(yaml.safe_dump(merged))
    assert values_of(config) == recommended(ended_run)
    assert list(own) == ["include", "training", "logging", "stages"]


def test_a_certified_result_needs_no_force(ended_run, config, monkeypatch):
    certify(monkeypatch)
    said = call("export", ended_run, "--into", config)
    assert said.code == 0
    assert values_of(config) == recommended(ended_run)


def certify(monkeypatch):
    """The run as a measured one whose recommendation has its certificate."""
    from tuner.report import files

    plain = files.result_dict
    monkeypatch.setattr(files, "result_dict", lambda result: plain(result) | {"certified": True})
    device = {"kind": "cpu", "name": "a CPU"}
    monkeypatch.setattr(
        PastRun, "provenance", property(lambda past: past.events[0]["provenance"] | {"device": device})
    )


def test_forced_it_shows_the_diff_the_old_values_and_a_backup(ended_run, config):
    before, best = config.read_text(), recommended(ended_run)
    said = call("export", ended_run, "--into", config, "--force")
    assert values_of(config) == best
    assert "# rows at once" in config.read_text()
    assert (config.parent / "train_config.yaml.bak").read_text() == before
    assert "-    batch_size: 6  # rows at once" in said.text
    assert f"+    batch_size: {best['batch_size']}  # rows at once" in said.text
    assert f"stages.consistency_distill.batch_size: 6 -> {best['batch_size']}" in said.text


def test_a_backup_is_never_overwritten(ended_run, config):
    for number in range(3):
        config.write_text(CONFIG + f"# {number}\n")
        call("export", ended_run, "--into", config, "--force")
    backups = [config.with_name(f"train_config.yaml.bak{n}") for n in ("", "2", "3")]
    assert [path.read_text()[-4:] for path in backups] == ["# 0\n", "# 1\n", "# 2\n"]


def test_twice_the_second_time_changes_nothing(ended_run, config):
    call("export", ended_run, "--into", config, "--force")
    said = call("export", ended_run, "--into", config, "--force")
    assert "has these values already" in said.text
    assert not config.with_name("train_config.yaml.bak2").exists()


def test_a_dry_run_writes_nothing(ended_run, config):
    before = config.read_text()
    said = call("export", ended_run, "--into", config, "--force", "--dry-run")
    assert "+    batch_size" in said.text
    assert config.read_text() == before
    assert os.listdir(config.parent) == ["train_config.yaml"]


def test_permissions_stay_and_a_link_is_followed(ended_run, config):
    config.chmod(0o640)
    link = config.with_name("link.yaml")
    link.symlink_to(config.name)
    call("export", ended_run, "--into", link, "--force")
    assert link.is_symlink()
    assert values_of(config) == recommended(ended_run)
    assert config.stat().st_mode & 0o777 == 0o640


def test_keys_can_be_named_left_out_and_created(ended_run, config):
    config.write_text("train: {bs: 6, mb: 3}\n")
    mapped = ["--map", "batch_size=train.bs", "--map", "micro_batch=train.mb", "--map", "num_taus="]
    command = ["export", ended_run, "--into", config, "--force", *mapped]
    with pytest.raises(TunerError, match=r"no key 'training\.accum_steps'"):
        call(*command)
    call(*command, "--map", "accum_steps=train.accum", "--create")
    best = recommended(ended_run)
    assert yaml.safe_load(config.read_text()) == {
        "train": {"bs": best["batch_size"], "mb": best["micro_batch"], "accum": best["accum_steps"]}
    }


@pytest.mark.parametrize("word", ["batch_size", "batchsize=a.b"])
def test_a_map_that_names_no_parameter_is_one_message(ended_run, config, word):
    with pytest.raises(TunerError, match="not of the form NAME=KEY"):
        call("export", ended_run, "--into", config, "--force", "--map", word)


def test_two_parameters_into_one_key_are_refused(ended_run, config):
    both = ["--map", "batch_size=training.accum_steps"]
    with pytest.raises(TunerError, match="would get two values"):
        call("export", ended_run, "--into", config, "--force", *both)


def test_it_warns_where_a_changed_key_is_the_whole_pipelines_or_referred_to(ended_run, config):
    """`training.accum_steps` is every stage's; a key that the file interpolates elsewhere is shared too."""
    config.write_text(config.read_text().replace("accum_steps: 1", "accum_steps: 7"))
    command = ["export", ended_run, "--into", config, "--force", "--dry-run"]
    said = call(*command).text
    assert "warning: training.accum_steps is changed, and other stages may read this key." in said
    assert "training.distill_num_taus is changed" not in said
    assert "warning" not in call(*command, "--map", "accum_steps=").text
    with config.open("a") as file:
        file.write("evaluation: {taus: '${training.distill_num_taus}'}\n")
    assert "warning: training.distill_num_taus is changed" in call(*command).text


def test_a_run_without_a_recommendation_has_nothing_to_export(own_run, config):
    cut(own_run, lambda k, event: k < 2)
    with pytest.raises(TunerError, match="export a run that recommends something"):
        call("export", own_run, "--into", config, "--force")


def test_a_run_that_was_interrupted_is_not_exported_without_force(ended_run, config, monkeypatch):
    certify(monkeypatch)
    plain = PastRun.__dict__["result"].func
    monkeypatch.setattr(
        PastRun, "result", property(lambda past: replace(plain(past), interrupted_by="SIGINT"))
    )
    assert RunResult.status
    with pytest.raises(TunerError, match="the run is interrupted"):
        call("export", ended_run, "--into", config)


def test_the_default_keys_are_the_guides():
    assert [pipeline_name(name) for name in PIPELINE_KEYS] == [
        *("batch_size", "distill_micro_batch", "distill_num_taus", "accum_steps")
    ]
    assert pipeline_name("use_amp") == "use_amp"


def test_the_pipeline_is_tuned_patched_and_runs_with_what_was_recommended(tmp_path):
    """The whole way: the study of the guide's pipeline on real Ray, export by its own keys, the script.

    The certificate has fewer pairs, and the run no sinks.
    """
    folder = copy_pipeline(tmp_path, num_trajectories=200)
    study = study_of_pipeline() | {"outputs": NO_SINKS}
    study["certificate"]["pairs"] = 2
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = run_tuner("--space", "study.yaml", "--trials", "4", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before, "every trial overwrites a copy"
    last, config = folder / "runs/last", folder / "train_config.yaml"
    result = json.loads((last / "result.json").read_text())
    done = call_tuner("export", last, "--into", config)
    if not result["certified"]:  # its two clocks were disturbed
        assert (done.returncode, done.stderr[:7]) == (2, "error: ")
        done = call_tuner("export", last, "--into", config, "--force")
    assert done.returncode == 0, done.stderr
    best = result["recommended"]
    assert best["time_s"] < result["baseline"]["time_s"]
    written = yaml.safe_load(config.read_text())
    assert written["include"] == "base.yaml"
    assert "log_path" not in written["training"], "only parameters are exported"
    written["training"].setdefault("accum_steps", 1)  # as base.yaml has it
    assert values_of_mapping(written) == result["exported"]
    for script in ("train.py", "evaluate.py"):
        done = subprocess.run(
            [sys.executable, script], cwd=folder, capture_output=True, text=True, check=True
        )
    metrics = json.loads(done.stdout.partition("\n")[2])["metrics"]
    assert metrics["rmse"] / metrics["target_rms"] == pytest.approx(best["nrmse"])

    folders = list((folder / "runs/pipeline-logs").iterdir())
    assert len(folders) >= 6, "every trial's output is kept"
    for kept in folders:
        assert (
            "goes on from checkpoints/diffusion_residual.json, 0 epochs old"
            in (kept / "output.log").read_text()
        )
    params = [json.loads((kept / "trial.json").read_text())["params"] for kept in folders]
    assert best["config"] in params
