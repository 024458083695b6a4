"""Runs studies by the command line, in this process, and reads what they did from their journals."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.search_real.truth import key_of
from benchmarks.training.trial_log import Key
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.run import main
from tuner.runs.journal import read_journal
from tuner.runs.lines import Event
from tuner.spec import study_as_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """The recommendation of one study, what it tried, and how long that took.

    Attributes:
        seed: Master seed of the study.
        recommended: Configuration that it recommends, or None.
        baseline_time_s: Seconds of a full training of the baseline, as the study measured them.
        occupied_s: Seconds in which its workers were occupied, by purpose.
        tried: Configurations that it ran.
    """

    seed: int
    recommended: Key | None
    baseline_time_s: float
    occupied_s: Mapping[str, float]
    tried: frozenset[Key]

    @property
    def total_s(self) -> float:
        """All seconds in which its workers were occupied."""
        return sum(self.occupied_s.values())

    @property
    def cost(self) -> float:
        """All seconds in which its workers were occupied, in trainings of the baseline."""
        return self.total_s / self.baseline_time_s


def run_study(study: StudySpec, seed: int, runs_dir: Path, trials: int | None) -> Path:
    """Runs a study on real Ray, unless it has run to its end before, and returns its folder.

    Args:
        study: Study that is run, without its certificate.
        seed: Master seed of the study.
        runs_dir: Folder that keeps the studies.
        trials: Number of trials to end the study after, or None.

    Raises:
        SystemExit: If the study failed or left no result.
    """
    last = runs_dir / f"seed-{seed}" / "last"
    if not (last / "result.json").exists():
        last.parent.mkdir(parents=True, exist_ok=True)
        space = last.parent / "searched.yaml"
        space.write_text(study_as_yaml(replace(study, certificate=Terms(pairs=0))))
        words = ["--space", str(space), "--seed", str(seed), "--runs-dir", str(last.parent)]
        with redirect_stdout(io.StringIO()):
            code = main([*words, *(["--trials", str(trials)] if trials else [])])
        # 1: it recommends nothing, which is judged like any answer.
        if code not in (0, 1) or not (last / "result.json").exists():
            raise SystemExit(f"the study with seed {seed} failed; fix that and call again.")
    return last.resolve()


def read_study(folder: Path, seed: int) -> StudyRun:
    """Reads what a study did from its result and its journal."""
    result = json.loads((folder / "result.json").read_text())
    events = list(read_journal(folder / "journal.jsonl"))
    runs = [e["answer"]["config"] for e in events if e["event"] == "ask" and e["answer"]["kind"] == "run"]
    found = result["recommended"]
    return StudyRun(
        seed=seed,
        recommended=_key(found["config"]) if found else None,
        baseline_time_s=result["baseline"]["time_s"],
        occupied_s=occupied_s(events),
        tried=frozenset(map(_key, runs)),
    )


def _key(values: Mapping[str, Any]) -> Key:
    return key_of(TrialConfig.from_dict(values))


def occupied_s(events: Iterable[Event]) -> dict[str, float]:
    """Returns the seconds that trials and probes occupied workers, from ask to tell, by purpose.

    The seconds of several workers add up. A trial that never ended counts until the journal's last event.
    """
    asked: dict[str, tuple[str, float]] = {}
    spent: dict[str, float] = {}
    now_s = 0.0

    def end(trial_id: str) -> None:
        if trial_id in asked:
            what, since_s = asked.pop(trial_id)
            spent[what] = spent.get(what, 0.0) + now_s - since_s

    for event in events:
        now_s = event["elapsed_s"]
        if event["event"] == "ask" and "trial_id" in event["answer"]:
            answer = event["answer"]
            asked[answer["trial_id"]] = answer.get("purpose", answer["kind"]), now_s
        elif event["event"] in ("tell", "probed"):
            end(event["trial_id"])
    for trial_id in list(asked):
        end(trial_id)
    return spent
