"""Deaths and signals: of the driver, a worker, Ray's own processes."""

from __future__ import annotations

import random
import signal
import time

from benchmarks.faults_alone.seen import Seen, watch
from benchmarks.faults_alone.watched import LIMIT_S, Program


def gcs_dies_in_setup() -> Seen:
    """gcs_server is killed while the second trial is set up."""
    with Program(fault="setup hangs").start() as program:
        program.wait_for_note("setup", 2)
        program.kill(program.pid_of("gcs_server"))
        return watch(program)


def raylet_dies() -> Seen:
    """The raylet is killed in mid-trial."""
    with Program().start() as program:
        program.wait_for_note("step", 4)
        program.kill(program.pid_of("raylet"))
        return watch(program)


def worker_dies() -> Seen:
    """A worker is killed in mid-trial, with max_failures=0."""
    with Program(fault="worker dies").start() as program:
        program.wait_for_note("step", 5)
        return watch(program)


def worker_dies_with_retries() -> Seen:
    """The same with max_failures=2, and the trial dies each time."""
    with Program(fault="worker dies", max_failures=2, checkpoint_frequency=0).start() as program:
        program.wait_for_note("step", 5)
        return watch(program)


def sigterm_to_all() -> Seen:
    """SIGTERM to every process of the program at once."""
    return _signalled(signal.SIGTERM, to_all=True)


def sigterm() -> Seen:
    """SIGTERM to the driver alone."""
    return _signalled(signal.SIGTERM)


def sighup() -> Seen:
    """SIGHUP to the driver: its terminal goes away."""
    return _signalled(signal.SIGHUP)


def sighup_under_nohup() -> Seen:
    """The same under nohup."""
    return _signalled(signal.SIGHUP, before=("nohup",))


def _signalled(signum: int, *, to_all: bool = False, before: tuple[str, ...] = ()) -> Seen:
    with Program().start(before=before) as program:
        program.wait_for_note("step", 4)
        for pid in program.pids if to_all else {program.pid}:
            program.kill(pid, signum)
        seen = watch(program)
        time.sleep(3.0)
        left = len(program.pids)
        return watch_restore(program, seen, left_after_3_s=left)


def watch_restore(program: Program, seen: Seen, **more: object) -> Seen:
    """Returns what was seen, and what became of a restore afterwards."""
    program.end()
    if seen.code == 0 or seen.is_waiting:
        return seen.also(**more)
    program.start(restore=True)
    after = watch(program, from_start=True)
    return seen.also(**more, then_restored=str(after))


def driver_dies() -> Seen:
    """SIGKILL of the driver in mid-run, then Tuner.restore."""
    return _signalled(signal.SIGKILL)


def driver_dies_without_checkpoints() -> Seen:
    """The same where trials have no checkpoints."""
    with Program(checkpoint_frequency=0, trials=8).start() as program:
        program.wait_for_note("step", 13)
        program.kill(program.pid)
        return watch_restore(program, watch(program))


def suspended() -> Seen:
    """The driver, then a worker, is suspended (SIGSTOP) for 3 s."""
    with Program().start() as program:
        worker = program.wait_for_note("step", 2)["pid"]
        for pid in (program.pid, worker):
            program.kill(pid, signal.SIGSTOP)
            time.sleep(3.0)
            program.kill(pid, signal.SIGCONT)
        return watch(program)


def two_ctrl_c_while_ray_starts() -> Seen:
    """Ctrl-C twice while ray.init works."""
    with Program().start() as program:
        program.wait_for(lambda: "STARTS" in program.said)
        program.wait_for(lambda: len(program.pids) > 1)
        for _ in range(2):
            program.kill(program.pid, signal.SIGINT)
            time.sleep(0.3)
        return watch(program)


def ctrl_c_before_the_first_trial() -> Seen:
    """Ctrl-C once Ray has started, before the first trial."""
    with Program().start() as program:
        program.wait_for(lambda: "STARTED" in program.said)
        program.kill(program.pid, signal.SIGINT)
        seen = watch(program)
        return seen.also(traceback="Traceback" in program.said)


def ctrl_c() -> Seen:
    """Ctrl-C in mid-trial."""
    return _signalled(signal.SIGINT)


def four_kills_in_a_row() -> Seen:
    """Driver, worker, raylet and gcs_server are killed at random moments, with a restore after each."""
    rng = random.Random(0)
    with Program(trials=12) as undisturbed:
        undisturbed.start()
        watch(undisturbed, 2 * LIMIT_S)
        expected = _configurations(undisturbed)
    with Program(trials=12).start() as program:
        waits_s = []
        for name in ("driver", "worker", "raylet", "gcs_server"):
            steps = sum(note["what"] == "step" for note in program.notes)
            worker = program.wait_for_note("step", steps + rng.randrange(2, 4))["pid"]
            pid = {"driver": program.pid, "worker": worker}.get(name) or program.pid_of(name)
            time.sleep(rng.uniform(0.0, 0.4))
            program.kill(pid)
            if name == "worker":
                continue
            waits_s.append(round(watch(program, 30.0).ended_s))
            program.end()
            program.start(restore=True)
        seen = watch(program, 2 * LIMIT_S)
        found = _configurations(program)
        return seen.also(waits_s=waits_s, same_configurations=found == expected, configurations=len(found))


def _configurations(program: Program) -> list[float]:
    """The values of the trials that ended, in the order in which they began."""
    ended = program.finished
    return list(dict.fromkeys(note["x"] for note in program.notes if note["trial"] in ended))


ALL = (
    gcs_dies_in_setup,
    raylet_dies,
    worker_dies,
    worker_dies_with_retries,
    sigterm_to_all,
    sigterm,
    sighup,
    sighup_under_nohup,
    driver_dies,
    driver_dies_without_checkpoints,
    suspended,
    two_ctrl_c_while_ray_starts,
    ctrl_c_before_the_first_trial,
    ctrl_c,
    four_kills_in_a_row,
)
