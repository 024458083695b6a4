"""The reference, made from the code: `python -m docs.generate` writes docs/reference/*.md.

The pages are checked in, for readers without the site; a test compares them with what this makes.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.commands import COMMANDS
from tuner.core.limits import METRICS
from tuner.core.measurement import Measurement
from tuner.report.trials_table import COLUMNS
from tuner.run import make_parser
from tuner.spec.json_schema import study_schema
from tuner.testing.stage_reports import report_keys

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Made from the code by `python -m docs.generate`; changes here are lost. -->\n"
UNITS = {
    "_s": "seconds",
    "_gib": "GiB (1024^3 bytes)",
    "_pct": "percent, 0 to 100",
    "_j": "joules",
    "_w": "watts",
    "_c": "degrees Celsius",
    "_mhz": "MHz",
}
"""What the end of a name says of its unit."""
RATIOS = ("nrmse",)
COUNTS = ("batch_size", "micro_batch", "accum_steps")


def pages() -> dict[str, str]:
    """Every page's file name and text."""
    texts = {"study-file.md": study_file(), "metrics.md": metrics(), "command-line.md": command_line()}
    return {name: text.replace("\n", f"\n\n{NOTE}", 1) for name, text in texts.items()}


def main() -> None:
    """Writes what has changed."""
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown; a bar in a cell is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


# The study file.


def study_file() -> str:
    """Every key of a study, from the schema of the models that check it."""
    schema = study_schema()
    models = {"Study": schema, **schema["$defs"]}
    parts = [
        "# Keys of the study file\n",
        "Every key, its type and its default, from the models that check a study. "
        "[The study file](../study-yaml.md) explains them with examples; `python -m tuner.run schema` "
        "prints the same as a JSON Schema.\n",
    ]
    for path, name in _places(models):
        parts.append(f"## {path}\n" if path else "## The top level\n")
        parts.append(f"{models[name]['description']}\n")
        parts.append(table(("key", "type", "default", "meaning"), _keys(models[name])))
    return "\n".join(parts)


