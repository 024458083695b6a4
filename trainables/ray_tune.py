"""Imports Ray Tune into a worker without Ray Data, which no trial uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_DATA = "ray.data"


@contextmanager
def without_ray_data() -> Iterator[None]:
    """Lets an import of Ray Tune find an empty module in the place of Ray Data, for a `with` block.

    Ray Tune imports it, and uses it where a driver saves its trials. It takes a worker 0.4 seconds of the
    core that trials are timed on, and 16 MB. Whoever imports it afterwards gets it. Nothing is changed in a
    process that is no worker of Ray, or that has imported Ray Data already.
    """
    if _DATA in sys.modules or not _is_worker():
        yield
        return
    empty = ModuleType(_DATA)
    empty.Dataset = object  # type: ignore[attr-defined]  # an annotation names it
    sys.modules[_DATA] = empty
    try:
        yield
    finally:
        del sys.modules[_DATA]


def _is_worker() -> bool:
    """Whether this process does what a driver of Ray asks for."""
    import ray

    return bool(ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE)
