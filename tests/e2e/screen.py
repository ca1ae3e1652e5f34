"""A terminal for tests: a pseudo terminal with somebody who types and a screen that shows.

Screen understands what programs send to a vt100: enough to tell what a user would see."""
import fcntl
import os
import pty
import re
import select
import struct
import termios

import lab


class Screen:
    """What a vt100 of @rows and @cols shows after feed()."""

    def __init__(self, rows=24, cols=80):
        self.rows, self.cols = rows, cols
        self.lines = [[" "] * cols for _ in range(rows)]
        self.y = self.x = 0
        self.wrap = False       # behind the last column: the next character goes to a new line
        self.rest = ""

    def feed(self, data):
        text, self.rest = self.rest + data.decode("utf-8", "replace"), ""
        while text:
            m = re.match(r"\x1b\[([?\d;]*)([A-Za-z@])|\x1b[()][A-Z0-9]|\x1b[=>78DMEH]|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+", text)
            if not m:           # an incomplete sequence
                self.rest = text
                return
            self.one(m)
            text = text[m.end():]

    def one(self, m):
        if m[2]:
            self.sequence(m[2], [int(n or 0) for n in m[1].lstrip("?").split(";")])
        elif m[0] == "\r":
            self.x, self.wrap = 0, False
        elif m[0] == "\n":
            self.down()
        elif m[0] == "\b":
            self.x, self.wrap = max(0, self.x - 1), False
        elif m[0] == "\x1bM":
            self.y = max(0, self.y - 1)
        elif m[0][0] >= " " and m[0][0] != "\x7f":
            for c in m[0]:
                self.put(c)

    def put(self, c):
        if self.wrap:
            self.x, self.wrap = 0, False
            self.down()
        self.lines[self.y][self.x] = c
        if self.x + 1 < self.cols:
            self.x += 1
        else:
            self.wrap = True

    def down(self):
        if self.y + 1 < self.rows:
            self.y += 1
        else:
            self.lines = self.lines[1:] + [[" "] * self.cols]

    def sequence(self, what, n):
        count = n[0] or 1
        if what in "ABCD":
            self.wrap = False
            self.y = min(self.rows - 1, max(0, self.y + {"A": -count, "B": count}.get(what, 0)))
            self.x = min(self.cols - 1, max(0, self.x + {"C": count, "D": -count}.get(what, 0)))
        elif what == "H":
            self.y, self.x = (n[0] or 1) - 1, ((n[1] if len(n) > 1 else 0) or 1) - 1
        elif what == "K":
            self.lines[self.y][self.x:] = [" "] * (self.cols - self.x)
        elif what == "J":
            if n[0] == 2:
                self.lines = [[" "] * self.cols for _ in range(self.rows)]
                return
            self.lines[self.y][self.x:] = [" "] * (self.cols - self.x)
            self.lines[self.y + 1:] = [[" "] * self.cols for _ in self.lines[self.y + 1:]]
        elif what == "P":
            line = self.lines[self.y]
            line[self.x:] = line[self.x + count:] + [" "] * min(count, self.cols - self.x)
        elif what == "@":
            line = self.lines[self.y]
            line[self.x:] = ([" "] * count + line[self.x:])[:self.cols - self.x]
        else:
            assert what in "mhlr", f"unknown sequence CSI {n} {what}"

    def text(self):
        return [("".join(line)).rstrip() for line in self.lines[:max([i for i, x in enumerate(self.lines) if "".join(x).strip()], default=-1) + 1]]


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
        lab.wait_until(lambda: (self.look(), (self.screen.y, self.screen.x))[1] == (y, x), 5,
                       lambda: f"cursor at {self.screen.y},{self.screen.x}, not {y},{x}; {self.look()!r}")

    def restored(self):
        """The settings are what they were."""
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        os.close(self.master)
        os.close(self.slave)
