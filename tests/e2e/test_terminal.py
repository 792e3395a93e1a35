"""What a user sees on a terminal: progress that is drawn over, and then the table alone."""

import os
import subprocess

import pytest
from conftest import DEADLINE_S, wait_for
from service import Service
from terminal import Screen, Terminal

MEMBERS = "[{model: lenet5, seeds: 2}, {model: {name: mlp, hidden: [32]}, seeds: 10}]"


@pytest.fixture
def terminal(tutti):
    opened = []

    def open_terminal(*arguments, columns=80, rows=24, colour=True):
        environment = dict(tutti.environment, TERM="xterm-256color")
        if colour:
            del environment["NO_COLOR"]
        opened.append(Terminal([tutti.program, *map(str, arguments)], columns, rows, environment, tutti.folder))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_screen_stands_in_for_a_terminal():
    screen = Screen(5, 3)
    screen.feed("ab\r\ncd\r\n\x1b[2A\rx\x1b[K\r\n\x1b[32my\x1b[0m\x1b[J")
    assert screen.text() == "x\ny" and screen.coloured and not screen.wrapped
    screen.feed("123456")
    assert screen.text() == "x\ny1234\n56" and screen.wrapped == ["y1234"]


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40), (50, 15)])
def test_progress_is_drawn_over_and_the_table_stands_at_the_end(terminal, experiment, columns, rows):
    shown = terminal("run", experiment(members=MEMBERS, epochs=2), "--slots", 2, columns=columns, rows=rows)
    assert shown.watch(lambda text: "running" in text and "░" in text, DEADLINE_S), shown.screen.text()
    lines = shown.screen.text().splitlines()
    headline = next(line for line in lines if line.startswith("small-1  "))
    assert "%" in headline
    assert any("lenet5-s0" in line for line in lines)
    assert len(lines) <= rows
    assert shown.finish(DEADLINE_S) == 0
    # Sentences and the path may wrap where it is narrow, nothing that stands in columns.
    prose = ("Files: ", "In brackets", *(["small-1: finished"] if columns < 80 else []))
    assert not [line for line in shown.screen.wrapped if not line.startswith(prose)]
    assert all(frame.count("small-1  ") <= 1 for frame in shown.frames), "a block that was not drawn over"
    final = shown.screen.text()
    assert "small-1: finished, 12 members" in final and "ensemble: mean" in final
    assert "░" not in final and "running" not in final, "what was left of the progress"
    assert shown.screen.cursor_shown and shown.screen.coloured


@pytest.mark.parametrize("columns, rows", [(60, 4), (40, 3), (30, 2), (20, 1)])
def test_smallest_terminal_is_never_left_with_lines_of_the_progress(terminal, experiment, columns, rows):
    shown = terminal("run", experiment(members=MEMBERS, epochs=2), "--slots", 2, columns=columns, rows=rows)
    assert shown.finish(DEADLINE_S) == 0
    progress = [sum(line.startswith("small-1  ") for line in frame.splitlines()) for frame in shown.frames]
    assert max(progress) == (1 if rows > 1 else 0), "a block that was not drawn over"
    assert not any(sign in shown.screen.text() for sign in ("░", "waiting", "running"))


def test_no_color_is_obeyed(terminal, experiment):
    shown = terminal("run", experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]"), colour=False)
    assert shown.finish(DEADLINE_S) == 0
    assert "ensemble: mean" in shown.screen.text()
    assert not shown.screen.coloured


def test_a_terminal_that_is_resized_is_drawn_to_its_new_size(terminal, experiment):
    shown = terminal("run", experiment(members=MEMBERS, epochs=4), "--slots", 2, columns=120, rows=40)
    assert shown.watch(lambda text: "images/s" in text and "░" in text, DEADLINE_S)
    shown.resize(46, 10)
    assert shown.watch(lambda text: "waiting" in text and "running" in text, DEADLINE_S)
    assert not shown.screen.wrapped
    assert len(shown.screen.text().splitlines()) <= 10
    assert "images/s" not in shown.screen.text()
    shown.type("\x03")
    assert shown.finish(DEADLINE_S) == 130


