"""A run that may not be resumed is refused as early as possible, and nothing is written."""

import json
import platform
import re
import shutil
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from tests.journals import edit_start
from tests.processes import call_tuner
from tests.studies import make_study, shipped
from tuner.certificate import Verdict
from tuner.errors import ResumeError, TunerError
from tuner.report.outputs import ReportOutputs
from tuner.runs.changes import device_changes, other_versions, source_changes
from tuner.runs.past_run import read_past_run
from tuner.runs.resume import hold, resume
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study, study_as_yaml
from tuner.spec.yaml_format import write_yaml

PYTHON, TORCH = platform.python_version(), metadata.version("torch")
VERSIONS = {"distill-tuner": "0.1.0", "python": PYTHON, "torch": TORCH, "ray": "2.60.0"}
SOURCE = {"train.py": "1" * 64, "model.py": "2" * 64}


@pytest.fixture(scope="module")
def simulated_folder(tmp_path_factory):
    study = simulated(shipped("cpu.yaml")).with_overrides(trials=3)
    study = replace(study, certificate=replace(study.certificate, pairs=2))
    return run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1]


def test_a_simulated_run_is_refused_and_left_alone(simulated_folder, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(simulated_folder, copy)
    with (copy / "journal.jsonl").open("a") as journal:
        journal.write("torn")
    before = (copy / "journal.jsonl").read_bytes()
    with pytest.raises(TunerError, match="that run is simulated"):
        hold(read_past_run(copy), {}, ReportOutputs())
    assert (copy / "journal.jsonl").read_bytes() == before


def as_if_real(event):
    """The first event of a simulated run as if it had run on a CPU, with versions and source as above."""
    provenance = event["provenance"] | {"versions": VERSIONS, "stage_source": SOURCE, "stage_source_rule": 2}
    device = {"kind": "cpu", "memory_gib": 80.0, "python": PYTHON, "torch": TORCH}
    return event | {"provenance": provenance | {"device": provenance["device"] | device}}


@pytest.fixture(scope="module")
def all_looks_taken(tmp_path_factory):
    """A run as if on a CPU, undecided after 32 pairs: its margin is what it lost on average."""
    few = {"batch_size": [6, 24], "micro_batch": [3, 24], "num_taus": [5], "accum_steps": [1]}
    study = simulated(
        make_study(
            parameters={name: {"values": values} for name, values in few.items()},
            guide=None,
            target="nrmse < 0.2",
            budget={"trials": 12, "hours": 1},
            certificate={"pairs": 32},
        )
    )
    folder = run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1]
    edit_start(folder, as_if_real)
    past = read_past_run(folder)
    nrmse = next(check for check in past.result.conclusion.certificate.checks if check.key == "nrmse")
    margin = nrmse.figures["change_pct"]
    terms = replace(study.certificate, nrmse_margin_pct=margin)
    study = replace(past.study, certificate=terms)
    (folder / "study.yaml").write_text(study_as_yaml(study))
    edit_start(folder, lambda event: event | {"study": study.as_dict()})
    return folder


def test_a_certificate_that_has_had_all_its_looks_is_refused_before_ray_starts(all_looks_taken):
    assert read_past_run(all_looks_taken).result.conclusion.certificate.verdict is Verdict.UNDECIDED
    before = (all_looks_taken / "journal.jsonl").read_bytes()
    done = call_tuner("--resume", all_looks_taken, "--certify", "--hours", "1")
    assert done.returncode == 2
    assert f"--resume {all_looks_taken.resolve()} --certify: there is nothing more to run" in done.stderr
    assert "wider certificate.nrmse_margin_pct" in done.stderr
    assert (all_looks_taken / "journal.jsonl").read_bytes() == before


