"""A real Jupyter kernel for the tests of the gang: run cells, interrupt, kill, and count the processes it leaves."""

import contextlib
import os
import signal
import time
import uuid
from dataclasses import dataclass

import psutil
from jupyter_client.manager import KernelManager

TAG = "COURSE_TEST_KERNEL"
HELPERS = ("forkserver", "resource_tracker")


@dataclass
class Cell:
    """What a cell printed, raised (name, text and traceback as shown) and how long it took in seconds."""

    text: str
    error: str
    message: str
    shown: str
    seconds: float


class Kernel:
    """One kernel in a folder of its own."""

    def __init__(self, folder, **environment):
        self.tag = uuid.uuid4().hex
        self.manager = KernelManager(kernel_name="python3")
        env = {**os.environ, TAG: self.tag, "OMP_NUM_THREADS": "1", **environment}
        env["PYTHONPATH"] = os.pathsep.join([os.getcwd(), env.get("PYTHONPATH", "")])
        self.manager.start_kernel(cwd=str(folder), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.kernel_pid = self.manager.provisioner.pid

    def run(self, code, *, interrupt_after=None, timeout=60):
        """Run a cell; `interrupt_after` is text: when the cell has printed it, the kernel is interrupted once."""
        began = time.perf_counter()
        request = self.client.execute(code)
        text, error, message, shown = "", "", "", ""
        while True:
            left = timeout - (time.perf_counter() - began)
            got = self.client.get_iopub_msg(timeout=max(left, 0.1))
            if got["parent_header"].get("msg_id") != request:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "stream":
                text += content["text"]
            elif kind in ("execute_result", "display_data"):
                text += content["data"].get("text/plain", "") + "\n"
            elif kind == "error":
                error, message, shown = content["ename"], content["evalue"], "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                return Cell(text, error, message, shown, time.perf_counter() - began)
            if interrupt_after and interrupt_after in text:
                interrupt_after = None
                time.sleep(0.2)  # what was printed stands before the line that is to be interrupted
                began = time.perf_counter()
                self.manager.interrupt_kernel()

    def start(self, code, until):
        """Start a cell that does not end, and return when it has printed `until`."""
        request, text = self.client.execute(code), ""
        while until not in text:
            got = self.client.get_iopub_msg(timeout=60)
            if got["parent_header"].get("msg_id") == request and got["msg_type"] == "stream":
                text += got["content"]["text"]

    def processes(self):
        """Return the living processes that come from this kernel, without itself and the fork server's two."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(TAG) == self.tag and process.status() != psutil.STATUS_ZOMBIE:
                    helper = any(name in word for word in process.cmdline() for name in HELPERS)
                    is_rank = os.getsid(process.pid) not in (os.getsid(self.kernel_pid), 0) if helper else True
                    if process.pid != self.kernel_pid and is_rank:
                        found.append(process)
        return found

    def all_processes(self):
        """Return every living process that comes from this kernel, the kernel and its helpers included."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(TAG) == self.tag and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def kill(self):
        """Kill the kernel alone by SIGKILL, as the out-of-memory killer would."""
        os.kill(self.kernel_pid, signal.SIGKILL)

    def close(self):
        """Shut the kernel down and wait for its helpers."""
        with contextlib.suppress(Exception):
            self.client.stop_channels()
            self.manager.shutdown_kernel(now=True)
        wait_until(lambda: not self.all_processes(), 10)
        for process in self.all_processes():
            process.kill()


def wait_until(condition, seconds):
    """Wait until the condition holds, `seconds` at most; return how long it took, or None."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if condition():
            return time.perf_counter() - began
        time.sleep(0.02)
    return None
