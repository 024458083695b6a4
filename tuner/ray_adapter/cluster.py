"""Ray itself: a private one on this machine, or a cluster that is there already.

A private Ray listens on the loopback only, has a token and a temporary folder of its own (so that
nobody's bare `ray.init()` joins it by accident), and is gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import ClusterError
from tuner.ray_adapter.interrupts import Interrupted, Interrupts

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 this silences Tune; its own reporter prints regardless
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours: see `interrupts`
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Where to run.

    Attributes:
        address: Of an existing cluster; None takes RAY_ADDRESS, and without it a private Ray is
            started.
        dashboard: Whether a private Ray brings its dashboard.
        num_cpus: CPUs a private Ray must offer at least.
    """

    address: str | None = None
    dashboard: bool = False
    num_cpus: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the cluster offers.

    Attributes:
        num_cpus: In all nodes.
        num_gpus: In all nodes.
        dashboard: Its address, with the token that it asks for when that is ours; empty when there is none.
    """

    num_cpus: int
    num_gpus: int
    dashboard: str


@contextmanager
def connect(options: ClusterOptions, interrupts: Interrupts) -> Iterator[Resources]:
    """Connects to Ray for the duration of a `with` block.

    Args:
        options: Where.
        interrupts: Entered already; `ray.init` takes SIGTERM, which is taken back from it here.

    Raises:
        ClusterError: Ray does not start, or the cluster cannot be reached or refuses the token.
        Interrupted: A signal came while Ray started.
    """
    os.environ.update(_QUIET)
    address = options.address or os.environ.get("RAY_ADDRESS")
    with _existing(address) if address else _private(options) as dashboard:
        import ray

        total = ray.cluster_resources()
        try:
            interrupts.listen()
            interrupts.check()
            yield Resources(
                num_cpus=int(total.get("CPU", 0)),
                num_gpus=int(total.get("GPU", 0)),
                dashboard=dashboard,
            )
        finally:
            ray.shutdown()


@contextmanager
def _private(options: ClusterOptions) -> Iterator[str]:
    _use_a_token_of_our_own()
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 lets whatever else runs slow what is timed
    # The folder's path is short: Ray puts sockets into it, whose paths may have 107 characters.
    temp_dir = Path(tempfile.mkdtemp(prefix="dt-"))
    try:
        url = _start(
            "Ray did not start",
            f"its logs are in {temp_dir}.",
            address="local",
            num_cpus=max(os.cpu_count() or 1, options.num_cpus),
            include_dashboard=options.dashboard,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(temp_dir),
        )
    except Interrupted:
        shutil.rmtree(temp_dir, ignore_errors=True)
        raise
    try:
        yield url and f"{url} (token: {os.environ['RAY_AUTH_TOKEN']})"
    finally:
        shutil.rmtree(temp_dir, ignore_errors=True)


def _start(failure: str, hint: str, **arguments: Any) -> str:
    """Calls `ray.init`; gives the dashboard's address, empty when there is none."""
    import ray

    try:
        context = ray.init(log_to_driver=False, logging_level="error", **arguments)
    except SystemExit as error:  # what Ray makes of SIGTERM meanwhile
        raise Interrupted(signal.SIGTERM) from error
    except ImportError as error:  # the dashboard's packages are an extra
        raise ClusterError(
            f"{failure}: {_first_line(error)}.", "install the extra: distill-tuner[dashboard]."
        ) from error
    except Exception as error:
        raise ClusterError(f"{failure}: {_first_line(error)}.", hint) from error
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def _use_a_token_of_our_own() -> None:
    """Ray would otherwise write one into the home folder, and switch it on for every later Ray there."""
    if "ray" in sys.modules and os.environ.get("RAY_AUTH_MODE") != "token":
        raise ClusterError(
            "ray was imported before the tuner could choose its authentication.",
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN before ray is imported.",
        )
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", uuid.uuid4().hex)


@contextmanager
def _existing(address: str) -> Iterator[str]:
    if _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    _knock(address)
    yield _start(
        f"cannot join the Ray cluster at {address}",
        "check --address or RAY_ADDRESS and, when the cluster asks for a token, RAY_AUTH_TOKEN.",
        address=address,
    )


def _knock(address: str) -> None:
    """Fails at once when nothing listens there; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return  # `auto`, or a form that only Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise ClusterError(
            f"cannot join the Ray cluster at {address}: {error.strerror or error}.",
            "check --address or RAY_ADDRESS, and that the cluster runs.",
        ) from error


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").exists()


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
