"""The docker folder: linted by hadolint in `make lint`; here, that its parts fit together.

What compose's `tune` does is done for real in tests/ray_adapter/test_cluster.py.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

import tuner.run
from tuner.commands import COMMANDS
from tuner.spec import load_study

DOCKER = Path(__file__).parent.parent / "docker"


class _Loader(yaml.SafeLoader):
    """A YAML loader that knows compose's `!reset`."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def load(name):
    return yaml.load((DOCKER / name).read_text(), _Loader)  # noqa: S506  # derived from SafeLoader


@pytest.fixture
def compose():
    return load("compose.yaml")


def test_head_worker_and_tuner_share_one_image_and_one_token(compose):
    services = compose["services"]
    assert set(services) == {"head", "worker", "tune"}
    for service in services.values():
        assert service["image"] == "distill-tuner"
        assert service["build"]["dockerfile"] == "docker/Dockerfile"
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert "${RAY_AUTH_TOKEN:?" in service["environment"]["RAY_AUTH_TOKEN"]


def test_what_is_published_is_on_the_loopback_only_and_each_port_once(compose):
    head = compose["services"]["head"]
    assert "--dashboard-port=8265" in head["entrypoint"]
    assert "127.0.0.1:8265:8265" in head["ports"]
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.rpartition(":")[0] for port in ports}) == len(ports)


def test_worker_and_tuner_join_the_port_the_head_listens_on(compose):
    services = compose["services"]
    assert "--port=6379" in services["head"]["entrypoint"]
    assert "--address=head:6379" in services["worker"]["entrypoint"]
    assert services["tune"]["environment"]["RAY_ADDRESS"] == "head:6379"


def test_only_the_worker_asks_for_a_gpu_and_the_cpu_file_takes_that_back(compose):
    asking = [name for name, service in compose["services"].items() if "deploy" in service]
    assert asking == ["worker"]
    assert load("compose.cpu.yaml")["services"] == {"worker": {"deploy": None}}


def instruction(name: str) -> str:
    """The last one of that name, its lines joined."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", text, re.M)[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_image_runs_every_command(command, capsys):
    python, *module = json.loads(instruction("ENTRYPOINT"))
    assert [python, *module[:2]] == ["python", "-m", "tuner.run"]
    with pytest.raises(SystemExit) as ended:
        tuner.run.main([*module[2:], command, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m tuner.run {command} " in capsys.readouterr().out


def test_the_image_resumes_a_run_and_without_arguments_runs_a_shipped_study():
    words = json.loads(instruction("ENTRYPOINT"))[3:]
    assert tuner.run.make_parser().parse_args([*words, "--resume", "/runs/last"]).resume == Path("/runs/last")
    args = tuner.run.make_parser().parse_args([*words, *json.loads(instruction("CMD"))])
    assert load_study(args.space).name == "a100"


def test_runs_of_the_image_go_to_its_volume():
    assert "DISTILL_TUNER_RUNS_DIR=/runs" in instruction("ENV").split()
    assert "/runs" in json.loads(instruction("VOLUME"))


def test_the_image_does_not_run_as_root_and_copies_only_what_exists():
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000"]
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied
    assert all((DOCKER.parent / source).exists() for sources in copied for source in sources)
