"""Where the program runs: temporary folders, clusters, packages, the clock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.faults_alone.seen import Seen, watch
from benchmarks.faults_alone.watched import STARTS_S, Program
from trainables.command import ending


def no_cluster_at_the_address() -> Seen:
    """ray.init is given an address where no cluster is."""
    with Program() as program:
        program.start(init={"address": f"127.0.0.1:{_free_port()}"})
        return watch(program, from_start=True)


def wrong_token() -> Seen:
    """ray.init joins a cluster with a token that is not the cluster's."""
    with Program() as program:
        port = _free_port()
        ray = Path(sys.executable).with_name("ray")
        words = [str(ray), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
        words += ["--include-dashboard=false", "--num-cpus=1", "--disable-usage-stats"]
        words += [f"--temp-dir={program.folder / 'r'}"]
        env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32, ending.VARIABLE: program.mark}
        with (program.folder / "head.txt").open("w") as output:
            head = subprocess.Popen(  # noqa: S603  # Ray's own command
                words, env=os.environ | env, stdout=output, stderr=output, start_new_session=True
            )
        try:
            deadline = time.monotonic() + STARTS_S
            while "Ray runtime started" not in (program.folder / "head.txt").read_text():
                if time.monotonic() > deadline or head.poll() is not None:
                    raise RuntimeError("the head node did not start")
                time.sleep(0.2)
            program.start(
                init={"address": f"127.0.0.1:{port}"},
                env={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "b" * 32},
            )
            return watch(program, from_start=True)
        finally:
            head.terminate()
            head.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def temporary_folder_is_deep() -> Seen:
    """TMPDIR is too long for Ray's sockets."""
    with Program() as program:
        deep = program.folder / ("d" * 60) / ("e" * 60)
        deep.mkdir(parents=True)
        init = {key: value for key, value in program.options["init"].items() if key != "_temp_dir"}
        program.start(init=init | {"_temp_dir": str(deep)}, env={"TMPDIR": str(deep)})
        return watch(program, from_start=True)


def clock_is_set_back() -> Seen:
    """The clock is set back by an hour after the first step, with a time_budget_s of 8."""
    with Program(fault="clock is set back", time_budget_s=8, trials=200).start() as program:
        program.wait_for(lambda: "SET BACK" in program.said)
        return watch(program, 60.0)


def wandb_is_not_installed() -> Seen:
    """Results are wanted in W&B, which is not installed."""
    with Program(wandb=True) as program:
        (program.folder / "wandb.py").write_text("raise ImportError('No module named wandb')\n")
        program.start(env={"PYTHONPATH": str(program.folder)})
        return watch(program, from_start=True)


def home_in_a_path() -> Seen:
    """storage_path begins with `~`."""
    with Program(storage="~/results").start() as program:
        seen = watch(program, from_start=True)
        return seen.also(below_home=(program.folder / "home/results/alone").is_dir())


def thousands_of_choices() -> Seen:
    """A parameter has 50,000 values."""
    with Program(choices=50_000, trials=12, steps=1, step_s=0.0).start() as program:
        program.wait_for_note("end")
        begun = time.monotonic()
        seen = watch(program)
        return seen.also(seconds_for_11_trials=round(time.monotonic() - begun, 1))


ALL = (
    no_cluster_at_the_address,
    wrong_token,
    temporary_folder_is_deep,
    clock_is_set_back,
    wandb_is_not_installed,
    home_in_a_path,
    thousands_of_choices,
)
