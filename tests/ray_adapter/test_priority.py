"""Trials compute at the priority of whoever started the run, so that its clock is the one a training has."""

import os

import pytest
import ray

pytestmark = pytest.mark.usefixtures("ray_resources")


def test_a_worker_of_a_private_ray_is_no_less_important_than_its_driver():
    there = ray.get(ray.remote(lambda: os.getpriority(os.PRIO_PROCESS, 0)).remote())
    assert there == os.getpriority(os.PRIO_PROCESS, 0)
