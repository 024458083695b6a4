"""The lattice against brute force, and its words."""

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.core.config import TrialConfig
from tuner.core.constraints import Rule
from tuner.core.lattice import DIVISIBILITY, Lattice, divisibility, no_divisibility
from tuner.core.parameters import Continuous, Discrete
from tuner.errors import SpecError

BATCH = Discrete(name="batch_size", values=(6, 12, 16))
MICRO = Discrete(name="micro_batch", values=(3, 4, 5))
TAUS = Discrete(name="num_taus", values=(3, 4))
ACCUM = Discrete(name="accum_steps", values=(1, 2))
CORE = (BATCH, MICRO, TAUS, ACCUM)
RATE = Continuous(name="lr", low=1e-4, high=0.01)
PRECISION = Discrete(name="precision", values=("fp32", "bf16"), is_ordered=False)


def rules(*texts, parameters=CORE):
    return [Rule.parse(text, [p.name for p in parameters]) for text in texts]


def config(batch, micro, taus=4, accum=1, **extra):
    return TrialConfig.from_dict(
        {"batch_size": batch, "micro_batch": micro, "num_taus": taus, "accum_steps": accum} | extra
    )


def test_divisibility_is_in_force_without_being_written_and_only_once_when_it_is():
    silent = Lattice(CORE, rules("batch_size <= 12"))
    written = Lattice(CORE, rules("batch_size <= 12", DIVISIBILITY))
    assert [rule.text for rule in silent.rules] == [DIVISIBILITY, "batch_size <= 12"]
    assert [rule.text for rule in written.rules] == ["batch_size <= 12", DIVISIBILITY]
    assert list(silent) == list(written)


def test_another_rule_or_none_may_stand_in_its_place():
    """With three rows a sample, chunks are cut from 18, 36 or 48 rows."""
    pairs = lambda lattice: {(c.batch_size, c.micro_batch) for c in lattice}  # noqa: E731
    all_pairs = set(itertools.product(BATCH.values, MICRO.values))
    assert divisibility(1) == DIVISIBILITY
    rows = Lattice(CORE, required=divisibility(3))
    assert pairs(rows) == {(6, 3), (12, 3), (12, 4), (16, 3), (16, 4)}
    assert [rule.text for rule in rows.rules] == ["micro_batch divides batch_size * 3"]
    assert pairs(Lattice(CORE, required=no_divisibility(1))) == all_pairs
    small = (replace(BATCH, values=(1, 2)), *CORE[1:])
    assert pairs(Lattice(small, required=no_divisibility(2))) == {(2, 3), (2, 4)}
    assert pairs(Lattice(CORE, required="micro_batch < batch_size - 9")) == {(16, 3), (16, 4), (16, 5)}


def test_points_are_numbered_with_the_last_parameter_varying_fastest():
    lattice = Lattice(CORE)
    pairs = [(6, 3), (12, 3), (12, 4), (16, 4)]
    expected = [
        config(batch, micro, taus, accum)
        for (batch, micro), taus, accum in itertools.product(pairs, (3, 4), (1, 2))
    ]
    assert list(lattice) == expected
    assert (len(lattice), lattice.num_raw) == (16, 36)


def test_every_rule_is_charged_with_the_raw_points_it_excludes_by_itself():
    lattice = Lattice(CORE, rules("batch_size * accum_steps <= 24"))
    assert lattice.excluded == {DIVISIBILITY: 20, "batch_size * accum_steps <= 24": 6}


def test_columns_and_points_tell_the_same_in_plain_python_values():
    lattice = Lattice((*CORE, PRECISION))
    columns = lattice.columns
    for row in range(len(lattice)):
        point = lattice.point(row)
        assert point == {name: columns[name][row].item() for name in columns}
        assert {type(value) for value in point.values()} == {int, str}
    with pytest.raises(ValueError, match="read-only"):
        columns["batch_size"][0] = 1


@pytest.mark.parametrize("row", [-1, 16])
def test_a_row_outside_is_an_index_error(row):
    with pytest.raises(IndexError):
        Lattice(CORE).point(row)


