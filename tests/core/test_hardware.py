"""The devices that a profile takes for its own."""

import pytest

from tuner.errors import SpecError
from tuner.spec import list_hardware, load_hardware

A100_40 = {"kind": "cuda", "name": "NVIDIA A100-SXM4-40GB", "memory_gib": 39.4}
A100_80 = {"kind": "cuda", "name": "NVIDIA A100-SXM4-80GB", "memory_gib": 79.2}
H100 = {"kind": "cuda", "name": "NVIDIA H100 80GB HBM3", "memory_gib": 79.1}
H200 = {"kind": "cuda", "name": "NVIDIA H200", "memory_gib": 139.8}
RTX4090 = {"kind": "cuda", "name": "NVIDIA GeForce RTX 4090", "memory_gib": 23.6}
RTX4090_D = {"kind": "cuda", "name": "NVIDIA GeForce RTX 4090 D", "memory_gib": 23.6}
CPU = {"kind": "cpu", "name": "AMD EPYC 7763"}


@pytest.mark.parametrize(
    ("profile", "device"),
    [
        ("a100_40gb", A100_40),
        ("a100_40gb", {"kind": "cuda", "name": "nvidia a100-pcie-40gb"}),
        ("h100_80gb", H100),
        ("h100_80gb", {"kind": "cuda", "name": "NVIDIA H100 PCIe", "memory_gib": 79.2}),
        ("rtx4090", RTX4090),
        ("cpu", CPU),
    ],
)
def test_a_device_fits_its_profile(profile, device):
    assert load_hardware(profile).why_not(device) is None


@pytest.mark.parametrize(
    ("profile", "device", "reason"),
    [
        (
            "a100_40gb",
            A100_80,
            "the study was written for NVIDIA A100 40GB (38-41 GiB), and this NVIDIA A100-SXM4-80GB "
            "has 79.2 GiB",
        ),
        (
            "a100_40gb",
            CPU,
            "the study was written for NVIDIA A100 40GB, and this device is a CPU (AMD EPYC 7763)",
        ),
        ("h100_80gb", H200, "the study was written for NVIDIA H100 80GB, and this device is NVIDIA H200"),
        (
            "rtx4090",
            RTX4090_D,
            "the study was written for NVIDIA GeForce RTX 4090, and this device is NVIDIA GeForce RTX 4090 D",
        ),
        (
            "cpu",
            H100,
            "the study was written for a CPU, and this device is a CUDA device (NVIDIA H100 80GB HBM3)",
        ),
    ],
)
def test_another_device_is_told_apart_in_words(profile, device, reason):
    assert load_hardware(profile).why_not(device) == reason


def test_profiles_are_found_by_name():
    assert list_hardware() == ["a100_40gb", "cpu", "h100_80gb", "rtx4090"]
    with pytest.raises(SpecError, match=r"there is no hardware profile 'rtx409'.*'rtx4090'"):
        load_hardware("rtx409")
