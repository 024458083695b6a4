"""`init`: a commented study for the card of this machine, or for a named one."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner.core.hardware import HardwareProfile
    from tuner.core.study import StudySpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where the study goes, and for which device it is."""
    parser.description = (
        "Write a commented study for the card of this machine (the CPU, where there is none), from the "
        "shipped study that is nearest to it. Change what you like, then run it."
    )
    parser.epilog = "exit codes: 0 written, 2 a mistake or a failure"
    parser.add_argument(
        "--out", type=user_path, default=Path("study.yaml"), metavar="FILE", help="default: study.yaml"
    )
    parser.add_argument("--hardware", metavar="NAME", help="shipped profile to use, not this machine's card")
    parser.add_argument("--force", action="store_true", help="overwrite the file")


def run(args: argparse.Namespace, out: Output) -> int:
    """Writes the study, once it is known to load."""
    from tuner.commands import machine
    from tuner.spec import load_hardware, study_from_text

    if args.out.exists() and not args.force:
        raise TunerError(f"{args.out}: it is there already.", "choose another --out, or give --force.")
    if args.hardware:
        profile, device = load_hardware(args.hardware), None
    else:
        device = machine.device_of(machine.ask_torch())
        profile = nearest(device)
    text = study_text(_name(args.out), profile, device)
    study = study_from_text(text.encode(), label=str(args.out))  # what does not load is not written
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TunerError(
            f"{args.out}: cannot write it: {error.strerror}.", "choose another --out."
        ) from error
    on = f"{device['name']} ({device['kind']})" if device else profile.description
    out.say(
        f"wrote {shown(args.out)} for {on}: {len(study.lattice)} legal configurations, {study.target.text}"
    )
    out.say(f"next: python -m tuner.run doctor --space {shown(args.out)}")
    out.say(f"      python -m tuner.run --space {shown(args.out)} --plan")
    return 0


def nearest(device: Mapping[str, Any]) -> HardwareProfile:
    """The shipped profile that fits a device, else the one of its kind with the nearest memory."""
    from tuner.spec import list_hardware, load_hardware

    profiles = [load_hardware(name) for name in list_hardware()]
    fitting = [profile for profile in profiles if profile.why_not(device) is None]
    if fitting:
        return fitting[0]

    def distance(profile: HardwareProfile) -> float:
        memory_gib = profile.memory_gib.value if profile.memory_gib else 0.0
        return abs(memory_gib - float(device["memory_gib"]))

    return min((profile for profile in profiles if profile.kind == device["kind"]), key=distance)


def study_text(name: str, profile: HardwareProfile, device: Mapping[str, Any] | None = None) -> str:
    """A study with a comment on every key.

    Args:
        name: Name of the study.
        profile: The profile from whose shipped study ranges, target and budget are taken.
        device: Name of the target device, if the profile is only the nearest one to it.
    """
    from tuner.spec import load_study, shipped_studies

    like = next(s for s in map(load_study, (i.name for i in shipped_studies())) if s.hardware == profile)
    is_other = device is not None and profile.why_not(device) is not None
    parts = {
        "schema": str(resources.files("search_spaces").joinpath("study.schema.json")),
        "name": name,
        "like": like.name,
        "device": device["name"] if device and is_other else profile.description,
        "hardware": _described(device, profile) if device and is_other else f"hardware: {profile.name}",
        "parameters": "\n".join(_parameters(like)),
        "constraints": "\n".join(f"  - {rule.text}" for rule in like.rules),
        "stage_class": like.stage.class_path,
        "stage_options": _flow({k: v for k, v in like.stage.options.items() if k != "num_samples"}),
        "num_epochs": like.stage.num_epochs,
        "num_samples": like.stage.num_samples,
        "target": like.target.text,
        "baseline": _flow(like.baseline.as_dict()),
        "guide": f"guide: {_flow(like.guide.as_dict())}" if like.guide else "# guide: {...}",
        "trials": like.budget.trials,
        "hours": f"{like.budget.hours:g}",
        "pairs": like.certificate.pairs,
        "margin": f"{like.certificate.nrmse_margin_pct:g}",
        "rule_options": _flow(dict(like.scheduler.options)),
    }
    return _TEMPLATE.format(**parts)


