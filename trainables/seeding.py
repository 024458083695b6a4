"""Seeds the global random generators, for code that uses them.

The bundled stage draws from generators of its own; a user's stage may not. Seeding afresh for every
epoch makes a resumed or reused trial draw what an undisturbed one would.
"""

from __future__ import annotations

import random
import sys

import numpy as np


def seed_global_generators(seed: int, epoch: int) -> None:
    """Seeds ``random``, numpy and (where it is loaded) torch for one epoch of one trial."""
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)  # the legacy global generator is the one to seed
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(state)
