"""The calls of every rank side by side: torch's flight recorder notes each collective, with sizes, as gloo gets it.

gloo compares nothing. When ranks hand tensors of different sizes or dtypes to one collective, it aborts, waits for
ever, or adds up the wrong numbers without a word; which of the three depends on the sizes. The recorder has seen all
calls, those made in C++ (by DistributedDataParallel, say) among them; comparing them finds the first that differs.

Two things it cannot see: ranks that hand over the right sizes in another order (their sums are of the wrong tensors),
and a call that lies further back than the recorder's memory, the last `TORCH_FR_BUFFER_SIZE` calls of each rank.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

KEPT = 500  # calls that a rank's recorder remembers: reading 500 takes 20 to 40 ms, and torch's 2,000 four times that
_EQUAL = ("all_reduce", "reduce", "broadcast", "all_gather")  # every rank hands over as much of one dtype
_DTYPES = {"Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64"}
_DTYPES |= {"Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool"}


@dataclass(frozen=True)
class Call:
    """One collective of one rank: the group and the place in its order, the name, and what was handed over."""

    group: tuple[int, ...]  # global ranks
    name_of_group: str
    number: int  # from 1, in this group
    name: str
    handed: tuple[tuple[int, str], ...]  # elements and dtype of each tensor; empty where ranks may differ

    def what(self) -> str:
        """Say the call in words: `all_reduce of 6 float32`."""
        if not self.handed:
            return self.name
        return f"{self.name} of {' and '.join(f'{size:,} {dtype}' for size, dtype in self.handed)}"


def record() -> tuple[Call, ...]:
    """Return the collectives of this process that the recorder still knows, oldest first; empty where there is none."""
    c10d: Any = sys.modules.get("torch.distributed.distributed_c10d")
    try:
        from torch._C._distributed_c10d import _dump_fr_trace_json

        entries = json.loads(_dump_fr_trace_json()).get("entries", [])
        groups = {name: tuple(sorted(c10d._world.pg_group_ranks[pg])) for pg, name in c10d._world.pg_names.items()}
    except (ImportError, AttributeError, KeyError, ValueError, RuntimeError):
        return ()  # another torch, which keeps it elsewhere
    calls = [_call(entry, groups) for entry in entries if not entry["is_p2p"]]
    seen = Counter((call.name_of_group, call.number) for call in calls)
    # A default group that was destroyed and made again counts from 1 twice: which call is which is not known then.
    return tuple(call for call in calls if seen[call.name_of_group, call.number] == 1)


def _call(entry: dict[str, Any], groups: dict[str, tuple[int, ...]]) -> Call:
    name = entry["profiling_name"].rpartition(":")[2]
    sizes = [math.prod(shape) for shape in entry["input_sizes"]]
    dtypes = [_DTYPES.get(dtype, dtype.lower()) for dtype in entry["input_dtypes"]]
    handed = tuple(zip(sizes, dtypes, strict=False)) if name in _EQUAL else ()
    group = entry["process_group"][0]
    return Call(groups.get(group, ()), group, entry["collective_seq_id"], name, handed)


def disagreement(records: dict[int, tuple[Call, ...]], world_size: int) -> tuple[int | None, list[str]] | None:
    """Compare the ranks' calls; return the rank to blame and the lines for the first that differs, or None.

    The rank to blame is the only one that differs from all others; with two ranks, or two camps, it is None.
    """
    by_place: dict[tuple[str, tuple[int, ...], int], dict[int, Call]] = {}
    for rank, calls in sorted(records.items()):
        for call in calls:
            by_place.setdefault((call.name_of_group, call.group, call.number), {})[rank] = call
    for (_, group, number), of_rank in by_place.items():
        camps: dict[str, list[int]] = {}
        for rank, call in of_rank.items():
            camps.setdefault(call.what(), []).append(rank)
        if len(camps) > 1:
            alone = [ranks[0] for ranks in camps.values() if len(ranks) == 1]
            blamed = alone[0] if len(alone) == 1 and len(of_rank) > 2 else None
            return blamed, _lines(number, camps, group if len(group) < world_size else ())
    return None


def _lines(number: int, camps: dict[str, list[int]], group: tuple[int, ...]) -> list[str]:
    names = {what.partition(" of ")[0] for what in camps}
    kind = f"{names.pop()} with unequal tensors" if len(names) == 1 else "different calls"
    whose = f" of the group {list(group)}" if group else ""
    said = [f"    {_ranks(ranks)}: {what}" for what, ranks in camps.items()]
    return [
        f"collective mismatch: in collective {number}{whose} the ranks made {kind}",
        *said,
        "    gloo does not compare them: what it adds up or copies then is wrong, or never ends.",
    ]


def _ranks(ranks: list[int]) -> str:
    names = [str(rank) for rank in ranks]
    return f"rank {names[0]}" if len(names) == 1 else f"ranks {', '.join(names[:-1])} and {names[-1]}"
