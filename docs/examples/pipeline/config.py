"""Reads the configuration of the stand-in for a pipeline: a YAML file on top of the one that it includes."""

from pathlib import Path
from typing import Any

import yaml


def load_config(path: Path) -> dict[str, Any]:
    """Returns the sections of a file, over those of the file that its `include` names, if it names one."""
    own = yaml.safe_load(path.read_text())
    include = own.pop("include", None)
    return merged(load_config(path.parent / include), own) if include else own


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of both, those of `above` where they meet."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = merged(below[key], value) if both else value
    return result
