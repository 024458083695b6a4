"""The command line: `python -m tuner.run --space a100.yaml`.

The only place that prints, exits or parses arguments. Everything heavy is imported where it is
used, so that `--help` and mistakes in the study answer at once.

Exit codes: 0 a configuration is recommended; 1 none is; 2 a mistake or a failure, said in one
message; 130 and 143 after SIGINT and SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tuner import __version__
from tuner.errors import TunerError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tuner.core.trial import TrialRecord
    from tuner.ray_adapter.session import Screen, SessionOptions
    from tuner.report.progress import Progress
    from tuner.spec import StudySpec

_NOTHING_RUN = "interrupted before the first trial; nothing was run"

HEARTBEAT_S = 30.0
"""A pipe gets a line at least this often while reports come in."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    args = make_parser().parse_args(argv)
    try:
        return _list_spaces() if args.list_spaces else _run(args)
    except TunerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(_NOTHING_RUN, file=sys.stderr)
        return 130


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tuner.run",
        description="Find the fastest configuration of a consistency-distillation stage that meets its "
        "NRMSE target, by training on the device at hand.",
        epilog="exit codes: 0 recommended, 1 nothing to recommend, 2 mistake or failure, "
        "130/143 interrupted by SIGINT/SIGTERM",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--space", metavar="FILE", help="study YAML: a path, or a shipped one's name")
    what.add_argument(
        "--resume",
        type=Path,
        metavar="RUN_DIR",
        help="go on with a run that was killed or interrupted, where it stood",
    )
    what.add_argument("--list-spaces", action="store_true", help="show the shipped studies")
    add = parser.add_argument
    add("--trials", type=_at_least_one, metavar="N", help="N trials instead of the study's budget")
    add("--hours", type=_positive, metavar="H", help="H hours instead of the study's budget")
    add("--seed", type=int, metavar="S", help="seed of search and training instead of the study's")
    add("--runs-dir", type=Path, metavar="DIR", help="where run folders are made (default: runs)")
    add(
        "--warm-start",
        type=Path,
        metavar="RUN_DIR",
        help="keep what an earlier run of the same stage, on another card say, learnt of NRMSE",
    )
    add("--address", metavar="ADDR", help="Ray cluster (default: RAY_ADDRESS, else a private Ray)")
    add("--dashboard", action="store_true", help="start the private Ray with its dashboard")
    add("--simulate", action="store_true", help="run in virtual time by supposed laws: no Ray, no training")
    add("--plan", action="store_true", help="say what the study would cost, and run nothing")
    add(
        "--require-hardware",
        action="store_true",
        help="fail on a device the study was not written for",
    )
    add("--version", action="version", version=f"distill-tuner {__version__}")
    return parser


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _positive(text: str) -> float:
    if not (number := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _list_spaces() -> int:
    from tuner.spec import list_spaces

    for space in list_spaces():
        print(f"{space.name:<12} {space.description}")
    return 0


def _run(args: argparse.Namespace) -> int:
    from tuner.spec import load_study

    if args.resume:
        return _resume(args)
    study = load_study(args.space).with_overrides(trials=args.trials, hours=args.hours, seed=args.seed)
    if args.plan or args.simulate:
        _check_runs_nothing(args)
        return _plan(study) if args.plan else _simulate(study, args)

    from tuner.ray_adapter.session import SessionOptions

    options = SessionOptions(
        runs_dir=args.runs_dir or _default_runs_dir(),
        address=args.address,
        dashboard=args.dashboard,
        require_hardware=args.require_hardware,
        warm_start=args.warm_start,
    )
    return _run_for_real(study, options)


def _resume(args: argparse.Namespace) -> int:
    from tuner.ray_adapter.session import SessionOptions
    from tuner.report.past import read_past_run

    given = {
        "--trials": args.trials,
        "--hours": args.hours,
        "--seed": args.seed,
        "--runs-dir": args.runs_dir,
        "--warm-start": args.warm_start,
        "--simulate": args.simulate,
        "--plan": args.plan,
    }
    for option, value in given.items():
        if value not in (None, False):
            raise TunerError(
                f"{option} means nothing with --resume: a run goes on as it began.", f"drop {option}."
            )
    past = read_past_run(args.resume)
    options = SessionOptions(
        runs_dir=past.folder.parent,
        address=args.address,
        dashboard=args.dashboard,
        require_hardware=args.require_hardware,
        resume=past.folder,
    )
    return _run_for_real(past.study, options)


def _run_for_real(study: StudySpec, options: SessionOptions) -> int:
    from tuner.ray_adapter.interrupts import Interrupted
    from tuner.ray_adapter.session import run_study
    from tuner.report.files import exit_code, summary

    try:
        with _screen(study.name) as screen:
            screen.say(_headline(study))
            result, folder, signal_code = run_study(study, options, screen)
    except Interrupted as interrupted:
        print(_NOTHING_RUN, file=sys.stderr)
        return interrupted.exit_code
    _say_outputs(summary(result), folder)
    return exit_code(result) if signal_code is None else signal_code


def _say_outputs(summary: str, folder: Path) -> None:
    _say(f"\n{summary}")
    for path in sorted(folder.iterdir()):
        _say(f"  {_shown(path)}")


def _check_runs_nothing(args: argparse.Namespace) -> None:
    """Options that only a real run could follow are refused rather than ignored."""
    chosen = "--plan" if args.plan else "--simulate"
    given = {
        "--simulate": args.plan and args.simulate,
        "--address": args.address is not None,
        "--dashboard": args.dashboard,
        "--require-hardware": args.require_hardware,
        "--runs-dir": args.plan and args.runs_dir is not None,
        "--warm-start": args.plan and args.warm_start is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise TunerError(
                f"{option} means nothing with {chosen}, which trains nothing.", f"drop {option}."
            )


def _plan(study: StudySpec) -> int:
    from tuner.simulate.plan import plan

    _say(plan(study))
    return 0


def _simulate(study: StudySpec, args: argparse.Namespace) -> int:
    from tuner.report.files import exit_code, summary
    from tuner.report.warm_start import warm_start_line
    from tuner.simulate.guess import suppositions
    from tuner.simulate.session import run_simulated, simulated, simulated_prior

    study = simulated(study)
    prior = simulated_prior(study, args.warm_start) if args.warm_start else None
    taken = [warm_start_line(prior.provenance)] if prior else []
    with _screen(study.name, prefix="simulated: ") as screen:
        for line in (_headline(study), *suppositions(study), *taken):
            screen.say(line)
        runs_dir = args.runs_dir or _default_runs_dir()
        result, folder, account = run_simulated(study, runs_dir, screen.show, prior, screen.say)
        screen.say(f"{account.num_trials} trials, {account.total_s / 3600:.3g} h of workers' virtual time")
    _say_outputs(summary(result), folder)
    return exit_code(result)


def _headline(study: StudySpec) -> str:
    budget = study.budget
    return (
        f"distill-tuner {__version__}, study {study.name}: {len(study.lattice)} legal configurations, target "
        f"{study.target.text}, at most {budget.trials} trials and {budget.hours:g} h"
    )


def _default_runs_dir() -> Path:
    """`runs` here; in a Ray job, whose folder is thrown away, a place that stays."""
    in_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    return Path.home() / "distill-tuner-runs" if in_ray_job else Path("runs")


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _say(line: str) -> None:
    """Prints; a reader that has gone away (`| head`) does not end the run."""
    with suppress(BrokenPipeError):
        print(line, flush=True)


@contextmanager
def _screen(title: str, prefix: str = "") -> Iterator[Screen]:
    """A live panel on a terminal, plain lines on anything else; each line begins with `prefix`."""
    if not sys.stdout.isatty():
        yield _PlainScreen(prefix)
        return
    from rich.live import Live

    screen = _LiveScreen(title, prefix)
    with Live(get_renderable=screen.render, refresh_per_second=2) as live:
        screen.keep = live.console.print
        yield screen


class _PlainScreen:
    """A line when a trial starts to run or ends, and a heartbeat in between."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._last = time.monotonic()

    def say(self, line: str) -> None:
        _say(f"{self._prefix}{line}")

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        from tuner.core.trial import TrialState
        from tuner.report.text import trial_line

        now = time.monotonic()
        if changed.state is not TrialState.RUNNING or now - self._last >= HEARTBEAT_S:
            self._last = now
            self.say(f"{trial_line(changed)} | {progress.plain()}")


class _LiveScreen:
    """A panel that follows the newest progress; its clock runs on between events."""

    keep: Callable[[str], None]

    def __init__(self, title: str, prefix: str = "") -> None:
        self._title, self._prefix = title, prefix
        self._progress: Progress | None = None
        self._shown_at = 0.0

    def say(self, line: str) -> None:
        self.keep(f"{self._prefix}{line}")

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        self._progress, self._shown_at = progress, time.monotonic()

    def render(self) -> RenderableType:
        if self._progress is None:
            return ""
        return self._progress.later(time.monotonic() - self._shown_at).panel(self._title)


if __name__ == "__main__":
    sys.exit(main())
