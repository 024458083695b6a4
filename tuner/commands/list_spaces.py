"""`list-spaces`: the shipped studies, a line each."""

from __future__ import annotations

import argparse

from tuner.commands.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds only `--json`."""
    parser.description = "Show the shipped studies: what --space takes by name."
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of lines")


def run(args: argparse.Namespace, out: Output) -> int:
    """Lists the shipped studies."""
    from tuner.spec import shipped_studies

    studies = shipped_studies()
    if args.json:
        out.say_json([{"name": s.name, "path": s.path, "description": s.description} for s in studies])
        return 0
    for study in studies:
        out.say(f"{study.name:<12} {study.description}")
    return 0
