"""Who is signalled when a session ends, on this program and on a reference, line by line."""
import contextlib
import os
import subprocess

import pytest

import lab
import program_end
from program_end import Row, play

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")


def knows_shell():
    """Releases before 1.8 have no SHELL."""
    return "SHELL" in subprocess.run([lab.SOCAT_REF, "-h"], capture_output=True, text=True, check=False).stdout


def second(row):
    """The reference gives a program that is only written to its second on a socket pair only, and not after -T."""
    return row.way.startswith("to") and (row.event == "silence" or (row.event == "eof" and row.channel))


@pytest.mark.parametrize("kind", program_end.KINDS)
@pytest.mark.parametrize("way", [*program_end.WAYS, "fork"])
def test_line_by_line(local, tmp_path, kind, way):
    """The same signals, the same status, at the same time."""
    if kind == "SHELL" and not knows_shell():
        pytest.skip("the reference has no SHELL")
    if way == "fork":
        table = [Row(kind, way, channel, "eof") for channel in program_end.CHANNELS]
    else:
        table = [r for r in program_end.rows([kind]) if r.way == way]
    ours, theirs = play(local, tmp_path, table), play(local, tmp_path, table, prog=lab.SOCAT_REF)
    wrong = []
    for row in table:
        a, b = ours[str(row)], theirs[str(row)]
        late = 1.0 if second(row) else 0
        # now and then the reference sees the end of the child that it has just killed, and its status is 1
        status = a.status if row.event in ("eof", "silence") and b.status == 1 else b.status
        if a.signals != b.signals or a.status != status or abs(a.seconds - late - b.seconds) > 0.6 * lab.SLOW:
            wrong.append(f"{row}: {a} instead of {b}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("command", ["echo $PPID >{f}; echo $$ >>{f}; cat; exit 7", "nosuchprogram", "exit 0"])
def test_nofork_of_system(local, tmp_path, command):
    """The relay is the shell's parent and gives its status."""
    for prog, name in ((lab.SOCAST, "a"), (lab.SOCAT_REF, "b")):
        f = tmp_path / name
        p = local.start("-", f"SYSTEM:{command.format(f=f)},nofork", prog=prog)
        with contextlib.suppress(BrokenPipeError):      # some are over already
            p.send("hi\n")
        p.close_stdin()
        r = p.wait()
        if "$PPID" in command:
            parent, shell = f.read_text().split()
            assert (int(parent), r.out, r.status) == (p.pid, b"hi\n", 7) and parent != shell, r
        else:
            assert r.status == (127 if "nosuch" in command else 0), r
