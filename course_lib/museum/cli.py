"""`course museum`: list the exhibits, run one, or spot the faulty line in the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from course_lib.museum.catalogue import exhibits, find
from course_lib.museum.exhibit import Exhibit
from course_lib.practice.desk.panel import Panel
from course_lib.practice.desk.place import CourseError
from course_lib.practice.knowledge.curriculum import chapter_number


def main(argv: Sequence[str] | None = None) -> int:
    """Run `course museum` with these arguments and return its exit status; an unknown number ends with status 1."""
    parser = argparse.ArgumentParser(
        prog="course museum", description="Wrong answers that circulate, the number that gives each away, the repair."
    )
    parser.add_argument("number", nargs="?", help="an exhibit, 1 to 25 or E1 to E13; without it all are listed")
    parser.add_argument("--spot", action="store_true", help="show the wrong program and ask for the faulty line")
    parser.add_argument("--chapter", metavar="NN", help="list the exhibits of one chapter")
    args = parser.parse_args(argv)
    try:
        if args.number is None:
            if args.spot:
                parser.error("--spot needs an exhibit: course museum 7 --spot")
            return _list(args.chapter)
        exhibit = find(args.number)
    except (CourseError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return _spot(exhibit) if args.spot else _run(exhibit)


def _list(chapter: str | None) -> int:
    found = exhibits(chapter)
    if not found:
        print(f"No exhibit hangs in chapter {chapter_number(chapter)}.")
        return 0
    for each in found:
        print(f"{each.number:>3}  {each.title}  (chapter {', '.join(each.chapters)})")
    print(f"\n{len(found)} exhibits. course museum 7 runs one; course museum 7 --spot asks you for the faulty line.")
    return 0


def _run(exhibit: Exhibit) -> int:
    from course_lib.museum import panel

    print(Panel(exhibit.heading, [panel.Row("note", f"The claim: {exhibit.claim}", code=panel.numbered(exhibit))]))
    print("\nRunning it, then its repair …", flush=True)
    print(Panel("", panel.run(exhibit.number).rows[1:]).__repr__().lstrip("\n"))
    print(f"\nThe repaired program:\n\n{exhibit.repaired_source}")
    return 0


def _spot(exhibit: Exhibit) -> int:
    from course_lib.museum import panel

    choices = exhibit.choices()
    print(
        Panel(
            f"Spot it: {exhibit.heading}",
            [panel.Row("note", f"The claim: {exhibit.claim}", code=panel.numbered(exhibit))],
        )
    )
    missing = {number for number, (at_fault, _) in choices.items() if at_fault}
    while missing:
        try:
            said = input(f"\nWhich line is at fault ({', '.join(map(str, choices))}; empty to give up)? ").strip()
        except EOFError:
            said = ""
            print()
        if not said:
            break
        if not said.isdecimal():
            print(f"{said!r} is not a line number.")
            continue
        print("\n".join(repr(panel.spot(exhibit.number, int(said))).splitlines()[1:]))
        missing.discard(int(said))
    for number in sorted(missing):
        print(f"line {number}: {choices[number][1]}")
    print(f"\nIts name: {exhibit.fault_name}.\nThe repair: {exhibit.repair}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
