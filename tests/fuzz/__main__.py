"""`python -m tests.fuzz [TARGET ...] [--seconds S]`: looks for inputs that break a target, by atheris.

Without atheris (the extra `fuzz`), hypothesis looks for them, without knowing which lines ran. What was found
is in `.fuzz/TARGET/`, and `python -m tests.fuzz TARGET --input FILE` repeats it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

from tests.fuzz.properties import Target

TARGETS = ("study_file", "user_config", "script_output", "journal")
_FOUND = Path(".fuzz")


def main() -> int:
    """Runs each target in a process of its own, which atheris ends at its first finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (default: all)"
    )
    parser.add_argument("--seconds", type=int, default=600, help="seconds for each target (default: 600)")
    parser.add_argument("--input", type=Path, help="check this input of the one target, and nothing else")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    targets = args.targets or TARGETS
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if args.input:
        _load(targets[0]).check(args.input.read_bytes())
        return 0
    if args.inside:
        return _look(targets[0], args.seconds)
    again = [sys.executable, "-m", "tests.fuzz", "--inside", "--seconds", str(args.seconds)]
    return max([subprocess.run([*again, name], check=False).returncode for name in targets])


def _load(name: str) -> Target:
    return cast("Target", importlib.import_module(f"tests.fuzz.{name}"))


def _look(name: str, seconds: int) -> int:
    """Looks for a finding; returns only if there is none, or by hypothesis."""
    folder = _FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        return _by_hypothesis(name, seconds, folder)
    import atheris

    with atheris.instrument_imports(include=["tuner", "trainables", "config_patch", "foundation"]):
        target = _load(name)
    seeds = folder / "corpus"
    seeds.mkdir(exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (seeds / f"seed-{number}").write_bytes(seed)
    words = folder / "words.txt"
    words.write_text("".join(f'"{_escaped(word[:64])}"\n' for word in target.WORDS))
    limits = [f"-max_total_time={seconds}", "-max_len=20000", "-rss_limit_mb=4000", "-timeout=300"]
    atheris.Setup([name, *limits, f"-dict={words}", f"-artifact_prefix={folder}/", str(seeds)], target.check)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def _by_hypothesis(name: str, seconds: int, folder: Path) -> int:
    """Looks for as long; an input that is found is in `folder` as `last`."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from tests.fuzz.mutations import spoilt

    target, end_s = _load(name), time.monotonic() + seconds

    def look(data: bytes) -> None:
        if time.monotonic() < end_s:
            (folder / "last").write_bytes(data)
            target.check(data)

    quick = settings(
        max_examples=1000,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    number = 0
    while time.monotonic() < end_s:
        number += 1
        seed(number)(quick(given(spoilt(target.SEEDS, target.WORDS))(look)))()
    return 0


if __name__ == "__main__":
    sys.exit(main())
