"""Stacks with the programs of others at the far end: dante, tinyproxy, haproxy and ssh, on every way a stream can take.

Files go in both directions at once, and their hashes are compared at the far ends."""
import os
import shutil
import sys

import pytest

import lab
from proxies import danted, ssh, ssh_server, start, tinyproxy
import test_stacks
from test_stacks import KEEPING, MAIN, SERVED, WAYS, Way, both_ways, dialing, ends, listening, make, sha, some, tls_client, tls_server
from test_tcp import LOOP

_zoo, here = test_stacks._zoo, test_stacks.here         # its fixtures

HOSTS = {"SOCKS4A": "localhost"}        # it is for names
SERVERS = {"SOCKS4": danted, "SOCKS4A": ssh, "SOCKS5": danted, "PROXY": tinyproxy}


def compare(want):
    assert {name: sha(name) for name in want} == want


# ---------------------------------------------------------------- proxies

ROWS = [(w, layer, 100_000) for w in KEEPING for layer in ("SOCKS5", "PROXY")] + [(w, layer, n) for w in some(MAIN) for layer in SERVERS for n in (1, 5_000_000)]


@pytest.mark.parametrize("way,layer,size", ROWS)
def test_a_proxy_on_every_way(local, tmp_path, way, layer, size):
    """The way leads to the proxy; it connects to a server. tinyproxy ends everything with the first end of file, so the sizes
    tell who is done."""
    w, target = WAYS[way](local), lab.port()
    want = {"c-out": make("s-in", size, b"server"), "s-out": make("c-in", size, b"client")}
    s = listening(local, Way(f"TCP4-LISTEN:{target},bind={LOOP},readbytes={size},shut-none", None), "", "-t", "20", right=both_ways("s"))
    listening(local, w, "", "-t", "20", right=f"TCP4:{LOOP}:{SERVERS[layer](local, tmp_path)}")
    ends(dialing(local, w, f"{layer}(to={HOSTS.get(layer, LOOP)}:{target})", "-t", "20", both_ways("c"), options=",shut-none"), timeout=20)
    ends(s, timeout=20)
    compare(want)


@pytest.mark.parametrize("way", some(MAIN))
@pytest.mark.parametrize("first", ["SOCKS5", "PROXY"])
@pytest.mark.parametrize("second", ["SOCKS5", "PROXY"])
def test_two_proxies_and_tls_at_the_end(local, zoo, tmp_path, way, first, second):
    """The outer proxy is asked for the inner one, that for the server, and nobody on the way reads what is said to it."""
    w, target = WAYS[way](local), lab.port()
    outer = SERVERS[first](local, tmp_path)
    (tmp_path / "2").mkdir()
    inner = SERVERS[second](local, tmp_path / "2")
    want = {"c-out": make("s-in", 300_000, b"server"), "s-out": make("c-in", 300_000, b"client")}
    s = listening(local, Way(f"TCP4-LISTEN:{target},bind={LOOP}", None), tls_server(zoo), "-t", "20", options=",readbytes=300000,shut-none", right=both_ways("s"))
    listening(local, w, "", "-t", "20", right=f"TCP4:{LOOP}:{outer}")
    stack = f"TLS(cafile={zoo / 'ca.crt'})+{second}(to=localhost:{target})+{first}(to={LOOP}:{inner})"
    ends(dialing(local, w, stack, "-t", "20", both_ways("c"), options=",shut-none"), timeout=20)
    ends(s, timeout=20)
    compare(want)


# ---------------------------------------------------------------- haproxy

def haproxy(local, tmp_path, front, back):
    """haproxy between two addresses of its configuration; @front has the port that is waited for."""
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if not program:
        pytest.skip("needs haproxy")
    port, conf = lab.port(), tmp_path / "haproxy.cfg"
    conf.write_text(f"defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
                    f"listen x\n bind {LOOP}:{port}{front}\n server s {back}\n", encoding="ascii")
    start(local, port, [program, "-f", str(conf), "-db"])
    return port


@pytest.mark.parametrize("layers", [1, 2])
def test_haproxy_takes_tls_off(local, zoo, tmp_path, layers):
    """Our client to its certificate; of two layers the inner one goes on to our server, by a UNIX socket."""
    port = haproxy(local, tmp_path, f" ssl crt {zoo / 'server.pem'}", f"unix@{tmp_path}/s")
    want = {"c-out": make("s-in", 1_000_000, b"server"), "s-out": make("c-in", 1_000_000, b"client")}
    s = listening(local, Way(SERVED, None), "+".join([tls_server(zoo)] * (layers - 1)), "-t", "20", right=both_ways("s"))
    ends(dialing(local, Way(None, f"TCP4:{LOOP}:{port}"), "+".join([tls_client(zoo)] * layers), "-t", "20", both_ways("c")), timeout=20)
    ends(s, timeout=20)
    compare(want)


@pytest.mark.parametrize("layers", [1, 2])
def test_haproxy_puts_tls_on(local, zoo, tmp_path, layers):
    """It verifies our server's certificate."""
    target = lab.port()
    port = haproxy(local, tmp_path, "", f"{LOOP}:{target} ssl verify required ca-file {zoo / 'ca.crt'} verifyhost localhost sni str(localhost)")
    want = {"c-out": make("s-in", 1_000_000, b"server"), "s-out": make("c-in", 1_000_000, b"client")}
    s = listening(local, Way(f"TCP4-LISTEN:{target},bind={LOOP}", None), "+".join([tls_server(zoo)] * layers), "-t", "20", right=both_ways("s"))
    inner = "+".join([tls_client(zoo)] * (layers - 1))
    ends(dialing(local, Way(None, f"TCP4:{LOOP}:{port}"), inner, "-t", "20", both_ways("c")) if inner else
         local.start("-t", "20", both_ways("c"), f"TCP4:{LOOP}:{port}"), timeout=20)
    ends(s, timeout=20)
    compare(want)


# ---------------------------------------------------------------- ssh

@pytest.mark.parametrize("layers", [1, 2])
def test_tls_by_ssh(local, zoo, tmp_path, layers):
    """The stream is a program on another host: there it ends at a socket on which our server listens."""
    ssh = ssh_server(local, tmp_path)
    want = {"c-out": make("s-in", 1_000_000, b"server"), "s-out": make("c-in", 1_000_000, b"client")}
    s = listening(local, Way(f"UNIX-LISTEN:{tmp_path}/s", None), "+".join([tls_server(zoo)] * layers), "-t", "20", right=both_ways("s"))
    program = " ".join(ssh).replace(":", "\\:").replace(",", "\\,") + f" {lab.SOCAST} -t 5 - UNIX\\:{tmp_path}/s"
    ends(dialing(local, Way(None, f"EXEC:{program}"), "+".join([tls_client(zoo)] * layers), "-t", "20", both_ways("c")), timeout=20)
    ends(s, timeout=20)
    compare(want)


def test_a_chain(local, zoo):
    """Four relays with stacks one behind the other: every byte is there. The same with 10 GB is for a quiet hour."""
    chain = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "chain.py")
    if not shutil.which("microsocks"):
        pytest.skip("needs microsocks")
    p = local.command([sys.executable, chain, "--gb", "0.02", "--program", lab.SOCAST])
    assert p.wait(30).status == 0 and b"every byte is there" in p.out, p
