"""Whether the seed changes NRMSE at all."""

import pytest

from tests.studies import BASELINE, report
from tuner.core.config import TrialConfig
from tuner.core.seeds import num_alike
from tuner.core.trial import TrialRecord, TrialState


def runs(*nrmse, seeds=None):
    return [
        TrialRecord(
            trial_id=f"{k}",
            config=TrialConfig(**BASELINE),
            seed=k if seeds is None else seeds[k],
            num_epochs=1,
            state=TrialState.COMPLETE,
            measurements=(report(1, value, 1.0),),
        )
        for k, value in enumerate(nrmse)
    ]


@pytest.mark.parametrize(
    ("groups", "num"),
    [
        ([], 0),
        ([runs(0.091234)], 0),
        ([runs(0.091234, 0.091234, 0.0912341)], 0),  # of one configuration alone
        ([runs(0.091234, 0.091234), runs(0.084321, 0.084321)], 0),  # two repeats
        ([runs(0.091234, 0.091234), runs(0.084321, 0.084321, 0.084321), runs(0.07)], 5),
        ([runs(0.091234, 0.091234), runs(0.084321, 0.084321), runs(0.0712345, 0.0712366, 0.0712345)], 0),
        ([runs(0.091, 0.091, 0.091), runs(0.084, 0.084)], 0),  # so few digits agree by chance
        ([runs(*[0.091234] * 4, seeds=[4] * 4), runs(0.084321, 0.084321)], 0),
        ([runs(-0.91234, -0.91234), runs(-0.84321, -0.843211, -0.84321)], 5),
    ],
)
def test_runs_with_different_seeds_agree_to_five_digits_or_show_nothing(groups, num):
    assert num_alike(groups) == num
