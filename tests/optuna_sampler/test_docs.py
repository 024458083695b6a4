"""The page on Optuna is true, and its example runs."""

import os
import subprocess
import sys

from tests.processes import ROOT

EXAMPLE = ROOT / "docs/examples/optuna_study.py"
PAGE = (ROOT / "docs/how-to/optuna.md").read_text()


def test_the_page_shows_lines_of_the_example_which_has_less_than_50():
    text = EXAMPLE.read_text()
    shown = PAGE.split("```python\n")[1].split("```")[0]
    assert all(line in text.splitlines() for line in shown.splitlines())
    assert len(text.splitlines()) < 50


def test_its_command_runs_and_certifies_something(tmp_path):
    command = "python docs/examples/optuna_study.py"
    assert command in PAGE
    done = subprocess.run(
        [sys.executable, ROOT / command.split()[1], f"sqlite:///{tmp_path / 'study.db'}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *qualified = done.stdout.splitlines()
    assert int(first.split()[0]) < 60
    assert qualified
    assert (tmp_path / "study.db").exists()
