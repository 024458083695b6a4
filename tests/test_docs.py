"""The README is true: its commands, flags, files, links and YAML exist."""

import re
from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT
from tuner.commands import COMMANDS
from tuner.run import make_parser

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_make_target_it_names_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^ +make (\w+)|`make (\w+)", README, re.M))
    named = {first or second for first, second in targets}
    assert named == {"tune", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)
    assert "$(BIN)/python -m tuner.run --space $(SPACE)" in makefile


def test_every_flag_it_names_is_one_of_the_command_line():
    options = {option for name in ("", *COMMANDS) for option in make_parser(name)._option_string_actions}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", README)) - {"--working-dir"}
    assert named
    assert named <= options


def test_its_commands_are_those_of_the_command_line():
    section = re.search(r"^## The command line\n(.*?)^## ", README, re.M | re.S)
    assert section is not None
    named = set(re.findall(r"^\| `([a-z-]+)[ `]", section[1], re.M))
    assert named - {"python"} == set(COMMANDS) - {"run", "list-spaces"}


def test_every_flag_of_the_command_line_is_explained_in_its_help():
    assert all(action.help for action in make_parser()._actions)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_its_yaml_is_part_of_the_shipped_cpu_study():
    block = re.search(r"```yaml\n(.*?)```", README, re.S)
    assert block is not None
    shown = yaml.safe_load(block[1])
    shipped = yaml.safe_load((ROOT / "search_spaces/cpu.yaml").read_text())
    assert set(shown.pop("constraints")) <= set(shipped["constraints"])
    assert shown.pop("baseline").items() <= shipped["baseline"].items()
    assert shown == {key: shipped[key] for key in shown}


def test_its_table_of_files_is_what_a_run_writes():
    rows = re.findall(r"^\| (`[a-z0-9./]+\.[a-z0-9/]+`.*?|`errors/`) \|", README, re.M)
    files = {name for row in rows for name in re.findall(r"`([a-z0-9./]+)`", row)}
    assert files == {
        *("recommended.yaml", "result.json", "summary.txt", "report.html", "figures/"),
        *("trials.csv", "trials.parquet", "journal.jsonl", "study.yaml", "errors/"),
        *("optuna.sqlite3", "tensorboard/", "wandb/"),
    }
