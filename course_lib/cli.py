"""The command line, `course COMMAND`. Heavy modules are imported by the command that needs them."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import course_lib
from course_lib.practice.desk.place import CourseError

# Commands with arguments of their own: the module whose main(argv) -> int runs one, and what `course --help` says.
_FEATURES = {
    "status": ("course_lib.practice.record.status", "show your progress and how your copies stand to the course"),
    "reset": ("course_lib.practice.desk.reset", "begin a chapter again, with a dated backup of your copy"),
    "progress": ("course_lib.practice.record.progress_transfer", "export your progress to a file, or import one"),
    "proofs": ("course_lib.practice.checks.proofs", "prove for every exercise that its check tells right from wrong"),
    "solve": ("course_lib.practice.checks.solved", "write the notebooks with every stub solved to build/solved"),
    "quiz": ("course_lib.practice.cards.quiz", "cards on a spaced schedule, in the terminal or exported to Anki"),
    "mock": ("course_lib.practice.interview.mock", "a timed mock interview, with a report at the end"),
    "museum": ("course_lib.museum.cli", "list the wrong answers that circulate, run one, spot its fault"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a CourseError is printed as one sentence with status 1."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["run"]:  # its arguments are torchrun's own: handed on as they are
            return _run(words[1:])
        if words[:1] and words[0] in _FEATURES:
            return import_module(_FEATURES[words[0]][0]).main(words[1:])
        args = _parser().parse_args(words)
        return args.command(args)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description=course_lib.__doc__.partition("\n")[0])
    parser.add_argument("--version", action="version", version=course_lib.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    doctor = commands.add_parser("doctor", help="say what this machine has and what is missing, each with its remedy")
    doctor.set_defaults(command=_doctor)

    lab = commands.add_parser("lab", help="lay the notebooks out in your workspace and open JupyterLab on them")
    lab.add_argument("--no-browser", action="store_true", help="print the address and open no browser")
    lab.add_argument("--port", type=int, metavar="N", help="the port to serve on (a free one from 8888 on)")
    lab.set_defaults(command=_lab)

    for each in (doctor, lab):
        each.add_argument("--work", metavar="DIR", help="your workspace (work/ in the clone)")

    commands.add_parser(
        "run", help="run a training function or a saved job under torchrun: course run module:function name=value …"
    )
    for name, (_, help_text) in _FEATURES.items():
        commands.add_parser(name, help=help_text)
    return parser


def _doctor(args: argparse.Namespace) -> int:
    from course_lib.practice.desk.house import doctor

    found = doctor(args.work)
    print(found)
    return 1 if found.missing else 0


def _lab(args: argparse.Namespace) -> int:
    from course_lib.practice.desk import place, serve, workspace

    folder = place.workspace(args.work)
    for line in workspace.lay_out(place.notebooks(), folder).lines():
        print(line, flush=True)
    return serve.serve(folder, args.port, browser=not args.no_browser)


def _run(words: list[str]) -> int:
    from course_lib.lab.gang import launch

    return launch.main(words)