def test_ctrl_c_says_what_happens_and_how_to_go_on(terminal, experiment):
    shown = terminal("run", experiment(members=MEMBERS, epochs=20), "--slots", 2)
    assert shown.watch(lambda text: "running" in text and "/20" in text, DEADLINE_S)
    shown.type("\x03")
    assert shown.watch(lambda text: "stopping; members write their checkpoints" in text, DEADLINE_S)
    assert shown.finish(DEADLINE_S) == 130
    lines = shown.screen.text().splitlines()
    assert sum("stopping;" in line for line in lines) == 1
    assert lines[-1] == "Go on with: tutti resume small-1 --slots 2"
    assert not any("░" in line for line in lines), "what was left of the progress"
    assert shown.screen.cursor_shown


def test_ctrl_c_twice_ends_at_once(terminal, experiment):
    shown = terminal("run", experiment(members=MEMBERS, epochs=20), "--slots", 2)
    assert shown.watch(lambda text: "running" in text and "/20" in text, DEADLINE_S)
    shown.type("\x03\x03")
    assert shown.finish(30) == 130
    assert "Go on with: tutti resume small-1 --slots 2" in shown.screen.text()
    assert shown.screen.cursor_shown


def complete(tutti, *words):
    script = (f"source <({tutti.program} completion bash); COMP_WORDS=({' '.join(map(repr, words))}); "
              f"COMP_CWORD={len(words) - 1}; _tutti; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=DEADLINE_S,
                          env=dict(tutti.environment, PATH=f"{tutti.program.parent}:{os.environ['PATH']}"))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_and_ids(tutti, experiment):
    assert complete(tutti, "tutti", "su") == ["submit"]
    assert complete(tutti, "tutti", "run", "--slo") == ["--slots", "--slots-per-gpu"]
    tutti("run", experiment(members="[{model: {name: mlp, hidden: [8]}}]", epochs=1), "--quiet")
    assert "small-1" in complete(tutti, "tutti", "show", "sm")


def test_bash_completes_drain_with_workers(tutti, experiment):
    service = Service(tutti)
    service.start()
    service.worker("--name", "one")
    wait_for(service.workers, "the worker did not join")
    tutti("submit", experiment())
    assert complete(tutti, "tutti", "drain", "on") == ["one"]
    assert complete(tutti, "tutti", "drain", "sm") == []
    assert complete(tutti, "tutti", "drain", "--un") == ["--undo"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_every_command(tutti, shell):
    script = tutti("completion", shell).stdout
    for command in ("run", "submit", "coordinator", "worker", "completion"):
        assert command in script
    assert "threads-per-slot" in script
    assert "'rank:" not in script and "-a rank " not in script, "no command for people"


def test_watch_fills_the_screen_and_gives_it_back(terminal, tutti, experiment):
    process = tutti.start("run", experiment(members=MEMBERS, epochs=30), "--slots", 2)
    wait_for(lambda: tutti.try_show("small-1"), "nothing was submitted")
    shown = terminal("watch", columns=100, rows=24)
    assert shown.watch(lambda text: "what happened last" in text and "running" in text, DEADLINE_S)
    lines = shown.screen.text().splitlines()
    assert len(lines) <= 24 and not shown.screen.wrapped
    assert lines[0].startswith("small-1  ") and "Ctrl-C leaves" in lines[-1]
    assert shown.screen.below and not shown.screen.cursor_shown
    shown.type("\x03")
    assert shown.finish(DEADLINE_S) == 130
    assert not shown.screen.below and shown.screen.cursor_shown and "running" not in shown.screen.text()
    assert process.poll() is None, "the ensemble goes on"
    plain = terminal("watch", "--plain", columns=100, rows=24)
    assert plain.watch(lambda text: ": epoch " in text, DEADLINE_S)
    assert not plain.screen.below
