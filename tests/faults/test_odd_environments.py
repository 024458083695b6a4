"""A process without a home and without a name, as a container gives one: it works, and says what it lacks."""

import os
import subprocess
import tempfile

import pytest

from tests.processes import ROOT, TUNER, in_namespaces, write_study
from tests.studies import study_dict

NAMES = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME")
STAGE = study_dict()["stage"] | {"options": {"epoch_time_s": 0.1}}


@pytest.fixture
def nobody(tmp_path):
    """Runs the command line under a uid that nobody knows, without a home."""
    if not (unknown := in_namespaces("--map-user=12345")):
        pytest.skip("no user namespaces here")
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}

    def run(*words):
        command = [*unknown, *TUNER, *map(str, words)]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    with tempfile.TemporaryDirectory(prefix="t-") as folder:  # a test's own has too long a path for sockets
        environment |= {"TMPDIR": folder, "PYTHONPATH": str(ROOT)}
        yield run


def test_a_run_under_a_uid_that_nobody_knows_and_without_a_home_works(nobody, tmp_path):
    budget = {"trials": 1, "hours": 1}
    study = write_study(tmp_path, stage=STAGE, target="nrmse < 0.01", budget=budget)
    done = nobody("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 1, done.stderr  # no configuration meets the target
    assert "Traceback" not in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(
        "HOME is not set, and uid 12345 has no entry in /etc/passwd"
    ) == 1
    assert (tmp_path / "runs/last/report.html").is_file()


def test_doctor_says_that_there_is_no_home_and_checks_all_the_rest(nobody, tmp_path):
    done = nobody("doctor", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("warn  home ")
    assert "Fix: set HOME" in done.stdout.splitlines()[0]
