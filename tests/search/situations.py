"""Moments of a study, made up from runs and probes, for the tests of what to do next."""

from collections.abc import Callable, Sequence

from tests.search.cases import lattice
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Measurement, Status
from tuner.core.objectives import Target
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.candidates import Candidates
from tuner.search.observations import Observations, Probed
from tuner.search.policy.acquisition import Acquisition
from tuner.search.policy.admission import Admission
from tuner.search.policy.probing import ProbeStep
from tuner.search.policy.stopping import Decided
from tuner.search.policy.strategy import RunStep, Strategy
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem

NUM_EPOCHS = 4
BASELINE = TrialConfig(batch_size=4, micro_batch=1, num_taus=3)
FASTEST = TrialConfig(batch_size=8, micro_batch=4, num_taus=2)
LATTICE = lattice()
OTHERS = tuple(config for config in LATTICE if config not in (BASELINE, FASTEST))


def problem(of: Lattice = LATTICE, target: str = "nrmse < 0.095", **more) -> Problem:
    fields = {"baseline": BASELINE, "traits": StageTraits()} | more
    return Problem(lattice=of, target=Target.parse(target), num_samples=240, num_epochs=NUM_EPOCHS, **fields)


def epoch_s(config: TrialConfig) -> float:
    """Batches, launches and rows; `FASTEST` is the fastest."""
    return 240 * (0.2 / config.batch_size + 0.1 / config.micro_batch + 0.05 * config.num_taus)


def ran(
    config: TrialConfig,
    nrmse: float,
    seed: int = 0,
    *,
    state: TrialState = TrialState.COMPLETE,
    num_ran: int = NUM_EPOCHS,
    constraint: str = "",
    memory_gib: float = 0.25,
) -> TrialRecord:
    """A trial that ended; its curve falls by 5 % an epoch towards `nrmse`."""
    reports = tuple(
        Measurement(
            status=Status.OK,
            epoch=epoch,
            nrmse=nrmse * 1.05 ** (NUM_EPOCHS - epoch),
            time_s=epoch * epoch_s(config),
            epoch_time_s=epoch_s(config),
            peak_memory_gib=memory_gib,
        )
        for epoch in range(1, num_ran + 1)
    )
    return TrialRecord(
        trial_id=f"{config} {seed}",
        config=config,
        seed=seed,
        num_epochs=NUM_EPOCHS,
        state=state,
        measurements=reports,
        constraint=constraint,
    )


def running(config: TrialConfig, seed: int = 0) -> TrialRecord:
    return ran(config, 0.1, seed, state=TrialState.RUNNING, num_ran=0)


def predictions(of: Problem, records: Sequence[TrialRecord], probes: Sequence[Probed] = ()) -> Predictions:
    tried = [of.baseline, *(r.config for r in records), *(p.config for p in probes)]
    return Predictions(of, Candidates(of, tried), Observations(records, probes))


def strategy(
    of: Problem,
    records: Sequence[TrialRecord],
    probes: Sequence[Probed] = (),
    probe_cost_s: float | None = None,
) -> Strategy:
    under_way = [r for r in records if r.state is TrialState.RUNNING]
    return Strategy(predictions(of, records, probes), under_way, probe_cost_s)


def acquisition(of: Problem, records: Sequence[TrialRecord]) -> Acquisition:
    found = predictions(of, records)
    under_way = [r for r in records if r.state is TrialState.RUNNING]
    return Acquisition(found, Admission(found), under_way)


def probed(configs: Sequence[TrialConfig], factor: float = 1.0) -> list[Probed]:
    return [Probed(config=c, epoch_time_s=epoch_s(c) / factor, peak_memory_gib=0.25) for c in configs]


Law = Callable[[TrialConfig, int], float | None]
"""(configuration, seed) -> NRMSE; None: out of memory."""


def search(
    of: Problem,
    law: Law,
    *,
    probe_cost_s: float | None = None,
    max_steps: int = 120,
    factor: float = 1.0,
) -> tuple[list[TrialRecord], list[ProbeStep], Decided]:
    """Does what the strategy says until it is decided, the baseline first.

    Probes tell the seconds of an epoch divided by `factor`, and what does not fit.
    """
    records, probes, probe_steps = [_outcome(of.baseline, 0, law)], [], []
    for _ in range(max_steps):
        step = strategy(of, records, probes, probe_cost_s).next_step()
        if isinstance(step, Decided):
            return records, probe_steps, step
        if isinstance(step, ProbeStep):
            probe_steps.append(step)
            fitting = [config for config in step.configs if law(config, 0) is not None]
            probes += probed(fitting, factor)
            too_large = [config for config in step.configs if config not in fitting]
            probes += [Probed(config=c, epoch_time_s=None, is_too_large=True) for c in too_large]
        else:
            assert isinstance(step, RunStep)
            records.append(_outcome(step.config, step.seed, law))
    raise AssertionError(f"not decided after {max_steps} steps")


def _outcome(config: TrialConfig, seed: int, law: Law) -> TrialRecord:
    nrmse = law(config, seed)
    if nrmse is None:
        return ran(config, 0.1, seed, state=TrialState.INFEASIBLE, num_ran=0, constraint="memory")
    return ran(config, nrmse, seed)
