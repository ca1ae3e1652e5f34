"""Who is signalled when a session ends: the rows, and how one is played on any program of the family.

Behind every row stands a program that writes down each signal it gets and works on until it is told to stop, so
what is compared is what it has seen, and when the relay went.
"""
import itertools
import os
import re
import signal
import sys

import lab

PROBE = f"""#!{sys.executable} -SE
import os, signal, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for n in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(n, lambda n, _: os.write(log, b"%d\\n" % n))
os.write(log, b"start\\n")
end = time.monotonic() + 30
while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
    time.sleep(0.02)
os.write(log, b"stop\\n")
"""

LINGER = 0.3                            # -t

KINDS = ("EXEC", "SHELL", "SYSTEM")
WAYS = ("to", "to -U", "from", "both", "left")
CHANNELS = ("", ",pipes", ",pty", ",pty,setsid,ctty")
EVENTS = ("eof", "TERM", "INT", "HUP", "silence")


class Row:
    """One line of the table: how the program is started, and what happens then."""

    def __init__(self, kind, way, channel, event, opts=""):
        self.kind, self.way, self.channel, self.event, self.opts = kind, way, channel, event, opts

    def __str__(self):
        return f"{self.kind}{self.channel}{self.opts} {self.way} {self.event}"

    def args(self, log, stop, port, probe):
        """The command line."""
        command = "" if self.kind == "EXEC" else "exec "
        address = f"{self.kind}:{command}{probe} {log} {stop}{self.channel}{self.opts}"
        flags = ["-d", "-d", "-d", "-t", str(LINGER)] + (["-T", "0.4"] if self.event == "silence" else [])
        return flags + {"to": ["-u", "-", address], "to -U": ["-U", address, "-"], "from": ["-u", address, "-"], "both": ["-", address],
                        "left": [address, "-"], "fork": [f"TCP4-LISTEN:{port},fork", address],
                        "isolate": [f"TCP4-LISTEN:{port},fork,isolate", address]}[self.way]


class Seen:
    """What a row has shown: the signals, how long the relay stayed (seconds), its status (None: it goes on)."""

    def __init__(self, signals, seconds, status):
        self.signals, self.seconds, self.status = signals, seconds, status

    def __repr__(self):
        return f"{sorted(self.signals)} after {self.seconds:.2f} s, status {self.status}"


def rows(kinds=KINDS):
    """The table without fork and nofork; the end of input of a program that is only read from is no event."""
    return [Row(*r) for r in itertools.product(kinds, WAYS, CHANNELS, EVENTS) if (r[1], r[3]) != ("from", "eof")]


def wait_line(path, line):
    def there():
        return os.path.exists(path) and line in open(path, encoding="ascii").read().split()  # pylint: disable=consider-using-with
    lab.wait_until(there, 10, lambda: f"no {line} in {path}")


def play(host, tmp_path, table, prog=lab.SOCAST):
    """Play the rows, some at a time; returns {str(row): Seen}."""
    seen = {}
    for at in range(0, len(table), 24):
        seen.update(_play_some(host, tmp_path, table[at:at + 24], prog))
    return seen


def _play_some(host, tmp_path, table, prog):
    probe, stop = tmp_path / "probe", tmp_path / "stop"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    games = []
    for n, row in enumerate(table):
        log, port = tmp_path / f"log{n}", lab.port()
        p = host.start(*row.args(log, stop, port, probe), prog=prog, env={"SHELL": "/bin/sh"})
        games.append((row, log, port, p))
    clients = {}
    for row, log, port, p in games:
        if row.way in ("fork", "isolate"):
            p.wait_log("listening on")
            clients[row] = host.socket(kind=1)
            clients[row].connect(("127.0.0.1", port))
        wait_line(log, "start")
    begin = lab.time.monotonic()
    for row, log, port, p in games:
        if row.event == "eof" and row in clients:
            clients[row].shutdown(1)
        elif row.event == "eof":
            p.close_stdin()
        elif row.event != "silence":
            p.kill(getattr(signal, "SIG" + row.event))
    seconds = _wait_for_ends(games, clients)
    stop.write_text("")
    seen = {}
    for row, log, _, p in games:
        wait_line(log, "stop")
        if row.way not in ("fork", "isolate"):
            p.wait(10)
        got = frozenset(int(w) for w in log.read_text().split() if w.isdigit())
        seen[str(row)] = Seen(got, seconds.get(row, begin) - begin, p.p.poll())
        p.clear()
        log.unlink()
    for c in clients.values():
        c.close()
    stop.unlink()
    return seen


# a session of one process among others has ended: in ours, and in classic
OVER = re.compile(r"kill\(\d+, 15\)|goes on by itself|childdied\(\): handling signal 17")


def _wait_for_ends(games, clients):
    """The moments at which the relays have gone or, where they stay, have ended the session."""
    seconds = {}

    def over():
        for row, _, _, p in games:
            if row not in seconds and (p.ended() or (row in clients and OVER.search(p.log)) or "nofork" in row.opts):
                seconds[row] = lab.time.monotonic()
        return len(seconds) == len(games)
    lab.wait_until(over, 10, lambda: f"no end of {[str(g[0]) for g in games if g[0] not in seconds]}")
    return seconds
