"""Ray does not start: one message, with the fix for what is the matter."""

import subprocess
import tempfile

import pytest

from tests.processes import ROOT, TUNER, in_namespaces, write_study

ON_A_SMALL_DISK = 'mount -t tmpfs -o size=8m small "$1" && export TMPDIR="$1" && shift && exec "$@"'


def test_a_full_temporary_folder_is_said_before_ray_is_started(tmp_path):
    """Ray would wait half a minute for a file that a process of it could not write."""
    if not (small := in_namespaces("--map-root-user", "--mount")):
        pytest.skip("no user namespaces here")
    command = [*TUNER, "--space", str(write_study(tmp_path)), "--runs-dir", str(tmp_path / "runs")]
    with tempfile.TemporaryDirectory(dir="/tmp") as disk:  # a path short enough for Ray's sockets
        words = [*small, "bash", "-c", ON_A_SMALL_DISK, "bash", disk, *command]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stdout
    assert done.stderr == (
        f"error: {disk}: only 7 MiB are free, and Ray needs 16. "
        "Fix: free some space, or set TMPDIR to another folder.\n"
    )
    assert not list((tmp_path / "runs").iterdir())
