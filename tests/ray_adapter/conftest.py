"""One private Ray for the tests of this folder that only need a Ray."""

import pytest

from tuner.ray_adapter.cluster import ClusterOptions, connect
from tuner.ray_adapter.interrupts import Interrupts


@pytest.fixture(scope="session")
def ray_resources():
    with Interrupts() as interrupts, connect(ClusterOptions(num_cpus=2), interrupts) as resources:
        yield resources
