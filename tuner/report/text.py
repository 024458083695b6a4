"""Records in words: one trial in a line, the closing table, durations. Plain text, no control characters."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.recommend import Conclusion
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


def result_rows(conclusion: Conclusion) -> list[tuple[str, TrialRecord]]:
    """The rows of the closing table that exist: baseline, guide's row, recommended, nearest miss."""
    found = conclusion.recommendation
    rows = [
        ("baseline", conclusion.baseline),
        ("guide's row", conclusion.guide),
        ("recommended", found.record if found else None),
        ("nearest miss", conclusion.nearest_miss),
    ]
    return [(title, record) for title, record in rows if record is not None]


def speedup_of(record: TrialRecord, baseline: TrialRecord | None) -> float | None:
    """The baseline's time_s over this one's; None unless both ran to their full budget."""
    if baseline is None or not (baseline.is_full_budget and record.is_full_budget):
        return None
    return baseline.time_s / record.time_s


def result_table(conclusion: Conclusion) -> str:
    """The closing table."""
    rows = result_rows(conclusion)
    if not rows:
        return "no trial was run"
    names = list(rows[0][1].config.as_dict())
    header = ["", *names, "time_s", "nrmse", "peak_memory_gib", "speed-up"]
    body = [
        [
            title,
            *(str(record.config.as_dict()[name]) for name in names),
            *_measured_cells(record, conclusion.baseline),
        ]
        for title, record in rows
    ]
    return _aligned([header, *body])


def _measured_cells(record: TrialRecord, baseline: TrialRecord | None) -> list[str]:
    memory = f"{record.peak_memory_gib:.3f}" if record.peak_memory_gib else "-"
    if not record.is_full_budget:
        return [str(record.state), "-", memory, "-"]
    speedup = speedup_of(record, baseline)
    shown = "-" if speedup is None else f"{speedup:.2f}x"
    return [f"{record.time_s:.2f}", f"{record.nrmse:.4f}", memory, shown]


def work_table(conclusion: Conclusion, num_samples: int) -> str:
    """The work of an epoch by the guide's cost mathematics, each count with its change."""
    rows = result_rows(conclusion)
    if not rows:
        return ""
    works = [Workload(config=record.config, num_samples=num_samples) for _, record in rows]
    counts = ("num_forward_passes", "num_sample_evals", "num_optimizer_steps", "memory_units")
    header = ["per epoch", *counts, "effective_batch_size"]
    body = [
        [
            title,
            *(_changed(*(_count(w, name) for w in (works[0], work))) for name in counts),
            str(work.config.effective_batch_size),
        ]
        for (title, _), work in zip(rows, works, strict=True)
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
