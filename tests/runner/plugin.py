"""A pytest plugin beside nbval: measures each notebook, keeps what a failed one printed, closes two gaps of nbval 0.11.

The gaps that no tag can close: a compared cell that was never executed passes, and a kernel that died is noticed only
when the cell's time limit ends.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty

import nbformat
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

from tools.comparing import compare_text
from tools.form import write_notebook
from tools.memory import MemorySampler

TAG = "COURSE_TESTED_NOTEBOOK"
_get_message = RunningKernel.get_message


@dataclass
class Chapter:
    """What one notebook's run came to; sizes in bytes, cells counted among the code cells."""

    name: str
    cells: int = 0
    run: int = 0
    compared: int = 0
    seconds: float = 0.0
    peak: int = 0
    largest: int = 0
    measure: str = "PSS"
    failed: list[str] = field(default_factory=list)

    @property
    def result(self) -> str:
        """One word, or how many cells failed."""
        return "passed" if not self.failed else f"{len(self.failed)} failed"


class Watch:
    """The plugin: give it to pytest.main with the file for its results and the folder for failed notebooks."""

    def __init__(self, results: Path, executed: Path, patience: float) -> None:
        self.results, self.executed, self.patience = results, executed, patience
        self.chapters: dict[IPyNbFile, Chapter] = {}
        self.samplers: dict[IPyNbFile, MemorySampler] = {}
        self.begun: dict[IPyNbFile, float] = {}
        self.items: dict[IPyNbFile, list[IPyNbCell]] = {}
        RunningKernel.get_message = _message_or_death
        compare_text()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, IPyNbCell):
                self.items.setdefault(item.parent, []).append(item)
        for file, cells in self.items.items():
            self.chapters[file] = Chapter(file.path.stem, len(cells))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item):
        file = item.parent
        if file in self.chapters and file not in self.begun:
            self.begun[file] = time.monotonic()
            os.environ[TAG] = self._tag(file)  # the kernel and all that it starts inherit it
        result = yield
        if file in self.chapters and file not in self.samplers:
            self.samplers[file] = MemorySampler(file.kernel.km.provisioner.pid, f"{TAG}={self._tag(file)}")
            self.samplers[file].__enter__()
        return result

    def _tag(self, file: IPyNbFile) -> str:
        return f"{os.getpid()}-{file.path.stem}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        result = yield
        unrun = item.parent in self.chapters and item.cell.execution_count is None and item.cell.source.strip()
        if unrun and _compared(item):
            item.raise_cell_error("The stored cell was never executed: store its outputs with `make outputs NB=…`.")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        report = yield
        if item.parent in self.chapters:
            chapter = self.chapters[item.parent]
            if report.when == "call" and not report.skipped:
                chapter.run += 1
                chapter.compared += _compared(item)
            if report.failed and item.name not in chapter.failed:
                chapter.failed.append(item.name)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None):
        file = item.parent
        last = file in self.chapters and (nextitem is None or nextitem.parent is not file)
        sampler = self.samplers.get(file) if last else None
        if last:
            chapter = self.chapters[file]
            chapter.seconds = time.monotonic() - self.begun[file]
        if sampler:
            sampler.stop()
            chapter.peak, chapter.largest, chapter.measure = sampler.peak, sampler.largest, sampler.measure
        result = yield
        left = sampler.survivors(self.patience) if sampler else []
        for process in left:
            os.kill(int(process.split()[0]), signal.SIGKILL)
        if left:
            raise RuntimeError(f"{len(left)} process(es) outlived the kernel by {self.patience:g} s: {', '.join(left)}")
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write down each finished notebook at once, so that an aborted run still says what it knew."""
        for file, cells in self.items.items():
            if cells[-1].nodeid == nodeid:
                if self.chapters[file].failed:
                    self.executed.mkdir(parents=True, exist_ok=True)
                    write_notebook(run_notebook(file.nb, cells), self.executed / file.path.name)
                self._save()

    def pytest_sessionfinish(self) -> None:
        self._save()

    def _save(self) -> None:
        self.results.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(c) | {"result": c.result} for f, c in self.chapters.items() if f in self.begun]
        self.results.write_text(json.dumps(rows, indent=1))


def _compared(item: IPyNbCell) -> bool:
    return bool(item.options["check"] and not item.options["skip"])


def run_notebook(stored: nbformat.NotebookNode, cells: list[IPyNbCell]) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of this run in place of the stored ones."""
    notebook = copy.deepcopy(stored)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, item in zip(code, cells, strict=True):
        cell.outputs = [
            nbformat.v4.new_output(**({"execution_count": None} if o["output_type"] == "execute_result" else {}) | o)
            for o in copy.deepcopy(item.test_outputs or [])
            if o["output_type"] in ("stream", "display_data", "execute_result", "error")
        ]
        cell.execution_count = None if item.test_outputs is None else item.cell_num + 1
    notebook.metadata.pop("stored_outputs", None)
    return notebook


def _message_or_death(self: RunningKernel, stream: str, timeout: float | None = None) -> dict:
    """Wait for a message as nbval does, but end when the kernel is dead: none will come."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
        try:
            return _get_message(self, stream, timeout=left)
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died in this cell (killed, out of memory, or it ended itself)") from None
            if deadline is not None and time.monotonic() >= deadline:
                raise
