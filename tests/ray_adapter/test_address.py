"""An address that a run cannot use is told by its kind and with its fix, before Ray is asked."""

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.processes import ROOT, TUNER, call_tuner, own_processes, write_study
from tuner.errors import ClusterError
from tuner.ray_adapter.address import cluster_address, knock


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "head:6379", "[::1]:6379", "auto"])
def test_what_a_run_can_join_is_taken_from_the_option_or_the_environment(address, monkeypatch):
    assert cluster_address(address) == address
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert cluster_address(None) == address
    assert cluster_address("other:1") == "other:1"
    assert cluster_address("auto") == address, "as Ray means it"


def test_without_an_address_or_with_local_ray_is_private(monkeypatch):
    assert cluster_address(None) == ""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert cluster_address("local") == ""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert cluster_address(None) == ""


@pytest.mark.parametrize(
    ("address", "kind", "fix"),
    [
        ("http://10.0.0.5:8265", "a dashboard", "10.0.0.5:6379"),
        ("http://10.0.0.5:8265", "takes jobs", "ray job submit --address http://10.0.0.5:8265 "),
        ("https://ray.example.org", "a dashboard", "ray.example.org:6379"),
        ("http://[::1]:8265", "a dashboard", "[::1]:6379"),
        ("http://[::1", "a dashboard", "HOST:6379"),
        ("ray://head:10001", "Ray Client", "head:6379"),
        ("ray://head:10001", "Ray Client", "ray job submit --address http://head:8265 "),
        ("grpc://head:6379", "cannot join Ray by grpc://", "head:6379"),
        ("127.0.0.1", "has no port", "127.0.0.1:6379"),
        ("head:six", "not of the form HOST:PORT", "HOST:6379"),
        ("::1:6379", "not of the form HOST:PORT", "HOST:6379"),
        (":6379", "not of the form HOST:PORT", "HOST:6379"),
        ("head:66379", "no port 66379", "head:6379"),
    ],
)
def test_any_other_address_is_named_with_its_kind_and_its_fix(address, kind, fix):
    with pytest.raises(ClusterError) as raised:
        cluster_address(address)
    assert f"--address {address}" in raised.value.message
    assert kind in raised.value.message
    assert fix in raised.value.hint


def test_an_address_of_the_environment_is_one_message_and_no_ray_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    done = call_tuner("--space", write_study(tmp_path), "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr.startswith("error: RAY_ADDRESS=http://127.0.0.1:8265 is the address of a dashboard")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "runs").iterdir()) == []


def test_auto_without_a_cluster_on_this_machine_is_one_message(tmp_path):
    if not (alone := own_processes()):
        pytest.skip("no user namespaces here, and others may run a cluster")
    command = [*alone, *TUNER, "--space", str(write_study(tmp_path)), "--runs-dir", str(tmp_path)]
    environment = os.environ | {"RAY_ADDRESS": "auto", "RAY_TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Ray cluster runs on this machine, which is where `auto` looks")
    assert done.stderr.count("\n") == 1


class _Dashboard(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_dashboard_without_its_scheme_is_recognised_by_its_answer():
    with HTTPServer(("127.0.0.1", 0), _Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with pytest.raises(ClusterError, match="is the address of a dashboard") as raised:
            knock(address)
        server.shutdown()
    assert f"--address http://{address}" in raised.value.hint
