"""The contract suite of a sampler: a proposer made of it is asked and told as the advisor does.

Knows the `Proposer` contract, not Optuna: a sampler is reached through `OptunaProposer`, as in a study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Measurement, Status
from tuner.core.parameters import Discrete
from tuner.core.trial import TrialRecord, TrialState
from tuner.search import FullBudgetValues, OptunaProposer, Proposer
from tuner.testing.clauses import Clause, Seen, clause, run_clauses
from tuner.testing.stage_case import stir

NUM_EPOCHS = 4
THRESHOLD = 0.05
ENDINGS = ("complete", "stopped", "stopped at once", "memory", "finite", "lost")
_STATES = {
    "complete": (TrialState.COMPLETE, NUM_EPOCHS),
    "stopped": (TrialState.STOPPED, 1),
    "stopped at once": (TrialState.STOPPED, 0),
    "memory": (TrialState.INFEASIBLE, 0),
    "finite": (TrialState.INFEASIBLE, 1),
    "lost": (TrialState.FAILED, 1),
}


def small_lattice() -> Lattice:
    """Makes a lattice of twelve legal points."""
    values = {"batch_size": (4, 8), "micro_batch": (2, 4), "num_taus": (2, 3, 5)}
    return Lattice([Discrete(name=name, values=listed) for name, listed in values.items()])


@dataclass(kw_only=True)
class ProposerCase:
    """A proposer on the bench.

    Attributes:
        make: A new proposer for a lattice and a seed.
        lattice: The lattice of discrete parameters; its points are proposed one by one, so keep it small.
    """

    make: Callable[[Lattice, int], Proposer]
    lattice: Lattice

    def proposer(self, seed: int = 0, *, drawn: int = 0) -> Proposer:
        """A new proposer; `drawn` is the state of the process's random generators before it."""
        stir(drawn)
        return self.make(self.lattice, seed)

    def drive(
        self, proposer: Proposer, endings: tuple[str, ...] = ("complete",), num: int = 0
    ) -> list[TrialConfig]:
        """Asks and tells `num` times (default: twice as often as there are points), or to the end."""
        asked: list[TrialConfig] = []
        while len(asked) < (num or 2 * len(self.lattice)):
            trial_id = f"{len(asked):04d}"
            config = proposer.propose(trial_id)
            if config is None:
                break
            tell(proposer, trial_id, config, endings[len(asked) % len(endings)])
            asked.append(config)
        return asked


def tell(proposer: Proposer, trial_id: str, config: TrialConfig, ending: str = "complete") -> None:
    """Tells how a trial ended: by a law in which big micro-batches are fast and many taus good."""
    state, num_ran = _STATES[ending]
    epoch_time_s = config.num_taus * (1 + 10 / config.micro_batch)
    nrmse = 0.1 / config.num_taus + 0.001 * config.batch_size
    record = TrialRecord(
        trial_id=trial_id,
        config=config,
        seed=0,
        num_epochs=NUM_EPOCHS,
        state=state,
        constraint=ending if state is TrialState.INFEASIBLE else "",
        measurements=tuple(
            Measurement(
                status=Status.OK, epoch=k, nrmse=nrmse, time_s=k * epoch_time_s, epoch_time_s=epoch_time_s
            )
            for k in range(1, num_ran + 1)
        ),
    )
    is_told = state in (TrialState.COMPLETE, TrialState.STOPPED) and num_ran > 0
    values = FullBudgetValues(
        projected_objective=NUM_EPOCHS * epoch_time_s, projected_nrmse=nrmse, quality=nrmse - THRESHOLD
    )
    proposer.tell(record, values if is_told else None)


