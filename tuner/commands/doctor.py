"""`doctor`: this machine, line by line, each ok, warn or fail with its fix."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tuner import __version__
from tuner.commands import machine
from tuner.commands.output import Output
from tuner.errors import TunerError

OK, WARN, FAIL = "ok", "warn", "fail"
_PACKAGES = ("numpy", "optuna", "pydantic", "PyYAML", "rich", "ruamel.yaml", "matplotlib", "plotly")
_MIN_DISK_GIB, _LOW_DISK_GIB = 0.5, 5.0
_LOW_SHM_GIB = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what was looked at, how it is, what was seen, and what to do about it."""

    name: str
    level: str
    seen: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.level:<4}  {self.name:<10} {self.seen}{fix}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is to run here, and where."""
    parser.description = (
        "Check this machine: Python, packages, torch, cards, driver, NVML, Ray, disks, shared memory, W&B; "
        "and, with --space, whether a study loads and was written for this device."
    )
    parser.epilog = "exit codes: 0 nothing fails (warnings may be there), 1 something fails"
    parser.add_argument(
        "--space", metavar="FILE", help="a study to check too: a path, or a shipped one's name"
    )
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="where runs go (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")


def run(args: argparse.Namespace, out: Output) -> int:
    """Shows each check as soon as it is made."""
    checks = []
    for check in _checks(args):
        checks.append(check)
        if not args.json:
            out.say(str(check))
    counts = {level: sum(check.level == level for check in checks) for level in (OK, WARN, FAIL)}
    if args.json:
        lines = [{"name": c.name, "level": c.level, "seen": c.seen, "fix": c.fix} for c in checks]
        out.say_json({"checks": lines, **counts})
    else:
        out.say(f"{counts[OK]} ok, {counts[WARN]} warn, {counts[FAIL]} fail")
    return 1 if counts[FAIL] else 0


def _checks(args: argparse.Namespace) -> Iterator[Check]:
    yield python_check(sys.version_info[:3])
    yield packages_check()
    torch = machine.ask_torch()
    yield torch_check(torch)
    nvml = machine.ask_nvml()
    yield device_check(torch, nvml)
    yield nvml_check(torch, nvml)
    yield ray_check(machine.ask_ray())
    yield dashboard_check()
    yield disk_check("runs", args.runs_dir, "choose another --runs-dir, or free some space")
    yield disk_check("cache", _cache_dir(), "set XDG_CACHE_HOME, or free some space")
    yield shm_check()
    yield wandb_check(is_installed=importlib.util.find_spec("wandb") is not None)
    if args.space:
        yield from study_checks(args.space, machine.device_of(torch))


def python_check(version: tuple[int, ...]) -> Check:
    """3.11 or newer."""
    seen = f"{'.'.join(map(str, version))} ({sys.executable})"
    if version < (3, 11):
        return Check(name="python", level=FAIL, seen=seen, fix="install Python 3.11 or newer.")
    return Check(name="python", level=OK, seen=seen)


def packages_check() -> Check:
    """What the tuner itself imports."""
    found, missing = [f"distill-tuner {__version__}"], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        fix = "install the project again: make install."
        return Check(name="packages", level=FAIL, seen=f"missing: {', '.join(missing)};", fix=fix)
    return Check(name="packages", level=OK, seen=", ".join(found))


def torch_check(torch: Mapping[str, Any]) -> Check:
    """Imports, and for what it was built."""
    if "error" in torch:
        fix = "install torch again: pip install --constraint constraints.txt torch."
        return Check(name="torch", level=FAIL, seen=f"cannot be imported ({torch['error']}).", fix=fix)
    build = f"CUDA {torch['cuda']}" if torch["cuda"] else "CPU only"
    return Check(name="torch", level=OK, seen=f"{torch['version']}, built for {build}")


def device_check(torch: Mapping[str, Any], nvml: Mapping[str, Any]) -> Check:
    """What trials would run on; a card that torch cannot use is a failure."""
    cards = torch.get("cards") or []
    if cards:
        shown = ", ".join(f"{c['name']} ({c['memory_gib']:.1f} GiB, sm {c['capability']})" for c in cards)
        return Check(name="device", level=OK, seen=shown)
    cpu = machine.device_of({})
    if nvml.get("cards"):
        seen = f"{', '.join(nvml['cards'])} is there, but torch cannot use it;"
        fix = "install a torch built for CUDA that this driver supports (pytorch.org), or a newer driver."
        return Check(name="device", level=FAIL, seen=seen, fix=fix)
    seen = f"no card; trials run on the CPU: {cpu['name']}, {len(os.sched_getaffinity(0))} cores"
    return Check(name="device", level=OK, seen=seen)


def nvml_check(torch: Mapping[str, Any], nvml: Mapping[str, Any]) -> Check:
    """Utilisation, power and energy come from it; without a card it is not needed."""
    if "error" not in nvml:
        return Check(name="nvml", level=OK, seen=f"driver {nvml['driver']}, {len(nvml['cards'])} cards")
    if not torch.get("cards"):
        return Check(name="nvml", level=OK, seen="not there, and not needed without a card")
    seen = f"does not answer ({nvml['error']}): no utilisation, power and energy, no objective energy_j."
    return Check(
        name="nvml", level=WARN, seen=seen, fix="install nvidia-ml-py, and the driver's libnvidia-ml."
    )


def ray_check(ray: Mapping[str, Any]) -> Check:
    """Imports."""
    if "error" in ray:
        fix = "install it again: pip install --constraint constraints.txt 'ray[tune]'."
        return Check(name="ray", level=FAIL, seen=f"cannot be imported ({ray['error']}).", fix=fix)
    address = os.environ.get("RAY_ADDRESS")
    where = f"joins {address} (RAY_ADDRESS)" if address else "starts privately, on the loopback"
    return Check(name="ray", level=OK, seen=f"{ray['version']}, {where}")


def dashboard_check() -> Check:
    """Its packages are an extra."""
    missing = [name for name in ("aiohttp", "aiohttp_cors", "grpc") if importlib.util.find_spec(name) is None]
    if missing:
        seen = f"not available ({', '.join(missing)} missing); only --dashboard needs it."
        return Check(
            name="dashboard", level=WARN, seen=seen, fix="install the extra: distill-tuner[dashboard]."
        )
    return Check(name="dashboard", level=OK, seen="available with --dashboard")


def disk_check(name: str, folder: Path, fix: str) -> Check:
    """Whether a folder, which need not be there yet, can be written and has room."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    free_gib = shutil.disk_usage(there).free / machine.GIB
    seen = f"{folder}: {free_gib:.1f} GiB free"
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Check(name=name, level=FAIL, seen=f"{folder}: cannot be written.", fix=f"{fix}.")
    if free_gib < _LOW_DISK_GIB:
        level = FAIL if free_gib < _MIN_DISK_GIB else WARN
        return Check(name=name, level=level, seen=f"{seen}.", fix=f"{fix}.")
    return Check(name=name, level=OK, seen=seen)


