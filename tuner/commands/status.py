"""`status RUN`: how a run stands, from its folder alone. Asks neither the run nor Ray."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.report.columns import aligned

if TYPE_CHECKING:
    from tuner.runs.past_run import PastRun
    from tuner.runs.progress import Progress

_NUM_STOPS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that names the run, and `--json`."""
    parser.description = (
        "Show the state of a run, from its folder alone: whether it runs, its trials, its best, its budget, "
        "and why trials were stopped."
    )
    parser.epilog = "exit codes: 0 the run could be read, 2 it could not"
    parser.add_argument("folder", type=user_path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(args: argparse.Namespace, out: Output) -> int:
    """Says how the run stands."""
    from tuner.runs.journal import is_held, journal_of
    from tuner.runs.past_run import read_past_run
    from tuner.runs.progress import Progress

    is_running = is_held(journal_of(args.folder))  # asked first: what was written before is read yet
    past = read_past_run(args.folder)
    silent_s = time.time() - journal_of(past.folder).stat().st_mtime
    now_s = past.elapsed_s + (max(0.0, silent_s) if is_running else 0.0)
    status = RunStatus.of(past, Progress.of_past(past, now_s), is_running=is_running, silent_s=silent_s)
    if args.json:
        out.say_json(status.as_dict())
    else:
        out.say(status.text())
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The state of a run.

    Attributes:
        past: The run.
        progress: The progress that its journal shows.
        state: `running`, `ended`, `interrupted`, `failed`, `killed`; or `unknown`, where nobody can tell
            whether it runs or was killed.
        why: The reason for the state, in words.
        silent_s: Seconds since the journal's last event was written, by the machine's clock, which is all
            that another process has: off by what the clock has been set since, less than 0 after it was set
            back.
    """

    past: PastRun
    progress: Progress
    state: str
    why: str
    silent_s: float

    @classmethod
    def of(cls, past: PastRun, progress: Progress, *, is_running: bool | None, silent_s: float) -> RunStatus:
        """Judges a run by its journal, by who holds it, and by the result beside it."""
        state, why = _state(past, is_running=is_running, silent_s=silent_s)
        return cls(past=past, progress=progress, state=state, why=why, silent_s=silent_s)

    def text(self) -> str:
        """Returns the state in words, for people."""
        from tuner.report.changes import changes_caution, noted_lines
        from tuner.report.progress import best_text, budget_text, counts_text

        past, progress = self.past, self.progress
        device = past.provenance["device"]
        lines = [
            f"{shown(past.folder)}: study {past.study.name}, {past.study.goal.text}, on {device['name']}",
            f"{self.state}: {self.why}",
            f"trials: {counts_text(progress)}",
            f"{'recommended' if past.end else 'measured so far'}: {best_text(progress)}"
            + (f", {progress.best.config}" if progress.best else ""),
            f"budget: {budget_text(progress)} ({progress.spent:.0%} spent)",
        ]
        lines += [line for line in (changes_caution(past.provenance), *noted_lines(past.provenance)) if line]
        if progress.running:
            from tuner.report.live import running_rows

            note = "" if self.state == "running" else " when it went silent"
            rows = aligned(
                [("", "epoch", "", "ETA", progress.goal.metric.label, ""), *running_rows(progress)]
            )
            lines += [f"running{note}:", *(f"  {line}" for line in rows.splitlines())]
        if progress.stops:
            lines.append("last stops:")
            lines += [f"  {r.trial_id} {r.config}: {r.reason or r.state}" for r in self._last_stops]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Returns the state as plain values, for programs."""
        progress, best = self.progress, self.progress.best
        metric = progress.goal.metric
        return {
            "run": str(self.past.folder),
            "study": self.past.study.name,
            "state": self.state,
            "why": self.why,
            "silent_s": round(max(0.0, self.silent_s), 1),
            "counts": {state.value: count for state, count in progress.counts.items()},
            "num_trials": progress.num_trials,
            "budget_trials": progress.budget_trials,
            "elapsed_s": progress.elapsed_s,
            "budget_s": progress.budget_s,
            "is_final": self.past.end is not None,
            "best": None
            if best is None
            else {
                "config": best.config.as_dict(),
                "time_s": best.time_s,
                metric.name: metric.value(best.nrmse),
                "seeds": list(best.seeds),
            },
            "running": [
                {
                    "trial_id": record.trial_id,
                    "config": record.config.as_dict(),
                    "epoch": record.epoch,
                    "num_epochs": record.num_epochs,
                    "eta_s": progress.eta_s(record),
                }
                for record in progress.running
            ],
            "changes": self.past.provenance.get("changes", []),
            "last_stops": [
                {"trial_id": r.trial_id, "state": r.state.value, "reason": r.reason} for r in self._last_stops
            ],
        }

    @property
    def _last_stops(self) -> list[Any]:
        return list(self.progress.stops[-_NUM_STOPS:])


def _state(past: PastRun, *, is_running: bool | None, silent_s: float) -> tuple[str, str]:
    """Judges the state of a run, and no more than is certain: on a shared disk, silence is no proof."""
    ago = f"last event {silent_s:,.0f} s ago"
    if silent_s < -1:
        ago = f"last event {-silent_s:,.0f} s ahead of this machine's clock, which was set back since"
    if is_running:
        return "running", f"a process of this machine writes to its journal, {ago}"
    if past.end is not None:
        if by := past.end.interrupted_by:
            return "interrupted", f"by {by}; --resume {shown(past.folder)} continues it"
        return (
            "ended",
            f"{past.end.status}, because {past.end.finish_reason or 'nothing was left to do'}",
        )
    said = _result(past.folder)
    if said.get("status") == "failed":
        return "failed", str(said.get("sentence", ""))
    if is_running is None:
        return "unknown", (
            "no end in the journal, and this file system knows no locks, so that nobody can tell whether a "
            f"process writes to it; {ago}"
        )
    return "killed", (
        f"no end in the journal, and no process of this machine has it open; {ago}. If no other machine runs "
        f"it, --resume {shown(past.folder)} continues it"
    )


def _result(folder: Path) -> dict[str, Any]:
    """Returns the result that a failed run left beside its journal; empty if none can be read."""
    try:
        said = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
