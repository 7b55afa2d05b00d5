"""What a long-running process does not load before it needs it, and leaves undone when it ends."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

LATE = """
    from pybernetes.cli import lean
    import ssl, sys
    import aiohttp.connector

    assert "rich" not in sys.modules
    usual = ssl.create_default_context()
    trusting = aiohttp.connector._SSL_CONTEXT_VERIFIED
    assert trusting.cert_store_stats()["x509"] == 0
    assert (trusting.verify_mode, trusting.check_hostname) == (usual.verify_mode, usual.check_hostname)
    trusting.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com")
    assert trusting.cert_store_stats() == usual.cert_store_stats()
"""
SERVER = """
    import sys
    from pybernetes.cli import lean
    import pybernetes.cli.parts.apiserver, pybernetes.apiserver.assembly

    assert "aiohttp" not in sys.modules
"""

LEAVING = """
    import sys
    from pybernetes.cli.parts.running import leave

    class Loud:
        def __del__(self):
            sys.stderr.write("taken apart")

    kept = Loud()
    sys.stdout.write("told")
    leave()
"""


def test_what_the_machine_trusts_is_read_with_the_first_connection_that_needs_it() -> None:
    _succeeds(LATE)


def test_an_api_server_does_without_the_library_for_connections_to_others() -> None:
    _succeeds(SERVER)


def test_a_process_ends_without_taking_its_objects_apart() -> None:
    assert _succeeds(LEAVING) == "told"


def _succeeds(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout
