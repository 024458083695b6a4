"""The paths that a user names: in every option, and in the environment, `~` is the home folder.

The shell expands `~/x`, but leaves `--runs-dir=~/x` and what a program passes as they are.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tuner.errors import TunerError

RUNS_DIR = "DISTILL_TUNER_RUNS_DIR"
"""The environment variable that says where runs go without `--runs-dir`."""


def expanded(text: str) -> str:
    """A path, or a shipped study's name, as an option's type.

    Raises:
        argparse.ArgumentTypeError: It begins with the home folder of nobody known.
    """
    try:
        return _expanded(text)
    except ValueError as error:
        fix = "write the whole path (./~ for a folder named ~)."
        raise argparse.ArgumentTypeError(f"{error} Fix: {fix}") from error


def user_path(text: str) -> Path:
    """Returns the expanded path as a Path."""
    return Path(expanded(text))


def default_runs_dir() -> Path:
    """Returns DISTILL_TUNER_RUNS_DIR, else `runs` here; in a Ray job, whose folder is thrown away, at home.

    Raises:
        TunerError: There is no home folder.
    """
    in_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    named = os.environ.get(RUNS_DIR) or ("~/distill-tuner-runs" if in_ray_job else "runs")
    try:
        return Path(_expanded(named))
    except ValueError as error:
        raise TunerError(str(error), f"say where runs go with --runs-dir or {RUNS_DIR}.") from error


def _expanded(text: str) -> str:
    found = os.path.expanduser(text)
    if found.startswith("~"):
        user = text.partition("/")[0]
        raise ValueError(f"{text}: there is no home folder {user}.")
    return found
