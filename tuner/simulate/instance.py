"""A simulated study with its truth: what it would be told, and what is so.

An `Instance` holds, for every point of a study's lattice, the true mean NRMSE by epoch, the true time and the
true peak memory, and plays the laws that the loop asks: trainings with noise, probes with an error, lost
workers. Which configuration is best is known exactly, so that an answer can be judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from foundation.arrays import Floats
from tuner.advisor.messages import Finished, Probe, ProbeResult, Run
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.workload import workload
from tuner.errors import TunerError
from tuner.simulate.curves import settling
from tuner.simulate.hardware import Columns
from tuner.simulate.loop import Account, Costs, Driven, VirtualClock, simulate
from tuner.simulate.noise import generator
from tuner.simulate.truth import Truth, best_of

OPTIMAL_WITHIN = 1.05
"""A recommendation is a success when its true objective is within this factor of the optimum's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise of what is reported against the truth; standard deviations in percent.

    Attributes:
        shared_pct: NRMSE, the part all configurations have in common with a seed.
        private_pct: NRMSE, the part a seed has with one configuration. docs/stage.md: 0.9 % in all, and
            1.0 to 1.25 % of a paired difference.
        time_pct: Time of a run.
        probe_pct: Time predicted by a probe.
        lost_share: Probability that a trial loses its worker.
        outlier_share: Probability that a seed goes wrong with a configuration: its NRMSE is then worse.
        outlier_pct: By how much it is then worse, the mean of an exponential distribution, percent. All
            factors are divided by their mean, so that the truth stays the mean over seeds.
    """

    shared_pct: float = 0.45
    private_pct: float = 0.75
    time_pct: float = 0.7
    probe_pct: float = 3.0
    lost_share: float = 0.0
    outlier_share: float = 0.0
    outlier_pct: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """A study, what is so, and how noisily it is told; `train` and `probe` are the laws the loop plays.

    Attributes:
        name: Name made of its set, its law and its card.
        study: The study, as an advisor gets it.
        truth: The true figures of every point; see `Truth`.
        noise: The noise of reports; see `Noise`.
        costs: The costs beside training; see `Costs`.
        probe_s: Seconds to probe one configuration.
        seed: Seed of all that is drawn while it is played.
        device: Name of the device in reports.
        curves: Measured NRMSE, shape (points, seeds, epochs), replayed instead of truth and noise; None to
            draw.
        spread: Factor of every point on the private part of the noise, shape (points,); None if all are 1.
        quality_invariant_to: Parameters of which the stage says that they cannot change NRMSE.
    """

    name: str
    study: StudySpec
    truth: Truth
    noise: Noise = field(default_factory=Noise)
    costs: Costs = field(default_factory=Costs)
    probe_s: float = 0.0
    seed: int = 0
    device: str = "simulated"
    curves: Floats | None = None
    spread: Floats | None = None
    quality_invariant_to: tuple[str, ...] = ("micro_batch",)
    _luck: dict[tuple[object, ...], Floats] = field(default_factory=dict, repr=False)

    @property
    def baseline(self) -> int:
        """The configuration of the baseline."""
        return self.row(self.study.baseline)

    @property
    def unit_s(self) -> float:
        """Training seconds of the optimum at full budget, the unit of cost; the baseline's without one."""
        best = self.optimum
        return float(self.truth.time_s[self.baseline if best is None else best])

    @property
    def objective(self) -> Floats:
        """The study's objective at every point, shape (points,)."""
        return self.truth.objective(self.study.objective)

    @property
    def is_feasible(self) -> npt.NDArray[np.bool_]:
        """Whether a point runs, meets the target and keeps the study's limits, shape (points,)."""
        allowed = self.truth.is_feasible
        for limit in self.study.limits:
            allowed = allowed & self.truth.keeps(limit, self.baseline)
        return allowed

    @property
    def optimum(self) -> int | None:
        """The best feasible point that has the margin wanted of an optimum; None when there is none."""
        return best_of(self.objective, self.is_feasible & self.truth.has_margin)

    def row(self, config: TrialConfig) -> int:
        """Returns the index of a configuration in the lattice.

        Raises:
            TunerError: The configuration is not a point of the lattice.
        """
        row = self.study.lattice.index(config)
        if row is None:
            why = self.study.lattice.why_not(config)
            raise TunerError(f"the simulator was asked for {config}, which is outside the study: {why}.")
        return row

    def shared_by(self, num_workers: int) -> Instance:
        """Returns the instance with the same budget of GPU-seconds for several workers.

        Returns:
            One whose study has the hours in which they can spend it. All but one wait for the first run of
            the baseline, which costs time but no GPU-seconds.
        """
        alone_s = float(self.truth.time_s[self.baseline])
        gpu_s = 3600 * self.study.budget.hours
        hours = (gpu_s + (num_workers - 1) * alone_s) / num_workers / 3600
        budget = replace(self.study.budget, hours=hours)
        return replace(self, study=replace(self.study, budget=budget), _luck={})

    def is_success(self, config: TrialConfig | None) -> bool:
        """Whether an answer is truly feasible and within 5 % of the optimum; or None if nothing is."""
        best = self.optimum
        if config is None or best is None:
            return config is None and best is None
        row, objective = self.row(config), self.objective
        is_good = objective[row] <= OPTIMAL_WITHIN * objective[best]
        return bool(self.is_feasible[row] and is_good)

    def is_lie(self, config: TrialConfig | None) -> bool:
        """Whether a recommendation is truly infeasible."""
        return config is not None and not self.is_feasible[self.row(config)]

    def play(
        self, advisor: Driven, clock: VirtualClock, account: Account | None = None, *, num_workers: int = 1
    ) -> Finished:
        """Runs the study in virtual time; see `simulate`."""
        return simulate(
            advisor,
            self.train,
            clock,
            num_workers=num_workers,
            probe=self.probe,
            costs=self.costs,
            account=account,
        )

    def train(self, run: Run, epoch: int) -> Measurement | None:
        """The report after an epoch; None when the worker is lost there. A `Law` of the loop."""
        row = self.row(run.config)
        if not self.truth.fits[row]:
            return Measurement(
                status=Status.OOM,
                epoch=0,
                nrmse=math.nan,
                time_s=0.0,
                epoch_time_s=0.0,
                device=self.device,
                peak_memory_gib=self.truth.memory_gib,
                error=f"simulated: needs {self.truth.peak_memory_gib[row]:.1f} GiB",
            )
        trial = self._trial_luck(run.trial_id)
        if trial[1] < self.noise.lost_share and epoch == 1 + int(trial[2] * run.num_epochs):
            return None
        num_epochs = self.study.stage.num_epochs
        epoch_s = self.truth.time_s[row] / num_epochs * math.exp(self.noise.time_pct / 100 * trial[0])
        work = workload(run.config, self.study.stage)
        power_w = None if self.truth.energy_j is None else self.truth.energy_j[row] / self.truth.time_s[row]
        return Measurement(
            status=Status.OK,
            epoch=epoch,
            nrmse=float(self._nrmse(run, row)[epoch - 1]),
            time_s=float(epoch * epoch_s),
            epoch_time_s=float(epoch_s),
            evaluate_time_s=epoch * self.costs.evaluate_s,
            setup_time_s=self.costs.startup_s,
            peak_memory_gib=float(self.truth.peak_memory_gib[row]),
            power_w=None if power_w is None else float(power_w),
            energy_j=None if power_w is None else float(power_w * epoch * epoch_s),
            num_chunks=epoch * work.num_chunks,
            num_sample_evals=epoch * work.num_rows,
            num_optimizer_steps=work.num_optimizer_steps(epoch),
            device=self.device,
        )

    def probe(self, probe: Probe) -> tuple[list[ProbeResult], float]:
        """Returns what a probe tells of each configuration, and its seconds beside the start."""
        return [self._probed(config) for config in probe.configs], len(probe.configs) * self.probe_s

    def _probed(self, config: TrialConfig) -> ProbeResult:
        row = self.row(config)
        fits = bool(self.truth.fits[row])
        epoch_s = float(self.truth.time_s[row]) / self.study.stage.num_epochs
        stray = self._luck_of("probe", config, size=1)[0] * self.noise.probe_pct / 100
        return ProbeResult(
            config=config,
            status=Status.OK if fits else Status.OOM,
            epoch_time_s=epoch_s * math.exp(stray) if fits else 0.0,
            peak_memory_gib=float(self.truth.peak_memory_gib[row] if fits else self.truth.memory_gib),
        )

    def _nrmse(self, run: Run, row: int) -> Floats:
        """The NRMSE a run sees after every epoch, shape (epochs,)."""
        if self.curves is not None:
            seen: Floats = self.curves[row, run.seed % self.curves.shape[1]]
            return seen
        drawn: Floats = self.truth.nrmse[row] * self._seed_luck(run.config, run.seed, row)
        return drawn

    def _seed_luck(self, config: TrialConfig, seed: int, row: int) -> Floats:
        """A seed's factors on the NRMSE of a configuration and of all like it, shape (epochs,)."""
        num_epochs = self.study.stage.num_epochs
        group: tuple[object, ...] = (config.batch_size, config.num_taus, config.accum_steps, config.extra)
        if "micro_batch" not in self.quality_invariant_to:
            group = (*group, config.micro_batch)
        shared = self._luck_of("seed", seed, size=1)
        private = self._luck_of("group", seed, group, size=1 + num_epochs)
        spread = 1.0 if self.spread is None else float(self.spread[row])
        stray = self.noise.shared_pct * shared + self.noise.private_pct * spread * private[0]
        factors: Floats = np.exp(stray / 100 + settling(num_epochs) / 2 * private[1:])
        return factors * self._outlier(seed, group)

    def _outlier(self, seed: int, group: tuple[object, ...]) -> float:
        """By which factor a seed goes wrong with a group of configurations; its mean over seeds is 1."""
        share, size = self.noise.outlier_share, self.noise.outlier_pct / 100
        if not share:
            return 1.0
        happens, how_much = ndtr(self._luck_of("outlier", seed, group, size=2))
        worse = -math.log(how_much) * size if happens < share else 0.0
        return float((1 + worse) / (1 + share * size))

    def _trial_luck(self, trial_id: str) -> Floats:
        """Draws a normal number for a trial's time, and two uniform ones for whether and when it is lost."""
        key = ("trial", trial_id)
        if key not in self._luck:
            rng = generator(self.seed, *key)
            self._luck[key] = np.array([rng.normal(), rng.uniform(), rng.uniform()])
        return self._luck[key]

    def _luck_of(self, *names: object, size: int) -> Floats:
        """Standard normal numbers that depend on the names only, shape (size,)."""
        if names not in self._luck:
            self._luck[names] = generator(self.seed, *names).normal(size=size)
        return self._luck[names]


def quality_groups(columns: Columns) -> npt.NDArray[np.intp]:
    """The number of the quality group of every point, shape (points,): alike but for micro_batch."""
    codes = [
        np.unique(column, return_inverse=True)[1] for name, column in columns.items() if name != "micro_batch"
    ]
    groups: npt.NDArray[np.intp] = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1]
    return groups.reshape(-1)
