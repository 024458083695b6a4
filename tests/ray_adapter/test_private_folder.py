"""A process's folder in the temporary folder is its own, and goes when the process is gone."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from foundation import owned_folder
from tests.processes import ROOT
from tuner.errors import ClusterError
from tuner.ray_adapter import private_folder
from tuner.ray_adapter.private_folder import MAX_ROOT, RAY, make_private_folder, short_temporary_folder

HOLD = (
    "import tempfile\n"
    "from pathlib import Path\n"
    "from tuner.ray_adapter.private_folder import make_private_folder as make\n"
    "folder = make(Path(tempfile.gettempdir()))\n"
    "(folder.path / 'r').mkdir(mode=0o777)\n"
    "(folder.path / 'r/log').write_text('a line')\n"
    "print(folder.path, flush=True)\n"
    "input()\n"
)


@pytest.fixture
def root(monkeypatch):
    """A temporary folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


def holder(root: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process with a folder of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(root)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_left_overs_of_a_killed_process_go_at_the_next_start_and_nothing_else_does(root):
    (killed, left_over), (living, in_use) = holder(root), holder(root)
    try:
        killed.kill()
        killed.wait()
        strange = [root / "dt-without-a-mark", root / "dt-a-file", root / "dt-of-another-machine"]
        strange[0].mkdir()
        strange[1].write_text("")
        strange[2].mkdir()
        (strange[2] / ".owner").write_text("another-machine")
        assert (left_over / "r/log").exists()

        folder = make_private_folder(root)
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert set(root.iterdir()) == {in_use, folder.path, *strange}
        assert (in_use / "r/log").exists()
        folder.remove()
        assert not folder.path.exists()
    finally:
        for process in (killed, living):
            process.kill()
            process.communicate()


def test_a_folder_that_cannot_be_removed_whole_keeps_its_mark_for_the_next_start(root, monkeypatch):
    folder = make_private_folder(root)
    (folder.path / RAY).mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(owned_folder.shutil, "rmtree", lambda *_, **__: None)  # still written to
        folder.remove()
    assert (folder.path / RAY).exists()
    make_private_folder(root).remove()
    assert list(root.iterdir()) == []


def test_a_folder_that_somebody_else_has_removed_is_no_mistake(root):
    folder = make_private_folder(root)
    shutil.rmtree(folder.path)
    folder.remove()


def test_a_temporary_folder_in_which_rays_sockets_do_not_fit_is_exchanged_for_a_short_one(
    tmp_path, monkeypatch
):
    fits = "/" + "x" * (MAX_ROOT - 1)
    monkeypatch.setattr(tempfile, "tempdir", fits)
    assert short_temporary_folder() == Path(fits)
    monkeypatch.setattr(tempfile, "tempdir", fits + "x")
    assert short_temporary_folder() == Path("/tmp")  # noqa: S108  # as every Unix has it
    monkeypatch.setattr(private_folder, "_SHORT", (str(tmp_path / "not-there"), str(tmp_path)))
    assert short_temporary_folder() == tmp_path
    monkeypatch.setattr(private_folder, "_SHORT", (str(tmp_path / "not-there"),))
    with pytest.raises(ClusterError, match="too long for Ray's sockets") as raised:
        short_temporary_folder()
    assert f"at most {MAX_ROOT} characters" in raised.value.hint


def test_the_longest_path_of_a_socket_has_the_bytes_that_the_system_allows(root):
    folder = make_private_folder(root)
    below = str(folder.path / RAY / "session_2026-11-29_10-48-24_697620_4194304/sockets/dash_TaskEventsHead")
    assert len(below) - len(str(root)) + MAX_ROOT == 107
    folder.remove()
