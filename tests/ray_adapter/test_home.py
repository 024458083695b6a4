"""A uid that nobody knows has no home folder and no name, as in a container; a run works all the same."""

import os
import stat
import subprocess
import sys

import pytest

from tests.processes import ROOT, in_namespaces
from tuner.errors import ClusterError
from tuner.ray_adapter import home
from tuner.ray_adapter.home import ensure_home

NAMES = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME")

CODE = """
from tuner.ray_adapter.cluster import ClusterOptions, prepare_environment
prepare_environment(ClusterOptions())
import getpass, os, ray.tune
print(os.environ["HOME"], getpass.getuser())
prepare_environment(ClusterOptions())
"""


def test_ray_can_be_imported_under_a_uid_that_nobody_knows_and_that_is_said_once(tmp_path):
    if not (unknown := in_namespaces("--map-user=12345")):
        pytest.skip("no user namespaces here")
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [*unknown, sys.executable, "-c", CODE],
        env=environment | {"TMPDIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    given = tmp_path / "distill-tuner-12345"
    assert done.stdout == f"{given} uid12345\n", done.stderr
    assert stat.S_IMODE(given.stat().st_mode) == 0o700
    assert done.stderr.count("\n") == 1
    assert f"HOME is not set, and uid 12345 has no entry in /etc/passwd; {given} is used" in done.stderr
    assert "Fix: set HOME" in done.stderr


def test_a_home_that_is_there_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ensure_home() == ""
    assert os.environ["HOME"] == str(tmp_path)


def test_a_folder_that_others_can_write_to_does_not_become_the_home(monkeypatch, tmp_path):
    taken = tmp_path / f"distill-tuner-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ClusterError, match="others can write to it"):
        home._folder()
    taken.chmod(0o700)
    assert home._folder() == taken
