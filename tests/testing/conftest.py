"""What the contract suites need here to be quick and exact."""

import gc

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports() -> None:
    """Every trial collects garbage; that need not walk all of torch and Ray each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sums have one order, so that bitwise comparisons mean something."""
    torch.set_num_threads(1)
