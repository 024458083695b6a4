"""A few hundred spoilt inputs of each kind; `make fuzz` looks for more."""

import pytest
from hypothesis import Phase, given, settings

from tests.fuzz import journal, script_output, study_file, user_config
from tests.fuzz.mutations import spoilt
from tests.fuzz.properties import Target

NUM_EXAMPLES = {study_file: 80, user_config: 100, script_output: 200, journal: 80}


@pytest.mark.parametrize("target", NUM_EXAMPLES, ids=lambda target: target.__name__.rpartition(".")[2])
def test_spoilt_inputs_are_told_with_a_fix_or_read_without_loss(target: Target):
    @settings(max_examples=NUM_EXAMPLES[target], derandomize=True, database=None, phases=[Phase.generate])
    @given(spoilt(target.SEEDS, target.WORDS))
    def check(data: bytes) -> None:
        target.check(data)

    for seed in target.SEEDS:
        target.check(seed)
    check()
