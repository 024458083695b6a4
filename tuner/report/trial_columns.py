"""What the columns of `trials.csv` mean, where they are not figures of a report.

Those have the names and meanings of `tuner.core.measurement.Measurement`. Here are the rest: what a trial
was asked for, how it ended, and what is concluded from its reports.
"""

from __future__ import annotations

COLUMNS = {
    "trial_id": "Ascending in the order of asking.",
    "purpose": "`baseline`, `guide`, `search`, `replicate` (a known configuration with a further seed) or "
    "`certify`.",
    "state": "`complete`: it ran to its full budget; `stopped` early by the rule; `infeasible`: out of "
    "memory or not finite; `failed`: an error, or lost; `running`.",
    "batch_size": "Samples per batch.",
    "micro_batch": "Samples per forward and backward pass.",
    "num_taus": "Noise levels per sample.",
    "accum_steps": "Batches per optimizer step.",
    "seed": "Of the training.",
    "num_epochs": "The full budget.",
    "projected_time_s": "`time_s` at full budget: measured when all epochs ran, else mean epoch time times "
    "`num_epochs`; 0 before the first epoch.",
    "censored": "Whether the trial was stopped early, so that its full-budget figures are projections and it "
    "cannot win.",
    "time_to_target_s": "Training until NRMSE first stays under the target to the end, whole epochs.",
    "time_to_target_censored": "Whether it never did, so that `time_to_target_s` is a lower bound.",
    "constraint": "What an infeasible trial broke: `memory` or `finite`.",
    "reason": "Why it was stopped, is infeasible or failed.",
}
"""Name and meaning. Parameters that only a study names have a column of their own, after `accum_steps`."""
