"""Functions that mention torch's modules and an attribute called `config` travel to the ranks."""

import torch.distributed as dist

from course_lib.lab.gang import payload


class _Model:
    config = 3


def test_a_function_with_dist_and_config_can_be_pickled(tmp_path):
    namespace = {"dist": dist, "model": _Model()}
    exec("def fn(rank):\n    dist.barrier\n    return model.config", namespace)
    payload.dump((namespace["fn"], (), {}), tmp_path / "job")
    assert (tmp_path / "job").stat().st_size > 0
