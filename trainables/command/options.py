"""The options of a command stage, checked as far as they can be without starting anything.

Knows what each option means. Does not know how a script is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from foundation import quality_name
from trainables.command.ending import VARIABLE
from trainables.command.keys import CLOCKS, check_groups, check_keys
from trainables.command.metrics_place import SOURCES, WRITTEN_LATE, check_place, file_of, format_of
from trainables.command.mistakes import are_words, mistake, no_words
from trainables.command.paths import at_home, command_at_home
from trainables.command.probe_options import ProbeOptions
from trainables.command.words import EPOCH, names_in

DEVICES = ("auto", "cpu", "cuda")
_OURS = ("CUDA_VISIBLE_DEVICES", VARIABLE)
"""Environment variables that are not the user's to set: the card is the one that is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """The options that say how to run a script.

    Words in braces are replaced: parameters, ``{seed}``, ``{num_epochs}``, ``{num_samples}``,
    ``{num_threads}``, ``{python}``, ``{dir}`` (the trial's folder) and ``{config}`` (the trial's copy of
    the configuration). ``{{seed}}`` is the text ``{seed}``. A path may begin with ``~``, the home folder.

    Attributes:
        command: The program and its arguments, as a list of words; no shell reads it.
        num_samples: Training samples of the study, which the template may use.
        config: A YAML, JSON or TOML file, copied for each trial to ``{config}``, byte for byte but for
            ``patch``.
        patch: Dotted keys of ``config``, and the parameter (or other word) whose value each gets; or a text
            with words in braces, such as ``"{dir}/log.jsonl"``.
        constants: Dotted keys of ``config``, and the value that each gets in every trial: a number, a text,
            true, false or null.
        create: Whether keys of ``patch`` and ``constants`` that the file lacks are added to it.
        source: Where metrics are: ``json`` objects (or Python dicts) in lines of output, a ``regex`` on
            them, a ``file`` that the script writes, the scalars of ``tensorboard`` event files, or the
            history of a ``wandb`` run, offline. A file is followed while the script runs.
        pattern: The regex; its named groups are metrics.
        file: The metrics file, or the folder of TensorBoard or W&B (by default the script's WANDB_DIR, which
            is ``{dir}`` unless ``env`` sets it); may contain words in braces.
        file_format: ``json`` (a document, written anew), ``jsonl`` (a line an object) or ``csv`` (with a
            header); if empty, the suffix of ``file`` tells.
        keys: Our names (nrmse, loss, time_s, time_per_epoch, peak_memory_gib, epoch) to the script's; dotted
            where it nests objects, or an expression such as ``rmse / target_rms`` (see ``keys``). time_s is
            cumulative, time_per_epoch is not.
            ``epoch: ""`` says that lines are counted, whatever they say.
        infeasible_if: Regexes; a line of output that one of them matches makes the trial infeasible.
        start: A regex on a line that says training begins: what is before it is warm-up.
        per_epoch: False if the script reports once, at its end, for the whole budget.
        workdir: ``{copy: [...], link: [...]}``: the script runs in a folder of the trial's own, with copies
            of and links to these files and folders, named relative to where the tuner was started. The
            folder is removed when the trial ends. Without it the script runs where the tuner does.
        evaluate: A second command, whose JSON says the NRMSE. It is run once when the script has ended well,
            or with the word ``{epoch}`` after each epoch, on the checkpoint of that epoch; the script is
            suspended meanwhile. Its time is none of training.
        evaluate_file: The JSON file that it writes; without it, it prints the JSON.
        evaluate_start: A command that computes the NRMSE of the untrained start, and says it as ``evaluate``
            does. Run once, for the baseline, before its script starts.
        logs: Folder in which every trial's folder is kept; if empty, a trial's folder is a temporary
            one, removed when the trial ends.
        grace_s: Seconds between SIGTERM and SIGKILL.
        device: What the script computes on, and is measured on: ``cuda``, ``cpu``, or ``auto``, which is the
            card where one is visible.
        quality_metric: The study's own quality figure, which ``keys`` and messages call by its name; it is
            read as the NRMSE of other studies is. The study's key ``metric`` sets it.
        env: Environment variables of the script, such as ``OMP_NUM_THREADS: "{num_threads}"``.
        probe: How to start the script for a few steps only; see ``probe_options``.

    Raises:
        ValueError: A value makes no sense; the message names option, value and fix.
    """

    command: list[str]
    num_samples: int = 0
    config: str = ""
    patch: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    create: bool = False
    source: str = "json"
    pattern: str = ""
    file: str = ""
    file_format: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    infeasible_if: list[str] = field(default_factory=list)
    start: str = ""
    per_epoch: bool = True
    workdir: Mapping[str, list[str]] = field(default_factory=dict)
    evaluate: list[str] = field(default_factory=list)
    evaluate_file: str = ""
    evaluate_start: list[str] = field(default_factory=list)
    logs: str = ""
    grace_s: float = 5.0
    device: str = "auto"
    env: Mapping[str, str | int | float] = field(default_factory=dict)
    quality_metric: str = quality_name.DEFAULT
    probe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_types()
        if self.source not in SOURCES:
            raise mistake("source", self.source, f"use one of {', '.join(SOURCES)}")
        self._check_env()
        check_place(self.source, self.file, self.file_format, self.env)
        if self.device not in DEVICES:
            raise mistake("device", self.device, f"use one of {', '.join(DEVICES)}")
        self._check_config()
        self._check_evaluate()
        _check_workdir(self.workdir)
        check_keys(self.keys, self.word)
        self._check_regexes()
        ProbeOptions.parse(self.probe, config=self.config)

    def _check_types(self) -> None:
        if not (are_words(self.command) and self.command):
            raise no_words("command", self.command, "['{python}', 'train.py']")
        if not are_words(self.infeasible_if):
            raise mistake("infeasible_if", self.infeasible_if, "write a list of texts, such as ['diverged']")
        for name in ("config", "source", "pattern", "file", "file_format", "start", "logs", "evaluate_file"):
            if not isinstance(getattr(self, name), str):
                raise mistake(name, getattr(self, name), "write text, in quotes where YAML needs them")
        for name in ("patch", "keys"):
            value = getattr(self, name)
            if not (isinstance(value, Mapping) and are_words([*value, *value.values()])):
                raise mistake(name, value, "map names to names, such as {a: b}")
        self._check_constants()
        for name in ("per_epoch", "create"):
            if not isinstance(getattr(self, name), bool):
                raise mistake(name, getattr(self, name), "write true or false")
        if isinstance(self.grace_s, bool) or not isinstance(self.grace_s, int | float) or self.grace_s < 0:
            raise mistake("grace_s", self.grace_s, "write seconds, such as 5")

    def _check_constants(self) -> None:
        if not (isinstance(self.constants, Mapping) and are_words(list(self.constants))):
            raise mistake("constants", self.constants, "map names to values, such as {train.compile: false}")
        for key, value in self.constants.items():
            if not isinstance(value, str | int | float | bool | None):
                fix = "write a number, a text, true, false or null; name an entry of a list by its index"
                raise mistake("constants", {key: value}, fix)
            if key in self.patch:
                raise mistake("constants", key, "name the key here or in patch, not in both")

    @property
    def format_of_file(self) -> str:
        """Returns the format of the metrics file, which its suffix tells unless ``file_format`` does."""
        return format_of(self.file, self.file_format)

    def _check_env(self) -> None:
        if not isinstance(self.env, Mapping):
            raise mistake("env", self.env, "map names to text, such as {OMP_NUM_THREADS: '{num_threads}'}")
        for name, text in self.env.items():
            if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w*", name)):
                raise mistake("env", name, "use a name of letters, digits and _")
            if isinstance(text, bool) or not isinstance(text, str | int | float):
                raise mistake(f"env.{name}", text, "write text, in quotes where YAML needs them")
            if name in _OURS:
                raise mistake("env", name, "leave it out: it is set for every trial")

    def _check_evaluate(self) -> None:
        for name in ("evaluate", "evaluate_start"):
            if not are_words(getattr(self, name)):
                raise no_words(name, getattr(self, name), "['{python}', 'evaluate.py']")
        if self.evaluate and self.per_epoch:
            self._check_evaluation_of_epochs()
        if self.evaluate_file and not self.evaluate:
            raise mistake("evaluate_file", self.evaluate_file, "name the command that writes it in evaluate")

    def _check_evaluation_of_epochs(self) -> None:
        if not any(EPOCH in names_in(text) for text in (*self.evaluate, self.evaluate_file)):
            fix = "write per_epoch: false; evaluate runs once, at the end"
            raise mistake("per_epoch", True, f"{fix}. Or give it the word {{epoch}}, to run after each epoch")
        for clock in CLOCKS:
            if self.keys.get(clock):
                fix = (
                    "leave it out: the script is suspended while an epoch is evaluated, and its clock is not"
                )
                raise mistake(f"keys.{clock}", self.keys[clock], fix)
        if self.source in WRITTEN_LATE:
            fix = "have the script print a line per epoch: events are written too late to suspend it there"
            raise mistake("source", self.source, fix)

    @property
    def is_evaluated_by_epoch(self) -> bool:
        """Whether ``evaluate`` runs after each epoch."""
        return bool(self.evaluate) and self.per_epoch

    def word(self, ours: str) -> str:
        """Returns a name of ours as the study calls it, whose quality figure need not be the NRMSE."""
        return self.quality_metric if ours == quality_name.DEFAULT else ours

    @property
    def quality(self) -> str:
        """The quality figure in sentences."""
        return quality_name.label(self.quality_metric)

    @property
    def is_clock_added_up(self) -> bool:
        """Whether a script that reports once, at its end, says the seconds of each of its epochs before."""
        return not self.per_epoch and bool(self.keys.get("time_per_epoch"))

    @property
    def training_keys(self) -> Mapping[str, str]:
        """The names of what the script itself says: no NRMSE if ``evaluate`` says that."""
        return {**self.keys, "nrmse": ""} if self.evaluate else self.keys

    def _check_config(self) -> None:
        if (self.patch or self.constants) and not self.config:
            raise mistake("config", self.config, "name the YAML, JSON or TOML file to patch")
        texts = [*self.command, *self.evaluate, *self.evaluate_start, *map(str, self.env.values())]
        in_command = {name for text in texts for name in names_in(text)}
        if not self.config and "config" in in_command.union(names_in(self.file)):
            raise mistake("config", self.config, "name the file that {config} copies, or remove that word")
        if self.config and in_command.isdisjoint({"config", "dir"}):
            fix = "write {config} into command, so that the script reads its copy and not the original"
            raise mistake("config", self.config, fix)

    def _check_regexes(self) -> None:
        regexes = [("pattern", self.pattern), ("start", self.start)]
        regexes += [("infeasible_if", regex) for regex in self.infeasible_if]
        for name, regex in regexes:
            try:
                re.compile(regex)
            except re.error as error:
                raise mistake(name, regex, f"correct the regex ({error})") from error
        for regex in self.infeasible_if:
            if re.search(regex, ""):
                fix = "write a regex that does not match an empty line, or every trial is infeasible"
                raise mistake("infeasible_if", regex, fix)
        if self.source == "regex":
            check_groups(self.training_keys, self.pattern)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Reads the options of a study, ``~`` as the home folder; ValueError names the key and the fix."""
        known = [f.name for f in fields(cls) if f.name != quality_name.STAGE_OPTION]
        for key in raw:
            if key not in (*known, quality_name.STAGE_OPTION):
                raise ValueError(f"unknown stage option {key!r}. Fix: use one of {', '.join(known)}.")
        names = ("config", "file", "logs", "evaluate_file")
        if raw.get("file", "") == "":
            raw = {**raw, "file": file_of(raw.get("source"), raw.get("env"))}
        paths = {name: at_home(name, raw[name]) for name in names if name in raw}
        given = [name for name in ("command", "evaluate", "evaluate_start") if name in raw]
        commands = {name: command_at_home(raw[name]) for name in given}
        return cls(**{**raw, **paths, "command": [], **commands, **_keys_of(raw)})


