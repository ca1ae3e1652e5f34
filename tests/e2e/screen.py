"""A terminal for tests: a pseudo terminal with somebody who types and a screen that shows.

pyte is the screen: a terminal emulator that knows what programs send to a vt100 and its successors."""
import fcntl
import os
import pty
import select
import struct
import termios

import pytest

import lab


class Screen:
    """What a terminal of @rows and @cols shows after feed()."""

    def __init__(self, rows=24, cols=80):
        pyte = pytest.importorskip("pyte", reason="needs the module pyte (package python3-pyte)")
        self.screen = pyte.Screen(cols, rows)
        self.feed = pyte.ByteStream(self.screen).feed

    @property
    def cursor(self):
        """Row and column; behind the last column it stands on it."""
        at = self.screen.cursor
        return at.y, min(at.x, self.screen.columns - 1)

    def attributes(self, y, x):
        """The character there, with its colour and so on: data, fg, bg, bold, reverse ..."""
        return self.screen.buffer[y][x]

    def text(self):
        """The lines without blanks behind them, up to the last that is not empty."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Terminal:
    """The two sides of a pseudo terminal; @slave goes to programs."""

    def __init__(self, rows=24, cols=80):
        self.master, self.slave = pty.openpty()
        self.resize(rows, cols)
        self.screen = Screen(rows, cols)
        self.raw = b""
        self.before = termios.tcgetattr(self.slave)

    def resize(self, rows, cols):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def look(self):
        while select.select([self.master], [], [], 0)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            self.screen.feed(data)
        return self.screen.text()

    def shows(self, *lines, timeout=5):
        """Wait until the screen shows exactly these lines."""
        lab.wait_until(lambda: self.look() == list(lines), timeout, lambda: f"screen is {self.look()!r}, not {lines!r}; sent was {self.raw!r}")

    def cursor(self, y, x):
        lab.wait_until(lambda: (self.look(), self.screen.cursor)[1] == (y, x), 5,
                       lambda: f"cursor at {self.screen.cursor}, not {y},{x}; {self.look()!r}")

    def restored(self):
        """The settings are what they were."""
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        os.close(self.master)
        os.close(self.slave)
