"""Following a page of the documentation: its lines, as a reader types them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tuner.run import main

BIN = Path(sys.executable).parent


def follow(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Runs a line in this process's folder and returns what it prints; it has to go well.

    A call of the command line runs in this process, where everything it needs is loaded already; its output
    may go to a file by ``>``. `cd` changes this process's folder. Anything else is bash's.
    """
    words = shlex.split(line)
    if words[0] == "cd":
        os.chdir(words[1])
        return ""
    if words[:3] != ["python", "-m", "tuner.run"]:
        return _by_bash(line)
    given, _, file = line.partition(" > ")
    capsys.readouterr()
    code = main(shlex.split(given)[3:])
    out, err = capsys.readouterr()
    assert code == 0, f"{line}: {err}{out}"
    if file:
        Path(file).write_text(out)
        return ""
    return out


def _by_bash(line: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.stderr}{done.stdout}"
    return done.stdout