@clause("propose points of the lattice only; see Lattice.why_not.")
def every_proposal_is_legal(case: ProposerCase) -> Seen:
    """Checks proposals with half the lattice asked for and told, one at a time."""
    asked = case.drive(case.proposer(), num=max(2, len(case.lattice) // 2))
    return next((str(config) for config in asked if config not in case.lattice), None)


@clause("remember what was proposed or adopted, whatever became of it.", needs=[every_proposal_is_legal])
def nothing_is_proposed_twice(case: ProposerCase) -> Seen:
    """Checks that no configuration is proposed again, nor one that somebody else chose."""
    proposer = case.proposer()
    adopted = case.lattice.config(len(case.lattice) - 1)
    proposer.adopt("baseline", adopted)
    tell(proposer, "baseline", adopted)
    asked = [adopted, *case.drive(proposer)]
    twice = [config for k, config in enumerate(asked) if config in asked[:k]]
    return f"{twice[0]} again" if twice else None


@clause("go on to the last point, and answer None after it.", needs=[nothing_is_proposed_twice])
def the_whole_lattice_can_be_used_up(case: ProposerCase) -> Seen:
    """A study larger than its space ends by itself."""
    proposer, num_points = case.proposer(), len(case.lattice)
    asked = case.drive(proposer)
    if len(asked) != num_points:
        return f"{len(asked)} proposals on {num_points} points"
    after = proposer.propose("after")
    return f"{after} after all {num_points}" if after is not None else None


@clause("draw from one generator made of the seed.", needs=[every_proposal_is_legal])
def the_same_seed_gives_the_same_proposals(case: ProposerCase) -> Seen:
    """Checks that proposals do not depend on what the process drew before; a run can then be repeated."""
    first, second = (case.drive(case.proposer(3, drawn=drawn)) for drawn in (0, 987))
    pairs = zip(first, second, strict=False)
    different = next((f"{a} and {b} as number {k}" for k, (a, b) in enumerate(pairs) if a != b), None)
    return different or (None if len(first) == len(second) else f"{len(first)} and {len(second)} proposals")


@clause("take every final state; see Proposer.tell.", needs=[every_proposal_is_legal])
def trials_may_end_in_any_way(case: ProposerCase) -> Seen:
    """Every trial of a study ends in the same way, for each way, and then in all ways mixed."""
    for endings in (*((ending,) for ending in ENDINGS), ENDINGS):
        asked = case.drive(case.proposer(), endings, num=min(len(case.lattice), 2 * len(ENDINGS)))
        illegal = next((config for config in asked if config not in case.lattice), None)
        if illegal:
            return f"{illegal} among trials that end {', '.join(endings)}"
    return None


@clause("expect trials that are not told yet, and tells in any order.", needs=[every_proposal_is_legal])
def several_trials_may_run_at_once(case: ProposerCase) -> Seen:
    """Four are asked for, and told in the opposite order, again and again."""
    proposer, asked = case.proposer(), list[TrialConfig]()
    for batch in range(2):
        running: dict[str, TrialConfig] = {}
        for k in range(min(4, len(case.lattice) // 2)):
            config = proposer.propose(trial_id := f"{batch}-{k}")
            if config is None or config not in case.lattice or config in asked:
                return f"{config} while {len(running)} run"
            running[trial_id] = config
            asked.append(config)
        for trial_id, config in reversed(running.items()):
            tell(proposer, trial_id, config)
    return None


@clause("give up what is running in close().", needs=[every_proposal_is_legal])
def closing_is_harmless_while_trials_run(case: ProposerCase) -> Seen:
    """This holds before the first trial, too."""
    for num_running in (0, 2):
        proposer = case.proposer()
        for k in range(num_running):
            proposer.propose(str(k))
        proposer.close()
    return None


def sampler_clauses() -> list[Clause[ProposerCase]]:
    """The clauses of a sampler's contract, in the order in which they make sense."""
    return [
        every_proposal_is_legal,
        nothing_is_proposed_twice,
        the_whole_lattice_can_be_used_up,
        the_same_seed_gives_the_same_proposals,
        trials_may_end_in_any_way,
        several_trials_may_run_at_once,
        closing_is_harmless_while_trials_run,
    ]


def check_proposer(make: Callable[[Lattice, int], Proposer], lattice: Lattice | None = None) -> None:
    """Checks a proposer of your own; `lattice` as of `ProposerCase`, by default twelve points.

    Raises:
        ContractError: Clauses are broken; lists all of them.
    """
    run_clauses(sampler_clauses(), ProposerCase(make=make, lattice=lattice or small_lattice()))


def check_sampler(
    sampler: str | Callable[..., Any],
    lattice: Lattice | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Checks what a study may name as `search.sampler`, on the lattice as in a study.

    Args:
        sampler: `tpe`, `module:Class`, or a class or function at the top of a module; it is called with
            `seed` and the options, and gives a sampler of Optuna.
        lattice: Lattice for `ProposerCase`, by default twelve points.
        options: Options as in the study's `search.options`.

    Raises:
        ContractError: Clauses are broken; lists all of them.
        SpecError: The sampler cannot be made.
    """
    name = sampler if isinstance(sampler, str) else f"{sampler.__module__}:{sampler.__qualname__}"
    OptunaProposer(lattice or small_lattice(), name, options or {})
    check_proposer(lambda points, seed: OptunaProposer(points, name, options or {}, seed), lattice)
