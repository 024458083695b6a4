"""Runs the tests that need a card (``pytest -m gpu``); after each, one line of JSON says how all went so far.

    python -m benchmarks.on_a_card.gpu_tests

Only files that name the mark are loaded, and a test that hangs fails after ``TEST_LIMIT_S`` seconds.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TextIO

import pytest

ROOT = Path(__file__).parents[2]
MARK = "pytest.mark.gpu"
TEST_LIMIT_S = 60


class Counts:
    """A plug-in of pytest that prints after each test how many passed, and which failed.

    Args:
        out: Where it prints; pytest captures standard output.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._passed, self._skipped = out, 0, 0
        self._failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a test when it has run, was skipped or failed, at whatever point."""
        if report.failed and report.nodeid not in self._failed:
            self._failed.append(report.nodeid)
        self._passed += report.when == "call" and report.passed
        self._skipped += report.skipped
        if report.when == "teardown":
            found = {"passed": self._passed, "failed": self._failed, "skipped": self._skipped}
            print(f"\n{json.dumps(found)}", file=self._out, flush=True)


def marked_files(folder: Path) -> list[str]:
    """Returns the test files below a folder that name the mark."""
    return [str(path) for path in sorted(folder.rglob("test_*.py")) if MARK in path.read_text()]


def main() -> int:
    """Runs the tests; returns pytest's exit code."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        options = ["-m", "gpu", "-p", "no:cacheprovider", "--timeout", str(TEST_LIMIT_S), "--tb", "short"]
        return pytest.main([*options, *marked_files(ROOT / "tests")], plugins=[Counts(out)])


if __name__ == "__main__":
    sys.exit(main())
