"""The sentence for each failure of a set-up that is known by its words."""

import re
from typing import Optional

# What pip writes when it fails, and what to tell the reader. The first that matches is told.
KNOWN_FAILURES = (
    (
        r"No space left on device|Disk quota exceeded|os error 28\b",
        "the disk is full: free some space (about 3 GB, or 10 GB where torch comes with CUDA) and run it again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "the package index's certificate was not accepted: behind a company proxy, point PIP_CERT at its certificate.",
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution|Name or service not known"
        r"|nodename nor servname|Network is unreachable|Connection refused|ReadTimeoutError|ConnectTimeoutError"
        r"|ProxyError|IncompleteRead|ConnectionResetError|RemoteDisconnected",
        "the package index could not be reached: check the network (or HTTPS_PROXY) and run it again, "
        "or set up from a folder of wheels with make lab WHEELS=DIR.",
    ),
    (
        r"Permission denied",
        "a file could not be written: check who owns this folder and the cache of pip or uv, and run it again.",
    ),
    (
        r"No matching distribution found for torch",
        "there is no torch 2.13.0 for this machine and Python: take Python 3.11 to 3.13 on Linux, or on a Mac with "
        "Apple silicon and macOS 14 or newer (on Windows, inside WSL).",
    ),
    (
        r"No matching distribution found for (\S+)",
        "the package index has no {0} for this machine and Python: take Python 3.11, 3.12 or 3.13.",
    ),
)
# Trouble that pip would meet as well, so that it need not try after uv.
LASTING = r"No space left on device|Disk quota exceeded|os error 28\b|Permission denied"


class SetupError(Exception):
    """Set-up cannot go on; the text is one sentence with its remedy."""


def explain(log: str) -> Optional[str]:
    """Return the sentence for a failure that is known by its words in pip's output; None for any other."""
    for pattern, sentence in KNOWN_FAILURES:
        found = re.search(pattern, log)
        if found:
            return sentence.format(*found.groups())
    return None
