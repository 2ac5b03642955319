"""``dualion explore`` from the command line."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request


def test_no_store_is_told_in_one_line(dualion):
    assert "there is no barrier store" in dualion("explore", "--port", 0).one_line_error()


def test_a_port_in_use_is_told_in_one_line(dualion, store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = dualion("explore", "--store", store, "--port", port)
    assert answer.code == 4
    assert f"port {port} cannot be used" in answer.one_line_error()


def test_it_serves_until_interrupted_and_leaves_the_store_alone(store, tree):
    before = tree()
    code = "from dualion.cli.app import main; main()"
    words = [sys.executable, "-u", "-c", code, "explore", "--store", str(store), "--port", "0"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A shell starts background jobs with the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    ) as process:
        try:
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
            assert str(store.parent) not in line
            with urllib.request.urlopen(f"{address}api/view", timeout=20) as answer:  # noqa: S310 - http
                assert b'"count":4' in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert tree() == before
