"""A PostgreSQL server of a test's own, on a free port of the loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import wait_until

PASSWORD = "p@ss/w#1 %{:}"  # noqa: S105  # of a server that ends with its test
QUOTED = "p%40ss%2Fw%231%20%25%7B%3A%7D"
"""The password, with every character that means something in a URL, as a URL spells it."""


def _programs() -> tuple[str, str]:
    """`initdb` and `postgres`; Debian keeps them off the path."""
    path = os.pathsep.join(
        [os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    )
    found = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if None in found:
        pytest.skip("needs PostgreSQL's initdb and postgres")
    return found


def _unprivileged() -> str | None:
    """Somebody whom root can run the server as, which refuses root; None for an ordinary user."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    name = next((name for name in ("postgres", "nobody") if name in names), None)
    if name is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is nobody else")
    return name


@contextmanager
def postgresql() -> Iterator[str]:
    """Starts a server; gives the URL of its database, with `${DB_PASSWORD}` for `PASSWORD`."""
    initdb, postgres = _programs()
    user = _unprivileged()
    with tempfile.TemporaryDirectory() as temporary, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        folder = Path(temporary)
        (folder / "password").write_text(PASSWORD)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        subprocess.run(
            [initdb, "--auth=scram-sha-256", "--username=me", f"--pwfile={folder / 'password'}", "--no-sync",
             "--encoding=UTF8", "--locale=C", "-D", folder / "data"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        free.close()
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [postgres, "-D", folder / "data", "-k", "", "-h", "127.0.0.1", "-p", str(port), "-F"],
                stdout=log, stderr=log, user=user, cwd=folder,
            )  # fmt: skip
        try:
            _await(server, port, folder / "log")
            yield f"postgresql://me:${{DB_PASSWORD}}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=20)


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns once it takes connections."""

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        return "ready to accept connections" in log.read_text()

    wait_until(answers)