def _cache_dir() -> Path:
    """Where the bundled stage keeps data and teacher, unless its options say otherwise."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "distill-tuner"


def shm_check(folder: Path = Path("/dev/shm")) -> Check:  # noqa: S108  # looked at, not written
    """Ray's object store lives there."""
    if not folder.is_dir():
        seen = f"{folder} is not there; Ray uses the disk, which is slower."
        return Check(name="shm", level=WARN, seen=seen, fix="in a container: --shm-size=2g.")
    size_gib = shutil.disk_usage(folder).total / machine.GIB
    if size_gib < _LOW_SHM_GIB:
        seen = f"{folder}: {size_gib:.2f} GiB; Ray will use the disk, which is slower."
        return Check(name="shm", level=WARN, seen=seen, fix="in a container: --shm-size=2g.")
    return Check(name="shm", level=OK, seen=f"{folder}: {size_gib:.1f} GiB")


def wandb_check(*, is_installed: bool) -> Check:
    """Installed, and whether a study that does not say otherwise sends anything; no key is shown."""
    from tuner.sinks.selection import wandb_mode
    from tuner.spec import OutputSpec

    if not is_installed:
        return Check(name="wandb", level=OK, seen="not installed; an extra: distill-tuner[wandb]")
    seen = {
        "online": "installed, online",
        "offline": "installed, offline: `wandb sync` sends runs later; online after `wandb login`",
        "": "installed, off (WANDB_MODE)",
    }
    return Check(name="wandb", level=OK, seen=seen[wandb_mode(OutputSpec(), is_simulated=False)])


def study_checks(name: str, device: Mapping[str, Any]) -> Iterator[Check]:
    """Whether a study loads, and whether it was written for this device."""
    from tuner.spec import load_study

    try:
        study = load_study(name)
    except TunerError as error:
        yield Check(name="study", level=FAIL, seen=error.message, fix=error.hint)
        return
    seen = f"{study.name}: {len(study.lattice)} legal configurations, {study.target.text}"
    yield Check(name="study", level=OK, seen=seen)
    if mismatch := study.hardware.why_not(device):
        fix = "it runs all the same; `init` writes a study for this device."
        yield Check(name="hardware", level=WARN, seen=f"{mismatch}.", fix=fix)
    else:
        yield Check(name="hardware", level=OK, seen=f"{study.hardware.description}: {device['name']}")
