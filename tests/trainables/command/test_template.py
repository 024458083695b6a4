"""A script that cannot be started is found before the first trial, with cause and fix."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandOptions, CommandStage
from trainables.command.words import fill

PRINTS = "import sys\nprint('{\"nrmse\": 1}')\n"


def program(path, content, *, mode=0o755):
    path.write_bytes(content.encode())
    path.chmod(mode)
    return path


def said_of(command):
    with pytest.raises(ValueError, match="Fix: ") as raised:
        CommandStage.prepare({"command": command})
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "cause", "fix"),
    [
        ("#!/usr/bin/env python3\r\nprint(1)\r\n", "Windows line endings", "dos2unix ./train.py"),
        ("#! /bin/sh\r\necho\r\n", "Windows line endings", "{python}"),
        ("#!/no/such/python\nprint(1)\n", "its #! line asks for /no/such/python", "correct that line"),
        ("#!/usr/bin/env no-such-python\nprint(1)\n", "asks for no-such-python", "{python}"),
        ("#!/usr/bin/env -S no-such-python -u\nprint(1)\n", "asks for no-such-python", "{python}"),
        ("#!/usr/bin/env python3 -u\nprint(1)\n", "asks for python3 -u", "correct that line"),
        ("#!/usr\nprint(1)\n", "asks for /usr", "correct that line"),
        ("#!\nprint(1)\n", "asks for nothing", "correct that line"),
        ("import sys\n", "it has no #! line", "#!/usr/bin/env python3"),
        ("", "it has no #! line", "#!/usr/bin/env python3"),
        ("\ufeff#!/bin/sh\necho\n", "byte-order mark", "without one"),
    ],
)
def test_a_script_whose_first_line_starts_nothing_is_refused(tmp_path, monkeypatch, content, cause, fix):
    monkeypatch.chdir(tmp_path)
    program(tmp_path / "train.py", content)
    said = said_of(["./train.py", "--bs", "{batch_size}"])
    assert said.startswith("stage option command='./train.py': ")
    assert cause in said
    assert fix in said
    try:
        code = subprocess.run(["./train.py"], capture_output=True, check=False).returncode
    except OSError:
        return
    assert code in (126, 127), "refused, and yet it can be started"


@pytest.mark.parametrize(
    "content",
    [
        f"#!{sys.executable}\n{PRINTS}",
        f"#! {sys.executable} -u\n{PRINTS}",
        f"#!/usr/bin/env -S {sys.executable} -u\n{PRINTS}",
        "#!\t/usr/bin/env  -S -u HOME sh\necho '{\"nrmse\": 1}'\n",
        "#!/bin/sh\necho '{\"nrmse\": 1}'\n",
    ],
)
def test_a_script_with_a_good_first_line_runs(tmp_path, content):
    path = program(tmp_path / "train", content)
    config = trial(tmp_path, "", num_epochs=1, command=[str(path)])
    CommandStage.prepare(config["stage"])
    assert reports(config)[0]["nrmse"] == 1


def test_where_a_program_is_looked_for_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program(tmp_path / "train.py", "#!/bin/sh\n")
    program(tmp_path / "plain.py", "#!/bin/sh\n", mode=0o644)
    assert "a name without / is looked for on PATH only. Fix: write ./train.py" in said_of(["train.py"])
    assert "it is not executable. Fix: make it executable (chmod +x ./plain.py)" in said_of(["./plain.py"])
    assert "it is a folder" in said_of([str(tmp_path)])
    assert "nothing executable has that name on PATH" in said_of(["./no-such"])


def test_the_script_that_python_runs_is_found_behind_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in ([], ["-u"], ["-W", "error", "-X", "dev", "-O"]):
        said = said_of(["{python}", *options, "no-such.py", "--bs", "{batch_size}"])
        assert said.startswith(f"stage option command='no-such.py': there is no such file below {tmp_path}")
    for words in (
        ["-c", "pass"],
        ["-m", "train"],
        ["-mtrain"],
        ["-"],
        ["{num_taus}.py"],
        ["-u"],
        [str(tmp_path)],
    ):
        CommandStage.prepare({"command": ["{python}", *words]})


def test_compiled_programs_and_paths_that_depend_on_the_trial_are_left_to_the_trial():
    CommandStage.prepare({"command": [str(Path(sys.executable).resolve()), "x.py"]})
    CommandStage.prepare({"command": ["./train-{num_taus}"]})


def test_a_brace_can_be_written_and_json_stays_as_it_is():
    words = {"lr": 0.1, "batch_size": 6}
    for text, filled in {
        "x={lr}": "x=0.1",
        "{{lr}}": "{lr}",
        "{{{lr}}}": "{{lr}}",
        '{"a": {"b": 1}}': '{"a": {"b": 1}}',
        '{"a": {"b": {batch_size}}}': '{"a": {"b": 6}}',
        "{{ lr }} {} {0} ${ lr }": "{{ lr }} {} {0} ${ lr }",
    }.items():
        assert fill(text, words) == filled


def test_a_path_that_begins_with_the_home_folder_is_found_there(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    code = "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read() + ' ' + sys.argv[3])\n"
    program(home / "train.py", f"#!{sys.executable}\n{code}")
    (home / "c.json").write_text('{"nrmse": 0}')
    stage = {
        "config": "~/c.json",
        "patch": {"nrmse": "batch_size"},
        "source": "file",
        "file": "~/metrics-{batch_size}.json",
        "per_epoch": False,
        "logs": "~/dt-logs",
    }
    for start in (["~/train.py"], ["{python}", "-u", "~/train.py"]):
        options = stage | {"command": [*start, "{config}", f"{home}/metrics-6.json", ""]}
        CommandStage.check_parameters(options, ["batch_size"], [])
        CommandStage.prepare(options)
        (report,) = reports({"params": {"batch_size": 6}, "num_epochs": 1, "stage": options})
        assert report["nrmse"] == 6
    assert len(list((home / "dt-logs").glob("trial-*/output.log"))) == 2
    assert list(here.iterdir()) == []
    kept = CommandOptions.parse({"command": ["ssh", "gpu1", "~/train.py"]}).command
    assert kept == ["ssh", "gpu1", "~/train.py"], "another machine's home"


def test_a_home_folder_that_nobody_has_is_refused():
    with pytest.raises(ValueError, match=r"logs='~no-such-user/x' .* Fix: write the path without ~"):
        CommandStage.prepare({"command": ["{python}"], "logs": "~no-such-user/x"})


def test_runs_learn_from_each_other_wherever_the_home_folder_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.yaml").write_text("a: 1")
    said = [
        CommandStage.quality_options({"command": ["x"], "config": path})["config"]
        for path in ("~/c.yaml", f"{tmp_path}/c.yaml")
    ]
    assert said[0] == said[1] != "~/c.yaml"
