"""What every test may rely on."""

import gc
import os
import uuid
from collections.abc import Iterator

import pytest

# Several test files run at a time, and the model's matrices are small: a second thread only waits for a core.
os.environ["OMP_NUM_THREADS"] = "1"

# Ray reads these when it is imported, which some test modules do at once.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = uuid.uuid4().hex
os.environ.pop("RAY_ADDRESS", None)

# No test sends anything anywhere: what wants W&B says `wandb: offline` in its study.
os.environ["WANDB_MODE"] = "disabled"


@pytest.fixture(scope="session", autouse=True)
def _garbage_is_collected_again() -> Iterator[None]:
    """A stage keeps what it finds out of collections; what looks for references at the end wants it back."""
    yield
    gc.unfreeze()