def test_dead_values_are_those_in_no_legal_point():
    assert Lattice(CORE).dead_values() == {"micro_batch": [5]}
    assert Lattice(CORE, rules("batch_size < 12")).dead_values() == {
        "batch_size": [12, 16],
        "micro_batch": [4, 5],
    }


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (config(7, 7), "batch_size=7 is not among {6, 12, 16}; the nearest are 6 and 12"),
        (config(6, 3, 5), "num_taus=5 is not among {3, 4}; the nearest is 4"),
        (
            config(16, 4, accum=2),
            "batch_size * accum_steps <= 24 does not hold: 32 <= 24",
        ),
        (
            config(6, 3, lr=0.1),
            "lr is not a parameter of the space, which varies batch_size, micro_batch, num_taus, accum_steps",
        ),
    ],
)
def test_why_not_tells_the_reason_in_words(point, reason):
    lattice = Lattice(CORE, rules("batch_size * accum_steps <= 24"))
    assert lattice.why_not(point) == reason
    assert point not in lattice
    assert lattice.index(point) is None


def test_a_missing_parameter_is_told():
    lattice = Lattice((*CORE, PRECISION, RATE))
    assert lattice.why_not(config(6, 3)) == "precision is missing"
    assert lattice.why_not(config(6, 3, precision="bf16")) == "lr is missing"


def test_accum_steps_need_not_be_varied_but_is_then_one():
    lattice = Lattice((BATCH, MICRO, TAUS))
    assert config(6, 3) in lattice
    assert lattice.index(config(6, 3)) == 1
    assert lattice.why_not(config(6, 3, accum=2)) == (
        "accum_steps is not a parameter of the space, which varies batch_size, micro_batch, num_taus"
    )
    assert {point.accum_steps for point in lattice} == {1}


def test_continuous_parameters_are_checked_but_not_listed():
    lattice = Lattice((*CORE, RATE))
    inside, outside = config(6, 3, lr=0.001), config(6, 3, lr=0.1)
    assert inside in lattice
    assert lattice.why_not(outside) == "lr=0.1 is outside 0.0001..0.01; the nearest is 0.01"
    assert lattice.index(inside) == lattice.index(outside) == 2
    assert lattice.config(2, {"lr": 0.001}) == inside
    with pytest.raises(SpecError, match=r"cannot be listed: lr is continuous"):
        iter(lattice)


def test_true_is_not_one():
    flag = Discrete(name="flag", values=(False, True), is_ordered=False)
    lattice = Lattice((*CORE, flag))
    assert config(6, 3, flag=True) in lattice
    assert lattice.why_not(config(6, 3, flag=1)) == "flag=1 is not among {False, True}"


def test_a_thing_that_is_no_config_is_not_in_it():
    assert {"batch_size": 6} not in Lattice(CORE)


@pytest.mark.parametrize(
    ("parameters", "texts", "message"),
    [
        (
            CORE,
            ["batch_size > 16", "num_taus == 3"],
            "the space is empty: of its 36 raw points `micro_batch divides batch_size` excludes 20, "
            "`batch_size > 16` excludes 36, `num_taus == 3` excludes 18. "
            "Fix: widen a parameter or loosen a constraint.",
        ),
        (
            (*CORE, RATE),
            ["lr * batch_size < 1"],
            "the constraint 'lr * batch_size < 1' names lr, which is continuous. "
            "Fix: list the values of lr, or put the bound in its low and high.",
        ),
        (
            (BATCH, MICRO),
            [],
            "num_taus is not among the discrete parameters. Fix: give num_taus values, or low and high.",
        ),
        ((*CORE, BATCH), [], "the parameter batch_size is given twice. Fix: remove one."),
        (
            (BATCH, MICRO, Discrete(name="num_taus", values=(0, 1))),
            [],
            "num_taus=0 is not a positive integer. Fix: use 1 or more.",
        ),
        (
            (BATCH, MICRO, TAUS, Continuous(name="accum_steps", low=1, high=2)),
            [],
            "accum_steps is continuous. Fix: use type: int.",
        ),
        (
            (*CORE, Discrete(name="x", values=())),
            [],
            "x has no values. Fix: give at least one.",
        ),
        (
            (*CORE, Discrete(name="x", values=tuple(range(100_000)))),
            [],
            "the space has 3,600,000 raw points, 3 (batch_size) x 3 (micro_batch) x 2 (num_taus) x "
            "2 (accum_steps) x 100000 (x); at most 2,000,000 can be enumerated. "
            "Fix: list fewer values, use a step, or make one continuous (type: float, low, high).",
        ),
    ],
)
def test_a_space_that_cannot_be_is_refused(parameters, texts, message):
    parsed = rules(*texts, parameters=parameters)
    with pytest.raises(SpecError) as raised:
        Lattice(parameters, parsed)
    assert str(raised.value) == message


