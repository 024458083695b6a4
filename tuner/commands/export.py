"""`export RUN --into FILE`: the recommended configuration, written into the user's own YAML."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.whole_file import whole_file
from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.core.parameters import Continuous
from tuner.core.pipeline import PIPELINE_KEYS, SHARED_KEYS
from tuner.errors import TunerError

if TYPE_CHECKING:
    from config_patch import Change
    from tuner.runs.past_run import PastRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name the run, the file, and the keys to write."""
    parser.description = (
        "Write a run's recommended configuration into your own YAML file. Only the values change: comments "
        "and order stay as they are. The command shows the diff and keeps a backup."
    )
    keys = ", ".join(f"{name}={key}" for name, key in PIPELINE_KEYS.items())
    parser.epilog = (
        f"default keys: {keys}. Keys in the study's stage.options.patch override the defaults, and --map "
        "overrides both. exit codes: 0 written (or nothing to change), 2 a mistake or a refusal"
    )
    parser.add_argument("folder", type=user_path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument(
        "--into", type=user_path, required=True, metavar="FILE", help="the YAML file to change"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="write a parameter to this key, such as num_taus=training.taus; num_taus= leaves it out",
    )
    parser.add_argument("--create", action="store_true", help="add keys that the file does not have yet")
    parser.add_argument("--dry-run", action="store_true", help="show the diff and write nothing")
    parser.add_argument(
        "--force", action="store_true", help="export a result that is not certified, or was only simulated"
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Shows the diff and writes the file."""
    from tuner.runs.past_run import read_past_run

    past = read_past_run(args.folder)
    config = _recommended(past, is_forced=args.force)
    keys = _keys(past, args.map)
    if unmapped := [name for name in config if name not in keys]:
        raise TunerError(
            f"{args.folder} recommends {unmapped[0]}={config[unmapped[0]]}, and no key is known for it.",
            f"--map {unmapped[0]}=DOTTED.KEY, or --map {unmapped[0]}= to leave it out.",
        )
    file = args.into.resolve()  # what a link leads to is changed, not the link
    before = _read(file, args.into)
    after, changes = _patched(before, _values(config, keys), file, args)
    for line in _no_effect(past, keys):
        out.say(line)
    if not changes:
        out.say(f"{args.into} has these values already; nothing was written.")
        return 0
    out.say(_diff(before, after, str(args.into)))
    for change in changes:
        out.say(f"{change.key}: {change.was} -> {change.after}")
    for line in _warnings(past, keys, {change.key for change in changes}, before):
        out.say(line)
    if args.dry_run:
        out.say("--dry-run: nothing was written.")
        return 0
    backup = _back_up(file, before)
    _replace(file, after)
    out.say(f"wrote {shown(args.into)}; the backup is {shown(backup)}")
    return 0


def _patched(
    before: str, values: Mapping[str, Any], file: Path, args: argparse.Namespace
) -> tuple[str, list[Change]]:
    """Returns the file's text with the new values, and what has changed.

    Raises:
        TunerError: It cannot be patched, or a file that it includes cannot be read.
    """
    from config_patch import ConfigPatchError, MissingKeyError, included_by, patch

    try:
        return patch(before, values, args.into, can_create=args.create, included=included_by(file))
    except OSError as error:
        what = f"{error.filename}: cannot read it: {error.strerror}."
        raise TunerError(what, f"make it readable: {args.into} includes it.") from error
    except UnicodeDecodeError:
        what = f"{args.into}: a file that it includes is not UTF-8 text."
        raise TunerError(what, "save it as UTF-8.") from None
    except MissingKeyError as error:
        hint = "name the key by --map NAME=DOTTED.KEY, or add it with --create."
        raise TunerError(error.message, hint) from None
    except ConfigPatchError as error:
        raise TunerError(error.message, error.hint) from None


def _recommended(past: PastRun, *, is_forced: bool) -> Mapping[str, Any]:
    """Returns what a run recommends to write, if it may be exported.

    Raises:
        TunerError: There is none, or it has no certificate and is not forced.
    """
    from tuner.report.changes import changes_caution
    from tuner.report.files import result_dict

    result = result_dict(past.result)
    config: Mapping[str, Any] | None = result["exported"]
    if config is None:
        raise TunerError(f"{past.folder}: {result['sentence']}", "export a run that recommends something.")
    doubts = []
    if past.provenance["device"]["kind"] == "simulated":
        doubts.append("it was simulated, nothing was trained")
    if result["status"] != "recommended":
        doubts.append(f"the run is {result['status']}, and what it found so far may not be its answer")
    if accepted := changes_caution(past.provenance):
        doubts.append(accepted.rstrip("."))
    if not result["certified"]:
        doubts.append(_why_not_certified(result))
    if doubts and not is_forced:
        raise TunerError(
            f"{past.folder}: its recommendation is not exported: {'; '.join(doubts)}.",
            "let a run with --certify decide it, or export it all the same with --force.",
        )
    return config


def _no_effect(past: PastRun, keys: Mapping[str, str]) -> list[str]:
    """Returns which parameters are written with the baseline's value, and why."""
    from tuner.report.exported import exported, no_effect_line

    export = exported(past.result)
    return [no_effect_line(one) for one in (export.no_effect if export else ()) if keys[one.name]]


def _warnings(past: PastRun, keys: Mapping[str, str], changed: Collection[str], text: str) -> list[str]:
    """Returns a warning for each key whose change may touch more than the stage, or changes nothing there.

    Such a key is the whole pipeline's, or the file's text refers to it elsewhere, as `${training.batch}`.
    """
    from tuner.report.exported import exported

    export = exported(past.result)
    needless = {one.name for one in (export.no_effect if export else ())}
    found = []
    for name, key in keys.items():
        if key not in changed:
            continue
        if name in needless:
            found.append(
                f"warning: {key} is changed, although {name} had no measurable effect here; other stages may "
                f"read this key. Fix: leave it as it is with --map {name}="
            )
        elif key in SHARED_KEYS or f"${{{key}}}" in text:
            found.append(
                f"warning: {key} is changed, and other stages may read this key. Fix: if they do, give this "
                f"stage a key of its own, with --map {name}=KEY"
            )
    return found


def _why_not_certified(result: Mapping[str, Any]) -> str:
    if certificate := result["certificate"]:
        return str(certificate["sentence"]).rstrip(".")
    if other := result["certificate_of_another"]:
        config = " ".join(f"{name}={value}" for name, value in other["config"].items())
        return f"it has no certificate: the pairs were run for {config}"
    return "no certificate was asked for"


def _keys(past: PastRun, mapped: Sequence[str]) -> dict[str, str]:
    """Returns the key of each parameter in the file; an empty key leaves it out."""
    keys = dict(PIPELINE_KEYS)
    options = past.study.stage.options
    patched = options.get("patch")
    if "command" in options or isinstance(patched, Mapping):
        varied = {p.name for p in past.study.parameters if isinstance(p, Continuous) or len(p.values) > 1}
        keys |= dict.fromkeys(keys.keys() - varied, "")  # the script ran with the file's own value
    if isinstance(patched, Mapping):
        keys |= {_word(str(text)): str(key) for key, text in patched.items()}
    for text in mapped:
        name, equals, key = text.partition("=")
        names = [parameter.name for parameter in past.study.parameters] + ["accum_steps"]
        if not equals or name not in names:
            listed = ", ".join(dict.fromkeys(names))
            raise TunerError(
                f"--map {text}: it is not of the form NAME=KEY with one of {listed}.",
                "write for example --map num_taus=training.distill_num_taus.",
            )
        keys[name] = key
    return keys


def _word(text: str) -> str:
    """Returns the parameter that a value of `patch` stands for: `num_taus`, also written as `{num_taus}`."""
    return text[1:-1] if text[:1] == "{" and text[-1:] == "}" else text


def _values(config: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """Returns the new value of each key of the file."""
    values: dict[str, Any] = {}
    for name, value in config.items():
        key = keys[name]
        if key in values:
            raise TunerError(f"{key} would get two values, {name}'s among them.", f"correct --map {name}=.")
        if key:
            values[key] = value
    return values


def _read(file: Path, label: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except UnicodeDecodeError:
        raise TunerError(f"{label}: the file is not UTF-8 text.", "save it as UTF-8.") from None
    except OSError as error:
        raise TunerError(f"{label}: cannot read it: {error.strerror}.", "name your own YAML.") from error


def _diff(before: str, after: str, label: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{label} (before)", f"{label} (after)", lineterm=""
    )
    return "\n".join(lines)


def _back_up(file: Path, text: str) -> Path:
    """Keeps what the file was beside it, under the first of `.bak`, `.bak2`, ... that is free."""
    for number in count(1):
        backup = file.with_name(f"{file.name}.bak{number if number > 1 else ''}")
        try:
            with backup.open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise _unwritable(backup, error) from error
        backup.chmod(file.stat().st_mode & 0o777)
        return backup
    raise AssertionError  # count() has no end


def _replace(file: Path, text: str) -> None:
    """Writes the whole file or nothing, with the permissions it has."""
    try:
        with whole_file(file) as draft:
            draft.write_text(text, encoding="utf-8", newline="")
            draft.chmod(file.stat().st_mode & 0o777)
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> TunerError:
    return TunerError(
        f"{file}: cannot write it: {error.strerror}; nothing was changed.", "make its folder writable."
    )
