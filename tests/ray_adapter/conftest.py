"""One private Ray for the tests of this folder that only need a Ray."""

import pytest

from tuner.ray_adapter.cluster import ClusterOptions, connect


@pytest.fixture(scope="session")
def ray_resources():
    with connect(ClusterOptions(num_cpus=2)) as resources:
        yield resources
