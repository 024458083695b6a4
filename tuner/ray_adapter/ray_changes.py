"""What is changed in Ray while we use it, because it has no argument for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial, partialmethod
from typing import Any

NODE_DEATH_S = 40.0
"""Seconds in which Ray finds out that a node has gone, at most."""


@contextmanager
def ray_start_changed(*, needs_api_server: bool) -> Iterator[None]:
    """Changes how `ray.init` starts Ray, for the duration of a `with` block.

    Ray's own handler of SIGTERM is not installed. It raises SystemExit wherever Python happens to be, and
    Python drops an exception that is raised in some places, such as a hook of `fork`: the signal would be
    lost, and the run would go on.

    Ray's processes are in sessions of their own. A signal to the driver's process group, as a terminal,
    `timeout`, Slurm, systemd and `docker stop` send it, would end them too, and the driver needs them to come
    to rest and write its result. They still end with the driver, whatever ends it.

    The agent listens on any free port. Ray's default is one fixed port, which only the first Ray of a machine
    gets: every other one waits 3 seconds for it, in vain, before it starts.

    Ray's own errors, such as the last lines of its log when a process of it dies, are not printed: what they
    mean for a run is told by its trials and its end.

    Some of Ray's processes are left out, since they would use the cores that trials are timed on: the one
    that sends the workers' output to the driver, which shows none of it, the one that adds nodes to a
    cluster, and what only the dashboard needs.

    Args:
        needs_api_server: Whether the dashboard is wanted. Ray starts the server behind it in any case.
    """
    from ray._private import services, utils, worker
    from ray._private.parameter import RayParams

    ours = {"dashboard_agent_listen_port": 0, "include_log_monitor": False, "no_monitor": True}
    parameters = partialmethod(RayParams.__init__, **ours)
    with (
        _replaced(utils, "set_sigterm_handler", lambda handler: None),
        _replaced(RayParams, "__init__", parameters),
        _replaced(worker, "listen_error_messages", lambda *_: None),
        _replaced(services, "ConsolePopen", partial(services.ConsolePopen, start_new_session=True)),
        nullcontext() if needs_api_server else _without_dashboard(),
    ):
        yield


@contextmanager
def _without_dashboard() -> Iterator[None]:
    """Starts Ray as for those who have installed `ray` without its extra for the dashboard.

    Neither the driver nor the agent then imports that extra's packages.
    """
    from ray._private import services, utils

    with (
        _replaced(services, "start_api_server", _no_api_server),
        _replaced(utils, "get_dashboard_dependency_error", ImportError),
    ):
        yield


@contextmanager
def usage_not_counted() -> Iterator[None]:
    """Keeps Ray Tune from counting its callbacks, for the duration of a `with` block.

    It imports the packages of every tool that it has a callback for, such as W&B, even where usage statistics
    are off: a second of the driver's time.
    """
    from ray.air._internal import usage

    with _replaced(usage, "tag_callbacks", lambda callbacks: False):
        yield


@contextmanager
def tune_ends_when(at_rest: threading.Event) -> Iterator[None]:
    """Makes Ray Tune come to rest once an event is set, for the duration of a `with` block.

    Tune asks such an event of its own at every turn of its loop. It sets it on SIGUSR1 alone, and that only
    where it runs in the main thread.
    """
    from ray.tune import tune

    with _replaced(tune, "_setup_signal_catching", lambda: at_rest):
        yield


@contextmanager
def trials_take_idle_workers() -> Iterator[None]:
    """Lets a trial have a worker that has started already, for the duration of a `with` block.

    With the first task Ray starts two workers, and a process does tasks or is a trial's, not both: the second
    one waits for a trial. Tune's trials do not take it, since Tune asks for variables of the driver's
    environment to be set. The workers of a Ray that this driver has started have all of its environment; only
    on such a Ray this may be used.
    """
    import ray
    from ray.tune.execution.class_cache import _ActorClassCache

    def actor_class(cache: Any, trainable: type) -> Any:
        if trainable not in cache._cache:  # Ray stores every class that it is given anew
            cache._cache[trainable] = ray.remote(trainable)
        return cache._cache[trainable]

    with _replaced(_ActorClassCache, "get", actor_class):
        yield


@contextmanager
def every_error_fails_a_trial() -> Iterator[None]:
    """Lets Tune take any error of Ray's as the failure of a trial, for the duration of a `with` block.

    It knows those of a method and those of a worker that died, and ends the whole experiment at every other:
    an exception that cannot be unpickled, a worker that Ray's memory monitor killed. And of a node that died
    it only hears that a worker cannot be reached.
    """
    from ray.air.execution._internal.actor_manager import RayActorManager

    task_failed, start_failed = RayActorManager._actor_task_failed, RayActorManager._actor_start_failed

    def told_of_task(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        known = manager._live_actors_to_ray_actors_resources.get(tracked_actor_task._tracked_actor)
        task_failed(manager, tracked_actor_task, _as_known(_told_fully(exception, known and known[0])))

    def told_of_start(manager: Any, tracked_actor: Any, exception: Exception) -> None:
        start_failed(manager, tracked_actor, _as_known(exception))

    with (
        _replaced(RayActorManager, "_actor_task_failed", told_of_task),
        _replaced(RayActorManager, "_actor_start_failed", told_of_start),
    ):
        yield


def _told_fully(error: Exception, actor: Any) -> Exception:
    """Returns why a worker that cannot be reached has died, once Ray knows.

    Ray first tells that the connection was lost. Whether the worker or its whole node has gone shows later:
    of a node when it has missed five of Ray's questions, one every three seconds.
    """
    import ray

    deadline_s = time.monotonic() + NODE_DEATH_S
    while isinstance(error, ray.exceptions.ActorUnavailableError) and actor is not None:
        left_s = deadline_s - time.monotonic()
        try:
            ray.get(actor.__ray_ready__.remote(), timeout=max(0.0, left_s))
            break
        except ray.exceptions.GetTimeoutError:
            break
        except ray.exceptions.RayActorError as newer:
            error = newer
            time.sleep(0.2)
    return error


def _as_known(error: Exception) -> Any:
    """Returns an error of a kind that Tune knows, with what was raised as its `cause`."""
    from ray import exceptions

    if isinstance(error, exceptions.RayActorError | exceptions.RayTaskError):
        return error
    if isinstance(error, exceptions.UnserializableException):
        return exceptions.RayTaskError("train", str(error), error)
    died = exceptions.RayActorError(error_msg=f"{type(error).__name__}: {error}")
    died.cause = error
    return died


def _no_api_server(*_: Any, **__: Any) -> tuple[None, None]:
    """Starts nothing, and returns neither an address nor a process."""
    return None, None


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Gives an attribute another value for the duration of a `with` block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
