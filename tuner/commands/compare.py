"""`compare RUN RUN`: compares two runs and lists what is not comparable."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foundation import quality_name
from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.report.columns import aligned

if TYPE_CHECKING:
    from tuner.core.study import StudySpec
    from tuner.runs.past_run import PastRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name the two runs, and `--json`."""
    parser.description = (
        "Compare two runs: device, baseline, winner, speed-up, quality, cost, and what each of them tried. "
        "If their studies differ, list what is not comparable."
    )
    parser.epilog = "exit codes: 0 compared, 2 a run could not be read"
    parser.add_argument("one", type=user_path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument("other", type=user_path, metavar="RUN", help="folder of the other run")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(args: argparse.Namespace, out: Output) -> int:
    """Compares the runs and prints the comparison."""
    from tuner.runs.past_run import read_past_run

    runs = [read_past_run(folder) for folder in (args.one, args.other)]
    facts = [facts_of(past) for past in runs]
    warnings = cautions(*runs)
    tried = _tried(*runs)
    if args.json:
        out.say_json({"runs": facts, "tried": tried, "cautions": warnings})
        return 0
    out.say(_table(facts))
    out.say(
        f"\nconfigurations tried: {tried['both']} by both, {tried['only_one']} by the first only, "
        f"{tried['only_other']} by the second only"
    )
    for warning in warnings:
        out.say(f"caution: {warning}")
    return 0


def facts_of(past: PastRun) -> dict[str, Any]:
    """The facts of a run that are shown."""
    from tuner.report.files import result_dict

    metric = past.study.metric.name
    result = result_dict(past.result)  # a run that has not ended recommends nothing yet
    device = past.provenance["device"]
    costs = worker_seconds(past)
    return {
        "run": shown(past.folder),
        "study": past.study.name,
        "status": result["status"],
        "device": device["name"],
        "kind": device["kind"],
        "num_workers": past.num_workers,
        "target": past.study.goal.text,
        "metric": metric,
        "objective": result["objective"],
        "baseline": _figures(result["baseline"], metric),
        "winner": _figures(result["recommended"], metric),
        "speedup": result["speedup"],
        "speedup_basis": result["speedup_basis"],
        "certificate": result["certificate"]["verdict"] if result["certificate"] else None,
        "num_trials": result["num_trials"],
        "states": dict(Counter(record.state.value for record in past.records)),
        "worker_s": costs,
        "worker_s_total": sum(costs.values()),
        "elapsed_s": past.elapsed_s,
    }


def worker_seconds(past: PastRun) -> dict[str, float]:
    """Returns for how many seconds workers were occupied, by purpose: GPU-seconds if a worker has a GPU."""
    seconds: dict[str, float] = {}
    for span in past.spans:
        end_s = past.elapsed_s if span.end_s is None else span.end_s
        seconds[span.purpose] = seconds.get(span.purpose, 0.0) + end_s - span.start_s
    return {purpose: round(spent, 3) for purpose, spent in seconds.items()}


def _figures(row: Mapping[str, Any] | None, metric: str) -> dict[str, Any] | None:
    return None if row is None else {name: row[name] for name in ("config", "time_s", metric, "seeds")}


def _tried(one: PastRun, other: PastRun) -> dict[str, int]:
    tried, others = ({record.config for record in past.records} for past in (one, other))
    return {"both": len(tried & others), "only_one": len(tried - others), "only_other": len(others - tried)}


def cautions(one: PastRun, other: PastRun) -> list[str]:
    """Returns which figures of two runs may not be compared, and why; empty if all may be."""
    from tuner.report.changes import changes_caution

    both = (one, other)
    found = [f"{shown(past.folder)}: {said}" for past in both if (said := changes_caution(past.provenance))]
    first, second = one.study, other.study
    if differing := _stage_differences(first, second):
        label = first.metric.label if first.metric.name == second.metric.name else "quality"
        found.append(f"the stages differ ({differing}): neither {label} nor times may be compared")
    if (first.metric.name, first.metric.goal) != (second.metric.name, second.metric.goal):
        found.append(
            f"the metrics differ ({first.metric.goal} {first.metric.name}; {second.metric.goal} "
            f"{second.metric.name}): one says nothing of the other"
        )
    kinds = [past.provenance["device"]["kind"] for past in (one, other)]
    names = [past.provenance["device"]["name"] for past in (one, other)]
    if (kinds[0] == "simulated") != (kinds[1] == "simulated"):
        found.append("one run is simulated: its figures are supposed, not measured")
    elif names[0] != names[1]:
        found.append(
            f"the devices differ ({names[0]}; {names[1]}): do not compare times and memory; speed-ups are "
            "relative to each one's own baseline"
        )
    if first.goal.text != second.goal.text or first.decision != second.decision:
        found.append(
            f"the requirements differ ({first.goal.text}; {second.goal.text}): a winner of one may not be "
            "allowed in the other"
        )
    if first.objective is not second.objective:
        found.append(
            f"the objectives differ ({first.objective}; {second.objective}): speed-ups are not comparable"
        )
    if first.baseline != second.baseline:
        found.append(f"the baselines differ ({first.baseline}; {second.baseline}): so does what 1.00x means")
    if first.lattice.parameters != second.lattice.parameters or _rules(first) != _rules(second):
        found.append("the parameters or constraints differ: one run could try what the other could not")
    return found


def _rules(study: StudySpec) -> set[str]:
    return {rule.text for rule in study.rules}


def _stage_differences(first: StudySpec, second: StudySpec) -> str:
    """Returns where two stages differ, in words; empty if they are the same."""
    stages = [
        {"class": s.class_path, "num_epochs": s.num_epochs, **s.options, quality_name.STAGE_OPTION: None}
        for s in (first.stage, second.stage)
    ]
    names = sorted({name for stage in stages for name in stage})
    return ", ".join(
        f"{name} {stages[0].get(name, '-')} and {stages[1].get(name, '-')}"
        for name in names
        if stages[0].get(name) != stages[1].get(name)
    )


def _table(facts: list[dict[str, Any]]) -> str:
    purposes = list(dict.fromkeys(purpose for fact in facts for purpose in fact["worker_s"]))
    unit = "GPU-seconds" if all(fact["kind"] == "cuda" for fact in facts) else "worker-seconds"
    rows = [["", *(fact["run"] for fact in facts)]]
    for title, name in (("study", "study"), ("status", "status"), ("device", "device"), ("target", "target")):
        rows.append([title, *(str(fact[name]) for fact in facts)])
    rows.append(["workers", *(str(fact["num_workers"]) for fact in facts)])
    for title in ("baseline", "winner"):
        rows.append([title, *(_config(fact[title]) for fact in facts)])
        rows.append([f"  {title}'s time_s", *(_figure(fact[title], "time_s", ".2f") for fact in facts)])
        for metric in dict.fromkeys(fact["metric"] for fact in facts):
            form = ".4f" if metric == quality_name.DEFAULT else ".5g"
            rows.append([f"  {title}'s {metric}", *(_figure(fact[title], metric, form) for fact in facts)])
    rows.append(["speed-up", *("-" if f["speedup"] is None else f"{f['speedup']:.2f}x" for f in facts)])
    rows.append(["speed-up of", *(f["speedup_basis"] or "-" for f in facts)])
    rows.append(["certificate", *(fact["certificate"] or "none" for fact in facts)])
    rows.append(["trials", *(_counts(fact) for fact in facts)])
    rows.append([unit, *(f"{fact['worker_s_total']:.1f}" for fact in facts)])
    rows += [
        [f"  {purpose}", *(f"{fact['worker_s'].get(purpose, 0.0):.1f}" for fact in facts)]
        for purpose in purposes
    ]
    return aligned(rows)


def _config(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None else " ".join(f"{name}={value}" for name, value in row["config"].items())


def _figure(row: Mapping[str, Any] | None, name: str, form: str) -> str:
    return "-" if row is None or row.get(name) is None else format(row[name], form)


def _counts(fact: Mapping[str, Any]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in fact["states"].items())
    return f"{fact['num_trials']} ({states})" if states else "0"
