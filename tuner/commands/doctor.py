"""`doctor`: this machine, line by line, each ok, warn or fail with its fix."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner import __version__
from tuner.commands import machine
from tuner.commands.diagnosis import FAIL, OK, WARN, Diagnosis
from tuner.commands.output import Output
from tuner.commands.paths import RUNS_DIR, default_runs_dir, expanded, user_path
from tuner.errors import TunerError, split_fix

_PACKAGES = ("numpy", "optuna", "pydantic", "PyYAML", "rich", "ruamel.yaml", "jinja2", "matplotlib", "plotly")
_MIN_DISK_GIB, _LOW_DISK_GIB = 0.5, 5.0
_LOW_SHM_GIB = 1.0
TRY_TIMEOUT_S = 1800.0
"""Seconds that --try waits for the first report, unless told otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is to run here, and where."""
    parser.description = (
        "Check this machine and suggest fixes: home folder, Python, packages, torch, cards, driver, NVML, "
        "Ray, disks, shared memory and W&B. With --space, also check that a study loads, that its stage can "
        "be found and that it fits this device; with --try, run one epoch of its baseline and say what was "
        "read."
    )
    parser.epilog = (
        "exit codes: 0 no check fails (there may be warnings), 1 a check fails, 2 the study has a mistake"
    )
    parser.add_argument(
        "--space",
        type=expanded,
        metavar="FILE",
        help="check this study too: a path, or the name of a shipped study",
    )
    parser.add_argument(
        "--try",
        dest="is_tried",
        action="store_true",
        help="run the baseline of --space for one epoch, without starting Ray: show what runs, which lines "
        "were read as what, time and memory, and whether the study is ready",
    )
    parser.add_argument(
        "--try-timeout",
        type=_positive,
        metavar="SECONDS",
        help=f"end the trial of --try if it has not reported by then (default: {TRY_TIMEOUT_S:g})",
    )
    parser.add_argument(
        "--runs-dir",
        type=user_path,
        metavar="DIR",
        help=f"where runs are written (default: the folder named by {RUNS_DIR}, else runs)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def _positive(text: str) -> float:
    if not 0 < (seconds := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def run(args: argparse.Namespace, out: Output) -> int:
    """Shows each check as soon as it is made."""
    _refuse_half_of_a_pair(args)
    diagnoses = []
    for diagnosis in _diagnoses(args):
        diagnoses.append(diagnosis)
        if not args.json:
            out.say(str(diagnosis))
    counts = {level: sum(d.level == level for d in diagnoses) for level in (OK, WARN, FAIL)}
    failed = [diagnosis for diagnosis in diagnoses if diagnosis.level == FAIL]
    if args.json:
        lines = [{"name": d.name, "level": d.level, "seen": d.seen, "fix": d.fix} for d in diagnoses]
        out.say_json({"checks": lines, **counts, **({"ready": not failed} if args.is_tried else {})})
    else:
        out.say(f"{counts[OK]} ok, {counts[WARN]} warn, {counts[FAIL]} fail")
        if args.is_tried:
            out.say(_conclusion(args.space, failed))
    return max((diagnosis.exit_code for diagnosis in failed), default=0)


def _conclusion(space: str, failed: Sequence[Diagnosis]) -> str:
    """What a newcomer does next."""
    command = f"python -m tuner.run --space {shlex.quote(space)}"
    if not failed:
        return f"ready: {command}"
    names = ", ".join(dict.fromkeys(diagnosis.name for diagnosis in failed))
    return f"not ready: mend what fails ({names}), then try again"


def _refuse_half_of_a_pair(args: argparse.Namespace) -> None:
    if args.is_tried and not args.space:
        raise TunerError("--try has nothing to run.", "name the study with --space.")
    if args.try_timeout and not args.is_tried:
        raise TunerError("--try-timeout has no meaning without --try.", "drop it, or add --try.")


def _diagnoses(args: argparse.Namespace) -> Iterator[Diagnosis]:
    yield home_diagnosis()  # first: the others import what wants a home
    yield python_diagnosis(sys.version_info[:3])
    yield packages_diagnosis()
    torch = machine.ask_torch()
    yield torch_diagnosis(torch)
    nvml = machine.ask_nvml()
    yield device_diagnosis(torch, nvml)
    yield nvml_diagnosis(torch, nvml)
    yield ray_diagnosis(machine.ask_ray())
    yield dashboard_diagnosis()
    yield disk_diagnosis(
        "runs", args.runs_dir or default_runs_dir(), "choose another --runs-dir, or free some space"
    )
    yield disk_diagnosis("cache", _cache_dir(), "set XDG_CACHE_HOME, or free some space")
    yield shm_diagnosis()
    yield wandb_diagnosis(is_installed=importlib.util.find_spec("wandb") is not None)
    if args.space:
        from tuner.commands.study_diagnoses import study_diagnoses

        timeout_s = (args.try_timeout or TRY_TIMEOUT_S) if args.is_tried else None
        yield from study_diagnoses(args.space, machine.device_of(torch), timeout_s)


def home_diagnosis() -> Diagnosis:
    """Ray and torch want a home folder; a run makes do with one below the temporary folder."""
    from tuner.ray_adapter.home import ensure_home

    try:
        said, fix = split_fix(ensure_home())
    except TunerError as error:
        return Diagnosis(name="home", level=FAIL, seen=error.message, fix=error.hint)
    if said:
        return Diagnosis(name="home", level=WARN, seen=said, fix=fix)
    return Diagnosis(name="home", level=OK, seen=os.path.expanduser("~"))


def python_diagnosis(version: tuple[int, ...]) -> Diagnosis:
    """Checks that Python is 3.11 or newer."""
    seen = f"{'.'.join(map(str, version))} ({sys.executable})"
    if version < (3, 11):
        return Diagnosis(name="python", level=FAIL, seen=seen, fix="install Python 3.11 or newer.")
    return Diagnosis(name="python", level=OK, seen=seen)


def packages_diagnosis() -> Diagnosis:
    """Checks the packages that the tuner itself imports."""
    from importlib import metadata

    found, missing = [f"distill-tuner {__version__}"], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        fix = "install the project again: make install."
        return Diagnosis(name="packages", level=FAIL, seen=f"missing: {', '.join(missing)};", fix=fix)
    return Diagnosis(name="packages", level=OK, seen=", ".join(found))


def torch_diagnosis(torch: Mapping[str, Any]) -> Diagnosis:
    """Imports, and for what it was built."""
    if "error" in torch:
        fix = "install torch again: pip install --constraint constraints.txt torch."
        return Diagnosis(name="torch", level=FAIL, seen=f"cannot be imported ({torch['error']}).", fix=fix)
    build = f"CUDA {torch['cuda']}" if torch["cuda"] else "CPU only"
    return Diagnosis(name="torch", level=OK, seen=f"{torch['version']}, built for {build}")


def device_diagnosis(torch: Mapping[str, Any], nvml: Mapping[str, Any]) -> Diagnosis:
    """Checks the device that trials would run on; a card that torch cannot use is a failure."""
    cards = torch.get("cards") or []
    if cards:
        shown = ", ".join(f"{c['name']} ({c['memory_gib']:.1f} GiB, sm {c['capability']})" for c in cards)
        return Diagnosis(name="device", level=OK, seen=shown)
    cpu = machine.device_of({})
    if nvml.get("cards"):
        seen = f"{', '.join(nvml['cards'])} is there, but torch cannot use it;"
        fix = "install a torch built for CUDA that this driver supports (pytorch.org), or a newer driver."
        return Diagnosis(name="device", level=FAIL, seen=seen, fix=fix)
    seen = f"no card; trials run on the CPU: {cpu['name']}, {len(os.sched_getaffinity(0))} cores"
    return Diagnosis(name="device", level=OK, seen=seen)


def nvml_diagnosis(torch: Mapping[str, Any], nvml: Mapping[str, Any]) -> Diagnosis:
    """Utilisation, power and energy come from it; without a card it is not needed."""
    if "error" not in nvml:
        return Diagnosis(name="nvml", level=OK, seen=f"driver {nvml['driver']}, {len(nvml['cards'])} cards")
    if not torch.get("cards"):
        return Diagnosis(name="nvml", level=OK, seen="not there, and not needed without a card")
    seen = f"does not answer ({nvml['error']}): no utilisation, power and energy, no objective energy_j."
    return Diagnosis(
        name="nvml", level=WARN, seen=seen, fix="install nvidia-ml-py, and the driver's libnvidia-ml."
    )


def ray_diagnosis(ray: Mapping[str, Any]) -> Diagnosis:
    """Imports, and can run where RAY_ADDRESS says."""
    from tuner.ray_adapter.address import cluster_address
    from tuner.ray_adapter.private_folder import short_temporary_folder

    if "error" in ray:
        fix = "install it again: pip install --constraint constraints.txt 'ray[tune]'."
        return Diagnosis(name="ray", level=FAIL, seen=f"cannot be imported ({ray['error']}).", fix=fix)
    try:
        if address := cluster_address(None):
            where = f"joins {address} (RAY_ADDRESS)"
        else:
            where = f"starts privately, on the loopback, with its files in {short_temporary_folder()}"
    except TunerError as error:
        return Diagnosis(name="ray", level=FAIL, seen=error.message, fix=error.hint)
    return Diagnosis(name="ray", level=OK, seen=f"{ray['version']}, {where}")


def dashboard_diagnosis() -> Diagnosis:
    """Checks the packages of the dashboard, which are an extra."""
    missing = [name for name in ("aiohttp", "aiohttp_cors", "grpc") if importlib.util.find_spec(name) is None]
    if missing:
        seen = f"not available ({', '.join(missing)} missing); only --dashboard needs it."
        return Diagnosis(
            name="dashboard", level=WARN, seen=seen, fix="install the extra: distill-tuner[dashboard]."
        )
    return Diagnosis(name="dashboard", level=OK, seen="available with --dashboard")


def disk_diagnosis(name: str, folder: Path, fix: str) -> Diagnosis:
    """Whether a folder, which need not be there yet, can be written and has room."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    free_gib = shutil.disk_usage(there).free / machine.GIB
    seen = f"{folder}: {free_gib:.1f} GiB free"
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Diagnosis(name=name, level=FAIL, seen=f"{folder}: cannot be written.", fix=f"{fix}.")
    if free_gib < _LOW_DISK_GIB:
        level = FAIL if free_gib < _MIN_DISK_GIB else WARN
        return Diagnosis(name=name, level=level, seen=f"{seen}.", fix=f"{fix}.")
    return Diagnosis(name=name, level=OK, seen=seen)


