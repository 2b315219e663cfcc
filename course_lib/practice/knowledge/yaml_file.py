"""Read a YAML file of the bank, and say in one sentence what is wrong with it: file, line, fault, remedy."""

from __future__ import annotations

from typing import Any


class BankError(ValueError):
    """The bank is malformed; the message names file, row and remedy."""


def read(text: str, name: str) -> Any:
    """What a YAML text holds. name: the file as messages call it, "bank/known/06_data_parallel.yaml".

    BankError where it is no YAML, or where a field stands twice in a mapping, of which YAML would keep the last one
    without a word.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        """Refuses a key that stands twice."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            keys = [str(key.value) for key, _ in node.value]
            if len(set(keys)) < len(keys):
                twice = next(key for key in keys if keys.count(key) > 1)
                where = f"{name}, from line {node.start_mark.line + 1}"
                raise BankError(f"{where}: the field {twice!r} stands twice; keep one.")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BankError(
            f"{name}{where}: not readable as YAML ({what}); check indentation, and write texts with a colon or a brace "
            "as a block after '>-'."
        ) from error
