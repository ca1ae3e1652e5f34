"""Option role: who of two plays the TLS server, whoever of them has connected, if anybody has."""
import os
import re
import socket
import ssl

import pytest

import lab
import test_stacks
from test_tcp import LOOP

TEXT = os.urandom(300_000)


_zoo, here = test_stacks._zoo, test_stacks.here         # its fixtures


def server(zoo, word="TLS"):
    return f"{word}(role=server,cert={zoo / 'server.pem'},verify=0)"


def client(zoo, word="TLS"):
    return f"{word}(role=client,cafile={zoo / 'ca.crt'},commonname=localhost)"


def script(name, *argv):
    """A program that is the program under test with these arguments."""
    with open(name, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexec " + " ".join(f"'{a}'" for a in [lab.SOCAST, *argv]) + "\n")
    os.chmod(name, 0o700)


def echoes(r):
    assert r.status == 0 and r.out == TEXT and " E " not in r.log, r


PROGRAMS = ["EXEC:./there", "EXEC:./there,pipes", "SYSTEM:./there", "EXEC:./there,pty,rawer"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_serves(local, zoo, program):
    """As inetd starts servers: on descriptors that it has inherited."""
    script("there", "-t", "5", server(zoo) + "+STDIO", "PIPE")
    echoes(local.run("-t", "5", "-", f"{client(zoo)}+{program}", input=TEXT))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_served(local, zoo, program):
    """The other way round; what it says is read by nobody but the layer."""
    with open("in", "wb") as f:
        f.write(TEXT)
    script("there", "-t", "5", "-u", "OPEN:in,rdonly", client(zoo) + "+STDIO")
    echoes(local.run("-t", "5", "-U", "-", f"{server(zoo)}+{program}", input=None))


def test_an_inherited_connection(local, zoo):
    """Standard input and output are one accepted connection, as a unit of systemd with Accept=yes has it."""
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, 0))
    s.listen()
    with local.inside():
        raw = socket.create_connection(s.getsockname())
    theirs, _ = s.accept()
    p = local.start(server(zoo) + "+STDIO", "PIPE", stdin=theirs, stdout=theirs)
    theirs.close()
    s.close()
    raw.settimeout(5 * lab.SLOW)
    with ssl.create_default_context(cafile=zoo / "ca.crt").wrap_socket(raw, server_hostname="localhost") as c:
        c.sendall(b"hello")
        assert c.recv(100) == b"hello"
        c.unwrap()
    assert p.wait(5).status == 0, p


def test_s_client_meets_a_program(local, zoo):
    script("there", server(zoo) + "+STDIO", "PIPE")
    p = local.start("-d", "-d", "UNIX-LISTEN:./s,fork", "EXEC:./there,pipes")
    p.wait_log("listening on")
    c = local.command(["openssl", "s_client", "-quiet", "-unix", "./s", "-CAfile", zoo / "ca.crt", "-verify_return_error"])
    c.send(TEXT[:1000])
    c.expect_output(TEXT[:1000])


@pytest.mark.parametrize("option", [",fork", ",fork,isolate", ""])
@pytest.mark.parametrize("listen,dial", [("{c}+TCP4-LISTEN:{p},reuseaddr", "{s}+TCP4:127.0.0.1:{p}"),
                                         ("{c}+UNIX-LISTEN:./s", "{s}+UNIX:./s"),
                                         ("OPENSSL-LISTEN:{p},pf=ip4,reuseaddr,role=client,cafile={ca},commonname=localhost",
                                          "OPENSSL:127.0.0.1:{p},role=server,cert={pem},verify=0")])
def test_who_is_connected_to_is_the_client(local, zoo, listen, dial, option):
    words = {"p": lab.port(), "c": client(zoo), "s": server(zoo), "ca": zoo / "ca.crt", "pem": zoo / "server.pem"}
    p = local.start("-d", "-d", "-t", "5", listen.format(**words) + option, "PIPE")
    p.wait_log("listening on")
    for _ in range(2 if option else 1):
        r = local.run("-d", "-d", "-t", "5", "-", dial.format(**words), input=TEXT)
        echoes(r)
        assert "to SSL server" not in r.log, r          # it is one
    assert " E " not in p.log, p


def test_datagrams(local, zoo):
    """Two sockets that are connected to each other: neither of them is the natural server."""
    a, b = lab.port(), lab.port()
    s = local.start("-d", "-d", f"{server(zoo, 'DTLS')}+UDP4:127.0.0.1:{a},bind=127.0.0.1:{b}", "PIPE")
    s.wait_log("successfully|opening connection")
    c = local.start("-", f"{client(zoo, 'DTLS')}+UDP4:127.0.0.1:{b},bind=127.0.0.1:{a}")
    c.send(b"hello")
    c.expect_output("hello", timeout=10)


@pytest.mark.parametrize("address,text", [
    ("TLS(role=boss)+STDIO", 'option role: unknown word "boss"; use client or server'),
    ("SOCKS5(role=server,to=a:1)+TCP:a:1", r"SOCKS5\+TCP: SOCKS5 has no server side"),
    ("PROXY:a:b:1,role=server", "PROXY: PROXY has no server side"),
    ("TLS(role=client)+TCP-LISTEN:1", "TLS: TCP-LISTEN has no host name to verify"),
    ("TLS+TLS+STDIO,role=server", "could be that of TLS or that of another TLS"),
])
def test_sentences(local, address, text):
    for flags in ([], ["--check"]):
        r = local.run(*flags, address, "PIPE", input=None)
        assert r.status == 1 and re.search(text, r.log), r


def test_told(local, zoo):
    told = local.run("--explain", server(zoo) + "+STDIO", client(zoo) + "+TCP-LISTEN:1").out.decode()
    assert "  On it stands TLS, as server: " in told and "    Clients are not verified. " in told, told
    assert "  On it stands TLS, as client: " in told and "    The server has to prove that it is localhost. " in told, told
    assert "  On it always stands TLS, as server: " in local.run("--explain", f"OPENSSL:a:1,role=server,cert={zoo / 'server.pem'}", "-").out.decode()
