"""A script that can do few steps is probed by short starts: its law is found, and its failures are told."""

import json
import math
import os

import pytest

from tests.trainables.command.test_card import answers, driver, running  # noqa: F401  # a fixture
from tests.trainables.test_command import trial
from trainables.command import CommandStage
from trainables.command.verdict import ScriptLostError
from trainables.telemetry.failures import ScriptError

LAW = """
import json, sys
batch, micro, taus, steps = map(int, sys.argv[1:])
t = COST + steps * (0.01 * batch / micro + 0.002 * batch * taus)
print("training begins")
BEFORE
print(json.dumps({"nrmse": 0.5, "t": t, "peak_memory_gib": 1 + 0.1 * micro * taus}))
"""
CONFIGS = [
    {"batch_size": b, "micro_batch": m, "num_taus": n, "accum_steps": 1}
    for b, m, n in ((6, 3, 5), (12, 4, 4), (24, 24, 2))
]
NUM_SAMPLES = 2000
PROBE = {"steps": 20, "args": ["{num_steps}"]}


def epoch_s(params):
    batch, micro, taus = (params[name] for name in ("batch_size", "micro_batch", "num_taus"))
    batches = (2 * NUM_SAMPLES + batch) // (2 * batch)
    return batches * (0.01 * batch / micro + 0.002 * batch * taus)


def law(cost_s=3.0, before=""):
    return LAW.replace("COST", str(cost_s)).replace("BEFORE", before)


def asked(folder, code, configs=CONFIGS, *, limit_s=0.0, **options):
    """The stage's answer to a probe of a script that gets the parameters as words."""
    words = ["{batch_size}", "{micro_batch}", "{num_taus}"]
    more = {"probe": PROBE, "num_samples": NUM_SAMPLES} | options
    stage = trial(folder, code, *words, **more)["stage"]
    made = CommandStage(config={"probe": configs, "stage": stage, "num_epochs": 2, "limit_s": limit_s})
    try:
        report = made.train()
        assert report["done"]
        return report["probe"]
    finally:
        made.stop()


def starts(folder):
    """Parameters and words of each start, in order."""
    told = [json.loads(path.read_text()) for path in sorted(folder.glob("logs/trial-*/trial.json"))]
    return sorted((one["params"]["batch_size"], int(one["command"][-1])) for one in told)


@pytest.mark.parametrize("cost_s", [0.0, 3.0])
def test_time_and_memory_follow_the_scripts_law_whatever_a_start_costs(tmp_path, cost_s):
    found = asked(tmp_path, law(cost_s), keys={"time_s": "t"})
    for params, result in zip(CONFIGS, found, strict=True):
        assert (result["params"], result["status"]) == (params, "ok")
        assert result["standard_error"] < 0.2
        stray = abs(math.log(result["epoch_time_s"] / epoch_s(params)))
        assert stray < 1e-6 + (result["standard_error"] if cost_s else 0)
        assert result["peak_memory_gib"] == pytest.approx(
            1 + 0.1 * params["micro_batch"] * params["num_taus"]
        )
    twice = [(batch, steps) for batch in (6, 12, 24) for steps in (20, 40)]
    assert starts(tmp_path) == (twice if cost_s else [(6, 20), (6, 40), (12, 20), (24, 20)])


def test_without_a_clock_of_its_own_the_wall_time_to_the_last_report_counts(tmp_path):
    code = (
        "import sys, time\nprint('warming up')\ntime.sleep(0.1)\nprint('training begins')\n"
        "time.sleep(0.04 * int(sys.argv[4]))\nprint('{\"nrmse\": 0.5}')\ntime.sleep(0.1)\n"
    )
    (found,) = asked(tmp_path, code, CONFIGS[:1], start="begins", probe=PROBE | {"steps": 10})
    assert found["epoch_time_s"] == pytest.approx(333 * 0.04, rel=max(0.2, 2 * found["standard_error"]))
    assert found["peak_memory_gib"] == 0  # nobody measured it


def test_a_script_that_reports_nothing_in_few_steps_is_timed_to_its_end(tmp_path):
    # Far longer than a start of Python takes, which the difference of two starts is blurred by.
    code = "import sys, time\ntime.sleep(0.2 * int(sys.argv[4]))\n"
    (found,) = asked(tmp_path, code, CONFIGS[:1], probe=PROBE | {"steps": 10})
    assert found["epoch_time_s"] == pytest.approx(333 * 0.2, rel=max(0.2, 2 * found["standard_error"]))


def test_time_per_epoch_is_the_time_of_the_steps(tmp_path):
    found = asked(tmp_path, law(0.0), keys={"time_per_epoch": "t"})
    assert [r["epoch_time_s"] for r in found] == pytest.approx([epoch_s(c) for c in CONFIGS])


