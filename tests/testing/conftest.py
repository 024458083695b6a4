"""Settings that make the contract suites quick and exact here."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sums have one order, so that bitwise comparisons mean something."""
    torch.set_num_threads(1)