def _places(models: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each model stands in a study, each once, those nearer the top first."""
    seen, waiting = set(), [("", "Study")]
    while waiting:
        path, name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield path, name
        for key, value in models[name].get("properties", {}).items():
            inner = f"{path}.{key}" if path else key
            below = re.findall(r'#/\$defs/(\w+)"', json.dumps(value))
            is_mapping = "additionalProperties" in json.dumps(value)
            waiting += [(f"{inner}.NAME" if is_mapping else inner, model) for model in below]


def _keys(model: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    required = model.get("required", ())
    for name, value in model["properties"].items():
        default = "**required**" if name in required else _default(value)
        yield f"`{name}`", _type(value), default, value["description"]


def _default(value: Mapping[str, Any]) -> str:
    if "default" not in value:  # made anew for each study
        return "see below" if "$ref" in value else "empty"
    return "none" if value["default"] is None else f"`{json.dumps(value['default'])}`"


def _type(value: Mapping[str, Any]) -> str:
    if "anyOf" in value:
        kinds = dict.fromkeys(_type(one) for one in value["anyOf"] if one.get("type") != "null")
        return " or ".join(kinds)
    if "$ref" in value:
        return "mapping"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if isinstance(value.get("type"), list):
        return " or ".join(_TYPES[one] for one in value["type"])
    kind = value.get("type")
    if kind == "array":
        items = value.get("items", {}).get("type")
        return f"list of {_PLURALS[items]}" if isinstance(items, str) else "list"
    return "any value" if kind is None else _TYPES[kind] + _bounds(value)


def _bounds(value: Mapping[str, Any]) -> str:
    if "pattern" in value and ":" in value["pattern"]:
        return ", `module:Class`"
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    found = [f"{sign} {value[word]:g}" for word, sign in words.items() if word in value]
    return f", {' and '.join(found)}" if found else ""


_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
}
_PLURALS = {
    "string": "texts",
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "booleans",
    "object": "mappings",
}


# Metrics.


def metrics() -> str:
    """What a report holds and what trials.csv has, from `Measurement` and the report's columns."""
    said = measured()
    figures = (
        (f"`{name}`", _kind(name), unit(name), said[name], "yes" if name in METRICS else "")
        for name in said
        if name in report_keys()  # not what the tuner adds itself
    )
    columns = ((f"`{name}`", unit(name), meaning) for name, meaning in COLUMNS.items())
    return "\n".join(
        [
            "# Metrics and their units\n",
            "The unit is in the name. *Summed* is since the trial's first epoch.\n",
            "## What a stage reports after an epoch\n",
            "`trainables.base.MeasuredTrainable` reports all of it. A stage derived from "
            "`ray.tune.Trainable` itself must do so too; what may be None may also be left out. "
            "*Limit*: whether a study's [`limits`](../study-yaml.md#objective-and-limits) may bound it.\n",
            table(("key", "type", "unit", "meaning", "limit"), figures),
            "## Columns of `trials.csv` that no report holds\n",
            "The others are the figures above, of a trial's last report.\n",
            table(("column", "unit", "meaning"), columns),
            "## On the node's Prometheus port\n",
            table(("metric", "labels", "meaning"), _gauges()),
        ]
    )


def _gauges() -> Iterator[tuple[str, ...]]:
    """The gauges of a study, read from their source: to import it would load Ray."""
    source = (FOLDER.parents[1] / "tuner/ray_adapter/metrics.py").read_text()
    source = source.replace("{name}", "nrmse").replace("{label}", "NRMSE")  # unless the study has another
    for name, meaning, labels in re.findall(r'Gauge\(\s*f?"(\w+)", f?"(.*?)", \((.*?)\)', source):
        yield f"`ray_{name}`", ", ".join(f"`{label}`" for label in re.findall(r"\w+", labels)), meaning


def measured() -> dict[str, str]:
    """Name and meaning of every figure of a report, from the docstring of `Measurement`, and of `done`."""
    attributes = inspect.cleandoc(Measurement.__doc__ or "").split("Attributes:\n")[1]
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", attributes, re.M | re.S)
    said = {name: " ".join(text.split()) for name, text in found}
    return {"done": "True in the report of the last epoch, and when the status is not `ok`.", **said}


def unit(name: str) -> str:
    """The unit of a figure, by the end of its name."""
    if name.startswith("num_") or name in COUNTS:
        return "count"
    for end, meant in UNITS.items():
        if name.endswith(end):
            return meant
    return "ratio" if name in RATIOS else ""


def _kind(name: str) -> str:
    kind, may_be_none = report_keys()[name]
    return f"{kind.__name__}, or None" if may_be_none else kind.__name__


# The command line.


def command_line() -> str:
    """Every command with its arguments, from the parsers themselves."""
    parts = [
        "# Commands and options\n",
        "From the parsers, as `python -m tuner.run COMMAND --help` shows it. "
        "[The command line](../commands.md) has an example of each.\n",
    ]
    for name, does in COMMANDS.items():
        parser = make_parser(name)
        parts.append(f"## {name}\n")
        parts.append(f"{does[0].upper()}{does[1:]}.\n")
        parts.append(f"    {_usage(parser)}\n")
        parts.append(f"{' '.join((parser.description or '').split())}\n")
        parts.append(table(("argument", "meaning"), _arguments(parser)))
        if parser.epilog:
            parts.append(f"{_sentence(parser.epilog)}\n")
    return "\n".join(parts)


def _usage(parser: argparse.ArgumentParser) -> str:
    words = [parser.prog]
    for action in parser._actions:
        if not action.option_strings:
            words.append(str(action.metavar or action.dest))
        elif action.required:
            words.append(f"{action.option_strings[-1]} {action.metavar}")
    return " ".join([*words, "[options]"])


def _arguments(parser: argparse.ArgumentParser) -> Iterator[tuple[str, ...]]:
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
        named = ", ".join(f"`{option}{value}`" for option in action.option_strings)
        yield named or f"`{action.metavar or action.dest}`", action.help or ""


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    main()
