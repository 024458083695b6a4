"""docs/commands.md is true: its commands run, its options and keys exist."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.processes import ROOT
from tuner.commands import COMMANDS, load
from tuner.commands.export import DEFAULT_KEYS
from tuner.run import make_parser

TEXT = (ROOT / "docs/commands.md").read_text()


def test_its_commands_run_in_their_order(tmp_path):
    shutil.copy(ROOT / "docs/examples/pipeline/train_config.yaml", tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    commands = re.findall(r"^    (python -m tuner\.run .*)$", TEXT, re.M)
    assert {command.split()[3] for command in commands} >= set(COMMANDS) - {"run"}
    for command in commands:
        line = command.replace("python", sys.executable, 1)
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    assert {path.name for path in tmp_path.iterdir()} >= {"result.json", "mine.yaml", "study.schema.json"}
    assert (tmp_path / "train_config.yaml.bak").exists()


def test_it_has_a_section_for_every_command_and_none_more():
    assert re.findall(r"^## (\S+)$", TEXT, re.M) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_it_names_are_those_of_the_command(name):
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", section))
    options = set(make_parser(name)._option_string_actions) | set(make_parser()._option_string_actions)
    assert named <= options


def test_its_keys_of_export_are_the_default():
    assert dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", TEXT, re.M)) == DEFAULT_KEYS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_every_option_and_its_exit_codes(name):
    parser = make_parser(name)
    assert all(action.help for action in parser._actions)
    assert len(parser.description) > 40
    assert COMMANDS[name] in make_parser().format_help()
    if name != "list-spaces":
        assert "exit codes: 0" in parser.format_help()
    assert load(name).__doc__.startswith(f"`{name}")


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_answers_at_once_and_loads_nothing_heavy(words):
    heavy = ("ray", "torch", "optuna", "pydantic", "rich", "numpy", "yaml", "ruamel", "plotly", "matplotlib")
    code = (
        "import sys, time, contextlib; begun = time.perf_counter(); import tuner.run\n"
        f"with contextlib.suppress(SystemExit): tuner.run.main({words!r})\n"
        f"print([n for n in {heavy!r} if n in sys.modules], time.perf_counter() - begun)"
    )
    spent = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert "usage: python -m tuner.run" in done.stdout
        loaded, seconds = done.stdout.splitlines()[-1].rsplit(" ", 1)
        assert loaded == "[]"
        spent.append(float(seconds))
        time.sleep(0.01)
    assert min(spent) < 0.1, "the fastest of three"


def test_an_unknown_command_is_one_message(capsys):
    from tuner.run import main

    assert main(["stats", "runs/last"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no command 'stats'. Fix: did you mean 'status'? A study is given by --space.\n"
    )
