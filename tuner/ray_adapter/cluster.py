"""Ray itself: a private one on this machine, or a cluster that is there already.

A private Ray listens on the loopback only, has a token of its own and a folder that nobody else may look into
(so that nobody's bare `ray.init()` joins it by accident), and is gone afterwards.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.one_line import first_line_of
from tuner.errors import ClusterError
from tuner.ray_adapter.address import AUTO, cluster_address, knock
from tuner.ray_adapter.home import ensure_home
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.private_folder import RAY, make_private_folder, short_temporary_folder
from tuner.ray_adapter.ray_changes import ray_start_changed

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 this silences Tune; its own reporter prints regardless
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours: see `interrupts`
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "60",  # then a worker that hangs at its end is killed; Tune waits 600 s
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
_ALL_INTERFACES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0 before ray is imported, it keeps every port of Ray on the loopback, on Linux too.

Without it Ray replaces `_node_ip_address="127.0.0.1"` by an address that others reach
(`ray._private.services.resolve_ip_for_localhost`), and most of its processes listen on all interfaces.
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """The place to run, and the options of Ray.

    Attributes:
        address: Address of a running cluster, see `cluster_address`; None takes RAY_ADDRESS, and without it a
            private Ray is started.
        dashboard: Whether a private Ray brings its dashboard.
        num_cpus: CPUs a private Ray must offer at least.
    """

    address: str | None = None
    dashboard: bool = False
    num_cpus: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The resources that a cluster offers.

    Attributes:
        num_cpus: CPUs in all nodes.
        num_gpus: GPUs in all nodes.
        dashboard: Address of the dashboard, with its token when that is ours; empty if there is none.
    """

    num_cpus: int
    num_gpus: int
    dashboard: str


def prepare_environment(options: ClusterOptions) -> None:
    """Sets every environment variable that Ray reads where it is imported; what is set already stays.

    To be called before anything imports ray, a stage included. Once more changes nothing.

    Args:
        options: The place to run.

    Raises:
        ClusterError: The address is none that a run can use, or ray was imported too early, with other
            settings.
    """
    address = cluster_address(options.address)
    if said := ensure_home():
        _log.warning("%s", said)
    os.environ.update(_QUIET)
    if address:
        _prepare_to_join()
    else:
        _prepare_a_private_one()


def _prepare_a_private_one() -> None:
    """Sets a token of our own: Ray would write one into the home folder, for every later Ray of this user."""
    if "ray" in sys.modules and not (os.environ.get("RAY_AUTH_MODE") == "token" and _is_on_loopback()):
        raise ClusterError(
            "ray was imported before the tuner could make it private.",
            f"set RAY_AUTH_MODE=token, RAY_AUTH_TOKEN and {_ALL_INTERFACES}=0 before ray is imported.",
        )
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", uuid.uuid4().hex)
    os.environ[_ALL_INTERFACES] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 lets whatever else runs slow what is timed
    # A worker for each core before there is anything to do; the driver would wait for ever for one that died.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    os.environ.setdefault("PL_DISABLE_FORK", "1")  # Tune wants it for trials: see `trials_take_idle_workers`
    os.environ.setdefault("RAY_task_oom_retries", "0")  # Ray's is without end: what does not fit never will


def _is_on_loopback() -> bool:
    """Whether Ray, as it was imported, listens on the loopback only."""
    from ray._private import ray_constants

    return not ray_constants.ENABLE_RAY_CLUSTER


def _prepare_to_join() -> None:
    if _has_token() and "RAY_AUTH_MODE" not in os.environ:
        if "ray" in sys.modules:
            raise ClusterError(
                "ray was imported before the tuner could tell it to use the token.",
                "set RAY_AUTH_MODE=token before ray is imported.",
            )
        os.environ["RAY_AUTH_MODE"] = "token"


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or Path("~/.ray/auth_token").expanduser().exists()


@contextmanager
def connect(options: ClusterOptions, interrupts: Interrupts) -> Iterator[Resources]:
    """Connects to Ray for the duration of a `with` block.

    Args:
        options: The place to run.
        interrupts: Entered already, so that a signal is remembered while Ray starts. Ray's C++ part takes
            SIGTERM; it is taken back here.

    Raises:
        ClusterError: Ray does not start, or the cluster cannot be reached or refuses the token.
        Interrupted: A signal came while Ray started.
    """
    prepare_environment(options)
    address = cluster_address(options.address)
    with _existing(address) if address else _private(options) as dashboard:
        import ray

        from tuner.ray_adapter.supervision import shut_down, watch_cluster

        total = ray.cluster_resources()
        try:
            if address:
                watch_cluster()
            interrupts.listen()
            interrupts.check()
            yield Resources(
                num_cpus=int(total.get("CPU", 0)),
                num_gpus=int(total.get("GPU", 0)),
                dashboard=dashboard,
            )
        finally:
            shut_down()


@contextmanager
def _private(options: ClusterOptions) -> Iterator[str]:
    folder = make_private_folder(short_temporary_folder())
    url = _start(
        "Ray did not start",
        f"read its logs below {folder.path}, which the next start removes; memory or processes "
        "(ulimit -u) may have run out.",
        address="local",
        num_cpus=max(os.cpu_count() or 1, options.num_cpus),
        include_dashboard=options.dashboard,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder.path / RAY),
    )
    try:
        yield url and f"{url} (token: {os.environ['RAY_AUTH_TOKEN']})"
    finally:
        folder.remove()


@contextmanager
def _existing(address: str) -> Iterator[str]:
    if address == AUTO:
        address = _found_here()
    knock(address)
    yield _start(
        f"cannot join the Ray cluster at {address}",
        "check --address or RAY_ADDRESS; RAY_AUTH_TOKEN, when the cluster asks for a token; and that this "
        f"machine is a node of the cluster (`ray start --address={address}` makes it one).",
        address=address,
    )


def _found_here() -> str:
    """The cluster that Ray means by `auto`: the last one that was started or joined on this machine."""
    from ray._private import services

    try:
        return str(services.canonicalize_bootstrap_address(AUTO))
    except ConnectionError as error:
        raise ClusterError(
            "no Ray cluster runs on this machine, which is where `auto` looks for one.",
            "start one with `ray start --head`, or name the HOST:PORT of another; without an address a "
            "private Ray is started.",
        ) from error


def _start(failure: str, hint: str, **arguments: Any) -> str:
    """Calls `ray.init`; gives the dashboard's address, empty when there is none."""
    import ray

    try:
        with ray_start_changed(needs_api_server=arguments.get("include_dashboard", True)):
            context = ray.init(log_to_driver=False, logging_level="error", **arguments)
    except ImportError as error:  # the dashboard's packages are an extra
        raise ClusterError(
            f"{failure}: {_said(error)}.", "install the extra: distill-tuner[dashboard]."
        ) from error
    except Exception as error:
        raise ClusterError(f"{failure}: {_said(error)}.", hint) from error
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def _said(error: Exception) -> str:
    return first_line_of(error).rstrip(".")
