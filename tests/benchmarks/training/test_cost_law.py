"""The cost law is fitted and compared as its formula says."""

import pytest

from benchmarks.training.cost_law import CostLaw, errors_pct
from tuner.core.config import TrialConfig
from tuner.core.workload import Workload

BASELINE, SMALL, LARGE = (6, 3, 5, 1), (12, 4, 4, 2), (24, 24, 2, 1)


def test_cost_law_is_recovered_from_times_that_obey_it() -> None:
    law = CostLaw(step_s=3e-4, launch_s=1.8e-3, row_s=8e-5)
    work = [
        Workload(config=TrialConfig(batch_size=b, micro_batch=m, num_taus=t, accum_steps=a), num_samples=2000)
        for b, m, t, a in (BASELINE, SMALL, LARGE, (6, 6, 2, 2), (16, 2, 3, 1))
    ]
    fitted = CostLaw.fit(work, list(law.predict(work)))
    assert (fitted.step_s, fitted.launch_s, fitted.row_s) == pytest.approx((3e-4, 1.8e-3, 8e-5), rel=1e-6)
    assert errors_pct(fitted.predict(work), law.predict(work)) == pytest.approx([0.0] * 5, abs=1e-6)
