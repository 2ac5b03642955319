from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dualion.cli.app import Verbs, main, one_line
from dualion.errors import CampaignError, EngineError, ModelFileError, RunError, StoreVersionError

FULL = Path("/dev/full")
DUALION = [sys.executable, "-c", "from dualion.cli.app import main; main()"]


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)

    @app.callback()
    def options(*, debug: bool = False) -> None: ...

    @app.command()
    def verb() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (CampaignError("no x", where="a.yaml", remedy="add x"), 2, "error: a.yaml: no x: add x\n"),
        (EngineError("diverged"), 3, "error: diverged\n"),
        (ModelFileError("no weights"), 2, "error: no weights\n"),
        (RunError("cannot go on"), 4, "error: cannot go on\n"),
        (StoreVersionError("too new\nby far"), 2, "error: too new by far\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.cif"), 2, "error: x.cif: no such file"),
        (PermissionError(errno.EACCES, "Permission denied", "/r"), 2, "error: /r: permission den"),
        (OSError(errno.ENOSPC, "No space left"), 2, "error: no space left on device: free"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
    ],
)
def test_an_error_a_user_can_act_on_is_one_line_and_an_exit_code(error, code, words):
    result = CliRunner().invoke(failing(error), ["verb"])
    assert result.exit_code == code
    assert result.stderr.startswith(words)
    assert result.stderr.count("\n") == (1 if words else 0)
    assert result.stdout == ""


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), OSError(errno.EIO, "no file name")])
def test_a_fault_of_dualion_keeps_its_traceback(error):
    result = CliRunner().invoke(failing(error), ["verb"])
    assert result.exception is error
    assert one_line(error) is None


def test_debug_shows_the_traceback_and_keeps_the_exit_code():
    result = CliRunner().invoke(failing(EngineError("diverged")), ["--debug", "verb"])
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: diverged\n")


def test_an_invalid_environment_variable_is_named(dualion, monkeypatch):
    monkeypatch.setenv("DUALION_WORKERS", "many")
    answer = dualion("engines")
    assert answer.code == 2
    assert "DUALION_WORKERS" in answer.one_line_error()
    assert "'many'" in answer.err


def test_starting_up_imports_nothing_heavy_and_is_quick():
    heavy = {"ase", "pymatgen", "torch", "matplotlib", "jobflow", "scipy", "spglib", "numpy"}
    script = (
        "import sys, time, dualion.cli.app\n"
        "print(time.process_time(), *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    seconds, *modules = done.stdout.split()
    assert not heavy & set(modules)
    # 0.3 s of processor time when written; the rest is for slower machines.
    assert float(seconds) < 1.0


def test_version_and_help_end_with_success(dualion):
    version = dualion("--version")
    assert version.code == 0
    assert version.out.startswith("dualion ")
    text = dualion("--help")
    assert text.code == 0
    for verb in ("init", "frameworks", "engines", "run", "query", "compare", "export"):
        assert verb in text.out


@pytest.mark.parametrize("words", [["fly"], ["query", "--limit", "-1"], ["query", "--wings"]])
def test_wrong_usage_exits_with_2(words):
    done = subprocess.run([*DUALION, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_bad_input_exits_with_2_in_a_real_process(tmp_path):
    done = subprocess.run(
        [*DUALION, "query", "--store", str(tmp_path / "none.sqlite")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_one_line(store):
    with FULL.open("w") as full:
        done = subprocess.run(
            [*DUALION, "query", "--store", str(store)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no space left on device")
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_quiet(store):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [*DUALION, "query", "--store", str(store)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 141
    assert done.stderr == ""


def test_main_hands_on_the_exit_code(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["query", "--store", "none.sqlite"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("error: none.sqlite: ")


def test_no_color_leaves_no_escape_codes(store):
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "150"}
    done = subprocess.run(
        [*DUALION, "query", "--store", str(store)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert "\x1b[3" not in done.stdout
    assert "li6ps5cl" in done.stdout
