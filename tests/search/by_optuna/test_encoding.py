import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.cases import LR, PRECISION, WEIGHT, lattice
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete
from tuner.errors import ConfigError
from tuner.search.by_optuna.encoding import Encoding

LATTICE = lattice(PRECISION, WEIGHT)
RANGES = {"num_micro_batches": (1, 8), "micro_batch": (1, 4), "num_taus": (2, 3)}

proposals = st.fixed_dictionaries(
    {
        "num_micro_batches": st.integers(1, 8),
        "micro_batch": st.integers(1, 4),
        "num_taus": st.integers(2, 3),
        "precision": st.sampled_from(["fp32", "bf16"]),
        "weight": st.floats(0, 2),
    }
)


def distance(config: TrialConfig, proposal: dict[str, object]) -> float:
    """The snap's distance once more, by hand."""
    values = config.as_dict() | {"num_micro_batches": config.batch_size // config.micro_batch}
    total = float(values["precision"] != proposal["precision"])
    total += ((float(values["weight"]) - float(proposal["weight"])) / 2) ** 2  # type: ignore[arg-type]
    for name, (low, high) in RANGES.items():
        ratio = math.log(float(values[name]) / float(proposal[name]))  # type: ignore[arg-type]
        total += (ratio / math.log(high / low)) ** 2
    return total


@given(proposals, st.sets(st.integers(0, len(LATTICE) - 1), min_size=1))
def test_the_snap_finds_a_nearest_allowed_point(proposal: dict[str, object], rows: set[int]) -> None:
    allowed = np.isin(np.arange(len(LATTICE)), list(rows))
    row = Encoding(LATTICE).nearest(proposal, allowed)  # type: ignore[arg-type]
    least = min(distance(LATTICE.config(other), proposal) for other in rows)
    assert row in rows
    assert distance(LATTICE.config(row), proposal) == pytest.approx(least)


@pytest.mark.parametrize("row", range(0, len(LATTICE), 7))
def test_an_allowed_point_is_nearest_to_itself(row: int) -> None:
    encoding = Encoding(LATTICE)
    coordinates = encoding.encode(LATTICE.config(row))
    assert encoding.nearest(coordinates, np.ones(len(LATTICE), dtype=bool)) == row


def test_coordinates_lead_back_to_the_configuration() -> None:
    encoding = Encoding(lattice(PRECISION, LR))
    config = TrialConfig(batch_size=6, micro_batch=3, num_taus=2, extra=(("lr", 3e-4), ("precision", "bf16")))
    coordinates = encoding.encode(config)
    assert coordinates == {
        "num_micro_batches": 2,
        "micro_batch": 3,
        "num_taus": 2,
        "precision": "bf16",
        "lr": 3e-4,
    }
    assert encoding.decode(coordinates) == config


def test_illegal_coordinates_are_refused() -> None:
    with pytest.raises(ConfigError, match="not on the lattice"):
        Encoding(lattice()).row({"num_micro_batches": 8, "micro_batch": 4, "num_taus": 2})


def test_where_micro_batches_need_not_divide_every_point_still_has_coordinates_of_its_own() -> None:
    free = Lattice(lattice().parameters, required="micro_batch <= batch_size * 2")
    encoding = Encoding(free)
    assert encoding.dimensions[0].name == "batch_size"
    coordinates = [encoding.encode(config) for config in free]
    assert [encoding.row(point) for point in coordinates] == list(range(len(free)))


def test_a_dimension_of_one_value_does_not_matter() -> None:
    one = Lattice(
        [
            Discrete(name="batch_size", values=(8,)),
            Discrete(name="micro_batch", values=(2, 4)),
            Discrete(name="num_taus", values=(5,)),
        ]
    )
    proposal = {"num_micro_batches": 2, "micro_batch": 4, "num_taus": 5}
    assert Encoding(one).nearest(proposal, np.array([True, True])) == 1
