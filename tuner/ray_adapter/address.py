"""Decides which Ray is meant: what `--address` and RAY_ADDRESS say, before Ray is asked.

A run joins a head node by HOST:PORT. The other addresses that Ray knows are told apart here, each with its
fix; Ray itself would try some of them for minutes.
"""

from __future__ import annotations

import os
import re
import socket
from urllib.parse import urlsplit

from tuner.errors import ClusterError

AUTO = "auto"
"""Ray looks for a cluster on this machine."""
_LOCAL = "local"
"""Ray starts a private one."""
_VARIABLE = "RAY_ADDRESS"
_HEAD_PORT, _DASHBOARD_PORT = 6379, 8265
_HOST_AND_PORT = re.compile(r"(?P<host>[^\s:/\[\]]+|\[[0-9a-fA-F:.%]+\]):(?P<port>\d+)")
_TIMEOUT_S = 10.0


def cluster_address(given: str | None) -> str:
    """The cluster to join.

    Args:
        given: The value of `--address`; None takes RAY_ADDRESS, and so does `auto` if that is set.

    Returns:
        HOST:PORT, or `auto`; empty for a private Ray, which is also what `local` means.

    Raises:
        ClusterError: The address is of another kind, or cannot be read.
    """
    from_environment = os.environ.get(_VARIABLE, "")
    if given and not (given == AUTO and from_environment):
        address, said = given, f"--address {given}"
    else:
        address, said = from_environment, f"{_VARIABLE}={from_environment}"
    if address in ("", _LOCAL):
        return ""
    if address != AUTO:
        _check(address, said)
    return address


def _check(address: str, said: str) -> None:
    """Raises ClusterError of whatever is not HOST:PORT."""
    if "://" in address:
        raise _of_another_kind(address, said)
    parts = _HOST_AND_PORT.fullmatch(address)
    if parts and 0 < int(parts["port"]) < 2**16:
        return
    if parts:
        raise ClusterError(f"{said}: there is no port {parts['port']}.", f"use {_head(parts['host'])}.")
    if re.search(r"[\s:/\[\]]", address):
        raise ClusterError(f"{said} is not of the form HOST:PORT.", f"use {_head('HOST')}.")
    raise ClusterError(f"{said} has no port.", f"use {_head(address)}.")


def _of_another_kind(address: str, said: str) -> ClusterError:
    """The error for an address with a scheme."""
    scheme, _, rest = address.partition("://")
    host = _host(rest)
    if scheme in ("http", "https"):
        return _is_dashboard(said, host, address)
    if scheme == "ray":
        return ClusterError(
            f"{said} is an address of Ray Client, which a run cannot use: it must run on a node of "
            "the cluster.",
            f"on a node use {_head(host)}; from elsewhere {_submit(f'http://{host}:{_DASHBOARD_PORT}')}.",
        )
    return ClusterError(f"{said}: a run cannot join Ray by {scheme}://.", f"use {_head(host)}.")


def _host(rest: str) -> str:
    """The host in what follows a scheme."""
    try:
        host = urlsplit(f"//{rest}").hostname or "HOST"
    except ValueError:  # a bracket without its other half
        return "HOST"
    return f"[{host}]" if ":" in host else host


def knock(address: str) -> None:
    """Fails at once when no head node answers there; Ray itself would try for minutes.

    Args:
        address: HOST:PORT.

    Raises:
        ClusterError: Nothing listens there, or what listens is a dashboard.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S) as connection:
            speaks_http = _speaks_http(connection)
    except OSError as error:
        raise ClusterError(
            f"cannot join the Ray cluster at {address}: {error.strerror or error}.",
            "check --address or RAY_ADDRESS, and that the cluster runs.",
        ) from error
    if speaks_http:
        raise _is_dashboard(address, host, f"http://{address}")


def _speaks_http(connection: socket.socket) -> bool:
    """True of a dashboard; a head node speaks HTTP/2, and speaks first."""
    try:
        connection.sendall(b"GET /api/version HTTP/1.0\r\n\r\n")
        return connection.recv(7) == b"HTTP/1."
    except OSError:
        return False


def _is_dashboard(said: str, host: str, url: str) -> ClusterError:
    return ClusterError(
        f"{said} is the address of a dashboard, which takes jobs; a run joins the head node itself.",
        f"use {_head(host)}; or {_submit(url)}; or run on a private Ray with --address local.",
    )


def _head(host: str) -> str:
    return f"{host}:{_HEAD_PORT} (or the --port that its head was started with)"


def _submit(url: str) -> str:
    words = "--working-dir . -- python -m tuner.run --space FILE"
    return f"submit the run as a job: ray job submit --address {url} {words}"
