"""The docker folder: linted by hadolint in `make lint`; here, that its parts fit together."""

from pathlib import Path

import pytest
import yaml

DOCKER = Path(__file__).parent.parent / "docker"


class _Loader(yaml.SafeLoader):
    """Knows compose's `!reset`."""


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


def test_the_dashboard_is_published_on_the_loopback_only(compose):
    head = compose["services"]["head"]
    assert "--dashboard-port=8265" in head["entrypoint"]
    assert all(port.startswith("127.0.0.1:") for port in head["ports"])
    assert "127.0.0.1:8265:8265" in head["ports"]


def test_worker_and_tuner_join_the_port_the_head_listens_on(compose):
    services = compose["services"]
    assert "--port=6379" in services["head"]["entrypoint"]
    assert "--address=head:6379" in services["worker"]["entrypoint"]
    assert services["tune"]["environment"]["RAY_ADDRESS"] == "head:6379"


def test_only_the_worker_asks_for_a_gpu_and_the_cpu_file_takes_that_back(compose):
    asking = [name for name, service in compose["services"].items() if "deploy" in service]
    assert asking == ["worker"]
    assert load("compose.cpu.yaml")["services"] == {"worker": {"deploy": None}}


def test_the_image_does_not_run_as_root_and_copies_only_what_exists():
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000"]
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied
    assert all((DOCKER.parent / source).exists() for sources in copied for source in sources)
