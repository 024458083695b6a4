"""Writes W&B's runs as standard input says: a script, whose process imports W&B and nothing of the tuner.

A line in is a JSON list, the name of a method of `Writer` and its arguments. The line out, a JSON object,
says what became of it: `notice`, and of an exception `error` (its type), `message` and `traceback`. It ends
with its input. See `wandb_process` for the other end.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

INIT_TIMEOUT_S, FINISH_TIMEOUT_S = 12.0, 10.0
"""How long W&B may wait for its server; what was not sent then stays on disk."""


def run_id(folder: Path, name: str) -> str:
    """Unique in a project, of a run's folder and one of its trials; W&B takes 128 characters."""
    return f"{folder.name[-100:]}-{name}"


class Writer:
    """The runs of W&B that are open, by their names; all share W&B's one service.

    Attributes:
        notice: A line for people, when there is one.
    """

    notice = ""

    def start(self, mode: str, project: str, folder: str) -> None:
        """Imports W&B.

        Its reports of its own errors and use are off unless the environment says otherwise: they are sent
        offline too, and where nothing answers they hold the end of the process (measured with 0.31: 22 s).

        Args:
            mode: `online` or `offline`.
            project: W&B's.
            folder: Of the tuner's run, whose name groups the runs of W&B; its `wandb/` has their files.

        Raises:
            ImportError: It is not installed.
        """
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its settings have no name for it
        import wandb

        self._wandb = wandb
        self._mode, self._project, self._folder = mode, project, Path(folder)
        self._has_begun = False
        self._runs: dict[str, Any] = {}
        self._settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            init_timeout=INIT_TIMEOUT_S,
            finish_timeout=FINISH_TIMEOUT_S,
            x_disable_stats=True,  # of this process; what the trials' workers measured is logged
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        wandb.setup(self._settings)

    def open(self, name: str, job_type: str, config: Mapping[str, Any]) -> None:
        """A new run; all are offline when the server does not answer to the first."""
        try:
            run = self._init(name, job_type, config)
        except self._wandb.Error as error:
            if self._mode == "offline" or self._has_begun:
                raise
            self._mode = "offline"
            self._wandb.teardown()  # its service keeps the id in use otherwise
            line = str(error).splitlines()[0]
            self.notice = f"offline from here on, `wandb sync` sends it later: {line}"
            run = self._init(name, job_type, config)
        self._has_begun = True
        self._runs[name] = run

    def log(self, name: str, figures: Mapping[str, float], epoch: int) -> None:
        """The figures of an epoch."""
        self._runs[name].log(figures, step=epoch)

    def close(
        self,
        name: str,
        exit_code: int,
        summary: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> None:
        """Ends a run; of the folder, those of the files that exist become its artifact."""
        run = self._runs.pop(name)
        run.summary.update(summary or {})
        if tags:
            run.tags = tuple(tags)
        if files:
            artifact = self._wandb.Artifact(run_id(self._folder, name), type=name)
            for path in filter(Path.is_file, map(self._folder.joinpath, files)):
                artifact.add_file(str(path), policy="immutable", skip_cache=True)
            run.log_artifact(artifact)
        run.finish(exit_code=exit_code)

    def finish(self) -> None:
        """Ends W&B's service, which then has written everything."""
        self._wandb.teardown()

    def _init(self, name: str, job_type: str, config: Mapping[str, Any]) -> Any:
        return self._wandb.init(
            project=self._project,
            group=self._folder.name,
            job_type=job_type,
            id=run_id(self._folder, name),
            name=name,
            config=dict(config),
            dir=str(self._folder),
            mode=cast('Literal["online", "offline"]', self._mode),
            reinit="create_new",
            settings=self._settings,
        )


def main() -> None:
    """Does what it is told until nobody is there to tell it."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what W&B prints is no reply
    writer = Writer()
    for line in sys.stdin:
        name, *args = json.loads(line)
        said: dict[str, str] = {}
        try:
            getattr(writer, name)(*args)
        except (Exception, SystemExit) as error:
            said = {
                "error": type(error).__name__,
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
        try:
            print(json.dumps({"notice": writer.notice} | said), file=replies)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
