"""CommandStage: any existing training script as a stage, without a change to it.

Knows how to start a program, read metrics from what it prints or writes, and end it with all its
descendants. Does not know what it trains. Not resumable: a lost trial is asked again from the start.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml

from trainables.base import MeasuredTrainable
from trainables.trial import EpochCounts

_OOM = re.compile(r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError|^Killed\b", re.M)
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_SOURCES = ("json", "regex", "file")
_TAIL_LINES = 20

# Outlives this process when that is killed, and then ends the script's group; a byte dismisses it.
_GUARD = """
import os, signal, sys, time
group, grace_s = int(sys.argv[1]), float(sys.argv[2])
if not sys.stdin.buffer.read(1):
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, signum)
        except ProcessLookupError:
            break
        time.sleep(grace_s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """How to run a script.

    Words in braces are replaced: parameters, ``{seed}``, ``{num_epochs}``, ``{num_samples}``,
    ``{num_threads}``, ``{python}``, ``{dir}`` (the trial's folder) and ``{config}``.

    Attributes:
        command: The program and its arguments, as a list of words; no shell reads it.
        num_samples: As the study says; for the template.
        config: A YAML or JSON file, copied for each trial to ``{config}``.
        patch: Dotted keys of ``config``, and the parameter (or other word) whose value each gets.
        source: Where metrics are: ``json`` lines in the output, a ``regex`` on them, or a JSON ``file``
            (the last line counts) that is read when the script has ended.
        pattern: The regex; its named groups are metrics.
        file: The metrics file; may contain words in braces.
        keys: Our names (nrmse, loss, time_s, peak_memory_gib) to the script's. time_s is cumulative.
        start: A regex on a line that says training begins: what is before it is warm-up.
        per_epoch: False: the script reports once, at its end, for the whole budget.
        logs: Folder for the trials' output; empty: one below the temporary folder.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    command: list[str]
    num_samples: int = 0
    config: str = ""
    patch: Mapping[str, str] = field(default_factory=dict)
    source: str = "json"
    pattern: str = ""
    file: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    per_epoch: bool = True
    logs: str = ""
    grace_s: float = 5.0

    def __post_init__(self) -> None:
        words = isinstance(self.command, list) and all(isinstance(w, str) for w in self.command)
        if not (words and self.command):
            raise _mistake("command", self.command, "write a list of words, such as ['{python}', 'train.py']")
        if self.source not in _SOURCES:
            raise _mistake("source", self.source, f"use one of {', '.join(_SOURCES)}")
        if self.source == "regex" and not self.pattern:
            raise _mistake("pattern", self.pattern, "give the regex with a group named nrmse")
        if self.source == "file" and not self.file:
            raise _mistake("file", self.file, "name the metrics file, such as '{dir}/metrics.json'")
        if self.source == "file" and self.per_epoch:
            raise _mistake("per_epoch", True, "write per_epoch: false; a file is read at the end")
        if self.patch and not self.config:
            raise _mistake("config", self.config, "name the YAML or JSON file to patch")
        if isinstance(self.grace_s, bool) or not isinstance(self.grace_s, int | float) or self.grace_s < 0:
            raise _mistake("grace_s", self.grace_s, "write seconds, such as 5")
        for name in ("pattern", "start"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise _mistake(name, getattr(self, name), f"correct the regex ({error})") from error

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Reads the options of a study; ValueError names the key and the fix."""
        known = [f.name for f in fields(cls)]
        for key in raw:
            if key not in known:
                raise ValueError(f"unknown stage option {key!r}. Fix: known are {', '.join(known)}.")
        return cls(**{"command": [], **raw})


class CommandStage(MeasuredTrainable):
    """Runs a script; each line with an ``nrmse`` is an epoch, unless ``per_epoch`` is off.

    ``time_s`` is the script's own when ``keys`` maps it, else wall time between the lines as they arrive;
    the first epoch starts at the ``start`` line, or without one when the process does.
    """

    resumable: ClassVar[bool] = False

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Fills the template and starts the script in a process group of its own."""
        self._process: subprocess.Popen[str] | None = None
        self._options = CommandOptions.parse(options)
        self._own_time_s = self._own_peak_gib = 0.0
        if self._options.logs:
            Path(self._options.logs).mkdir(parents=True, exist_ok=True)
        self._dir = Path(tempfile.mkdtemp(prefix="trial-", dir=self._options.logs or None))
        words = {
            **params,
            "seed": seed,
            "num_epochs": self.num_epochs,
            "num_samples": self._options.num_samples,
            "num_threads": self._spec.num_threads,
            "python": sys.executable,
            "dir": str(self._dir),
        }
        if self._options.config:
            words["config"] = str(write_config(self._options, words, self._dir))
        self._file = fill(self._options.file, words)
        self._launch([fill(word, words) for word in self._options.command])

    def _launch(self, command: list[str]) -> None:
        self.log = self._dir / "output.log"
        threads = str(self._spec.num_threads)
        self._log = self.log.open("w", encoding="utf-8")
        self._began = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"},
        )
        guard = [sys.executable, "-S", "-c", _GUARD, str(self._process.pid), str(self._options.grace_s)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    def warm_up(self) -> None:
        """Waits for the ``start`` line, if the script prints one."""
        while self._options.start:
            line = self._read_line()
            if not line:
                self._require_success()
                raise RuntimeError(f"no line matched start={self._options.start!r}; output: {self.log}")
            if re.search(self._options.start, line):
                self._began = time.perf_counter()
                return

    def train_epoch(self, epoch: int) -> EpochCounts:
        """Reads until the next metrics, or to the end of the script when it reports only then."""
        found = self._read_metrics()
        if found is None:
            raise RuntimeError(f"the script ended without a metric nrmse; output: {self.log}\n{self._tail()}")
        if not self._options.per_epoch:
            self._epoch = self.num_epochs
        if self._epoch == self.num_epochs:
            self._drain()
        self._nrmse = found["nrmse"]
        before = self._own_time_s
        self._own_time_s = found.get("time_s", self._marked_s)
        self._own_epoch_time_s = self._own_time_s - before
        self._own_peak_gib = max(self._own_peak_gib, found.get("peak_memory_gib", 0.0))
        return EpochCounts(loss=found.get("loss", 0.0))

    def evaluate(self) -> dict[str, float]:
        """What the script reported."""
        return {"nrmse": self._nrmse}

    def step(self) -> dict[str, Any]:
        """One report, with the script's clock and memory instead of this process's."""
        result = super().step()
        own = {"time_s": self._own_time_s, "cpu_time_s": 0.0, "peak_memory_gib": self._own_peak_gib}
        if result["status"] == "ok":
            own["epoch_time_s"] = self._own_epoch_time_s
        return result | own

    def state_dict(self) -> dict[str, Any]:
        """Refuses: a script cannot be resumed."""
        raise RuntimeError("a CommandStage cannot be checkpointed. Fix: ask its trial again.")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuses, as ``state_dict`` does."""
        raise RuntimeError("a CommandStage cannot be resumed. Fix: ask its trial again.")

    def release(self) -> None:
        """Ends the script and all of its process group; its output stays."""
        process = getattr(self, "_process", None)
        if process is None:
            return
        self._process = None
        end_group(process, self._options.grace_s)
        with suppress(BrokenPipeError):
            self._guard.communicate(b"x")
        assert process.stdout is not None
        process.stdout.close()
        self._log.close()

    def _read_metrics(self) -> dict[str, float] | None:
        """The next metrics with an nrmse; the last ones when there is one report only."""
        found = None
        while line := self._read_line():
            metrics = parse_line(line, self._options)
            if "nrmse" in metrics:
                found, self._marked_s = metrics, time.perf_counter() - self._began
                if self._options.per_epoch:
                    return found
        self._require_success()
        if self._options.source == "file":
            self._marked_s = time.perf_counter() - self._began
            lines = Path(self._file).read_text(encoding="utf-8").strip().splitlines()
            found = _numbers(json.loads(lines[-1]), self._options.keys)
        return found if found and "nrmse" in found else None

    def _drain(self) -> None:
        """Reads what the script prints after its last epoch, and asks how it ended."""
        while self._read_line():
            pass
        self._require_success()

    def _read_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._log.write(line)
        self._log.flush()
        return line

    def _require_success(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        text = self.log.read_text(encoding="utf-8")
        if code and (code in _KILLED or _OOM.search(text)):
            raise MemoryError(f"the script ran out of memory (exit {code}); its output: {self.log}")
        if code:
            raise RuntimeError(f"the script failed with exit {code}; its output: {self.log}\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-_TAIL_LINES:])


def fill(text: str, words: Mapping[str, Any]) -> str:
    """Replaces ``{name}`` where the name is known; ValueError for one that is not."""

    def replace(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise ValueError(f"no word {match[0]} for {text!r}. Fix: use one of {', '.join(words)}.")
        return str(words[match[1]])

    return re.sub(r"\{([A-Za-z_]\w*)\}", replace, text)


def write_config(options: CommandOptions, words: Mapping[str, Any], folder: Path) -> Path:
    """Writes the trial's copy of the script's YAML or JSON (which is YAML too), patched."""
    source = Path(options.config)
    values = yaml.safe_load(source.read_text(encoding="utf-8"))
    for dotted, word in options.patch.items():
        *path, last = dotted.split(".")
        node = values
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise _mistake("patch", dotted, f"{source} has no such key: correct it, or add it there")
        if word not in words:
            raise _mistake("patch", word, f"use one of {', '.join(words)}")
        node[last] = words[word]
    path_of_copy = folder / source.name
    dump = json.dumps(values) if source.suffix == ".json" else yaml.safe_dump(values, sort_keys=False)
    path_of_copy.write_text(dump, encoding="utf-8")
    return path_of_copy


def parse_line(line: str, options: CommandOptions) -> dict[str, float]:
    """Metrics of one line of output, under our names; empty when there are none."""
    values: Any = None
    if options.source == "regex" and (match := re.search(options.pattern, line)):
        values = match.groupdict()
    elif options.source == "json" and line.lstrip().startswith("{"):
        with suppress(json.JSONDecodeError):
            values = json.loads(line)
    return _numbers(values, options.keys) if isinstance(values, dict) else {}


def end_group(process: subprocess.Popen[str], grace_s: float) -> None:
    """SIGTERM, grace, SIGKILL to the whole group; returns when the script is reaped."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _numbers(values: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, float]:
    names = {name: keys.get(name, name) for name in ("nrmse", "loss", "peak_memory_gib")}
    names |= {"time_s": keys["time_s"]} if "time_s" in keys else {}
    given = {ours: values.get(theirs) for ours, theirs in names.items()}
    return {name: float(value) for name, value in given.items() if value is not None}


def _mistake(name: str, value: object, fix: str) -> ValueError:
    return ValueError(f"stage option {name}={value!r} makes no sense. Fix: {fix}.")