def _keys_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns option ``keys`` with nrmse as the word for the study's own quality figure, if it has one."""
    own, keys = raw.get(quality_name.STAGE_OPTION), raw.get("keys", {})
    if own is None or not isinstance(keys, Mapping):
        return {}
    if quality_name.DEFAULT in keys:
        raise mistake("keys", quality_name.DEFAULT, f"write {own}, as the study calls its quality figure")
    rest = {ours: theirs for ours, theirs in keys.items() if ours != own}
    return {"keys": {quality_name.DEFAULT: keys.get(own, own), **rest}}


def _check_workdir(workdir: object) -> None:
    """Raises ValueError unless it is {copy: [...], link: [...]} of relative paths, none within another."""
    if not (isinstance(workdir, Mapping) and all(map(are_words, workdir.values()))):
        raise mistake("workdir", workdir, "write {copy: [...]} with the paths that each trial gets a copy of")
    for name in workdir:
        if name not in ("copy", "link"):
            raise mistake("workdir", name, "use copy or link")
    paths = [path for listed in workdir.values() for path in listed]
    for path in paths:
        if not Path(path).parts or Path(path).is_absolute() or ".." in Path(path).parts or path[0] == "~":
            fix = "name a file or folder below the one in which the tuner is started, by its relative path"
            raise mistake("workdir", path, fix)
        if [other for other in paths if Path(path) in (Path(other), *Path(other).parents)] != [path]:
            raise mistake("workdir", path, "name it once, and nothing within it")
