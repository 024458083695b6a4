"""All sets of simulated instances by name, and how an instance is made."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from tuner.errors import TunerError
from tuner.simulate import harder, instances
from tuner.simulate.harder import HARDER_SETS
from tuner.simulate.instance import Instance
from tuner.simulate.recipes import FIRST_SETS

SETS: Mapping[str, tuple[str, ...]] = {
    name: tuple(recipes) for sets in (HARDER_SETS, FIRST_SETS) for name, recipes in sets.items()
}
"""The names of every set's instances."""


def make_instance(name: str, seed: int, *, budget_units: float = 50.0, num_workers: int = 1) -> Instance:
    """Draws an instance; the same name and seed always give the same one.

    Args:
        name: Name of an instance of one of `SETS`.
        seed: Seed of coefficients and of all noise.
        budget_units: GPU-seconds, in trainings of the optimum.
        num_workers: Trials at once: they share the budget (`Instance.shared_by`).

    Raises:
        TunerError: There is no instance of that name.
    """
    set_name = next((set_name for set_name, names in SETS.items() if name in names), None)
    if set_name is None:
        known = [name for names in SETS.values() for name in names]
        near = ", ".join(get_close_matches(name, known, n=3, cutoff=0.4))
        hint = f"you may mean {near}." if near else "use a name of tuner.simulate.SETS."
        raise TunerError(f"there is no simulated instance {name!r}.", hint)
    if set_name in HARDER_SETS:
        instance = harder.draw(set_name, name, seed, budget_units)
    else:
        instance = instances.draw(name, seed, budget_units)
    return instance.shared_by(num_workers)
