"""What a study did is read from its result and its journal."""

import json

import pytest

from benchmarks.search_real.studies import occupied_s, read_study

BEST, SLOW = (24, 12, 2, 1), (6, 3, 5, 1)


def asked(trial_id, elapsed_s, **answer):
    kind = {"kind": "run", "purpose": "search", "config": {"batch_size": 6, "micro_batch": 3, "num_taus": 5}}
    return {"event": "ask", "elapsed_s": elapsed_s, "answer": kind | {"trial_id": trial_id} | answer}


def told(trial_id, elapsed_s, event="tell"):
    return {"event": event, "elapsed_s": elapsed_s, "trial_id": trial_id}


EVENTS = [
    {"event": "start", "elapsed_s": 0.0},
    asked("0001", 1.0, purpose="baseline"),
    told("0001", 6.0),
    asked("p1", 6.0, kind="probe", purpose="probe"),
    asked("0002", 6.5),
    told("p1", 8.0, event="probed"),
    told("0002", 9.0),
    asked("0003", 9.0),
    {"event": "end", "elapsed_s": 10.0},
]


def test_a_worker_is_occupied_from_the_asking_to_the_telling_also_by_what_never_ended():
    assert occupied_s(EVENTS) == {"baseline": 5.0, "probe": 2.0, "search": 2.5 + 1.0}


def test_a_probe_without_a_purpose_is_known_by_its_kind():
    probe = {"event": "ask", "elapsed_s": 1.0, "answer": {"kind": "probe", "trial_id": "p", "configs": []}}
    wait = {"event": "ask", "elapsed_s": 1.0, "answer": {"kind": "wait"}}
    assert occupied_s([probe, wait, told("p", 3.0, event="probed")]) == {"probe": 2.0}


def test_a_studys_folder_says_what_it_recommends_and_what_that_cost(tmp_path):
    config = {"batch_size": 24, "micro_batch": 12, "num_taus": 2, "accum_steps": 1}
    result = {"recommended": {"config": config}, "baseline": {"time_s": 4.25}}
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    run = read_study(tmp_path, 3)
    assert (run.seed, run.recommended, run.tried) == (3, BEST, frozenset({SLOW}))
    assert run.cost == pytest.approx(10.5 / 4.25)
    (tmp_path / "result.json").write_text(json.dumps(result | {"recommended": None}))
    assert read_study(tmp_path, 3).recommended is None
