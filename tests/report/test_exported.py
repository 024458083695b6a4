"""A parameter that the stage never reads keeps the baseline's value, and every output says so."""

import json
import random
import shutil
from datetime import datetime

import pytest
import yaml
from markupsafe import escape

from tests.advisor.laws import smooth_epoch_s
from tests.commands.calls import call
from tests.journals import write_journal
from tests.pipeline import CONFIG
from tests.studies import make_study, report
from tuner.advisor import Advisor
from tuner.core.trial import Purpose
from tuner.report.files import summary, write_outputs
from tuner.report.html.page import page
from tuner.runs.folder import create_run_folder, write_study
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor, write_start
from tuner.runs.past_run import read_past_run, write_end
from tuner.runs.result import RunResult
from tuner.simulate import VirtualClock, simulate

SAID = "accum_steps had no measurable effect: kept at the baseline's 1"
PROVENANCE = {
    "study": "synthetic",
    "study_hash": "0",
    "seed": 0,
    "started": "2026-01-01T00:00:00+00:00",
    "device": {"kind": "cpu", "name": "a CPU", "memory_gib": 8.0},
    "hardware": "cpu",
    "hardware_mismatch": "",
    "platform": "a platform",
    "versions": {},
}


def never_accumulates(run, epoch):
    """NRMSE and time of a stage that reads everything but accum_steps; its clock scatters by 0.4 %."""
    config = run.config
    luck = random.Random(f"{config} {run.seed}").uniform(-0.004, 0.004)
    epoch_s = smooth_epoch_s(config) * (1 + luck)
    nrmse = 0.0853211234 + 0.02 / config.num_taus + 1e-5 * config.batch_size + 1e-9 * run.seed
    return report(epoch, nrmse * (1 + 0.05 * (run.num_epochs - epoch)), epoch * epoch_s, epoch_s)


@pytest.fixture(scope="module")
def advisor_and_folder(tmp_path_factory):
    """A certified run of which the fastest clock accumulates 2 batches, by luck."""
    study = make_study(
        parameters={
            "batch_size": {"values": [6, 12, 24]},
            "micro_batch": {"values": [3, 12, 24]},
            "num_taus": {"values": [2, 3, 5]},
            "accum_steps": {"values": [1, 2]},
        },
        guide={"batch_size": 12, "micro_batch": 12, "num_taus": 3, "accum_steps": 2},
        search={"sampler": "random"},
        target="nrmse < 0.0965",
        budget={"trials": 26, "hours": 100},
        certificate={"pairs": 4, "nrmse_margin_pct": 20},
        seed=6,
    )
    folder = create_run_folder(tmp_path_factory.mktemp("runs"), study.name, datetime.now().astimezone())
    write_study(folder, study)
    advisor, clock, journal = Advisor(study), VirtualClock(), Journal(folder / "journal.jsonl")
    write_start(journal, study, advisor, PROVENANCE, num_workers=1)
    simulate(JournaledAdvisor(advisor, journal, clock), never_accumulates, clock)
    result = RunResult.of(advisor, PROVENANCE)
    write_outputs(folder, result)
    write_end(journal, clock.now_s, result)
    journal.close()
    return advisor, folder


@pytest.fixture(scope="module")
def folder(advisor_and_folder):
    return advisor_and_folder[1]


def test_what_is_recommended_certified_and_exported_is_one_configuration(advisor_and_folder):
    advisor, folder = advisor_and_folder
    result = json.loads((folder / "result.json").read_text())
    recommended = result["recommended"]["config"]
    assert (recommended["accum_steps"], result["certified"]) == (1, True)
    assert result["exported"] == recommended == result["certificate"]["config"]
    [one] = result["no_effect"]
    assert (one["name"], one["kept"], one["recommended"], one["other"]) == ("accum_steps", 1, 1, 2)
    found = [r for r in advisor.records if r.config.as_dict() == recommended]
    assert found[0].purpose is Purpose.REPLICATE
    twins = [r for r in advisor.records if r.config.as_dict() == recommended | {"accum_steps": 2}]
    assert found[0].seed in {r.seed for r in twins}
    assert found[0].nrmse in {r.nrmse for r in twins}
    assert min(r.time_s for r in twins) < found[0].time_s  # the clock alone would have chosen the other


def test_the_page_and_the_summary_name_it_where_the_recommendation_has_the_baselines_value(folder):
    said = f"{SAID} (2 makes no difference in "
    past = read_past_run(folder)
    assert said in summary(past.result)
    assert str(escape(said)) in page(past, ())
    assert said in (folder / "recommended.yaml").read_text()


@pytest.fixture(scope="module")
def earlier(advisor_and_folder, tmp_path_factory):
    """The folder of the same run, of which a run of an earlier version recommended what the clock chose."""
    _, source = advisor_and_folder
    folder = tmp_path_factory.mktemp("earlier")
    events = list(read_journal(source / "journal.jsonl"))
    [(config, probability)] = [one for one in events[-1]["admitted"] if one[0] == _recommended(source)]
    events[-1]["admitted"] = [[config | {"accum_steps": 2}, probability]]
    write_journal(folder / "journal.jsonl", events)
    shutil.copy(source / "study.yaml", folder)
    write_outputs(folder, read_past_run(folder).result)
    return folder


def _recommended(folder):
    return json.loads((folder / "result.json").read_text())["recommended"]["config"]


def test_programs_get_what_was_measured_and_what_is_exported(earlier):
    result = json.loads((earlier / "result.json").read_text())
    measured = result["recommended"]["config"]
    assert measured["accum_steps"] == 2
    assert result["exported"] == measured | {"accum_steps": 1}
    [one] = result["no_effect"]
    assert (one["name"], one["kept"], one["recommended"]) == ("accum_steps", 1, 2)


def test_the_pipelines_file_has_the_baselines_value_and_says_why(earlier):
    text = (earlier / "recommended.yaml").read_text()
    values = yaml.safe_load(text)
    assert values["accum_steps"] == 1
    assert values["provenance"]["measured"]["accum_steps"] == 2
    assert f"# {SAID} (2 was measured; it makes no difference in " in text


def test_summary_and_page_say_it(earlier):
    past = read_past_run(earlier)
    assert SAID in summary(past.result)
    assert str(escape(SAID)) in page(past, ())


def test_export_says_it_and_leaves_the_key_as_it_was(earlier, tmp_path):
    config = tmp_path / "train_config.yaml"
    config.write_text(CONFIG)
    said = call("export", earlier, "--into", config, "--force")
    assert any(line.startswith(SAID) for line in said.lines)
    training = yaml.safe_load(config.read_text())["training"]
    assert training["accum_steps"] == 1
    assert (
        training["distill_micro_batch"]
        == json.loads((earlier / "result.json").read_text())["recommended"]["config"]["micro_batch"]
    )
    assert "accum_steps" not in "".join(line for line in said.lines if " -> " in line)
    assert SAID not in call("export", earlier, "--into", config, "--force", "--map", "accum_steps=").text


def test_export_warns_of_a_key_that_it_changes_although_that_changes_nothing(folder, tmp_path):
    config = tmp_path / "train_config.yaml"
    config.write_text(CONFIG.replace("accum_steps: 1", "accum_steps: 4"))
    warning = "warning: training.accum_steps is changed, although accum_steps had no measurable effect here"
    assert warning in call("export", folder, "--into", config, "--dry-run").text
    assert "warning" not in call("export", folder, "--into", config, "--map", "accum_steps=").text
    assert yaml.safe_load(config.read_text())["training"]["accum_steps"] == 4
