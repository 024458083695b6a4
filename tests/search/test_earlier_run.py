"""An earlier run's NRMSE on the axes of this study, and when it is not believed."""

import math

import numpy as np
import pytest

from tests.studies import make_record, make_study, study_dict
from tuner.core.config import TrialConfig
from tuner.core.traits import StageTraits
from tuner.core.warm_start import WarmStart, WarmStartRun
from tuner.search.candidates import Candidates
from tuner.search.contradictions.of_warm_start import MAX_COMPARED, contradiction_by
from tuner.search.earlier_run import TRANSFER_ERROR, LaidOutWarmStart, is_expressible
from tuner.search.models.fitted import FittedModels
from tuner.search.models.learning_curves import CurveModel
from tuner.search.observations import Observations
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem

TRAITS = StageTraits(quality_invariant_to=("micro_batch",))
STUDY = make_study()
NO_CURVES = CurveModel(np.zeros((0, 4)), np.zeros((0, 0)))


def problem(study=STUDY) -> Problem:
    return Problem(
        lattice=study.lattice,
        target=study.target,
        baseline=study.baseline,
        num_samples=2000,
        num_epochs=2,
        traits=TRAITS,
    )


def config(batch: int, micro: int, taus: int, accum: int = 1, **extra) -> TrialConfig:
    return TrialConfig.from_dict(
        {"batch_size": batch, "micro_batch": micro, "num_taus": taus, "accum_steps": accum} | extra
    )


def law(of: TrialConfig) -> float:
    return 0.086 + 0.02 / of.num_taus + 0.0015 * math.log2(of.effective_batch_size / 6)


def ran(
    of: TrialConfig, *, source: str = "a", seed: int = 0, nrmse: float | None = None, last: int = 2
) -> WarmStartRun:
    end = law(of) if nrmse is None else nrmse
    curve = tuple((epoch, end * (1.1 if epoch < 2 else 1.0)) for epoch in range(1, last + 1))
    return WarmStartRun(source=source, config=of, seed=seed, curve=curve)


def warm_start(*runs: WarmStartRun) -> WarmStart:
    return WarmStart(source="a", device="card", num_epochs=2, runs=runs)


KNOWN = warm_start(
    *(ran(config(b, b, t)) for b in (4, 6, 12, 24) for t in (2, 4, 6)),
    ran(config(6, 6, 4), seed=1, nrmse=0.0915),
    ran(config(6, 6, 4), seed=2, nrmse=0.0903),
)


def believing(candidates: Candidates, given: WarmStart | None) -> Predictions:
    observations = Observations()
    return Predictions(problem(), candidates, observations, FittedModels(problem(), observations, given))


def test_a_run_outside_the_lattice_is_an_observation_and_never_a_candidate():
    candidates = Candidates(problem())
    outside = config(48, 48, 3)
    assert outside not in STUDY.lattice
    laid_out = LaidOutWarmStart(warm_start(ran(outside)), candidates)
    (seen,) = laid_out.observations(NO_CURVES)
    assert seen.row == len(candidates.configs)
    assert laid_out.points[seen.row, 0] > 1
    assert seen.value == pytest.approx(math.log(law(outside)))
    assert outside not in candidates.configs