def test_patch_is_merged_over_the_trials_and_keeps_types(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("batch: 1  # stays\nsteps: -1\nevaluate: true\nlog: no\n")
    code = (
        "import json, sys\nfrom pathlib import Path\ntext = Path(sys.argv[4]).read_text()\nprint(text)\n"
        "steps = int(text.split('steps: ')[1].split()[0])\n"
        "print(json.dumps({'nrmse': 1, 't': steps * 0.1}))\n"
    )
    words = ["{python}", str(tmp_path / "script.py"), "", "", "", "{config}"]
    (found,) = asked(
        tmp_path,
        code,
        CONFIGS[:1],
        command=words,
        config=str(config),
        patch={"batch": "batch_size", "evaluate": "seed"},
        keys={"time_s": "t"},
        probe={"steps": 5, "patch": {"steps": "num_steps", "evaluate": False, "log": "{dir}/{num_steps}"}},
    )
    assert found["epoch_time_s"] == pytest.approx(33.3)
    first = min(tmp_path.glob("logs/trial-*/output.log"), key=lambda log: log.stat().st_mtime_ns)
    copy = first.read_text()
    assert copy.startswith("batch: 6  # stays\nsteps: 5\nevaluate: false\nlog: ")
    assert copy.split("log: ")[1].splitlines()[0].strip("'\"") == f"{first.parent}/5"


@pytest.mark.parametrize(
    "before",
    [
        "if batch == 12: sys.exit('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB')",
        "if batch == 12: print('OOM in chunk 3, skipping chunk')",
    ],
)
def test_out_of_memory_is_a_result_even_if_the_script_swallows_it(tmp_path, before):
    found = asked(tmp_path, law(before=before), keys={"time_s": "t"})
    assert [r["status"] for r in found] == ["ok", "oom", "ok"]


def test_if_the_first_does_not_fit_the_next_tells_what_a_start_costs(tmp_path):
    found = asked(tmp_path, law(before="if batch == 6: raise MemoryError"), keys={"time_s": "t"})
    assert [r["status"] for r in found] == ["oom", "ok", "ok"]
    assert [r["epoch_time_s"] for r in found[1:]] == pytest.approx([epoch_s(c) for c in CONFIGS[1:]])


def test_what_is_infeasible_in_the_users_words_is_not_taken_for_lack_of_memory(tmp_path):
    before = "if batch == 12: print('latents collapsed')"
    found = asked(tmp_path, law(before=before), keys={"time_s": "t"}, infeasible_if=["collapsed"])
    assert [r["status"] for r in found] == ["ok", "nan", "ok"]


@pytest.mark.parametrize(
    ("before", "error", "said"),
    [
        ("sys.exit('no such option: --max-steps')", ScriptError, "failed with exit 1: no such option"),
        ("t = 3.0", ScriptError, "20 batches took 3 s and 40 took 3 s.* Fix: see that the script obeys"),
        ("import time; time.sleep(60)", ScriptError, "with 20 batches had not ended after 1.5 s"),
        ("print('{\"nrmse\": -1}')", ScriptError, "output cannot be used: metric nrmse=-1"),
        ("import os; os.kill(os.getpid(), 9)", ScriptLostError, "was killed by signal 9"),
    ],
)
def test_a_script_that_fails_or_does_not_obey_ends_the_probe_with_the_cause(tmp_path, before, error, said):
    with pytest.raises(error, match=said):
        asked(tmp_path, law(before=before), keys={"time_s": "t"}, limit_s=1.5)


def test_a_start_line_that_never_comes_ends_the_probe(tmp_path):
    with pytest.raises(ScriptError, match="no line of output matched option start='^go'".replace("^", r"\^")):
        asked(tmp_path, law(), start="^go", keys={"time_s": "t"})


def test_the_folders_of_short_starts_are_removed_unless_logs_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    asked(tmp_path, law(), keys={"time_s": "t"}, logs="")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_stage_that_was_probed_trains_as_ever_and_one_without_the_option_is_not_probed(tmp_path):
    assert CommandStage.offers_probe({"probe": PROBE})
    assert not CommandStage.offers_probe({})
    asked(tmp_path, law(), CONFIGS[:1], keys={"time_s": "t"})
    config = trial(tmp_path, law(), "6", "3", "5", "100", num_epochs=1, probe=PROBE, num_samples=NUM_SAMPLES)
    made = CommandStage(config={"probe": CONFIGS[:1], "stage": config["stage"] | {"keys": {"time_s": "t"}}})
    with pytest.raises(ScriptError):
        made.train()  # it gets a fifth word, with which it fails
    made.reset(config)
    report = made.train()
    made.stop()
    assert (report["status"], report["nrmse"]) == ("ok", 0.5)


def test_memory_is_that_of_the_card_where_the_script_tells_none(tmp_path, driver):  # noqa: F811
    """Recorded answers: the processes of the script, which this one starts, hold 5 GiB."""
    told = answers("two_cards")
    told["nvmlDeviceGetComputeRunningProcesses"]["a"] = [running(os.getpid(), 5)]
    driver(told, "0")
    code = law(0.0).replace(', "peak_memory_gib": 1 + 0.1 * micro * taus', "")
    (found,) = asked(tmp_path, code, CONFIGS[:1], keys={"time_s": "t"})
    assert found["peak_memory_gib"] == pytest.approx(5)
