"""The ways in which a run shows itself: quietly, for programs, on a terminal, without colours.

Of a real run for programs: tests/ray_adapter/test_certify.py.
"""

import json
import os
import pty
import re
import select
import signal
import sys
import time

import pytest

from tests.processes import call_tuner, run_tuner, write_study
from tuner.run import main


@pytest.fixture
def study(tmp_path):
    few = {"trials": 8, "hours": 1}
    return write_study(tmp_path, budget=few, search={"sampler": "random"})


def simulate(study, *words):
    return call_tuner("--space", study, "--simulate", "--runs-dir", study.parent / "runs", *words)


def last(study):
    return json.loads((study.parent / "runs/last/result.json").read_text())


def test_quiet_prints_the_closing_sentence_only(study):
    done = simulate(study, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == last(study)["sentence"] + "\n"


def test_json_prints_the_result_alone_on_standard_output_and_the_rest_on_standard_error(study):
    done = simulate(study, "--json")
    assert json.loads(done.stdout) == last(study)
    assert "simulated: distill-tuner" in done.stderr
    assert last(study)["sentence"] in done.stderr


def test_json_and_quiet_leave_standard_error_empty(study):
    done = simulate(study, "--json", "--quiet")
    assert json.loads(done.stdout)["status"] == "recommended"
    assert done.stderr == ""


def test_a_mistake_leaves_standard_output_empty(study):
    done = run_tuner("--space", "no-such-study", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_a_plan_has_neither(study, option):
    done = call_tuner("--space", study, "--plan", option)
    assert done.returncode == 2
    assert f"{option} has no meaning with --plan" in done.stderr


def test_dry_run_is_plan(study):
    dry, plan = (call_tuner("--space", study, option) for option in ("--dry-run", "--plan"))
    assert dry.stdout == plan.stdout != ""


def test_run_is_what_no_command_means(study):
    done = call_tuner("run", "--space", study, "--plan")
    assert done.stdout == call_tuner("--space", study, "--plan").stdout != ""


def on_a_terminal(*words, **env):
    """All that a command writes to a terminal of 80 x 24; a fork of this process has loaded it already."""
    pid, primary = pty.fork()
    if pid == 0:
        code = 70
        try:
            os.environ.update({"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"} | env)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
            code = main(list(map(str, words)))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    written = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([primary], [], [], 0.2)[0]:
            try:
                written += os.read(primary, 65536)
            except OSError:  # its other end was closed
                break
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(primary)
    return os.waitstatus_to_exitcode(status), written.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|38;[0-9;]+)m")


def test_a_terminal_gets_the_live_view_in_colours_and_then_the_summary(study):
    code, shown = on_a_terminal("--space", study, "--simulate", "--runs-dir", study.parent / "runs")
    assert code == 0
    assert "distill-tuner: synthetic-simulated" in shown
    assert "budget [" in shown
    assert COLOUR.search(shown)
    assert last(study)["sentence"][:60] in shown


def test_no_color_takes_the_colours_out_of_the_live_view(study):
    words = ["--space", study, "--simulate", "--runs-dir", study.parent / "runs"]
    code, shown = on_a_terminal(*words, NO_COLOR="1")
    assert code == 0
    assert "budget [" in shown
    assert not COLOUR.search(shown)


def test_quiet_shows_no_view_on_a_terminal_either(study):
    words = ["--space", study, "--simulate", "--runs-dir", study.parent / "runs", "--quiet"]
    _, shown = on_a_terminal(*words)
    assert "\x1b" not in shown
    assert shown.strip() == last(study)["sentence"]
