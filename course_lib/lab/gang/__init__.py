"""Real ranks behind a notebook cell: fresh processes for each run, supervised from the kernel."""

from course_lib.lab.gang.errors import GangError
from course_lib.lab.gang.gang import Gang, GangResult

__all__ = ["Gang", "GangError", "GangResult"]
