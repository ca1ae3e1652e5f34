"""Datagrams to a UNIX socket that is missing, vanishes, and comes back."""
import os
import signal
import socket

import pytest

import lab


@pytest.mark.parametrize("kind", ["UNIX-SENDTO", "UNIX-SEND"])
@pytest.mark.parametrize("how", ["-u", None])
def test_forever_survives_a_missing_receiver(local, tmp_path, kind, how, fast):
    """What nobody receives is lost and counted, and the next one that is there gets what comes then. Classic ends."""
    path = str(tmp_path / "s")
    p = local.start(*([how] if how else []), "--statistics", "-", f"{kind}:{path},forever" + ("" if how else f",bind={tmp_path}/c"))
    p.send("one")
    p.wait_log(r" W sendto\(.*; lost until it is there again \(option forever\)")
    for n in range(3):
        r = local.socket(socket.AF_UNIX, socket.SOCK_DGRAM, bind=path)
        p.send("here%d" % n)
        assert r.recv(99) == b"here%d" % n
        r.close()
        if n % 2:
            os.unlink(path)             # ENOENT, else ECONNREFUSED
        p.send("lost")
        lab.rest(0.1)
        if os.path.exists(path):
            os.unlink(path)
        assert not p.ended()
    assert len(p.log.splitlines()) == 1, p.log
    p.kill(signal.SIGUSR1)
    p.wait_log(r"lost 4 \(receiver 4\)")
    p.close_stdin()
    assert p.wait().status == 0


def test_without_forever_it_ends(local, tmp_path):
    """As classic."""
    r = local.run("-u", "-", f"UNIX-SENDTO:{tmp_path}/s", input=b"x")
    assert r.status == 1 and "No such file" in r.log
