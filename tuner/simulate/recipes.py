"""The recipes of the first three sets of instances, whose margins are wide.

DEVELOPMENT may be looked at and tuned on. HELD_OUT and ALIEN were for reporting alone, and share no quality
law with it. The harder sets, which came later, are in `harder`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The recipe from which an instance is drawn.

    Attributes:
        law: Law of the final NRMSE, one of `instances.LAWS`.
        card: The shipped study whose lattice and hardware it takes.
        curve: One of `CURVES`.
        regime: usual; tight (few points are feasible, and the fastest of them is no easy one); rare (a
            handful is feasible); impossible (none is).
        noise: Factor on the noise of NRMSE.
        is_relative: Whether the target is relative to the baseline.
        lost_share: Share of trials that are lost; see `Noise`.
        loader: The loader's floor as a share of the baseline's batch; 0 for none.
        tile_rows: Rows of a tile; see `HardwareLaw`.
    """

    law: str
    card: str
    curve: str = "regular"
    regime: str = "usual"
    noise: float = 1.0
    is_relative: bool = False
    lost_share: float = 0.0
    loader: float = 0.0
    tile_rows: int = 1


DEVELOPMENT: dict[str, Recipe] = {
    "dev-logarithmic-a100": Recipe(law="logarithmic", card="a100"),
    "dev-logarithmic-cpu": Recipe(law="logarithmic", card="cpu", is_relative=True),
    "dev-logarithmic-h100-noisy": Recipe(law="logarithmic", card="h100", noise=2.0),
    "dev-polynomial-h100": Recipe(law="polynomial", card="h100", curve="crossing"),
    "dev-polynomial-a100-rare": Recipe(law="polynomial", card="a100", regime="rare"),
    "dev-plateau-rtx4090": Recipe(law="plateau", card="rtx4090", lost_share=0.03),
    "dev-plateau-a100-misleading": Recipe(law="plateau", card="a100", curve="misleading", tile_rows=8),
    "dev-middle-a100": Recipe(law="best_in_the_middle", card="a100", loader=0.4),
    "dev-middle-h100-tight": Recipe(law="best_in_the_middle", card="h100", regime="tight"),
    "dev-learning-rate-a100": Recipe(law="learning_rate", card="a100"),
    "dev-quotient-a100": Recipe(law="quotient", card="a100"),
    "dev-quotient-cpu-misleading": Recipe(law="quotient", card="cpu", curve="misleading", is_relative=True),
    "dev-staircase-h100": Recipe(law="staircase", card="h100", curve="crossing"),
    "dev-staircase-rtx4090-noisy": Recipe(law="staircase", card="rtx4090", noise=2.0),
    "dev-category-a100": Recipe(law="category", card="a100"),
    "dev-impossible-rtx4090": Recipe(law="logarithmic", card="rtx4090", regime="impossible"),
}

HELD_OUT: dict[str, Recipe] = {
    "held-power-h100": Recipe(law="power", card="h100"),
    "held-power-cpu-misleading": Recipe(law="power", card="cpu", curve="misleading", is_relative=True),
    "held-power-rtx4090-tight": Recipe(law="power", card="rtx4090", regime="tight"),
    "held-interaction-a100": Recipe(law="interaction", card="a100", lost_share=0.03),
    "held-interaction-h100-crossing": Recipe(law="interaction", card="h100", curve="crossing"),
    "held-sigmoid-a100-noisy": Recipe(law="sigmoid", card="a100", noise=2.0),
    "held-sigmoid-rtx4090": Recipe(law="sigmoid", card="rtx4090", tile_rows=4),
    "held-larger-is-better-a100": Recipe(law="larger_is_better", card="a100", loader=0.5),
    "held-larger-is-better-h100-rare": Recipe(law="larger_is_better", card="h100", regime="rare"),
    "held-precision-a100": Recipe(law="precision", card="a100"),
    "held-impossible-h100": Recipe(law="interaction", card="h100", regime="impossible"),
}

ALIEN: dict[str, Recipe] = {
    "alien-lookup-a100": Recipe(law="lookup", card="a100"),
    "alien-lookup-h100-crossing": Recipe(law="lookup", card="h100", curve="crossing"),
    "alien-waves-rtx4090": Recipe(law="waves", card="rtx4090"),
    "alien-parity-a100": Recipe(law="parity", card="a100"),
    "alien-residues-h100": Recipe(law="residues", card="h100", loader=0.4),
    "alien-ridge-a100": Recipe(law="ridge", card="a100"),
}

FIRST_SETS: dict[str, dict[str, Recipe]] = {
    "dev": DEVELOPMENT,
    "first_held_out": HELD_OUT,
    "first_alien": ALIEN,
}
