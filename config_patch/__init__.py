"""Replaces values in a configuration file in place; the rest of the text stays the same, byte for byte.

Both `export` of the tuner and the command stage use this package. They may not know each other, so it imports
neither. It knows text, YAML, JSON and TOML, and which files a file includes. It writes no file, and knows no
study.
"""

from config_patch.errors import ConfigPatchError, MissingKeyError
from config_patch.includes import included_by
from config_patch.patch import Change, patch

__all__ = ["Change", "ConfigPatchError", "MissingKeyError", "included_by", "patch"]