@pytest.fixture(scope="module")
def killed(simulated_folder, tmp_path_factory):
    """A run as if on a CPU that was killed."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    shutil.copytree(simulated_folder, folder)
    edit_start(folder, as_if_real)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "end"
    (folder / "journal.jsonl").write_text("".join(lines[:-1]))
    return folder


@pytest.fixture
def run(killed, tmp_path):
    """A copy of it, to be edited."""
    return Path(shutil.copytree(killed, tmp_path / "run"))


def told(changes):
    return list(map(str, changes))


def edit_study(folder, change):
    values = load_study(str(folder / "study.yaml")).as_dict()
    change(values)
    (folder / "study.yaml").write_text(write_yaml(values))


def refusal(folder, versions=VERSIONS):
    """Returns the reason for which `hold` refuses a run, once it has left the folder alone."""
    before = (folder / "journal.jsonl").read_bytes()
    with pytest.raises(ResumeError) as refused:
        hold(read_past_run(folder), versions, ReportOutputs())
    assert (folder / "journal.jsonl").read_bytes() == before
    return str(refused.value)


def test_a_run_whose_study_is_as_it_was_is_held_and_so_is_one_that_lost_its_study(run):
    hold(read_past_run(run), VERSIONS, ReportOutputs()).journal.close()
    study = load_study(str(run / "study.yaml"))
    (run / "study.yaml").unlink()
    held = hold(read_past_run(run), VERSIONS, ReportOutputs())
    held.journal.close()
    assert (held.past.study, held.past.study.name) == (study, study.name)


def test_every_key_of_the_study_that_differs_is_named_with_both_values(run):
    def change(values):
        values["stage"]["options"]["problem"] = "turbulence"
        values["stage"]["options"]["width"] = 24
        values["seed"] = 5
        values["parameters"]["num_taus"]["high"] = 5
        values["parameters"]["batch_size"]["values"].remove(32)
        values["constraints"][1] = "batch_size * accum_steps <= 40"
        values["certificate"]["until_firm"] = True
        values |= {"name": "renamed", "description": "another", "outputs": {"parquet": False}}

    edit_study(run, change)
    head, changes, fix = re.split(r" since it began: |\. Fix: ", refusal(run))
    assert head == f"--resume {run}: what it measures has changed"
    assert changes.split("; ") == [
        'stage.options.problem: "burgers" -> "turbulence"',
        "stage.options.width: not given -> 24",
        "parameters.batch_size.values: [4, 6, 8, 12, 16, 24, 32] -> [4, 6, 8, 12, 16, 24]",
        "parameters.num_taus.high: 6 -> 5",
        'constraints[1]: "batch_size * accum_steps <= 48" -> "batch_size * accum_steps <= 40"',
        "certificate.until_firm: false -> true",
        "seed: 0 -> 5",
    ]
    assert fix.endswith("start a new run: --space FILE.")


def test_values_and_lists_too_long_for_a_message_are_cut_where_they_differ(run):
    code, words = "x" * 200, [f"word-{k}" for k in range(100)]
    option = {"a": code, "b": words}
    edit_start(run, lambda event: with_options(event, option))
    edit_study(run, lambda values: values["stage"].update(options={"a": f"{code}!", "b": words[:-1]}))
    changes = re.split(r" since it began: |\. Fix: ", refusal(run))[1].split("; ")
    assert changes == [
        'stage.options.a: ...xxxxxxxxxxxx" -> ...xxxxxxxxxxxx!"',
        'stage.options.b: ...", "word-98", "word-99"] -> ...", "word-98"]',
    ]


def with_options(event, options):
    """The first event of a run whose stage had these options."""
    return event | {"study": event["study"] | {"stage": event["study"]["stage"] | {"options": options}}}


def test_what_no_measurement_depends_on_may_change(run):
    free = {"name": "renamed", "description": "another", "budget": {"trials": 99, "hours": 2}}
    edit_study(run, lambda values: values.update(free, outputs={"parquet": False}))
    hold(read_past_run(run), VERSIONS, ReportOutputs()).journal.close()


def test_parameters_in_another_order_are_refused_since_their_order_numbers_the_configurations(run):
    edit_study(run, lambda values: values.update(parameters=dict(reversed(values["parameters"].items()))))
    assert "order of parameters: " in refusal(run)


@pytest.mark.parametrize("name", ["python", "torch"])
def test_another_version_of_what_computes_the_figures_is_refused(run, name):
    said = refusal(run, VERSIONS | {name: "9.9"})
    assert f'versions.{name}: "{VERSIONS[name]}" -> "9.9"' in said


def test_another_version_of_anything_else_is_only_told(run):
    past = read_past_run(run)
    newer = VERSIONS | {"ray": "9.9", "another": "1"}
    hold(read_past_run(run), newer, ReportOutputs()).journal.close()
    assert told(other_versions(past, newer)) == ['ray: "2.60.0" -> "9.9"']
    assert other_versions(past, VERSIONS) == []


def test_a_patch_release_of_python_is_only_told(run):
    past, patched = read_past_run(run), f"{PYTHON}9"
    newer = VERSIONS | {"python": patched}
    hold(read_past_run(run), newer, ReportOutputs()).journal.close()
    assert told(other_versions(past, newer)) == [f'python: "{PYTHON}" -> "{patched}"']
    assert device_changes(past, past.provenance["device"] | {"python": patched}, 1) == []


def test_a_minor_release_of_python_is_refused_and_not_told_twice(run):
    past, minor = read_past_run(run), "3.99.0"
    newer = VERSIONS | {"python": minor}
    assert f'versions.python: "{PYTHON}" -> "{minor}"' in refusal(run, newer)
    assert other_versions(past, newer) == []
    changes = device_changes(past, past.provenance["device"] | {"python": minor}, 1)
    assert told(changes) == [f'device.python: "{PYTHON}" -> "{minor}"']


def test_times_of_two_devices_do_not_mix(killed):
    past = read_past_run(killed)
    device = past.provenance["device"]
    assert device_changes(past, device | {"num_threads": 1, "memory_gib": 80.1}, 1) == []
    other = {"name": "NVIDIA H100", "memory_gib": 40.0, "torch": "2.14.0"}
    assert told(device_changes(past, device | other, 4)) == [
        f'device.name: "{device["name"]}" -> "NVIDIA H100"',
        "device.memory_gib: 80.0 -> 40.0",
        f'device.torch: "{TORCH}" -> "2.14.0"',
        "number of workers: 1 -> 4",
    ]


def test_every_source_file_that_was_edited_added_or_lost_is_named(killed):
    past = read_past_run(killed)
    assert source_changes(past, SOURCE) == []
    assert told(source_changes(past, {"train.py": "3" * 64, "new.py": "64000000 bytes"})) == [
        "stage source model.py: 22222222 -> no such file",
        "stage source new.py: no such file -> 64000000 bytes",
        "stage source train.py: 11111111 -> 33333333",
    ]


def test_of_an_early_rules_journal_the_files_that_it_has_are_compared_by_the_end_of_their_names(run):
    """It knew only the files beside a class, and not their folders."""

    def early(event):
        del event["provenance"]["stage_source_rule"]
        return event

    edit_start(run, early)
    past = read_past_run(run)
    today = {f"mine/{name}": fingerprint for name, fingerprint in SOURCE.items()} | {"lib/new.py": "4" * 64}
    assert source_changes(past, today) == []
    assert told(source_changes(past, today | {"mine/train.py": "3" * 64})) == [
        "stage source train.py: 11111111 -> 33333333"
    ]
    del today["mine/model.py"]
    assert told(source_changes(past, today)) == ["stage source model.py: 22222222 -> no such file"]


@pytest.mark.parametrize("key", ["stage_source", "stage_source_rule"])
def test_a_source_that_the_journal_lacks_is_kept_by_the_first_resume_and_compared_by_the_next(run, key):
    def without(event):
        del event["provenance"][key]
        return event

    edit_start(run, without)
    today = {f"mine/{name}": fingerprint for name, fingerprint in SOURCE.items()} | {"lib/new.py": "4" * 64}
    for _ in range(2):
        held = hold(read_past_run(run), VERSIONS, ReportOutputs())
        resume(held, held.past.provenance, stage_source=today).journal.close()
    past = read_past_run(run)
    assert "changes" not in past.provenance
    assert source_changes(past, today) == []
    assert told(source_changes(past, today | {"lib/new.py": "5" * 64})) == [
        "stage source lib/new.py: 44444444 -> 55555555"
    ]
    first, second = (event["provenance"] for event in past.events if event["event"] == "resume")
    assert first["stage_source"] == today
    assert "stage_source" not in second


def test_another_torch_of_this_process_and_of_the_device_is_one_change(run):
    held = hold(read_past_run(run), VERSIONS | {"torch": "9.9"}, ReportOutputs(), accept=True)
    held.journal.close()
    device = held.past.provenance["device"]
    checked = held.checked(device_changes(held.past, device | {"torch": "9.9"}, 2))
    assert told(checked.accepted) == [
        f'versions.torch: "{TORCH}" -> "9.9"',
        "number of workers: 1 -> 2",
    ]
    other = held.checked(device_changes(held.past, device | {"torch": "8.8"}, 1))  # a worker's own
    assert told(other.accepted)[1:] == [f'device.torch: "{TORCH}" -> "8.8"']


def test_a_run_that_has_not_gone_on_since_it_was_read_is_not_read_again(run):
    past, stale = read_past_run(run), read_past_run(run)
    held = hold(past, VERSIONS, ReportOutputs())
    assert held.past is past
    resume(held, past.provenance).journal.close()
    again = hold(stale, VERSIONS, ReportOutputs())
    again.journal.close()
    assert len(again.past.events) > len(stale.events)


def test_a_journal_of_before_versions_and_source_were_kept_is_compared_as_far_as_it_goes(run):
    def forget(event):
        provenance = event["provenance"]
        device = {name: provenance["device"][name] for name in ("kind", "name")}
        kept = {name: provenance[name] for name in ("study_hash", "hardware_mismatch", "seed")}
        return event | {"provenance": kept | {"device": device}}

    edit_start(run, forget)
    hold(read_past_run(run), VERSIONS, ReportOutputs()).journal.close()
    past = read_past_run(run)
    assert source_changes(past, SOURCE) == []
    assert (
        device_changes(past, {"kind": "cpu", "name": past.provenance["device"]["name"], "torch": "9"}, 1)
        == []
    )


def test_no_output_repeats_the_source_that_the_journal_keeps(killed):
    past = read_past_run(killed)
    assert past.facts.start.stage_source == SOURCE
    assert "stage_source" not in past.result.provenance


@pytest.mark.parametrize(
    "option", [("--trials", "3"), ("--hours", "1"), ("--seed", "0"), ("--simulate",), ("--plan",)]
)
def test_options_that_would_change_a_run_are_refused(option, simulated_folder):
    done = call_tuner("--resume", simulated_folder, *option)
    assert done.returncode == 2
    assert f"{option[0]} has no meaning with --resume" in done.stderr


def test_a_folder_that_is_no_run_is_one_message(tmp_path):
    done = call_tuner("--resume", tmp_path)
    assert done.returncode == 2
    assert "there is no journal.jsonl in it" in done.stderr
