"""A small lattice, records and a made-up stage, for the tests of this folder."""

from collections.abc import Callable

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Measurement, Status
from tuner.core.parameters import Continuous, Discrete, Parameter
from tuner.core.trial import TrialRecord, TrialState
from tuner.search import FullBudgetValues, OptunaProposer

NUM_EPOCHS = 4
THRESHOLD = 0.05
LR = Continuous(name="lr", low=1e-4, high=1e-2, log=True)
PRECISION = Discrete(name="precision", values=("fp32", "bf16"), is_ordered=False)
WEIGHT = Discrete(name="weight", values=(0.0, 0.5, 2.0))


def lattice(*more: Parameter, max_batch: int = 8, max_micro: int = 4, max_taus: int = 3) -> Lattice:
    """Batch from 4, micro-batch from 1, taus from 2: 24 points by default."""
    return Lattice(
        [
            Discrete(name="batch_size", values=tuple(range(4, max_batch + 1))),
            Discrete(name="micro_batch", values=tuple(range(1, max_micro + 1))),
            Discrete(name="num_taus", values=tuple(range(2, max_taus + 1))),
            *more,
        ]
    )


def record(
    trial_id: str,
    config: TrialConfig,
    state: TrialState = TrialState.COMPLETE,
    *,
    num_ran: int = NUM_EPOCHS,
    constraint: str = "",
    resumed: bool = False,
) -> TrialRecord:
    """A trial of the made-up stage after `num_ran` epochs."""
    epoch_time_s, nrmse = law(config)
    measurements = tuple(
        Measurement(
            status=Status.OK,
            epoch=epoch,
            nrmse=nrmse * NUM_EPOCHS / epoch,
            time_s=epoch * epoch_time_s,
            epoch_time_s=epoch_time_s,
            resumed=resumed,
        )
        for epoch in range(1, num_ran + 1)
    )
    return TrialRecord(
        trial_id=trial_id,
        config=config,
        seed=0,
        num_epochs=NUM_EPOCHS,
        state=state,
        measurements=measurements,
        constraint=constraint,
    )


def law(config: TrialConfig) -> tuple[float, float]:
    """Seconds an epoch and NRMSE at full budget: big micro-batches are fast, many taus are good."""
    time_s = config.num_taus * (1 + 10 / config.micro_batch)
    return time_s, 0.1 / config.num_taus + 0.001 * config.batch_size


def full_budget_values(config: TrialConfig, *, time_s: float | None = None) -> FullBudgetValues:
    """Returns the exact worth of `config`; `time_s` replaces the projected time."""
    epoch_time_s, nrmse = law(config)
    return FullBudgetValues(
        projected_objective=time_s or NUM_EPOCHS * epoch_time_s,
        projected_nrmse=nrmse,
        quality=nrmse - THRESHOLD,
    )


def drive(
    proposer: OptunaProposer,
    num_trials: int = 10**6,
    *,
    is_oom: Callable[[TrialConfig], bool] = lambda config: False,
) -> list[TrialConfig]:
    """Asks and tells until nothing is left, or `num_trials` times."""
    asked: list[TrialConfig] = []
    while len(asked) < num_trials:
        trial_id = f"{len(asked):04d}"
        config = proposer.propose(trial_id)
        if config is None:
            break
        asked.append(config)
        if is_oom(config):
            oom = record(trial_id, config, TrialState.INFEASIBLE, num_ran=0, constraint="memory")
            proposer.tell(oom, None)
        else:
            proposer.tell(record(trial_id, config), full_budget_values(config))
    return asked
