"""`list-spaces`: the shipped studies, a line each."""

from __future__ import annotations

import argparse

from tuner.commands.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None but `--json`."""
    parser.description = "Show the shipped studies: what --space takes by name."
    parser.add_argument("--json", action="store_true", help="a JSON list instead of lines")


def run(args: argparse.Namespace, out: Output) -> int:
    """Lists them."""
    from tuner.spec import list_spaces

    spaces = list_spaces()
    if args.json:
        out.say_json([{"name": s.name, "path": s.path, "description": s.description} for s in spaces])
        return 0
    for space in spaces:
        out.say(f"{space.name:<12} {space.description}")
    return 0
