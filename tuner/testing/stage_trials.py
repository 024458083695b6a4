"""The clauses of a stage's contract that show only when trials are compared."""

from __future__ import annotations

import math

from foundation.quality_name import label
from tuner.testing.clauses import Seen, clause
from tuner.testing.stage_case import StageCase, stir
from tuner.testing.stage_reports import a_trial_runs_through_its_budget

QUALITY_REL_TOL = 1e-3
"""Largest difference in NRMSE that `quality_invariant_to` may leave unsaid."""


@clause("return at least a name and a kind, which is cuda or cpu, from describe_device(options).")
def the_device_is_described(case: StageCase) -> Seen:
    """Every output of a study carries the device."""
    described = dict(case.stage.describe_device(dict(case.options)))
    is_described = described.get("kind") in ("cuda", "cpu") and isinstance(described.get("name"), str)
    return None if is_described else f"describe_device(options) is {described}"


@clause("let prepare(options) find what an earlier call made.")
def preparing_twice_is_harmless(case: StageCase) -> Seen:
    """Studies on one machine share it."""
    for _ in range(2):
        case.stage.prepare(dict(case.options))
    return None


@clause("draw from generators seeded with the trial's seed.", needs=[a_trial_runs_through_its_budget])
def the_same_seed_gives_the_same_nrmse(case: StageCase) -> Seen:
    """They are equal bitwise on a CPU."""
    return case.differs(case.fresh())


@clause("take any whole number as seed.", needs=[a_trial_runs_through_its_budget])
def other_seeds_train_as_well(case: StageCase) -> Seen:
    """Finalists run with several seeds."""
    for seed in (case.seed + 1, case.seed + 12345):
        last = case.fresh(seed=seed)[-1]
        if last.get("status") != "ok":
            return f"seed {seed}: status {last.get('status')!r}, error {last.get('error')!r}"
    return None


@clause(
    "draw from generators of the trial's own, or from the global ones only inside build and train_epoch.",
    needs=[the_same_seed_gives_the_same_nrmse],
)
def what_the_process_drew_before_does_not_matter(case: StageCase) -> Seen:
    """The global generators are in another state before the trial and between its epochs."""
    with case.trial(drawn=987) as trial:
        reports = []
        for epoch in range(len(case.undisturbed)):
            stir(654 + epoch)
            reports += case.run(trial, 1)
        return case.differs(reports)


@clause("change neither weights nor generators in evaluate().", needs=[the_same_seed_gives_the_same_nrmse])
def evaluating_changes_nothing(case: StageCase) -> Seen:
    """`evaluate`, where there is one, may be called twice more after every epoch."""
    if not hasattr(case.stage, "evaluate"):
        return None
    with case.trial() as trial:
        reports = []
        for _ in case.undisturbed:
            reports += case.run(trial, 1)
            again = [trial.evaluate()[case.quality] for _ in range(2)][-1]
            if not math.isclose(again, reports[-1][case.quality], rel_tol=case.rel_tol):
                return f"{label(case.quality)} {reports[-1][case.quality]}, evaluated again {again}"
        return case.differs(reports)


@clause("throw away all that warm_up() does.", needs=[the_same_seed_gives_the_same_nrmse])
def warming_up_changes_nothing(case: StageCase) -> Seen:
    """A trial whose `warm_up`, where there is one, is left out gives the same NRMSE."""
    if not hasattr(case.stage, "warm_up"):
        return None
    cold = type(case.stage.__name__, (case.stage,), {"warm_up": lambda self: None})
    return case.differs(case.fresh(stage_class=cold), "without warm_up ")


@clause(
    "make state_dict() hold all that later epochs depend on, pending gradients and generators included, and "
    "load_state_dict() put it back; or do not say `resumable = True`.",
    needs=[the_same_seed_gives_the_same_nrmse],
)
def a_trial_resumed_after_any_epoch_gives_the_same_nrmse(case: StageCase) -> Seen:
    """Saved after each epoch in turn and restored in a new object; the old one is never ended first."""
    for before, after in case.resumed if is_resumable(case) else ():
        seen = case.differs(before + after, f"resumed after epoch {len(before)}: ")
        if seen:
            return seen
    return None


@clause(
    "report resumed as True from restore() on, and as False before.",
    needs=[a_trial_resumed_after_any_epoch_gives_the_same_nrmse],
)
def a_resumed_trial_says_so(case: StageCase) -> Seen:
    """Checks that a resumed trial says so: its times are of two processes, so it may not win."""
    for before, after in case.resumed if is_resumable(case) else ():
        said = [bool(report.get("resumed")) for report in before + after]
        if said != [False] * len(before) + [True] * len(after):
            return f"resumed after epoch {len(before)}: {said} by epoch"
    return None


