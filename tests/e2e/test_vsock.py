"""VSOCK: parameters everywhere, traffic where the kernel has a loopback for it."""
import fcntl
import re
import socket
import struct

import pytest

import lab

LOCAL, ANY = 1, 0xffffffff


def loopback():
    """Why there is no VSOCK traffic within this machine, or None."""
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
            s.bind((LOCAL, ANY))
    except (OSError, AttributeError) as e:
        return f"this kernel has no VSOCK loopback ({e})"
    return None


WHY = loopback()
needs_loopback = pytest.mark.skipif(WHY is not None, reason=str(WHY))


def has_family():
    try:
        socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    except (OSError, AttributeError):
        return False
    return True


needs_family = pytest.mark.skipif(not has_family(), reason="this kernel has no VSOCK at all")


@needs_loopback
@pytest.mark.parametrize("connect", ["VSOCK-CONNECT", "VSOCK"])
def test_stream(local, fast, connect):
    port, data = lab.port(), bytes(range(256)) * 1000
    p = local.start("-d", "-d", f"VSOCK-LISTEN:{port},fork", "EXEC:cat")
    p.wait_log(f"N listening on AF=40 cid:{ANY} port:{port}")
    for _ in range(2):
        r = local.run("-t5", "-", f"{connect}:{LOCAL}:{port}", input=data, timeout=20)
        assert r.status == 0 and r.out == data, r


@needs_loopback
def test_variables_and_bind(local):
    port, own = lab.port(), lab.port()
    p = local.start("-d", "-d", f"VSOCK-L:{port},bind={LOCAL},fork", "SYSTEM:set | grep SOCAT_")
    p.wait_log(f"N listening on AF=40 cid:{LOCAL} port:{port}")
    r = local.run("-t5", "-", f"VSOCK:{LOCAL}:{port},bind={LOCAL}:{own}", input=None, stdin=None)
    v = dict(re.findall(r"SOCAT_(\w+)='?(.*?)'?$", r.out.decode(), re.M))
    assert (v["SOCKADDR"], v["SOCKPORT"], v["PEERADDR"], v["PEERPORT"]) == (str(LOCAL), str(port), str(LOCAL), str(own))


@needs_family
def test_listening(local):
    """Up to the point where a client would be needed; the kernel agrees."""
    port = lab.port()
    p = local.start("-d", "-d", f"VSOCK-LISTEN:{port}", "PIPE")
    p.wait_log(f"N listening on AF=40 cid:{ANY} port:{port}")
    assert re.search(r"N VSOCK CID=\d+|W .*the CID of this machine is not known", p.log), p
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s, pytest.raises(OSError):
        s.bind((ANY, port))             # it is taken


@needs_family
def test_own_cid(local):
    """As the kernel tells it."""
    try:
        with open("/dev/vsock", "rb") as f:
            cid = struct.unpack("I", fcntl.ioctl(f, 0x7b9, b"\0" * 4))[0]
    except OSError as e:
        pytest.skip(f"the kernel does not tell: {e}")
    p = local.start("-d", "-d", f"VSOCK-LISTEN:{lab.port()}", "PIPE")
    p.wait_log(f"N VSOCK CID={cid}\n")


@needs_family
def test_accept_timeout(local):
    r = local.run(f"VSOCK-LISTEN:{lab.port()},accept-timeout=0.2", "PIPE")
    assert r.status == 0 and "W accept: Connection timed out" in r.log


@needs_family
def test_nobody_there(local):
    """An error of the connection, at the latest when connect-timeout says so."""
    r = local.run("-d", "-d", "-", "VSOCK-CONNECT:1:7,connect-timeout=1", timeout=20)
    assert "N opening connection to AF=40 cid:1 port:7" in r.log
    assert r.status == 1 and re.search(r" E (connect\(\d+, AF=40 cid:1 port:7, 16\)|connecting to AF=40 cid:1 port:7): ", r.log), r


@needs_family
def test_foreign_cid(local):
    r = local.run("-", "VSOCK-CONNECT:2:7,bind=77777:5000")
    assert r.status == 1 and re.search(r"E bind\(\d+, \{AF=40 cid:77777 port:5000\}, 16\): Cannot assign requested address", r.log), r


@pytest.mark.parametrize("args,pattern", [
    (["-", "VSOCK-CONNECT:x:7"], 'E sockaddr_vm - garbage in cid: "x"'),
    (["-", "VSOCK-CONNECT:1:y"], 'E sockaddr_vm - garbage in port: "y"'),
    (["-", "VSOCK-CONNECT:1:7z"], 'E sockaddr_vm - garbage in port: "7z"'),
    (["-", "VSOCK-CONNECT::7"], 'E sockaddr_vm - garbage in cid: ""'),
    (["-", "VSOCK-CONNECT:1:99999999999"], 'E sockaddr_vm - garbage in port: "99999999999"'),
    (["-", "VSOCK-CONNECT:1:7,bind=2:x"], 'E sockaddr_vm - garbage in port: "x"'),
    (["-", "VSOCK-CONNECT:1:7,bind=q"], 'E sockaddr_vm - garbage in cid: "q"'),
    (["VSOCK-LISTEN:x", "-"], 'E sockaddr_vm - garbage in port: "x"'),
    (["VSOCK-LISTEN:7,bind=1:2", "-"], "E port specification not allowed in this bind option"),
    (["VSOCK-LISTEN:7,bind=x", "-"], 'E sockaddr_vm - garbage in cid: "x"'),
    (["VSOCK-LISTEN:7,max-children=3", "-"], "max-children not allowed without option fork"),
    (["VSOCK-LISTEN:7,range=1/2", "-"], 'option "range" not supported with this address type'),
    (["-", "VSOCK:1"], r"E VSOCK: wrong number of parameters \(1 instead of 2\): usage: VSOCK:<cid>:<port>"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_misuse(local, args, pattern):
    r = local.run(*args)
    assert r.status == 1 and re.search(pattern, r.log) and len(re.findall(r"\] E ", r.log)) == 1, r
