"""A terminal as far as `tutti` uses one: a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """Rows of characters, a cursor, and the few control sequences that are in use; others are an error."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [""]
        self.row = self.column = 0
        self.wrapped = []  # lines that did not fit
        self.cursor_shown = True
        self.below = None  # what stood there before the whole screen was taken
        self.coloured = False
        self.rest = ""

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines)

    def feed(self, text):
        text = self.rest + text
        self.rest = ""
        while text:
            if text[0] == "\x1b":
                match = SEQUENCE.match(text)
                if not match:
                    assert len(text) < 16, f"an unknown control sequence: {text[:20]!r}"
                    self.rest = text
                    return
                self.control(*match.groups())
                text = text[match.end():]
            else:
                self.put(text[0])
                text = text[1:]

    def control(self, parameter, kind):
        if kind == "A":
            top = max(0, len(self.lines) - self.rows)
            self.row = max(top, self.row - int(parameter or 1))
        elif kind == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif kind == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1:]
        elif kind == "m":
            self.coloured = True
        elif parameter == "?25":
            self.cursor_shown = kind == "h"
        elif parameter == "?1049" and kind == "h":
            self.below = (self.lines, self.row, self.column)
            self.lines, self.row, self.column = [""], 0, 0
        elif parameter == "?1049":
            self.lines, self.row, self.column = self.below
            self.below = None
        elif kind == "H" and self.below:
            self.row = self.column = 0
        else:
            raise AssertionError(f"an unknown control sequence: {parameter}{kind}")

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        else:
            if self.column == self.columns:
                self.wrapped.append(self.lines[self.row])
                self.put("\r")
                self.put("\n")
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1:]
            self.column += 1


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command, columns, rows, environment, folder):
        self.master, slave = pty.openpty()
        self.screen = Screen(columns, rows)
        self.frames = []  # the screen whenever the program had said something and paused
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def resize(self, columns, rows):
        """As a user drags the window; what stood on it before does not count any more."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = Screen(columns, rows)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def watch(self, until, deadline_s):
        """Reads until the condition holds or the program has ended; true for the former."""
        end = time.monotonic() + deadline_s
        while True:
            assert time.monotonic() < end, f"waited {deadline_s} s in vain; the screen:\n{self.screen.text()}"
            if not select.select([self.master], [], [], 0.05)[0]:
                self.frames.append(self.screen.text())
                if until(self.screen.text()):
                    return True
                continue
            try:
                said = os.read(self.master, 65536)
            except OSError:  # nobody holds the other end any more
                said = b""
            if not said:
                return False
            self.undecoded = getattr(self, "undecoded", b"") + said
            try:
                text, self.undecoded = self.undecoded.decode(), b""
            except UnicodeDecodeError as error:  # cut within a character
                text, self.undecoded = self.undecoded[: error.start].decode(), self.undecoded[error.start:]
            self.screen.feed(text)

    def finish(self, deadline_s):
        self.watch(lambda text: False, deadline_s)
        return self.process.wait(timeout=deadline_s)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=30)
        os.close(self.master)
