"""Measures what each knob around the four parameters does to NRMSE and time, alone, against its default.

    python -m benchmarks.knobs            # what docs/stage.md shows; about five minutes
    python -m benchmarks.knobs --quick    # under a minute: shows that it works, no more

A trial with a knob and the trial without it have the same seed, and so the same order of data. Their
difference is taken seed by seed. A knob is measured only where it can do something: at an effective batch of
6, every rule of ``lr_scaling`` and ``ema_unit`` is the same, and ``drop_last`` needs a batch that does not
divide the number of samples (30 and 2,000: by default 67 whole batches, 66 with true, 66 and one of 20 with
false). Seconds are those of whole runs, CPU seconds on a CPU, and the least over the seeds counts. The last
line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.training.cost_law import errors_pct
from benchmarks.training.runs import Runs
from benchmarks.training.trial_log import Key, params_of
from trainables.consistency.stage import ConsistencyStage
from tuner.spec import load_study

Knob = Mapping[str, Any]

KNOBS: Mapping[Key, Sequence[Knob]] = {
    (6, 6, 3, 1): (
        {"tau_schedule": "3,2"},
        {"tau_strategy": "shared"},
        {"tau_strategy": "random"},
        {"precision": "bf16"},
    ),
    (24, 24, 4, 1): (
        {"tau_schedule": "4,3"},
        {"tau_strategy": "shared"},
        {"tau_strategy": "random"},
        {"lr_scaling": "sqrt"},
        {"lr_scaling": "none"},
        {"ema_unit": "sample"},
        {"precision": "bf16"},
    ),
    (30, 30, 4, 1): ({"drop_last": True}, {"drop_last": False}),
}
"""The knobs to turn at each configuration (batch_size, micro_batch, num_taus, accum_steps)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A configuration with one knob turned, or none.

    Attributes:
        key: Configuration that is trained.
        knob: Options that differ from the defaults.
        nrmses: Held-out NRMSE by seed.
        epoch_s: Mean seconds of an epoch in the fastest run.
    """

    key: Key
    knob: Knob
    nrmses: tuple[float, ...]
    epoch_s: float

    @property
    def name(self) -> str:
        """The knob as a study file writes it, or "defaults"."""
        return ", ".join(f"{name}: {json.dumps(value)}" for name, value in self.knob.items()) or "defaults"

    def effect_pct(self, default: Setting) -> tuple[float, float]:
        """Returns the mean of the paired differences in NRMSE and its standard error, in percent."""
        paired = errors_pct(self.nrmses, default.nrmses)
        return float(paired.mean()), float(paired.std(ddof=1)) / math.sqrt(len(paired))


def main() -> None:
    """Trains every setting, and prints the table and the summary."""
    arguments = _arguments()
    study = load_study("cpu.yaml")
    knobs = {key: knobs[:1] for key, knobs in KNOBS.items()} if arguments.quick else KNOBS
    num_epochs = 2 if arguments.quick else study.stage.num_epochs
    runs = Runs(ConsistencyStage, study.stage.options)
    groups = []
    for key, some in knobs.items():
        groups.append(measure(runs, key, some, num_epochs, 2 if arguments.quick else arguments.seeds))
    runs.stop()
    print(markdown_table(groups))
    print(json.dumps(summary(groups)))


def measure(runs: Runs, key: Key, knobs: Sequence[Knob], num_epochs: int, num_seeds: int) -> list[Setting]:
    """Trains the defaults and then every knob, seed by seed, and returns them in this order."""
    tried = [{}, *knobs]
    lasts = [
        [runs.train({**params_of(key), **knob}, seed=seed, num_epochs=num_epochs)[-1] for knob in tried]
        for seed in range(num_seeds)
    ]  # (seeds, knobs)
    return [
        Setting(
            key=key,
            knob=knob,
            nrmses=tuple(float(last["nrmse"]) for last in column),
            epoch_s=min(_training_s(last) for last in column) / num_epochs,
        )
        for knob, column in zip(tried, zip(*lasts, strict=True), strict=True)
    ]


def _training_s(last: Mapping[str, Any]) -> float:
    """Returns the training seconds of a run: CPU seconds on a CPU, device-synchronised ones on a card."""
    on_card = last["device_time_s"] is not None
    return float(last["time_s"] if on_card else last["cpu_time_s"])


def markdown_table(groups: Sequence[Sequence[Setting]]) -> str:
    """Returns the table that docs/stage.md shows."""
    rows = [
        "| batch, micro, taus, accum | knob | NRMSE, mean | against defaults, paired ± se | s/epoch, ratio |",
        "|---|---|---|---|---|",
    ]
    for default, *turned in groups:
        rows.append(_row(default, "", ""))
        for setting in turned:
            mean, se = setting.effect_pct(default)
            rows.append(
                _row(setting, f"{mean:+.1f} ± {se:.1f} %", f"{setting.epoch_s / default.epoch_s:.2f} x")
            )
    return "\n".join([*rows, "", f"Seeds 0-{len(groups[0][0].nrmses) - 1}."])


def _row(setting: Setting, effect: str, ratio: str) -> str:
    nrmse = f"{np.mean(setting.nrmses):.4f}".removeprefix("0")
    cells = [", ".join(map(str, setting.key)), f"`{setting.name}`", nrmse, effect, ratio]
    return f"| {' | '.join(cells)} |"


def summary(groups: Sequence[Sequence[Setting]]) -> dict[str, Any]:
    """Returns the line of JSON.

    For each configuration and knob it has the effect on NRMSE and its standard error, both in percent, and
    the ratio of the seconds with the knob to those without it.
    """
    effects = {}
    for default, *turned in groups:
        for setting in turned:
            mean, se = setting.effect_pct(default)
            name = f"({', '.join(map(str, setting.key))}) {setting.name}"
            effects[name] = [round(mean, 2), round(se, 2), round(setting.epoch_s / default.epoch_s, 3)]
    return {"num_seeds": len(groups[0][0].nrmses), "effects": effects}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the knobs around the four parameters do.")
    parser.add_argument(
        "--quick", action="store_true", help="one knob a configuration, two epochs, two seeds"
    )
    parser.add_argument("--seeds", type=int, default=4, help="seeds 0, 1, ... (default 4)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
