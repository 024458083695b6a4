"""The example of a user's stage keeps the contract and is tuned by its own command; its page is true."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.processes import ROOT
from tests.studies import NO_SINKS
from tuner.errors import StageError
from tuner.ray_adapter.on_worker import load_stage
from tuner.testing import StageCase, check_stage, stage_clauses
from tuner.testing.stage_reports import report_keys

EXAMPLE = ROOT / "docs/examples/own_stage.py"
STUDY = ROOT / "docs/examples/own_stage.yaml"
PAGE = (ROOT / "docs/tutorial/own-stage.md").read_text()
COMMAND = "PYTHONPATH=docs/examples python -m tuner.run --space docs/examples/own_stage.yaml"
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Makes the examples importable, as `PYTHONPATH=docs/examples` does."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))


def test_it_has_less_than_60_lines():
    assert len(EXAMPLE.read_text().splitlines()) < 60


def test_the_command_of_the_page_and_of_the_study_tunes_it_on_real_ray(tmp_path):
    assert COMMAND in PAGE
    assert COMMAND in STUDY.read_text()
    variable, _, *words = shlex.split(COMMAND)
    name, _, value = variable.partition("=")
    shorter = yaml.safe_load(STUDY.read_text()) | {"certificate": {"pairs": 0}, "outputs": NO_SINKS}
    (tmp_path / "docs/examples").mkdir(parents=True)
    shutil.copy(EXAMPLE, tmp_path / "docs/examples")
    (tmp_path / "docs/examples/own_stage.yaml").write_text(yaml.safe_dump(shorter, sort_keys=False))
    command = [sys.executable, *words, "--trials", "4", "--runs-dir", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {name: f"{value}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "last/result.json").read_text())
    assert result["recommended"]["time_s"] < result["baseline"]["time_s"]
    assert result["recommended"]["nrmse"] <= 1.1 * result["baseline"]["nrmse"]


def test_where_it_cannot_be_imported_the_fix_is_told(monkeypatch):
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(EXAMPLE.parent)])
    monkeypatch.delitem(sys.modules, "own_stage", raising=False)
    with pytest.raises(StageError, match=r"own_stage.*run from the folder that holds it"):
        load_stage("own_stage:OwnStage")


def test_the_page_shows_the_example_as_it_is():
    assert EXAMPLE.read_text() in PYTHON_BLOCKS


def test_it_keeps_the_contract_by_the_pages_own_test():
    (block,) = (block for block in PYTHON_BLOCKS if "stage_clauses" in block)
    names = {}
    exec(block, names)  # noqa: S102  # code of our own page
    names["test_own_stage"]()
    assert isinstance(names["CASE"], StageCase)
    for check in stage_clauses():
        names["test_one_clause_of_it"](check)


def test_the_pages_two_methods_more_make_it_resumable():
    (block,) = (block for block in PYTHON_BLOCKS if "class ResumableOwnStage" in block)
    names = {"__name__": "page"}
    exec(block, names)  # noqa: S102  # code of our own page
    stage = names["ResumableOwnStage"]
    assert stage.resumable
    params = {"batch_size": 8, "micro_batch": 4, "num_taus": 3, "accum_steps": 3}
    check_stage(stage, params, {"num_samples": 64})


def test_the_references_table_of_keys_is_the_contract():
    reference = (ROOT / "docs/reference/metrics.md").read_text().split("## Columns")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+)(, or None)? \|", reference, re.M)
    documented = {name: (kind, bool(optional)) for name, kind, optional in rows}
    assert documented == {name: (kind.__name__, optional) for name, (kind, optional) in report_keys().items()}


def test_the_pages_list_of_clauses_is_what_is_checked():
    listed = re.findall(r"^- \*(.+?)\*", PAGE, re.M)
    assert listed == [check.name for check in stage_clauses()]
