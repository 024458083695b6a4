"""Records in words: one trial in a line, the closing table, durations. Plain text, no control characters."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.estimate import Estimate
from tuner.core.recommend import Conclusion, Row
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.workload import Workload, change_pct


def duration(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def trial_line(record: TrialRecord) -> str:
    """One trial and what is known of it, in a line."""
    return f"{record.trial_id} {record.state:<10} {record.config}: {_figures(record)}"


def _figures(record: TrialRecord) -> str:
    match record.state:
        case TrialState.COMPLETE:
            return f"{record.time_s:.2f} s, NRMSE {record.nrmse:.4f}"
        case TrialState.RUNNING:
            at = f"epoch {record.epoch}/{record.num_epochs}"
            return f"{at}, NRMSE {record.nrmse:.4f}" if record.epoch else at
        case TrialState.STOPPED:
            return f"after epoch {record.epoch}/{record.num_epochs}: {record.reason}"
        case _:
            return record.reason


TITLES = {
    "baseline": "baseline",
    "guide": "guide's row",
    "recommended": "recommended",
    "nearest_miss": "nearest miss",
}


def result_table(conclusion: Conclusion) -> str:
    """The closing table: time_s is the shortest, nrmse the mean over the seeds a configuration ran with."""
    if not conclusion.rows:
        return "no trial was run"
    names = list(next(iter(conclusion.rows.values())).trial.config.as_dict())
    header = ["", *names, "seeds", "time_s", "nrmse", "peak_memory_gib", "speed-up"]
    baseline = conclusion.rows.get("baseline")
    body = [
        [
            TITLES[title],
            *(str(row.trial.config.as_dict()[name]) for name in names),
            *_measured_cells(row, baseline.estimate if baseline else None),
        ]
        for title, row in conclusion.rows.items()
    ]
    return _aligned([header, *body])


def _measured_cells(row: Row, baseline: Estimate | None) -> list[str]:
    measured = row.estimate
    if measured is None:
        memory = f"{row.trial.peak_memory_gib:.3f}" if row.trial.peak_memory_gib else "-"
        return ["-", str(row.trial.state), "-", memory, "-"]
    memory = f"{measured.peak_memory_gib:.3f}" if measured.peak_memory_gib else "-"
    speedup = f"{baseline.time_s / measured.time_s:.2f}x" if baseline else "-"
    figures = [f"{measured.time_s:.2f}", f"{measured.nrmse:.4f}"]
    return [str(len(measured.seeds)), *figures, memory, speedup]


def work_table(conclusion: Conclusion, num_samples: int) -> str:
    """The work of an epoch by the guide's cost mathematics, each count with its change."""
    if not conclusion.rows:
        return ""
    rows = conclusion.rows.values()
    works = [Workload(config=row.trial.config, num_samples=num_samples) for row in rows]
    counts = ("num_forward_passes", "num_sample_evals", "num_optimizer_steps", "memory_units")
    header = ["per epoch", *counts, "effective_batch_size"]
    body = [
        [
            TITLES[title],
            *(_changed(*(_count(w, name) for w in (works[0], work))) for name in counts),
            str(work.config.effective_batch_size),
        ]
        for title, work in zip(conclusion.rows, works, strict=True)
    ]
    return _aligned([header, *body])


def _count(work: Workload, name: str) -> int:
    return work.num_optimizer_steps(1) if name == "num_optimizer_steps" else int(getattr(work, name))


def _changed(before: int, after: int) -> str:
    """A count and, where it differs, its change: `2,004 (-40 %)`."""
    change = f" ({change_pct(before, after):+.0f} %)" if after != before else ""
    return f"{after:,}{change}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
