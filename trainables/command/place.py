"""A trial's place: its folder, the words of its commands, and where and how they start.

Joins template, words and working folder. Does not know what a script prints.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from foundation.owned_folder import OwnedFolder, make_owned_folder
from trainables.command import template
from trainables.command.environment import script_environment
from trainables.command.metrics import Metrics
from trainables.command.options import CommandOptions
from trainables.command.probe_options import ProbeOptions
from trainables.command.process import Script, Surroundings
from trainables.command.reader import Poll, nowhere
from trainables.command.words import STEPS, fill
from trainables.command.workdir import NAME, from_workdir, make_workdir

NOT_KEPT = "option logs keeps all of its output"


class TrialPlace:
    """Makes a folder for a trial: below ``logs`` with a name that sorts by time, else a temporary one.

    Args:
        options: The stage's options.

    Attributes:
        folder: The trial's folder.
        words: The words that are replaced in commands; none before ``furnish``.
        more_patch: Keys of the configuration that only a probe patches.

    Raises:
        ValueError: ``logs`` cannot be written.
    """

    def __init__(self, options: CommandOptions) -> None:
        self._options = options
        self._cwd: Path | None = None
        self._owned: OwnedFolder | None = None
        self.words: dict[str, Any] = {}
        self.more_patch: Mapping[str, Any] = {}
        self._more_words: list[str] = []
        if options.logs:
            template.make_logs(options.logs)
            prefix = time.strftime("trial-%Y%m%d-%H%M%S-")
            self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=options.logs)).resolve()
        else:
            self._owned = make_owned_folder(Path(tempfile.gettempdir()), "distill-trial-")
            self.folder = self._owned.path

    def furnish(
        self,
        params: Mapping[str, Any],
        seed: int,
        num_epochs: int,
        num_threads: int,
        *,
        num_steps: int = 0,
    ) -> None:
        """Fills the folder: the trial's configuration, what ``workdir`` names, and ``trial.json``.

        Args:
            params: The parameters of the trial.
            seed: Its seed.
            num_epochs: Epochs of a whole training.
            num_threads: Threads of compute.
            num_steps: Steps of a probe, which is started as its option says; 0 for a whole training.
        """
        probe = ProbeOptions.parse(self._options.probe, config=self._options.config) if num_steps else None
        words: dict[str, Any] = {
            **params,
            "seed": seed,
            "num_epochs": num_epochs,
            "num_samples": self._options.num_samples,
            "num_threads": num_threads,
            "python": sys.executable,
            "dir": str(self.folder),
        }
        if probe:
            words[STEPS] = num_steps
            self._more_words, self.more_patch = probe.args, probe.patch
        if self._options.config:
            copy = template.write_config(self._options, words, self.folder, self.more_patch)
            words["config"] = str(copy)
        if self._options.workdir:
            self._cwd = make_workdir(self._options.workdir, self.folder)
        self.words = words
        told = {"params": dict(params), "seed": seed, "command": self.command}
        (self.folder / "trial.json").write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")

    @property
    def command(self) -> list[str]:
        """The stage's command with its words replaced; see ``filled``."""
        return self.filled([*self._options.command, *self._more_words])

    def filled(self, command: list[str], **more: Any) -> list[str]:
        """Returns a command with its words, and ``more``, replaced, as it starts in the script's folder."""
        filled = [fill(word, self.words | more) for word in command]
        return from_workdir(filled, self._cwd) if self._cwd else filled

    @property
    def where_output_is(self) -> str:
        """Words that say where the script's output is."""
        return f"its output: {self.folder}/output.log" if self._options.logs else NOT_KEPT

    def path(self, text: str, **more: Any) -> Path:
        """Returns the path of a file that a command writes; a relative one is in the folder where it runs."""
        return Path(self._cwd or "", fill(text, self.words | more))

    def start(
        self,
        command: list[str],
        log: str,
        see: Callable[[str, float], Iterable[Metrics]],
        poll: Poll = nowhere,
        num_held: int = 0,
    ) -> Script:
        """Starts a filled command in a session of its own.

        Args:
            command: Program and arguments.
            log: Name of the file in the folder that gets all of its output.
            see: As ``Script`` has it.
            poll: As ``Script`` has it.
            num_held: As ``Script`` has it.
        """
        return Script(
            command,
            self.folder / log,
            see,
            surroundings=Surroundings(
                env=script_environment(self._options, self.words),
                cwd=self._cwd,
                removed_if_killed=self._cwd if self._options.logs else self.folder,
            ),
            grace_s=self._options.grace_s,
            poll=poll,
            num_held=num_held,
        )

    def remove(self) -> None:
        """Removes the folder, unless ``logs`` keeps it; its working folder in any case."""
        if self._owned:
            self._owned.remove()
        else:
            shutil.rmtree(self.folder / NAME, ignore_errors=True)
