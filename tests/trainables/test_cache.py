"""The cache: made once, never half, and remade when damaged; with real processes."""

import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.fresh import PROCESSES
from trainables.consistency import cache
from trainables.consistency.cache import cache_key, load_or_make

PATIENCE_S = 60.0


def make_slowly(folder: str, sleep_s: float) -> None:
    """Asks for the content in a process of its own, and leaves a mark whenever it is made."""

    def make() -> dict[str, Any]:
        Path(folder, f"made-{os.getpid()}").touch()
        time.sleep(sleep_s)
        return {"x": torch.arange(100_000)}

    content = load_or_make(Path(folder), "key", make)
    assert torch.equal(content["x"], torch.arange(100_000))


def write_and_be_killed(folder: str) -> None:
    """Dies in a process of its own, with half of the file written and the lock held."""

    def killing_replace(source: Path, target: Path) -> None:
        os.truncate(source, 100)
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = killing_replace  # type: ignore[assignment]
    load_or_make(Path(folder), "key", lambda: {"x": torch.arange(100_000)})


def started(target: Any, *args: Any) -> BaseProcess:
    process = PROCESSES.Process(target=target, args=args)
    process.start()
    return process


def marks(folder: Path) -> int:
    return len(list(folder.glob("made-*")))


def test_two_processes_asking_at_once_make_it_once(tmp_path: Path) -> None:
    both = [started(make_slowly, str(tmp_path), 1.0) for _ in range(2)]
    for process in both:
        process.join(PATIENCE_S)
    assert [p.exitcode for p in both] == [0, 0]
    assert marks(tmp_path) == 1


def test_a_process_killed_while_making_blocks_nobody(tmp_path: Path) -> None:
    """SIGKILL while the content is being made: the lock is free and the next one makes it."""
    first = started(make_slowly, str(tmp_path), PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while marks(tmp_path) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    first.join(PATIENCE_S)
    assert load_or_make(tmp_path, "key", lambda: {"x": 1}) == {"x": 1}


def test_a_process_killed_while_writing_leaves_no_broken_cache(tmp_path: Path) -> None:
    """Half a file exists, but not under the cache's name."""
    writer = started(write_and_be_killed, str(tmp_path))
    writer.join(PATIENCE_S)
    assert writer.exitcode == -signal.SIGKILL
    assert (tmp_path / "key.partial").exists()
    assert not (tmp_path / "key.pt").exists()
    assert load_or_make(tmp_path, "key", lambda: {"x": 1}) == {"x": 1}
    assert not (tmp_path / "key.partial").exists()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["one bit flipped", "cut short", "emptied"],
)
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: Any) -> None:
    load_or_make(tmp_path, "key", lambda: {"x": 1})
    damage(tmp_path / "key.pt")
    assert load_or_make(tmp_path, "key", lambda: {"x": 2}) == {"x": 2}
    assert load_or_make(tmp_path, "key", lambda: {"x": 3}) == {"x": 2}


def test_an_error_while_making_propagates_and_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("no teacher today")

    with pytest.raises(RuntimeError, match="no teacher today"):
        load_or_make(tmp_path, "key", fail)
    assert load_or_make(tmp_path, "key", lambda: {"x": 1}) == {"x": 1}


def test_the_key_changes_with_constants_code_and_torch_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "code.py"
    source.write_text("a = 1")
    key = cache_key({"n": 1}, [source])
    assert key == cache_key({"n": 1}, [source])
    assert key != cache_key({"n": 2}, [source])
    source.write_text("a = 2")
    changed = cache_key({"n": 1}, [source])
    assert key != changed
    monkeypatch.setattr(cache.torch, "__version__", "0.0.0")
    assert changed != cache_key({"n": 1}, [source])
