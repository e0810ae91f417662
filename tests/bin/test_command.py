import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.bin.command import hushed, run_command
from t2t_mm.errors import UserError


def test_a_user_error_becomes_one_line_and_code_1(capsys):
    @run_command("t2t-mm-trainer")
    def main(argv):
        raise UserError(f"There is no {argv[0]}.")

    assert main(["corpus"]) == 1
    assert capsys.readouterr() == ("", "t2t-mm-trainer: There is no corpus.\n")


def test_success_is_code_0_and_arguments_come_from_the_command_line(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "argv", ["t2t-mm-trainer", "--problems=x"])
    assert run_command("t2t-mm-trainer")(seen.extend)() == 0
    assert seen == ["--problems=x"]


@pytest.mark.parametrize(
    "error, code, message",
    [
        (KeyboardInterrupt(), 130, "t2t-mm-trainer: stopped\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            1,
            "t2t-mm-trainer: No space left on device: /data/x.\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), 1, "t2t-mm-trainer: Permission denied: /data.\n"),
    ],
)
def test_other_ends_have_their_codes(capsys, error, code, message):
    def main(argv):
        raise error

    assert run_command("t2t-mm-trainer")(main)([]) == code
    assert capsys.readouterr().err == message


def test_a_code_of_the_commands_own_is_kept():
    assert run_command("t2t-mm-trainer")(lambda argv: 143)([]) == 143


def test_a_programmers_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command("t2t-mm-trainer")(lambda argv: 1 / 0)([])


PRINTS_MUCH = """
import sys
from t2t_mm.bin.command import Parser, boolean, hushed, run_command
main = run_command("t2t-mm-trainer")(lambda argv: print("y" * 1_000_000))
sys.exit(main())
"""


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = [sys.executable, "-c", PRINTS_MUCH]
    package = {"PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
    with subprocess.Popen(
        command, cwd=tmp_path, env=package, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


def test_hushed_discards_what_is_printed_past_python_and_only_inside(capfd):
    with hushed():
        os.write(2, b"a greeting")
    os.write(2, b"an answer")
    assert capfd.readouterr().err == "an answer"
