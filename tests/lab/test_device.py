"""The device helpers on a machine without an accelerator, and the choice on one with (torch's answers replaced)."""

import random
from contextlib import nullcontext
from importlib import import_module

import numpy
import pytest
import torch

devices = import_module("course_lib.lab.device")  # `lab.device` is the function


def test_seeds_repeat_all_three_sources_and_the_generator():
    def draw():
        generator = devices.seed_all(7)
        return random.random(), numpy.random.rand(), torch.rand(1).item(), torch.rand(1, generator=generator).item()

    first = draw()
    assert draw() == first
    generator = devices.seed_all(8)
    assert torch.rand(1, generator=generator).item() != first[3]
    assert (random.random(), numpy.random.rand(), torch.rand(1).item()) != first[:3]


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**32])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match="whole number from 0"):
        devices.seed_all(seed)


def test_cpu_without_an_accelerator(monkeypatch):
    monkeypatch.delenv(devices.DEVICE_VARIABLE, raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert devices.device() == torch.device("cpu")
    assert isinstance(devices.autocast(), nullcontext)
    devices.synchronize()


def test_the_accelerator_when_there_is_one(monkeypatch):
    monkeypatch.delenv(devices.DEVICE_VARIABLE, raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 1)
    assert devices.device() == torch.device("cuda")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "nccl")
    assert devices.device() == torch.device("cuda", 1)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "gloo")
    assert devices.device() == torch.device("cpu")


def test_the_variable_overrides(monkeypatch):
    monkeypatch.setenv(devices.DEVICE_VARIABLE, "meta")
    assert devices.device() == torch.device("meta")
    monkeypatch.setenv(devices.DEVICE_VARIABLE, "toaster")
    with pytest.raises(ValueError, match="COURSE_DEVICE='toaster' is no device"):
        devices.device()


def test_autocast_on_an_accelerator_computes_in_bf16(monkeypatch):
    made = {}
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: made.update(kind=kind, dtype=dtype))
    devices.autocast(torch.device("cuda", 0))
    assert made == {"kind": "cuda", "dtype": torch.bfloat16}


def test_machine_states_its_facts():
    machine = devices.machine()
    assert machine.torch == torch.__version__
    assert machine.threads == torch.get_num_threads()
    assert 1 <= machine.cores <= 4096
    assert 0.1 < machine.memory_gib < 1e5
    text = str(machine)
    assert f"{machine.cores} cores" in text and f"torch {machine.torch}" in text


def test_a_containers_limits_count(monkeypatch):
    monkeypatch.setattr(devices, "_cgroup", {"cpu.max": "100000 100000", "memory.max": str(2**30)}.get)
    assert devices.available_cores() == 1
    assert devices.available_memory() == 2**30
    monkeypatch.setattr(devices, "_cgroup", {"cpu.max": "max 100000", "memory.max": "max"}.get)
    assert devices.available_memory() > 0
    assert devices.available_cores() >= 1