def _name(file: Path) -> str:
    """A study's name from its file's."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem).strip("-._") or "mine"


def _described(device: Mapping[str, Any], profile: HardwareProfile) -> str:
    """A device that no profile fits, described in place."""
    words = str(device["name"])
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    low, high = int(device["memory_gib"]) - 1, int(device["memory_gib"]) + 2
    return (
        f"# No shipped profile fits it; the ranges below are those of the nearest one, {profile.name}.\n"
        "hardware:\n"
        f"  name: {slug}\n"
        f"  description: {json.dumps(words)}\n"
        f"  kind: {device['kind']}\n"
        f"  device_names: [{json.dumps(words)}]\n"
        f"  memory_range_gib: [{low}, {high}]\n"
        f"  memory_gib: {{value: {device['memory_gib']:g}, source: as the device reports it}}"
    )


def _parameters(study: StudySpec) -> Sequence[str]:
    shapes = study.as_dict()["parameters"]
    return [
        f"  {name}: {_flow({k: v for k, v in shape.items() if (k, v) not in _IMPLIED})}"
        for name, shape in shapes.items()
    ]


_IMPLIED = (("type", "int"), ("step", 1))


def _flow(values: Mapping[str, Any]) -> str:
    """Writes a mapping in one line of YAML."""
    return "{" + ", ".join(f"{name}: {_word(value)}" for name, value in values.items()) + "}"


def _word(value: Any) -> str:
    is_plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*", value)
    return value if is_plain else json.dumps(value)


_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# A study for {device}, after the shipped one `{like}`. Every key is explained in docs/study-yaml.md.
# Run it: python -m tuner.run --space THIS_FILE (first with --plan: what it would cost)
name: {name}
description: The bundled stage on {device}.

# The device this study is written for. It also runs on another device, and then says so.
{hardware}

# The stage that a trial trains, its epochs and its samples. For your own script: docs/tutorial/own-script.md
stage:
  class: {stage_class}
  options: {stage_options}
  num_epochs: {num_epochs}
  num_samples: {num_samples}

# The parameters that may vary: values to choose from, or every whole number from low to high.
parameters:
{parameters}

# The constraints that they must meet.
constraints:
{constraints}

# The objective to minimise: time_s, time_to_target_s or energy_j.
objective: time_s
# The target for NRMSE: a number (nrmse < 0.095), or relative to the baseline of the same run.
target: {target}
# Bounds on other figures that trials report.
# limits: [peak_memory_gib <= 38]

# Measured first; every speed-up is relative to the baseline. Then the guide's own recommendation.
baseline: {baseline}
{guide}

# The search ends with whichever comes first.
budget: {{trials: {trials}, hours: {hours}}}

# Then the recommendation is proved: it and the baseline run in turn, this many times, with fresh seeds.
# nrmse_margin_pct: the loss of NRMSE that counts as unchanged, percent of the baseline's.
certificate: {{pairs: {pairs}, nrmse_margin_pct: {margin}}}

# How configurations are chosen: surrogate, tpe, nsga2, gp, random, or your own module:Class.
search: {{sampler: surrogate, options: {{}}}}
# When a trial is stopped early: feasible_and_faster, moasha, asha, none, or your own module:Class.
scheduler: {{rule: feasible_and_faster, options: {rule_options}}}

# The accepted probability that the recommended configuration misses the target, and a margin to keep from it.
decision: {{max_error: 0.05, margin_pct: 0}}

# The seed of the search and of every trial, so that trials differ only by their configuration.
seed: 0
"""
