"""A private Ray is out of reach of everybody else, on the network and on the disk."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from tests.processes import ROOT, descendants, is_loopback, listening

TOO_EARLY = """
import os, ray
from tuner.errors import ClusterError
from tuner.ray_adapter.cluster import ClusterOptions, prepare_environment
for address, without in ((None, "nothing"), ("head:6379", "RAY_AUTH_MODE")):
    os.environ.pop(without, None)
    try:
        prepare_environment(ClusterOptions(address=address))
    except ClusterError as error:
        print(error)
"""


def test_a_ray_that_was_imported_too_early_to_be_private_or_to_use_the_token_is_refused():
    command = [sys.executable, "-c", TOO_EARLY]
    environment = os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    private, token = done.stdout.splitlines()
    assert "before the tuner could make it private" in private
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before ray is imported" in private
    assert "before the tuner could tell it to use the token" in token
    assert "RAY_AUTH_MODE=token before ray is imported" in token


@pytest.mark.usefixtures("ray_resources")
def test_every_port_of_a_private_ray_is_on_the_loopback():
    assert ray.get(ray.remote(lambda: 1).remote()) == 1, "a worker listens too"
    found = listening({os.getpid(), *descendants(os.getpid())})
    owners = {title.split()[0].rsplit("/", 1)[-1] for title in found.values()}
    assert {"gcs_server", "raylet"} <= owners
    assert {address: owner for address, owner in found.items() if not is_loopback(address)} == {}


WITH_DASHBOARD = """
import os
from tests.processes import descendants, is_loopback, listening
from tuner.ray_adapter.cluster import ClusterOptions, connect
from tuner.ray_adapter.interrupts import Interrupts
with Interrupts() as interrupts, connect(ClusterOptions(dashboard=True), interrupts) as resources:
    found = listening({os.getpid(), *descendants(os.getpid())})
    print(resources.dashboard.split()[0].removeprefix("http://") in found)
    print([address for address in found if not is_loopback(address)])
"""


def test_with_its_dashboard_too():
    command = [sys.executable, "-c", WITH_DASHBOARD]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n[]\n", done.stderr


@pytest.mark.usefixtures("ray_resources")
def test_its_agent_leaves_the_port_that_ray_takes_by_default_to_others():
    found = listening(descendants(os.getpid()))
    assert "127.0.0.1:52365" not in found


@pytest.mark.usefixtures("ray_resources")
def test_the_folders_that_ray_opens_to_everybody_lie_below_one_that_is_ours_alone():
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    above = [path for path in session.parents if path.name.startswith("dt-")]
    assert len(above) == 1
    assert stat.S_IMODE(above[0].stat().st_mode) == 0o700
    assert above[0].stat().st_uid == os.getuid()
