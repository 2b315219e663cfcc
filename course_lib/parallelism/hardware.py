"""Accelerators as data: peak, memory, NVLink and ports of a usual node, each with its source and the day it was read.

Peaks are dense (without 2:4 sparsity, which doubles the number on most data sheets). NVLink and ports count one
direction; data sheets add both. "node" is what NVLink joins: 8 GPUs in an HGX or DGX box, 72 in an NVL72 rack.
"""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.parallelism.costs import bus_bandwidth

PORT_400G = 50e9  # bytes/s of a 400 Gbit/s port (ConnectX-7, InfiniBand NDR), one direction


@dataclass(frozen=True)
class Accelerator:
    """One kind of GPU in its usual node. FLOP/s dense, bytes, bytes/s one way."""

    name: str
    bf16_flops_per_s: float
    memory_bytes: float
    memory_bytes_per_s: float
    nvlink_bytes_per_s: float
    gpus_per_node: int
    ports_per_node: int
    source: str
    read: str

    def bus_bandwidth(self) -> float:
        """Bytes/s per GPU of an all-reduce over many nodes, at line rate: `costs.bus_bandwidth` of this node."""
        return bus_bandwidth(self.gpus_per_node, self.ports_per_node, PORT_400G, self.nvlink_bytes_per_s)


_KLOCKWOOD = "glennklockwood.com/garden/processors (after NVIDIA's data sheets)"

HARDWARE = (
    Accelerator(
        "H100 SXM",
        989e12,
        80e9,
        3.35e12,
        450e9,
        8,
        8,
        f"{_KLOCKWOOD}: h100; line rate 450: nccl-tests 212",
        "2026-11-25",
    ),
    Accelerator(
        "H200 SXM",
        989e12,
        141e9,
        4.8e12,
        450e9,
        8,
        8,
        "github.com/stas00/ml-engineering, insights/when-to-upgrade-gpus; NVLink: MLPerf inference 4.1, H200-SXM x8",
        "2026-11-25",
    ),
    Accelerator(
        "B200 (HGX, 1,000 W)",
        2250e12,
        180e9,
        8e12,
        900e9,
        8,
        8,
        f"{_KLOCKWOOD}: B200; memory and ports: MLPerf inference 6.0, nebius_b200_n1",
        "2026-11-25",
    ),
    Accelerator(
        "GB200 NVL72 (1,200 W)",
        2500e12,
        186e9,
        8e12,
        900e9,
        72,
        72,
        f"{_KLOCKWOOD}: B200; memory and 4 ports for 4 GPUs: MLPerf inference 6.1, Crusoe GB200-NVL72",
        "2026-11-25",
    ),
)
