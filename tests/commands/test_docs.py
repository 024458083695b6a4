"""docs/commands.md is true: its commands run, its options and keys exist."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.pages import follow
from tests.pipeline import CONFIG
from tests.processes import ROOT
from tests.studies import shipped
from tuner.commands import COMMANDS, load
from tuner.core.pipeline import PIPELINE_KEYS
from tuner.run import make_parser
from tuner.spec import study_as_yaml

TEXT = (ROOT / "docs/commands.md").read_text()


def test_its_commands_run_in_their_order(tmp_path, monkeypatch, capsys):
    """The commands run on a shorter study of the same name; tests/test_docs.py simulates the shipped one."""
    study = shipped("cpu.yaml")
    shorter = replace(study, certificate=replace(study.certificate, pairs=2)).with_overrides(trials=3)
    (tmp_path / "cpu.yaml").write_text(study_as_yaml(shorter))
    (tmp_path / "train_config.yaml").write_text(CONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^    (python -m tuner\.run .*)$", TEXT, re.M)
    assert {command.split()[3] for command in commands} >= set(COMMANDS) - {"run"}
    for command in commands:
        follow(command, capsys)
    assert {path.name for path in tmp_path.iterdir()} >= {"result.json", "mine.yaml", "study.schema.json"}
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "recommended"
    assert len(result["certificate"]["seeds"]) == 2, "the shorter study ran"
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
    assert dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", TEXT, re.M)) == PIPELINE_KEYS


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
def test_help_loads_nothing_heavy_and_little_at_all(words):
    """Help answers at once: how many seconds that takes depends on the machine, so nothing asserts it."""
    heavy = (
        "ray",
        "torch",
        "optuna",
        "pydantic",
        "rich",
        "numpy",
        "yaml",
        "ruamel",
        "jinja2",
        "plotly",
        "matplotlib",
    )
    code = (
        "import sys, contextlib; before = len(sys.modules); import tuner.run\n"
        f"with contextlib.suppress(SystemExit): tuner.run.main({words!r})\n"
        f"print([n for n in {heavy!r} if n in sys.modules], len(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "usage: python -m tuner.run" in done.stdout
    loaded, num_modules = done.stdout.splitlines()[-1].rsplit(" ", 1)
    assert loaded == "[]"
    assert int(num_modules) < 130


def test_an_unknown_command_is_one_message(capsys):
    from tuner.run import main

    assert main(["stats", "runs/last"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no command 'stats'. Fix: did you mean 'status'? A study is given by --space.\n"
    )
