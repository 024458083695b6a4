"""Optuna's own suite of what a sampler must do.

With a lattice, the suite's parameters lie outside it and go to the independent sampler, which the basic
part asks for. Not taken: `SingleOnlySamplerTestCase`, which wants samplers that refuse several values; this
one takes them.
"""

import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from tests.search.situations import problem
from tuner.optuna_sampler import LatticeSampler


class OfAnything:
    @pytest.fixture
    def sampler(self):
        return lambda: LatticeSampler(seed=0)


class OfAProblem:
    @pytest.fixture
    def sampler(self):
        return lambda: LatticeSampler(problem())


class TestBasic(OfAnything, BasicSamplerTestCase):
    pass


class TestRelative(OfAnything, RelativeSamplerTestCase):
    pass


class TestMultiObjective(OfAnything, MultiObjectiveSamplerTestCase):
    pass


class TestBasicWithAProblem(OfAProblem, BasicSamplerTestCase):
    pass
