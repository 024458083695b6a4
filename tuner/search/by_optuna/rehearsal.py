"""A sampler of the user's own proposes a few times before a run, so that it does not fail in its middle.

Optuna's samplers import what they need when they first propose, and refuse two objectives only then.
"""

from __future__ import annotations

from collections.abc import Callable

import optuna

from foundation.one_line import first_line_of
from tuner.errors import SpecError
from tuner.search.by_optuna.samplers import SnappedSampler, quiet

_NUM_TRIALS = 3


def rehearse(name: str, make: Callable[[], SnappedSampler]) -> None:
    """Lets a sampler propose on a study of its own, and tells it made-up values.

    Args:
        name: The sampler, as the study names it.
        make: Makes it anew, so that the run's own has seen nothing.

    Raises:
        SpecError: A package is missing that it needs, or it says that it cannot work with such a study.
    """
    sampler = make()
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    try:
        for number in range(_NUM_TRIALS):
            if sampler.is_exhausted(study):
                return
            with quiet():
                study.tell(study.ask(sampler.distributions), [1.0 + number, 2.0 - number])
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        raise SpecError(
            f"the sampler {name!r} needs a package that is not installed: {first_line_of(error)}.",
            f"pip install {package}." if package else "install it.",
        ) from error
    except (ValueError, NotImplementedError) as error:
        raise SpecError(
            f"the sampler {name!r} cannot propose here: {first_line_of(error).rstrip('.')}.",
            "choose one that works with two objectives, constraints and whole numbers.",
        ) from error
