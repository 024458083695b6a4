"""The driver's end of W&B's own process; see `wandb_writer` for the other.

W&B's Python would take the driver's interpreter from it, some 25 ms a trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

from tuner.sinks import wandb_writer
from tuner.sinks.contract import ElsewhereError


class WandbProcess:
    """Starts it, with the priority of the thread that does; it ends when the driver does.

    It hears no signal that is sent to the driver's process group: the driver decides what follows.

    Attributes:
        notice: What it wants people to know.
        pid: Its own.
    """

    def __init__(self) -> None:
        self.notice = ""
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter, with a script of ours
            [sys.executable, "-P", wandb_writer.__file__],  # else the script's folder is searched first
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def call(self, name: str, *args: Any) -> None:
        """Calls a method of `Writer` there, with plain JSON values, and waits for it.

        Raises:
            ElsewhereError: It raised.
            ChildProcessError: The process is gone.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print(json.dumps([name, *args]), file=stdin)
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ChildProcessError(f"its process ended with {self._process.wait()}")
        said = json.loads(line)
        self.notice = said["notice"]
        if "error" in said:
            error = ElsewhereError(said["error"], said["message"])
            error.add_note(said["traceback"])
            raise error

    def end(self) -> None:
        """Lets it end; nobody has to wait for that, since what it was told is done."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it was gone before it had read the last line
                pipe.close()
