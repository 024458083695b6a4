"""`run`, which is also what happens without a command: a study, for real, simulated or only planned.

Everything heavy is imported where it is used, so that `--help` and mistakes in the study answer at once.
"""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tuner import __version__
from tuner.commands import trust
from tuner.commands.option_types import at_least_one, positive
from tuner.commands.output import Output, shown
from tuner.commands.paths import RUNS_DIR, default_runs_dir, expanded, user_path
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner.core.study import StudySpec
    from tuner.ray_adapter.session import SessionOptions
    from tuner.report.screens import Screen
    from tuner.runs.result import RunResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a run."""
    parser.description = (
        "Find the fastest configuration of a consistency-distillation stage that meets its NRMSE target, by "
        "training on the device at hand."
    )
    parser.epilog = (
        "exit codes: 0 recommended, 1 nothing to recommend, 2 mistake or failure, "
        "130 interrupted by SIGINT, 143 by SIGTERM or SIGHUP"
    )
    _add_what(parser)
    _add_how(parser)
    _add_where(parser)
    parser.add_argument("--version", action="version", version=f"distill-tuner {__version__}")


def _add_what(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the study or the run; one of them must be given."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--space", type=expanded, metavar="FILE", help="study file: a path, or the name of a shipped study"
    )
    what.add_argument(
        "--resume",
        type=user_path,
        metavar="RUN_DIR",
        help="continue a run that was killed or interrupted",
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="with --resume: continue though what is measured has changed, and say so in every output",
    )
    trust.add_argument(parser)
    what.add_argument("--list-spaces", action="store_true", help="list the shipped studies")


def _add_how(parser: argparse.ArgumentParser) -> None:
    """Adds the options that change the study from what its file says."""
    add = parser.add_argument
    add(
        "--trials",
        type=at_least_one,
        metavar="N",
        help="try N configurations at most, instead of the study's budget",
    )
    add(
        "--hours",
        type=positive,
        metavar="H",
        help="run H hours at most, instead of the study's budget; with --resume --certify: H more hours",
    )
    add("--seed", type=int, metavar="S", help="use this seed for search and training, instead of the study's")
    add(
        "--runs-dir",
        type=user_path,
        metavar="DIR",
        help=f"where to make the run's folder (default: the folder named by {RUNS_DIR}, else runs)",
    )
    add(
        "--warm-start",
        type=user_path,
        metavar="RUN_DIR",
        help="start with what an earlier run of the same stage learned about NRMSE, say on another card",
    )
    add(
        "--certify",
        action="store_true",
        help="run more pairs of baseline and winner, within the budget, until the certificate is firm (every "
        "check is decided); the winner alone once only an absolute target is undecided",
    )


def _add_where(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where it runs, if at all, and where it shows itself."""
    add = parser.add_argument
    add(
        "--address",
        metavar="ADDR",
        help="join this Ray cluster (default: RAY_ADDRESS, else start a private Ray)",
    )
    add("--dashboard", action="store_true", help="start the private Ray with its dashboard")
    add(
        "--simulate",
        action="store_true",
        help="simulate the study in virtual time, without Ray and without training",
    )
    add("--plan", "--dry-run", action="store_true", help="predict what the study would cost, and run nothing")
    add(
        "--require-hardware",
        action="store_true",
        help="fail if the device is not the one the study was written for",
    )
    add("--quiet", action="store_true", help="print the last sentence only")
    add(
        "--json",
        action="store_true",
        help="print result.json to standard output, and everything else to standard error",
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Runs, simulates or plans the study, or goes on with a run."""
    if args.list_spaces:
        from tuner.commands import list_spaces

        return list_spaces.run(args, out)
    if args.resume:
        return _resume(args, out)
    from tuner.spec import load_study

    _refuse({"--accept-changes": args.accept_changes}, "--space, which begins a run")
    study = load_study(args.space).with_overrides(
        trials=args.trials, hours=args.hours, seed=args.seed, until_firm=args.certify
    )
    trust.check_study(study, args, out)
    if args.plan or args.simulate:
        from tuner.commands.preflight import preflight

        _check_runs_nothing(args)
        preflight(study)
        return _plan(study, out) if args.plan else _simulate(study, args, out)

    from tuner.ray_adapter.session import SessionOptions

    options = SessionOptions(
        runs_dir=args.runs_dir or default_runs_dir(),
        address=args.address,
        dashboard=args.dashboard,
        require_hardware=args.require_hardware,
        warm_start=args.warm_start,
    )
    return _run_for_real(study, options, args, out)


def _resume(args: argparse.Namespace, out: Output) -> int:
    from tuner.ray_adapter.session import SessionOptions
    from tuner.runs.past_run import read_past_run

    _refuse(
        {
            "--trials": args.trials is not None,
            "--hours": args.hours is not None and not args.certify,
            "--seed": args.seed is not None,
            "--runs-dir": args.runs_dir is not None,
            "--warm-start": args.warm_start is not None,
            "--simulate": args.simulate,
            "--plan": args.plan,
        },
        "--resume: a run continues as it began",
    )
    past = read_past_run(args.resume)
    trust.check_resumed(past, args, out)
    options = SessionOptions(
        runs_dir=past.folder.parent,
        address=args.address,
        dashboard=args.dashboard,
        require_hardware=args.require_hardware,
        resume=past,
        accept_changes=args.accept_changes,
        certify=args.certify,
        more_hours=args.hours,
    )
    return _run_for_real(past.study, options, args, out)


def _run_for_real(study: StudySpec, options: SessionOptions, args: argparse.Namespace, out: Output) -> int:
    from tuner.ray_adapter.interrupts import Interrupts
    from tuner.ray_adapter.session import run_study
    from tuner.runs.result import exit_code

    interrupts = Interrupts()
    interrupts.take()  # for good: up to the end of the process, its exit code is that of the result
    with _screen(study.name, args, out) as screen:
        screen.say(_headline(study))
        result, folder = run_study(study, options, screen, interrupts)
    _say_outputs(result, folder, args, out)
    signal_code = interrupts.exit_code if result.interrupted_by else None
    return exit_code(result) if signal_code is None else signal_code


def _screen(
    title: str, args: argparse.Namespace, out: Output, prefix: str = ""
) -> AbstractContextManager[Screen]:
    """Returns where the run shows itself: standard error, if standard output is for a program."""
    from tuner.report.screens import open_screen

    say = out.note if args.json else out.log
    return open_screen(title, say, prefix=prefix, is_quiet=args.quiet, on_stderr=args.json)


def _say_outputs(result: RunResult, folder: Path, args: argparse.Namespace, out: Output) -> None:
    from tuner.report.conclusion import sentence
    from tuner.report.files import result_dict, summary

    if args.json:
        out.say_json(result_dict(result))
    if args.quiet:
        if not args.json:
            out.log(sentence(result))
        return
    tell = out.note if args.json else out.log
    tell(f"\n{summary(result)}")
    for path in sorted(folder.iterdir()):
        tell(f"  {shown(path)}")


def _check_runs_nothing(args: argparse.Namespace) -> None:
    """Refuses options that only a real run could follow, rather than ignoring them."""
    _refuse(
        {
            "--simulate": args.plan and args.simulate,
            "--address": args.address is not None,
            "--dashboard": args.dashboard,
            "--require-hardware": args.require_hardware,
            "--runs-dir": args.plan and args.runs_dir is not None,
            "--warm-start": args.plan and args.warm_start is not None,
            "--quiet": args.plan and args.quiet,
            "--json": args.plan and args.json,
        },
        f"{'--plan' if args.plan else '--simulate'}, which trains nothing",
    )


def _refuse(given: dict[str, bool], because_of: str) -> None:
    for option, is_given in given.items():
        if is_given:
            raise TunerError(f"{option} has no meaning with {because_of}.", f"drop {option}.")


def _plan(study: StudySpec, out: Output) -> int:
    from tuner.simulate.plan import plan

    out.say(plan(study))
    return 0


def _simulate(study: StudySpec, args: argparse.Namespace, out: Output) -> int:
    from tuner.report.warm_start import warm_start_line
    from tuner.runs.result import exit_code
    from tuner.simulate.guess import suppositions
    from tuner.simulate.session import run_simulated, simulated, simulated_warm_start

    study = simulated(study)
    warm_start = simulated_warm_start(study, args.warm_start) if args.warm_start else None
    taken = [warm_start_line(warm_start.provenance)] if warm_start else []
    with _screen(study.name, args, out, prefix="simulated: ") as screen:
        for line in (_headline(study), *suppositions(study), *taken):
            screen.say(line)
        runs_dir = args.runs_dir or default_runs_dir()
        result, folder, account = run_simulated(study, runs_dir, screen.show, warm_start, screen.say)
        screen.say(f"{account.num_trials} trials, {account.total_s / 3600:.3g} h of workers' virtual time")
    _say_outputs(result, folder, args, out)
    return exit_code(result)


def _headline(study: StudySpec) -> str:
    budget = study.budget
    return (
        f"distill-tuner {__version__}, study {study.name}: {len(study.lattice)} legal configurations, target "
        f"{study.target.text}, at most {budget.trials} trials and {budget.hours:g} h"
    )