def _cache_dir() -> Path:
    """Returns the folder in which the bundled stage keeps data and teacher unless its options differ."""
    root = os.environ.get("XDG_CACHE_HOME")
    return Path(root or os.path.expanduser("~/.cache")) / "distill-tuner"


def shm_diagnosis(folder: Path = Path("/dev/shm")) -> Diagnosis:  # noqa: S108  # looked at, not written
    """Ray's object store lives there."""
    if not folder.is_dir():
        seen = f"{folder} is not there; Ray uses the disk, which is slower."
        return Diagnosis(name="shm", level=WARN, seen=seen, fix="in a container: --shm-size=2g.")
    size_gib = shutil.disk_usage(folder).total / machine.GIB
    if size_gib < _LOW_SHM_GIB:
        seen = f"{folder}: {size_gib:.2f} GiB; Ray will use the disk, which is slower."
        return Diagnosis(name="shm", level=WARN, seen=seen, fix="in a container: --shm-size=2g.")
    return Diagnosis(name="shm", level=OK, seen=f"{folder}: {size_gib:.1f} GiB")


def wandb_diagnosis(*, is_installed: bool) -> Diagnosis:
    """Installed, and whether a study that does not say otherwise sends anything; no key is shown."""
    from tuner.core.outputs import OutputSpec
    from tuner.runs.wanted import wandb_mode

    if not is_installed:
        return Diagnosis(name="wandb", level=OK, seen="not installed; an extra: distill-tuner[wandb]")
    seen = {
        "online": "installed, online (WANDB_MODE)",
        "offline": "installed, offline: `wandb sync` sends runs later, WANDB_MODE=online at once",
        "": "installed, off (WANDB_MODE)",
    }
    return Diagnosis(name="wandb", level=OK, seen=seen[wandb_mode(OutputSpec(), is_simulated=False)])