def test_runs_of_one_source_share_an_offset_which_no_seed_of_this_study_has():
    runs = (ran(config(6, 3, 4)), ran(config(6, 3, 4), seed=1), ran(config(6, 3, 4), source="b"))
    laid_out = LaidOutWarmStart(warm_start(*runs), Candidates(problem()))
    seeds = [o.seed for o in laid_out.observations(NO_CURVES)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert max(seeds) < 0


def test_every_observation_of_another_card_carries_an_error():
    laid_out = LaidOutWarmStart(warm_start(ran(config(6, 3, 4))), Candidates(problem()))
    (seen,) = laid_out.observations(NO_CURVES)
    assert seen.error_variance == TRANSFER_ERROR**2 > 0


def test_a_stopped_run_counts_as_far_as_finished_curves_teach_where_it_leads():
    partial = ran(config(24, 24, 2), last=1)
    assert LaidOutWarmStart(warm_start(partial), Candidates(problem())).observations(NO_CURVES) == []
    candidates = Candidates(problem())
    full = [ran(config(b, b, 4)) for b in (4, 6, 12, 24)]
    *_, last = FittedModels(problem(), Observations(), warm_start(*full, partial))._observed((), candidates)
    assert last.value == pytest.approx(math.log(law(partial.config)), abs=0.02)
    assert last.error_variance > TRANSFER_ERROR**2


def test_full_runs_of_equal_quality_bear_on_a_candidate_and_stopped_ones_do_not():
    given = warm_start(
        ran(config(12, 12, 4)), ran(config(12, 6, 4), seed=1), ran(config(12, 3, 4), seed=2, last=1)
    )
    candidates = Candidates(problem())
    predictions = believing(candidates, given)
    assert predictions.num_runs[candidates.index[config(12, 1, 4)]] == 2
    assert predictions.num_runs[candidates.index[config(12, 1, 4, 2)]] == 0


def test_a_warm_start_says_nothing_of_time_or_of_what_was_measured_or_fits_here():
    candidates = Candidates(problem())
    without, with_it = (believing(candidates, given) for given in (None, KNOWN))
    assert (without.time_s == with_it.time_s).all()
    assert (without.fits == with_it.fits).all()
    assert with_it.measured == {}
    assert without.margins is None
    assert with_it.margins is not None


def test_it_moves_the_probability_to_meet_the_target_the_right_way():
    predictions = believing(Candidates(problem()), KNOWN)
    assert predictions.probability(config(6, 3, 6)) > 0.9
    assert predictions.probability(config(24, 12, 2)) < 0.1


@pytest.mark.parametrize(
    ("of", "parameters", "expected"),
    [
        (config(48, 48, 9), {}, True),
        (config(12, 12, 4, lr=0.1), {}, False),
        (config(12, 12, 4), {"lr": {"type": "float", "low": 0.1, "high": 1.0}}, False),
        (config(12, 12, 4, lr=2.0), {"lr": {"type": "float", "low": 0.1, "high": 1.0}}, True),
        (config(12, 12, 4, lr="big"), {"lr": {"type": "float", "low": 0.1, "high": 1.0}}, False),
        (config(12, 12, 4, p="bf16"), {"p": {"type": "categorical", "values": ["fp32", "bf16"]}}, True),
        (config(12, 12, 4, p="fp16"), {"p": {"type": "categorical", "values": ["fp32", "bf16"]}}, False),
        (config(12, 12, 4), {"accum_steps": {"values": [2]}}, False),
        (config(12, 12, 4, 2), {"accum_steps": {"values": [2]}}, True),
        (config(12, 12, 4), {"micro_batch": {"values": [1]}}, True),
    ],
)
def test_what_the_coordinates_of_a_space_can_express(of, parameters, expected):
    space = study_dict()["parameters"]
    first = {"accum_steps": 2} if parameters.get("accum_steps") else {}
    first |= {"micro_batch": 1} if "micro_batch" in parameters else {}
    first |= {"lr": 0.5} if "lr" in parameters else {}
    first |= {"p": "fp32"} if "p" in parameters else {}
    study = make_study(
        parameters=space | parameters,
        baseline={"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1} | first,
        guide=None,
    )
    assert is_expressible(of, study.lattice, TRAITS) is expected


def test_accumulation_that_a_space_does_not_vary_is_one():
    study = make_study(
        parameters={
            "batch_size": {"values": [6, 12]},
            "micro_batch": {"values": [3, 6]},
            "num_taus": {"values": [4, 5]},
        },
        guide=None,
    )
    assert is_expressible(config(24, 24, 4), study.lattice, TRAITS)
    assert not is_expressible(config(24, 24, 4, 2), study.lattice, TRAITS)


def measured(factor: float, sd: float = 0.0075, num: int = 5):
    rng = np.random.default_rng(3)
    tried = [config(6, 3, 5), config(12, 4, 4, 2), config(12, 6, 3), config(24, 12, 4), config(4, 4, 2)][:num]
    return [
        make_record(
            f"{k:04d}", config=of, curve=(0.2, factor * law(of) * math.exp(sd * rng.standard_normal()))
        )
        for k, of in enumerate(tried)
    ]


def test_runs_that_bear_a_warm_start_out_do_not_contradict_it():
    candidates = Candidates(problem())
    for num in range(1, 6):
        assert contradiction_by(KNOWN, candidates, measured(1.0, num=num)) == ""


def test_an_offset_within_the_luck_of_seeds_is_no_contradiction():
    assert contradiction_by(KNOWN, Candidates(problem()), measured(1.005)) == ""


@pytest.mark.parametrize("factor", [0.93, 1.07])
def test_runs_that_all_lie_elsewhere_contradict_it_in_words(factor):
    said = contradiction_by(KNOWN, Candidates(problem()), measured(factor))
    assert said.startswith("a is no longer believed: of 5 runs here, batch_size=")
    assert "where it predicts 0.0" in said


def test_a_law_of_another_shape_contradicts_it():
    reversed_law = [
        make_record(f"{k}", config=of, curve=(0.2, 0.182 - law(of)))
        for k, of in enumerate([config(6, 6, 2), config(6, 6, 6), config(24, 24, 2), config(24, 24, 6)])
    ]
    assert contradiction_by(KNOWN, Candidates(problem()), reversed_law)


def test_only_the_first_runs_are_compared():
    good = measured(1.0) + measured(1.0)
    assert contradiction_by(KNOWN, Candidates(problem()), [*good[:MAX_COMPARED], *measured(1.2)]) == ""
