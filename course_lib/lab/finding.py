"""What the doctor says of one thing, and how a list of such findings shows itself."""

import html
import textwrap
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `what` is what was found; `remedy` is empty where nothing is to be done."""

    name: str
    status: Literal["ok", "note", "missing"]
    what: str
    remedy: str = ""


class Findings(list[Finding]):
    """Findings in the order looked at; shows itself as text in a terminal and as a table in a notebook."""

    @property
    def missing(self) -> list[Finding]:
        """What the course cannot do without."""
        return [finding for finding in self if finding.status == "missing"]

    def __str__(self) -> str:
        wide = max((len(finding.name) for finding in self), default=0)
        lines = []
        for finding in self:
            lines.append(f"{finding.status:<8} {finding.name:<{wide}}  {finding.what}")
            lines += textwrap.wrap(finding.remedy, 100, initial_indent=" " * 11, subsequent_indent=" " * 11)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align: left">{html.escape(text)}</td>'
                for text in (finding.status, finding.name, finding.what, finding.remedy)
            )
            + "</tr>"
            for finding in self
        )
        head = "".join(f'<th style="text-align: left">{name}</th>' for name in ("", "what", "found", "remedy"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
