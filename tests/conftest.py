"""Fixtures and guarantees for every test."""

import gc
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import call_tuner
from tests.slow import SLOW, place

# Ray reads these when it is imported, which some test modules do at once.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = uuid.uuid4().hex
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # a private Ray listens on the loopback only
os.environ.pop("RAY_ADDRESS", None)

# No test is about time: a machine that others use draws examples slowly too.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# No test sends anything anywhere: what wants W&B says `wandb: offline` in its study.
os.environ["WANDB_MODE"] = "disabled"


# What is imported and collected stays until the end; to look for garbage in it takes a tenth of that time.
gc.disable()


def pytest_collection_finish() -> None:
    """Garbage is collected from here on, and none of what is there by now is looked at again."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files are marked and come first, the slowest at the front; the order within a file stays."""
    for item in items:
        if place(item.path.as_posix()) < len(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: place(item.path.as_posix()))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """Two files at a time for each core: tests on real Ray and real processes wait for half of their time."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _garbage_is_collected_again() -> Iterator[None]:
    """A stage keeps what it finds out of collections; what looks for references at the end wants it back."""
    yield
    gc.unfreeze()


CORES, PRIORITY = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)


@pytest.fixture(autouse=True)
def _next_test_has_all_cores() -> Iterator[None]:
    """Takes back what a test did to this process: a trial keeps to one core, a follower is polite.

    Whatever later tests started would inherit it: all test processes would share one core.
    """
    yield
    os.sched_setaffinity(0, CORES)
    with suppress(PermissionError):  # only root may become less polite
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


@pytest.fixture(scope="session")
def ray_resources() -> Iterator[Any]:
    """One private Ray for all tests of this process that only need a Ray."""
    from tuner.ray_adapter.cluster import ClusterOptions, connect
    from tuner.ray_adapter.interrupts import Interrupts

    with Interrupts() as interrupts, connect(ClusterOptions(num_cpus=2), interrupts) as resources:
        yield resources


@pytest.fixture(scope="session")
def on_shared_ray(ray_resources: Any) -> Callable[[], AbstractContextManager[None]]:
    """Returns a context in which this process's real runs are on that Ray instead of one of their own."""

    @contextmanager
    def shared() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tuner.ray_adapter.session.connect", lambda *_: nullcontext(ray_resources))
            yield

    return shared


@pytest.fixture(scope="session")
def call_on_ray(
    on_shared_ray: Callable[[], AbstractContextManager[None]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in this process, whose real runs are on that Ray."""

    def call(*words: Any) -> subprocess.CompletedProcess[str]:
        with on_shared_ray():
            return call_tuner(*words)

    return call
