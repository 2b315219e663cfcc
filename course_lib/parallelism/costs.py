"""What an all-reduce costs: latency and bandwidth, fitted to measurements or taken from a node's hardware.

An all-reduce of K bytes over n ranks in a ring takes t = 2(n-1)·alpha + 2(n-1)/n·K/B: alpha seconds for each of the
2(n-1) messages that a rank sends one after another, and the bytes that it sends at the bus bandwidth B. alpha is per
message everywhere in this file, so each further bucket adds 2(n-1)·alpha; B is per rank: what one rank sends while all
of them do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """alpha_s: seconds of one message without its bytes; an all-reduce pays it 2(n-1) times. bytes_per_s: bus
    bandwidth per rank.
    """

    alpha_s: float
    bytes_per_s: float

    def all_reduce_seconds(self, world_size: int, payload: float, calls: int = 1) -> float:
        """Seconds of `calls` ring all-reduces, one after another, that together reduce `payload` bytes."""
        _require_positive(world_size=world_size, calls=calls)
        latency = calls * 2 * (world_size - 1) * self.alpha_s
        return latency + 2 * (world_size - 1) / world_size * payload / self.bytes_per_s

    def half_speed_payload(self, world_size: int) -> float:
        """Bytes at which latency takes as long as the bytes: n·alpha·B. Smaller messages are in the latency regime."""
        return world_size * self.alpha_s * self.bytes_per_s


def fit_link(world_size: int, payloads: Sequence[float], seconds: Sequence[float]) -> Link:
    """Fit alpha and B to measured all-reduces over `world_size` ranks by least squares of the relative error.

    Relative, because payloads are swept over orders of magnitude: plain squares would fit the largest alone.

    Args:
        world_size: ranks n, at least 2.
        payloads: bytes reduced in each measurement, at least two different ones.
        seconds: what each took.

    Raises:
        ValueError: if the measurements do not determine alpha and B, or time does not grow with the payload.
    """
    import numpy as np

    if world_size < 2 or len(payloads) != len(seconds) or len(set(payloads)) < 2 or min(seconds, default=0) <= 0:
        raise ValueError(
            "A fit needs at least 2 ranks, and positive seconds for at least two different payloads, one for each."
        )
    messages = 2 * (world_size - 1)
    rows = [[messages, messages / world_size * payload] for payload in payloads]
    scaled = np.array(rows) / np.array(seconds)[:, None]
    alpha, per_byte = np.linalg.lstsq(scaled, np.ones(len(seconds)), rcond=None)[0]
    if per_byte <= 0:
        raise ValueError("The seconds do not grow with the payload: measure larger payloads, or repeat more often.")
    return Link(max(0.0, float(alpha)), 1 / float(per_byte))


def bus_bandwidth(
    gpus_per_node: int,
    ports_per_node: int,
    port_bytes_per_s: float,
    nvlink_bytes_per_s: float,
    nodes: int | None = None,
    two_level: bool = False,
) -> float:
    """Bus bandwidth per rank, in B/s, of an all-reduce over several nodes: the slower of the node's ports and NVLink.

    A ring in node order crosses each border of a node once, and with one ring ("channel") per port all ports carry a
    share: B is the sum of a node's ports, whatever the number of its GPUs, and at most what NVLink gives a GPU. 8 ports
    of 400 Gbit/s (50e9 B/s) give 400e9, one gives 50e9. With two levels each port carries 2(m-1)/(m·p) of the payload
    instead of 2(n-1)/(n·p), for p ports and m nodes, n ranks in all: B grows by (n-1)/n · m/(m-1), which is 1.875 for
    two nodes of 8 and 1.007 for 128 of them, so that at scale two levels buy latency and channels bandwidth; the time
    of the steps inside the node is then taken to be hidden behind the ports'. These are line rates: NCCL reaches 46 to
    48 of a port's 50 GB/s and about 370 of NVLink's 450 (NVIDIA, nccl-tests issues 290, 2025-03-03, 212, 2024-05-06).

    An all-to-all of distinct payloads gains nothing from its node: each GPU's bytes leave by its own port. (Sending a
    token once to a node and forwarding it over NVLink does gain, as MoE dispatch may.)
    """
    _require_positive(gpus_per_node=gpus_per_node, ports_per_node=ports_per_node, port_bytes_per_s=port_bytes_per_s)
    ports = ports_per_node * port_bytes_per_s
    if two_level:
        if nodes is None or nodes < 2:
            raise ValueError("The gain of two levels depends on the number of nodes: pass nodes, at least 2.")
        world_size = nodes * gpus_per_node
        ports *= (world_size - 1) / world_size * nodes / (nodes - 1)
    return min(ports, nvlink_bytes_per_s)


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step on one rank: forward pass, backward pass, and the all-reduce of the gradients."""

    forward_s: float
    backward_s: float
    all_reduce_s: float

    @property
    def exposed_s(self) -> float:
        """Seconds of the all-reduce that the backward pass cannot hide, at best: where all else overlaps."""
        return max(0.0, self.all_reduce_s - self.backward_s)

    @property
    def efficiency(self) -> float:
        """Share of the step that computes, at best."""
        return (self.forward_s + self.backward_s) / (self.forward_s + self.backward_s + self.exposed_s)


def step_times(
    world_size: int,
    num_parameters: float,
    tokens_per_rank: float,
    bytes_per_element: float,
    flops_per_s: float,
    link: Link,
    *,
    messages: int = 1,
    recomputed: bool = False,
    active_share: float = 1.0,
    microbatches: int = 1,
) -> StepTimes:
    """Times of one data-parallel step, with the terms that the rule b·(n-1)/n·F/(2·T·B) leaves out.

    Forward 2·N·T FLOPs, backward 4·N·T (Kaplan et al., 2020; attention's own products and embedding look-ups are left
    out), the all-reduce from `link`. Weak scaling keeps `tokens_per_rank`; strong scaling divides a global batch by
    `world_size`, so that the ratio of communication to computation grows with it.

    Args:
        world_size: ranks n.
        num_parameters: N of a replica; all of them are sent.
        tokens_per_rank: T in one rank's step, all micro-batches together.
        bytes_per_element: b of a gradient on the wire.
        flops_per_s: what the kernels reach on one rank, not MFU times peak (it has exposed communication inside).
        link: alpha per message and bus bandwidth per rank.
        messages: all-reduces (buckets) per step; each adds 2(n-1)·alpha.
        recomputed: the forward pass is run again in the backward pass, which then takes 6·N·T.
        active_share: share of the parameters that a token is multiplied by; below 1 for a mixture of experts, whose
            bytes go over all parameters and FLOPs over the active ones.
        microbatches: with accumulation the gradients are complete in the last micro-batch, whose backward pass alone
            can hide them.
    """
    _require_positive(
        num_parameters=num_parameters,
        tokens_per_rank=tokens_per_rank,
        bytes_per_element=bytes_per_element,
        flops_per_s=flops_per_s,
        active_share=active_share,
        microbatches=microbatches,
    )
    once = 2 * active_share * num_parameters * tokens_per_rank / flops_per_s
    backward = (3 if recomputed else 2) * once
    hiding = backward / microbatches
    return StepTimes(
        forward_s=once + backward - hiding,  # what comes before the last micro-batch's backward pass hides nothing
        backward_s=hiding,
        all_reduce_s=link.all_reduce_seconds(world_size, bytes_per_element * num_parameters, messages),
    )


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: it must be greater than 0.")
