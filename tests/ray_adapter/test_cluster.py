"""A real head node with token authentication: as a Ray job, by address, from a container, and its metrics."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml

from tests.processes import ROOT, call_tuner, own_processes, run_tuner, wait_until, write_study
from tests.ray_adapter.test_interrupts import has_a_partial_result
from tests.studies import study_dict

BIN = Path(sys.executable).parent
PATH = f"{BIN}{os.pathsep}{os.environ['PATH']}"
ON_ALL_INTERFACES = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
"""Linux's default when nothing is set; tests/conftest.py sets it for a private Ray."""
NUM_STARTS = 2
"""How often a head node is started, of whose ports one may be taken meanwhile."""

pytestmark = pytest.mark.timeout(600)


def free_port() -> int:
    """A port that nobody has, of those that neither Linux nor Ray gives to whoever asks for any port."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(20_000, 32_000)))
            return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head():
    """A head node; its addresses. The token is in the environment: see tests/conftest.py."""
    # Socket paths may have 107 characters, so pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="dt-", ignore_cleanup_errors=True) as temp_dir:
        log = Path(temp_dir) / "head.log"
        for _ in range(NUM_STARTS):
            process, ports = start_head(temp_dir, log)
            try:
                if is_up(process, ports):
                    yield {name: f"127.0.0.1:{port}" for name, port in ports.items()}
                    return
            finally:
                process.terminate()
                process.wait(timeout=60)
        pytest.fail(f"no head node came up:\n{log.read_text()}")


def start_head(temp_dir: str, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, int]]:
    """Starts a head node, and returns its process and its ports. It ends by itself if one was taken."""
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "metrics-export-port")
    ports = {name: free_port() for name in names}
    command = [
        str(BIN / "ray"),
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1",
        *(f"--{name}={port}" for name, port in ports.items()),
        f"--temp-dir={temp_dir}",
        "--num-cpus=2",
        "--disable-usage-stats",
        # Nobody here asks for more nodes or for the workers' output in a driver.
        *("--no-monitor", "--include-log-monitor=false"),
    ]
    # The head finds `python` for a job's entry point on its own PATH.
    environment = os.environ | ON_ALL_INTERFACES | {"PATH": PATH}
    environment["RAY_metrics_report_interval_ms"] = "1000"  # instead of ten seconds
    with log.open("a") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output), ports


def is_up(process: subprocess.Popen[bytes], ports: dict[str, int]) -> bool:
    """Waits until a head node takes jobs; False if it ended, or does not within two minutes."""

    def takes_jobs() -> bool:
        # The dashboard takes a job only when its agent is up, which on a busy machine is much later.
        return all(answers(ports[name]) for name in ("dashboard-port", "dashboard-agent-listen-port"))

    with suppress(AssertionError):  # of the wait
        wait_until(lambda: process.poll() is not None or takes_jobs(), timeout_s=120)
    return process.poll() is None and takes_jobs()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def slow_study(folder: Path) -> Path:
    """About eight seconds of trials: long enough for the metrics to be exported while it runs."""
    stage = study_dict()["stage"] | {"options": {"epoch_time_s": 0.2}}
    changes = {"budget": {"trials": 14, "hours": 1}, "search": {"sampler": "random"}}
    return write_study(folder, stage=stage, **changes)


def test_it_runs_as_a_ray_job_with_a_token_and_its_metrics_are_in_a_scrape(head, tmp_path):
    command = [
        str(BIN / "ray"),
        "job",
        "submit",
        f"--address=http://{head['dashboard-port']}",
        "--working-dir=.",
        "--",
        *("python", "-m", "tuner.run", "--space", str(slow_study(tmp_path))),
        *("--runs-dir", str(tmp_path / "runs")),
    ]
    log = tmp_path / "job.log"
    with log.open("w") as output:
        job = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        journal, metrics = tmp_path / "runs/last/journal.jsonl", ""

        def scraped() -> bool:
            nonlocal metrics
            if not (journal.exists() and journal.read_text().count('"tell"') >= 2):
                return job.poll() is not None
            url = f"http://{head['metrics-export-port']}/metrics"
            time.sleep(0.4)  # an answer is some megabytes, and the agent makes it on the trials' cores
            # The agent that serves them starts a little after the head.
            with suppress(URLError), urllib.request.urlopen(url, timeout=10) as reply:  # loopback
                metrics = reply.read().decode()
            return job.poll() is not None or "ray_distill_speedup" in metrics

        wait_until(scraped, timeout_s=240)
        assert job.wait(timeout=200) == 0, log.read_text()
    assert "succeeded" in log.read_text()
    result = json.loads((tmp_path / "runs/last/result.json").read_text())
    assert result["status"] == "recommended"

    def gauge(name: str, label: str = 'study="synthetic"') -> float:
        line = next(
            line for line in metrics.splitlines() if line.startswith(f"ray_{name}{{") and label in line
        )
        return float(line.rsplit(" ", 1)[1])

    assert gauge("distill_trials", 'state="complete"') >= 2
    assert 0.08 < gauge("distill_best_nrmse") < 0.095
    assert gauge("distill_best_time_seconds") < result["baseline"]["time_s"] * 1.001
    assert gauge("distill_speedup") > 1


def test_without_the_token_the_cluster_cannot_be_joined_and_that_is_one_message(head, tmp_path):
    done = run_tuner(
        *("--space", write_study(tmp_path), "--runs-dir", tmp_path / "runs"),
        *("--address", head["port"]),
        RAY_AUTH_TOKEN="0" * 32,
        RAY_NUM_REDIS_GET_RETRIES="3",  # Ray asks again every second, twenty times by default
        **ON_ALL_INTERFACES,
    )
    assert done.returncode == 2
    assert "cannot join the Ray cluster" in done.stderr
    assert "RAY_AUTH_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def composes_tune(port: int, *, in_container: bool) -> list[str]:
    """Returns the command that compose starts for `tune` in the container, with another port for metrics.

    Args:
        port: For the metrics.
        in_container: Whether it is to start a node of its own; it sees the head's otherwise.
    """
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    shell, option, script, name = services["tune"]["entrypoint"]
    script = script.replace("$$", "$").replace("--metrics-export-port=8080", f"--metrics-export-port={port}")
    return [shell, option, script if in_container else script.splitlines()[-1], name]


def test_composes_tune_joins_the_cluster_of_its_environment_and_ctrl_c_ends_it_and_not_the_cluster(
    head, tmp_path
):
    container = own_processes()  # where the head's node is not to be seen
    runs, output = tmp_path / "runs", tmp_path / "output.txt"
    with tempfile.TemporaryDirectory(prefix="dt-", ignore_cleanup_errors=True) as temp_dir:
        environment = os.environ | ON_ALL_INTERFACES | {"PATH": PATH, "PYTHONPATH": str(ROOT)}
        environment |= {"RAY_ADDRESS": head["port"], "DISTILL_TUNER_RUNS_DIR": str(runs)}
        environment |= {"TMPDIR": temp_dir, "RAY_TMPDIR": temp_dir}
        tune = composes_tune(free_port(), in_container=bool(container))
        with output.open("w") as file:
            process = subprocess.Popen(
                [*container, *tune, "--space", str(slow_study(tmp_path))],
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            wait_until(lambda: "0002 " in output.read_text() or process.poll() is not None, timeout_s=240)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=60) == 130, output.read_text()
    assert f"joining Ray at {head['port']}" in output.read_text()
    has_a_partial_result(runs / "last", "SIGINT")
    assert answers(int(head["port"].rsplit(":", 1)[1]))


def test_no_cluster_at_the_address_is_one_message(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    done = call_tuner(
        *("--space", write_study(tmp_path), "--runs-dir", tmp_path / "runs", "--address", address)
    )
    assert done.returncode == 2
    assert f"cannot join the Ray cluster at {address}" in done.stderr
    assert "Traceback" not in done.stderr