@clause(
    "save time_s and the counts with the state, and go on from them.",
    needs=[a_trial_resumed_after_any_epoch_gives_the_same_nrmse],
)
def a_resumed_trial_keeps_its_clock_and_counts(case: StageCase) -> Seen:
    """Clock and counts are sums since the first epoch."""
    for before, after in case.resumed if is_resumable(case) else ():
        due = before[-1]["time_s"] + after[0]["epoch_time_s"]
        if not math.isclose(after[0]["time_s"], due, rel_tol=1e-6):
            return f"after epoch {len(before)}: time_s={after[0]['time_s']} instead of {due}"
        rows, due_rows = (run[-1]["num_sample_evals"] for run in (after, case.undisturbed))
        if rows != due_rows:
            return f"after epoch {len(before)}: num_sample_evals={rows} at the end instead of {due_rows}"
    return None


def is_resumable(case: StageCase) -> bool:
    """Whether the stage says that its trials can go on from a checkpoint."""
    return bool(getattr(case.stage, "resumable", False))


@clause(
    "make everything anew in build(), and drop it in release(); or let reset_config() return False.",
    needs=[the_same_seed_gives_the_same_nrmse],
)
def a_reused_process_gives_the_same_nrmse_as_a_new_one(case: StageCase) -> Seen:
    """An object that began another trial, with other parameters and another seed, is reset to this one."""
    other = case.config(params=dict(case.other_params or case.params), seed=case.seed + 5)
    with case.trial(**other) as trial:
        case.run(trial, 1)
        return case.differs(case.run(trial), "reset: ") if trial.reset(case.config()) else None


@clause("drop from quality_invariant_to what changes the NRMSE.", needs=[the_same_seed_gives_the_same_nrmse])
def what_quality_does_not_depend_on_does_not_change_it(case: StageCase) -> Seen:
    """Each declared parameter with another value in `other_params` is changed alone."""
    expected, other = case.quality_of(case.undisturbed)[-1], case.other_params or {}
    for name in getattr(case.stage, "quality_invariant_to", ()):
        if name in other and other[name] != case.params.get(name):
            found = case.quality_of(case.fresh(params={**case.params, name: other[name]}))[-1]
            if not math.isclose(found, expected, rel_tol=QUALITY_REL_TOL):
                return f"{name}={other[name]}: {label(case.quality)} {found} instead of {expected}"
    return None


@clause(
    "raise ValueError that names it, from prepare() or build(): a study may misspell one.",
    needs=[preparing_twice_is_harmless],
)
def an_unknown_option_is_refused_by_name(case: StageCase) -> Seen:
    """A TypeError, as of a dataclass that lacks it, will do."""
    name = "no_such_option"
    options = {**case.options, name: 1}
    try:
        case.stage.prepare(dict(options))
        case.stage(config=case.config(stage=options)).stop()
    except (ValueError, TypeError) as error:
        return None if name in str(error) else f"{type(error).__name__} without its name: {error}"
    return f"option {name} was accepted"


@clause("raise ValueError that names the parameter, from build().")
def parameters_that_make_no_sense_are_refused_by_name(case: StageCase) -> Seen:
    """Checks that each of `bad_params` is refused."""
    for bad in case.bad_params or ():
        try:
            case.stage(config=case.config(params=dict(bad))).stop()
        except ValueError as error:
            names = {name for name, _ in set(bad.items()) ^ set(case.params.items())}
            if not any(name in str(error) for name in names):
                return f"{dict(bad)}: ValueError without the name of a parameter: {error}"
        else:
            return f"{dict(bad)} was accepted"
    return None


@clause("let release() do nothing when there is nothing to drop.", needs=[a_trial_runs_through_its_budget])
def ending_a_trial_twice_is_harmless(case: StageCase) -> Seen:
    """Before its first epoch as well as after one."""
    for num_epochs in (0, 1):
        with case.trial() as trial:
            for _ in range(num_epochs):
                trial.train()
            trial.cleanup()
    return None


TRIAL_CHECKS = (
    the_device_is_described,
    preparing_twice_is_harmless,
    the_same_seed_gives_the_same_nrmse,
    other_seeds_train_as_well,
    what_the_process_drew_before_does_not_matter,
    evaluating_changes_nothing,
    warming_up_changes_nothing,
    a_trial_resumed_after_any_epoch_gives_the_same_nrmse,
    a_resumed_trial_says_so,
    a_resumed_trial_keeps_its_clock_and_counts,
    a_reused_process_gives_the_same_nrmse_as_a_new_one,
    what_quality_does_not_depend_on_does_not_change_it,
    an_unknown_option_is_refused_by_name,
    parameters_that_make_no_sense_are_refused_by_name,
    ending_a_trial_twice_is_harmless,
)
