"""The recipes of the harder instances, in the sets that the package's docstring tells of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HarderRecipe:
    """The recipe from which a harder instance is drawn.

    Attributes:
        law: Law of the final NRMSE, of the set's own laws.
        card: The shipped study whose lattice and hardware it takes.
        curve: Shape of the curves.
        scale: Factor on the law: a steeper one leaves fewer points near the best.
        regime: usual, tight or rare: the share of the points that is feasible; rare is 3 % at most.
        baseline: meets (it meets the target, and is 15 % slower than the optimum at least), misses (it does
            not), misses_and_is_faster (it does not, and it is faster than the optimum).
        is_declared: Whether the stage says that micro_batch cannot change NRMSE; not so where it does.
        is_relative: Whether the target is relative to the baseline.
        noise: Factor on the noise of NRMSE.
        spread: Deviation of the logarithm of a configuration's noise; 0 if all have the same.
        outlier_share: See `Noise`.
        time_noise_pct: Noise of a run's time; None for 0.5 to 2 %.
        jitter_pct: Deviation of the time of every configuration from the law of time, percent.
        time: A further law of time, one of `times.TIMES`; empty for none.
        num_rates, num_precisions: Values of learning rate and precision in the lattice; 1 for none.
        lost_share: Share of trials that are lost.
        loader: The loader's floor as a share of the baseline's batch; 0 for none.
    """

    law: str
    card: str
    curve: str = "regular"
    scale: float = 1.0
    regime: str = "usual"
    baseline: str = "meets"
    is_declared: bool = True
    is_relative: bool = False
    noise: float = 1.0
    spread: float = 0.0
    outlier_share: float = 0.0
    time_noise_pct: float | None = None
    jitter_pct: float = 0.0
    time: str = ""
    num_rates: int = 1
    num_precisions: int = 1
    lost_share: float = 0.0
    loader: float = 0.0


_R = HarderRecipe

DEVELOP: dict[str, HarderRecipe] = {
    "develop-hinges-a100": _R(law="hinges", card="a100"),
    "develop-hinges-cpu-relative": _R(law="hinges", card="cpu", is_relative=True, loader=0.3),
    "develop-signal-h100-late": _R(law="noise_to_signal", card="h100", curve="crossing_late"),
    "develop-signal-a100-misses": _R(law="noise_to_signal", card="a100", baseline="misses_and_is_faster"),
    "develop-valley-rtx4090-outliers": _R(law="rotated_valley", card="rtx4090", outlier_share=0.06),
    "develop-valley-a100-rare": _R(
        law="rotated_valley", card="a100", scale=2.0, regime="rare", is_declared=False
    ),
    "develop-terraces-h100-spread": _R(law="terraces", card="h100", spread=0.5, lost_share=0.03),
    "develop-terraces-a100-cliffs": _R(law="terraces", card="a100", time="cliffs", jitter_pct=10.0),
    "develop-patchwork-rtx4090": _R(law="patchwork", card="rtx4090", curve="crossing", time_noise_pct=10.0),
    "develop-bumps-a100-misses": _R(law="bumps", card="a100", baseline="misses", curve="misleading"),
    "develop-chunks-a100-micro": _R(law="small_chunks", card="a100", is_declared=False),
    "develop-tuned-3204-points": _R(law="tuned_hinges", card="rtx4090", num_rates=3, num_precisions=2),
    "develop-tuned-30456-points": _R(
        law="tuned_hinges", card="a100", scale=1.5, regime="tight", num_rates=27, num_precisions=2
    ),
}

SELECT: dict[str, HarderRecipe] = {
    "select-exponentials-h100": _R(law="exponentials", card="h100"),
    "select-exponentials-a100-misses": _R(law="exponentials", card="a100", baseline="misses_and_is_faster"),
    "select-both-a100-late": _R(law="both_at_once", card="a100", curve="crossing_late", is_declared=False),
    "select-both-rtx4090-detours": _R(law="both_at_once", card="rtx4090", time="detours", jitter_pct=10.0),
    "select-tables-cpu-outliers": _R(law="monotone_tables", card="cpu", outlier_share=0.05, spread=0.4),
    "select-tables-h100-rare": _R(law="monotone_tables", card="h100", regime="rare"),
    "select-wave-a100-tight": _R(law="oblique_wave", card="a100", regime="tight", time_noise_pct=5.0),
    "select-chunks-rtx4090-micro": _R(law="many_chunks", card="rtx4090", is_declared=False),
    "select-tuned-12816-points": _R(law="tuned_tables", card="rtx4090", num_rates=12, num_precisions=2),
}

HELD_OUT: dict[str, HarderRecipe] = {
    "unseen-scaling-a100": _R(law="scaling_sum", card="a100", curve="power_decay"),
    "unseen-scaling-h100-tight": _R(law="scaling_sum", card="h100", curve="power_decay", regime="tight"),
    "unseen-saturation-rtx4090": _R(law="saturation", card="rtx4090", curve="power_decay", spread=0.5),
    "unseen-saturation-cpu-relative": _R(law="saturation", card="cpu", curve="turning", is_relative=True),
    "unseen-critical-h100-outliers": _R(
        law="critical_batch", card="h100", curve="power_decay", outlier_share=0.05
    ),
    "unseen-critical-a100-rare": _R(
        law="critical_batch", card="a100", curve="power_decay", scale=3.0, regime="rare"
    ),
    "unseen-cliff-a100-padded": _R(
        law="diagonal_cliff", card="a100", curve="power_decay", time="padded", jitter_pct=10.0
    ),
    "unseen-steps-rtx4090-late": _R(law="uneven_steps", card="rtx4090", curve="turning", lost_share=0.03),
    "unseen-best-h100-misses": _R(
        law="best_batch", card="h100", curve="power_decay", baseline="misses_and_is_faster"
    ),
    "unseen-chunks-a100-micro": _R(
        law="chunk_statistics", card="a100", curve="power_decay", is_declared=False
    ),
    "unseen-tuned-30456-points": _R(
        law="tuned_saturation",
        card="a100",
        curve="power_decay",
        scale=1.5,
        regime="tight",
        num_rates=27,
        num_precisions=2,
    ),
}

ALIEN: dict[str, HarderRecipe] = {
    "other-voronoi-a100": _R(law="voronoi", card="a100", curve="power_decay"),
    "other-divisors-h100": _R(law="common_divisors", card="h100", curve="power_decay", is_declared=False),
    "other-rings-rtx4090-late": _R(law="rings", card="rtx4090", curve="turning"),
    "other-opposites-a100-spread": _R(
        law="opposites", card="a100", curve="power_decay", spread=0.6, outlier_share=0.04
    ),
    "other-walks-h100-misses": _R(law="walks", card="h100", curve="power_decay", baseline="misses"),
    "other-walks-rtx4090-padded": _R(
        law="walks", card="rtx4090", curve="power_decay", time="padded", time_noise_pct=10.0
    ),
    "other-wells-a100-rare": _R(law="wells", card="a100", curve="power_decay", regime="rare"),
    "other-resonance-a100-micro": _R(law="resonance", card="a100", curve="power_decay", is_declared=False),
    "other-tuned-3204-points": _R(
        law="tuned_rings", card="rtx4090", curve="power_decay", num_rates=3, num_precisions=2
    ),
}

HARDER_SETS: dict[str, dict[str, HarderRecipe]] = {
    "develop": DEVELOP,
    "select": SELECT,
    "held_out": HELD_OUT,
    "alien": ALIEN,
}