def test_a_rule_on_another_studys_parameter_is_refused():
    foreign = Rule.parse("depth > 3", ["depth"])
    with pytest.raises(SpecError, match="names 'depth', which is not a parameter"):
        Lattice(CORE, [foreign])


def test_equal_parameters_and_rules_make_equal_lattices_also_over_pickle():
    one, other = Lattice(CORE), Lattice(CORE, rules("num_taus > 3"))
    assert one == Lattice(CORE)
    assert hash(one) == hash(Lattice(CORE))
    assert one != other
    assert pickle.loads(pickle.dumps(other)) == other  # noqa: S301  # our own bytes
    assert repr(one) == "Lattice(16 of 36 points of batch_size, micro_batch, num_taus, accum_steps)"


def test_a_hundred_thousand_raw_points_are_enumerated():
    wide = [
        Discrete(name="batch_size", values=tuple(range(1, 101))),
        Discrete(name="micro_batch", values=tuple(range(1, 101))),
        Discrete(name="num_taus", values=tuple(range(1, 11))),
    ]
    lattice = Lattice(wide)
    num_pairs = sum(batch % micro == 0 for batch in range(1, 101) for micro in range(1, 101))
    assert len(lattice) == 10 * num_pairs
    assert not np.any(lattice.columns["batch_size"] % lattice.columns["micro_batch"])


_SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(sorted)
_RULES = st.lists(
    st.sampled_from(
        [
            "batch_size * accum_steps <= 12",
            "micro_batch * num_taus < 10",
            "num_taus divides batch_size",
            "batch_size > 3 or accum_steps == 1",
            "batch_size // micro_batch <= 3",
            "not (num_taus == 2 and precision == 'bf16')",
        ]
    ),
    max_size=3,
    unique=True,
)


@settings(max_examples=20)
@given(batch=_SIZES, micro=_SIZES, taus=_SIZES, accum=_SIZES, texts=_RULES)
def test_the_lattice_is_what_plain_loops_find(batch, micro, taus, accum, texts):
    sizes = {"batch_size": batch, "micro_batch": micro, "num_taus": taus, "accum_steps": accum}
    parameters = [Discrete(name=name, values=tuple(values)) for name, values in sizes.items()]
    parameters.append(PRECISION)
    parsed = rules(*texts, parameters=parameters)
    raw = [
        dict(zip((p.name for p in parameters), values, strict=True))
        for values in itertools.product(*(p.values for p in parameters))
    ]
    expected = []
    for point in raw:
        spelt = [text.replace("num_taus divides batch_size", "batch_size % num_taus == 0") for text in texts]
        divides = point["batch_size"] % point["micro_batch"] == 0
        if divides and all(eval(text, {}, dict(point)) for text in spelt):  # noqa: S307  # ours
            expected.append(point)
    if not expected:
        with pytest.raises(SpecError, match="the space is empty"):
            Lattice(parameters, parsed)
        return
    lattice = Lattice(parameters, parsed)
    assert [lattice.point(row) for row in range(len(lattice))] == expected
    assert all(point.batch_size % point.micro_batch == 0 for point in lattice)
    legal = set(lattice)
    for point in raw:
        candidate = TrialConfig.from_dict(point)
        assert (candidate in lattice) is (lattice.why_not(candidate) is None)
        assert (candidate in lattice) is (candidate in legal)
        row = lattice.index(candidate)
        assert (row is not None) is (candidate in legal)
        assert row is None or lattice.config(row) == candidate
    dead = lattice.dead_values()
    for parameter in parameters:
        used = {point[parameter.name] for point in expected}
        assert dead.get(parameter.name, []) == [v for v in parameter.values if v not in used]
