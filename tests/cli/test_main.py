"""The front door: help, completion, errors that say what to do next, readers that go away."""

import argparse
import importlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from eac.cli import completion
from eac.cli.main import COMMANDS, ROOM, main

TRAIN = ["run", "fit", "validate", "test"]


@pytest.mark.parametrize("command", TRAIN)
def test_help_of_a_training_command_fits_a_screen_and_loads_no_lightning(command):
    code = (
        f"import sys; from eac.cli.main import main; main(['{command}', '--help'])\n"
        "print('heavy' if 'lightning' in sys.modules or 'torch' in sys.modules else 'light')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith(f"usage: eac {command} -c RECIPE --stream PATH")
    assert any("--help_all" in line for line in lines)
    assert lines[-1] == "light"


def test_a_training_command_without_arguments_shows_its_help_and_fails(capsys):
    assert main(["run"]) == 2
    assert "--run.dir DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("left_out", "advice"),
    [
        ("--stream", "eac data check PATH says whether your own is one"),
        ("-c", "Give a recipe, such as -c practical; eac recipes lists them"),
        ("--run.dir", "such as runs/first"),
    ],
)
def test_what_is_missing_is_named_with_an_example(
    repository, monkeypatch, capsys, left_out, advice
):
    monkeypatch.chdir(repository)
    given = {"-c": "configs/recipes/eac.yaml", "--stream": "datasets/sample", "--run.dir": "x"}
    del given[left_out]
    with pytest.raises(SystemExit):
        main(["run", *(word for pair in given.items() for word in pair)])
    assert advice in capsys.readouterr().err


def test_a_misspelt_command_is_answered_with_the_nearest(capsys):
    assert main(["raport"]) == 2
    assert "Did you mean 'report'?" in capsys.readouterr().err


def test_a_reader_that_goes_away_leaves_no_traceback(repository):
    command = f"{sys.executable} -m eac data describe --json datasets/sample | head -c 1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{"
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_an_interrupted_run_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(name: str):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["run", "-c", "x.yaml", "--run.dir", "runs/x"]) == 130
    assert "Go on with: eac run --resume runs/x" in capsys.readouterr().err


def test_completion_names_every_command():
    assert set(completion.FLAGS) == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(TRAIN)))
def test_completion_names_every_flag_and_subcommand(command):
    parser = importlib.import_module(f"{ROOM}.{command}").make_parser()
    assert set(completion.FLAGS[command].split()) == _words(parser)


def test_bash_completes_commands_and_flags():
    script = completion.completion("bash") + (
        "COMP_WORDS=(eac rep); COMP_CWORD=1; _eac; echo ${COMPREPLY[@]}\n"
        "COMP_WORDS=(eac predict --in); COMP_CWORD=2; _eac; echo ${COMPREPLY[@]}\n"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["report", "--input"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh, such as Debian's package zsh")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [("eac repo", "eac report "), ("eac report --fig", "eac report --figures ")],
)
def test_zsh_completes_commands_and_flags(tmp_path, typed, shown):
    (tmp_path / "eac.zsh").write_text(completion.completion("zsh"), encoding="utf-8")
    screen, keyboard = pty.openpty()
    place = {"HOME": str(tmp_path), "TERM": "dumb", "PS1": "> ", "PATH": os.environ["PATH"]}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=keyboard, stdout=keyboard, stderr=keyboard, env=place
    )
    os.close(keyboard)
    try:
        os.write(screen, f"source {tmp_path}/eac.zsh; echo now$((6*7))\n".encode())
        assert "now42" in _read_until(screen, "now42")
        os.write(screen, f"{typed}\t".encode())
        assert shown in _read_until(screen, shown)
    finally:
        shell.kill()
        shell.wait()
        os.close(screen)


def _read_until(screen: int, text: str, seconds: float = 20) -> str:
    """What a terminal shows until a text appears in it."""
    shown, end = "", time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([screen], [], [], 0.1)[0]:
            shown += os.read(screen, 4096).decode()
    return shown


def test_completion_of_an_unknown_shell_names_the_known_ones(capsys):
    assert main(["--print_completion", "fish"]) == 1
    assert "give bash or zsh" in capsys.readouterr().err


def _words(parser: argparse.ArgumentParser) -> set[str]:
    """Long flags of a parser and of its subcommands, and their names; help aside."""
    words = {o for a in parser._actions for o in a.option_strings if o.startswith("--")}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words |= set(action.choices)
            for inner in action.choices.values():
                words |= _words(inner)
    return words - {"--help"}
