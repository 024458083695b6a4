"""Runs every check that needs a card, most valuable first, within some minutes.

    python -m benchmarks.on_a_card --minutes 8              # on a machine with a card
    python -m benchmarks.on_a_card --quick --on-cpu         # about a minute: shows that it works, no more
    python -m benchmarks.on_a_card --only facts,gpu_tests   # some of them

Each check is a process of its own with a limit of its own, and gets no more time than is left. One that
fails, hangs or is killed does not stop the others. The folder --output keeps the output of each, and after
each the summary so far (summary.json): a machine that is taken away leaves what was found until then. The
last line is one line of JSON; SIGTERM and Ctrl-C bring it forward.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.on_a_card.checks import Check, all_checks
from benchmarks.on_a_card.session import FACTS, Session


def main() -> int:
    """Runs the checks, and prints their progress and one line of JSON.

    Returns:
        0 whatever the checks found; 2 if there is no card; 128 and its number after a signal.
    """
    parser = _parser()
    arguments = parser.parse_args()
    folder = arguments.output.expanduser().resolve()
    checks = all_checks(folder, quick=arguments.quick or arguments.on_cpu)
    try:
        chosen = _chosen(checks, arguments.only)
    except ValueError as error:
        parser.error(str(error))
    if arguments.on_cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        print(
            "on a CPU, with tiny sizes: what needs a card is skipped, and no figure says anything of a card"
        )
    return run(chosen, folder, minutes=arguments.minutes, on_cpu=arguments.on_cpu)


def run(checks: Sequence[Check], folder: Path, *, minutes: float, on_cpu: bool) -> int:
    """Runs the given checks; returns as `main` does."""
    signals: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _: signals.append(number))
    session = Session(checks, folder, minutes=minutes, on_cpu=on_cpu, is_asked_to_stop=lambda: bool(signals))
    session.run()
    if session.lacks_card:
        print(_no_card((session.facts or {})["nvml_name"]), file=sys.stderr)
        return 2
    print(json.dumps(session.summary()))
    return 128 + signals[0] if signals else 0


def _no_card(nvml_name: str | None) -> str:
    """Says in one line that there is no card, and what to do about it."""
    if nvml_name:
        return (
            f"torch cannot use this machine's {nvml_name}. Fix: install a CUDA build of torch for which the "
            "driver is new enough; `python -m tuner.run doctor` says which."
        )
    return (
        "no card: torch sees no CUDA device here. Fix: run it where there is one, or add --on-cpu to try it."
    )


def _chosen(checks: Sequence[Check], only: str | None) -> list[Check]:
    """Returns the checks that are asked for, and the facts before them; ValueError for one that is none."""
    if only is None:
        return list(checks)
    wanted = {name.strip() for name in only.split(",")}
    known = [check.name for check in checks]
    for name in sorted(wanted.difference(known)):
        raise ValueError(f"--only: {name!r} is no check. Fix: use {', '.join(known)}.")
    return [check for check in checks if check.name in wanted | {FACTS}]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.on_a_card",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=_minutes, default=8.0, help="for all checks together (default: 8)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--on-cpu", action="store_true", help="try it without a card, with tiny sizes")
    parser.add_argument("--only", metavar="CHECK,CHECK", help="these checks, after the facts")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/on-a-card"),
        metavar="DIR",
        help="folder for the output of each check (default: runs/on-a-card)",
    )
    return parser


def _minutes(text: str) -> float:
    if not 0.0 < (minutes := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number of minutes")
    return minutes


if __name__ == "__main__":
    sys.exit(main())
