"""What is ours stays ours, and what is not is left alone: entries, links, locks, queues, ports."""
import ctypes
import os
import shutil
import socket
import subprocess
import sys

import pytest

import lab
from test_posixmq import exists

LOOP = "127.0.0.1"
NOBODY = 65534
root = pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
MAKERS = ["UNIX-LISTEN:{path},fork", "UNIX-LISTEN:{path}", "UNIX-RECV:{path}", "UNIX-RECVFROM:{path}",
          "UNIX-RECVFROM:{path},fork", "UNIX-SENDTO:/nowhere,bind={path}", "UNIX-LISTEN:{path},so-type=5", "PIPE:{path}"]


def entry(p, path):
    lab.wait_until(lambda: os.path.exists(path) or p.ended(), 4, lambda: f"no entry {p!r}")
    return os.stat(path)


@root
@pytest.mark.parametrize("address", MAKERS)
@pytest.mark.parametrize("option", ["user=65534", "group=65534", "user=65534,group=65534,mode=0660", "perm=0640", "mode=0666,group=65534"])
def test_owner_and_mode(local, tmp_path, address, option):
    """Each option alone, and together."""
    path = str(tmp_path / "s")
    if address.startswith(("PIPE", "UNIX-SENDTO")) and ("user" in option or "group" in option):
        pytest.skip("the owner of a FIFO, or of a client's entry, is another matter")
    args = address.format(path=path) + "," + option
    p = local.start("-u", "-", args) if "SENDTO" in address else local.start("-u", args, "-")
    entry(p, path)
    lab.rest(0.1)
    st = os.stat(path)
    assert st.st_uid == (65534 if "user" in option else 0)
    assert st.st_gid == (65534 if "group" in option else 0)
    mode = [o.split("=")[1] for o in option.split(",") if o[:4] in ("mode", "perm")]
    if mode:
        assert st.st_mode & 0o777 == int(mode[0], 8) & ~(0o022 if "SENDTO" in address or "PIPE" in address else 0)


@pytest.mark.parametrize("address", [a for a in MAKERS if "PIPE" not in a])
@pytest.mark.parametrize("option", ["mode=0600", "perm=0660", "mode=0600,unlink-early"])
def test_never_open_to_all(local, tmp_path, address, option):
    """Between bind(2) and chmod(2), which is held up here, the entry is not more open than in the end."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    path = str(tmp_path / "s")
    args = ["-u", *(["-"] if "SENDTO" in address else []), address.format(path=path) + "," + option, *([] if "SENDTO" in address else ["-"])]
    p = local.command(["sh", "-c", "umask 0; exec \"$@\"", "sh", "strace", "-qq", "-o", "/dev/null", "-e", "trace=chmod,fchmodat,chown",
                       "-e", "inject=chmod,fchmodat,chown:delay_enter=300000", lab.SOCAST, *args])
    st = entry(p, path)
    allowed = int(option.split("=")[1].split(",")[0], 8)
    assert st.st_mode & 0o777 & ~allowed == 0, oct(st.st_mode)
    lab.wait_until(lambda: os.stat(path).st_mode & 0o777 == allowed, 4, lambda: oct(os.stat(path).st_mode))


@pytest.mark.parametrize("address", ["PTY,link={path}", "EXEC:cat,pty,link={path}", "SYSTEM:cat,pty,link={path}"])
def test_link_of_another(local, tmp_path, address):
    """A link that another one has made in the place of ours stays. Classic removes it."""
    path = str(tmp_path / "tty")
    first = local.start("-", address.format(path=path))
    lab.wait_until(lambda: os.path.islink(path), 3, "no link")
    before = os.readlink(path)
    second = local.start("-", address.format(path=path))
    lab.wait_until(lambda: os.path.islink(path) and os.readlink(path) != before, 3, "no second link")
    first.stop()
    assert os.path.islink(path) and os.readlink(path) != before
    second.kill()
    second.wait()
    assert not os.path.lexists(path)


@pytest.mark.parametrize("what", ["file", "directory", "fifo"])
def test_link_in_place_of_something(local, tmp_path, what):
    """Only a link is replaced by a link. Classic deletes a file."""
    path = tmp_path / "tty"
    {"file": lambda: path.write_text("precious"), "directory": path.mkdir, "fifo": lambda: os.mkfifo(path)}[what]()
    r = local.run("-", f"PTY,link={path}", input=None)
    assert r.status == 1
    if what == "directory":
        assert f'unlink("{path}"): Is a directory' in r.log
    else:
        assert f'option link: "{path}" is no symbolic link' in r.log
    assert path.exists() and not path.is_symlink()


def test_file_in_place_of_the_link(local, tmp_path):
    """Somebody has put a file where our link was: it stays."""
    path = tmp_path / "tty"
    p = local.start("-", f"PTY,link={path}")
    lab.wait_until(path.is_symlink, 3, "no link")
    path.unlink()
    path.write_text("precious")
    p.kill()
    p.wait()
    assert path.read_text() == "precious"


@pytest.mark.parametrize("how", ["flag", "option"])
def test_lock_of_another(local, tmp_path, how):
    """A lock that somebody else has taken since is his."""
    lock = tmp_path / "lock"
    p = local.start(*(["-L", str(lock)] if how == "flag" else []), "-", "PIPE" + (f",lockfile={lock}" if how == "option" else ""))
    lab.wait_until(lock.exists, 3, "no lock")
    lock.unlink()
    lock.write_text("1\n")
    p.kill()
    p.wait()
    assert lock.read_text() == "1\n"


def test_lock_of_our_own(local, tmp_path):
    lock = tmp_path / "lock"
    p = local.start("-L", str(lock), "-", "PIPE")
    lab.wait_until(lock.exists, 3, "no lock")
    p.kill()
    p.wait()
    assert not lock.exists()


def test_queue_of_another(local):
    """A queue that another process has made since stays."""
    rt = ctypes.CDLL(None, use_errno=True)
    name = f"/socast-ours-{os.getpid()}-{lab.port()}"
    p = local.start("-ddd", "-u", f"POSIXMQ-RECV:{name},fork,unlink-close=1", "-")
    p.wait_log("waiting for data")
    rt.mq_unlink(name.encode())
    fd = rt.mq_open(name.encode(), os.O_RDWR | os.O_CREAT, 0o600, None)
    assert fd != -1
    p.kill()
    p.wait()
    assert exists(name)
    rt.mq_unlink(name.encode())
    os.close(fd)


STEAL = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
where, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, getattr(socket, how), 1)
try:
    s.bind((where, port))
    print("taken")
except OSError as e:
    print(e.strerror)
"""


@root
@pytest.mark.parametrize("how", ["SO_REUSEADDR", "SO_REUSEPORT"])
@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork", "UDP4-LISTEN:{port}", "UDP4-RECVFROM:{port},fork", "UDP4-RECV:{port}", "UDP6-LISTEN:{port},fork",
                                     "DTLS-LISTEN:{port},pf=ip4,fork,verify=0,cert={cert}"])
def test_port_is_not_shared(local, tmp_path, address, how):
    """Another user cannot take over the port: with SO_REUSEADDR on both sockets Linux gives datagrams to the newer one,
    whoever has it, and classic sets it for UDP-LISTEN,fork. Here one socket serves all peers, and does not need it."""
    port, cert = lab.port(), ""
    if "cert" in address:
        if not lab.has("OPENSSL"):
            pytest.skip("built without OpenSSL")
        from certs import Zoo
        cert = Zoo(str(tmp_path)) / "server"
    p = local.start("-u", address.format(port=port, cert=f"{cert}.pem"), "-")
    where = ["::", "::1"] if "6" in address.split("-")[0] else ["0.0.0.0", LOOP]
    lab.wait_until(lambda: bound(local, port), 3, lambda: f"{p!r}")
    for a in where:
        with local.inside():
            r = subprocess.run([sys.executable, "-c", STEAL, a, str(port), how], capture_output=True, text=True, check=True)
        assert r.stdout.strip() == "Address already in use"


def bound(local, port):
    with local.inside(), open("/proc/thread-self/net/udp", encoding="ascii") as a, open("/proc/thread-self/net/udp6", encoding="ascii") as b:
        return f":{port:04X} " in a.read() + b.read()


def test_port_is_shared_when_asked(local):
    """With reuseaddr it is: two listeners, of which the newer one hears."""
    port = lab.port()
    for _ in range(2):
        p = local.start("-d", "-d", f"UDP4-LISTEN:{port},fork,reuseaddr", "PIPE")
        p.wait_log("listening on")
    s = local.udp()
    s.sendto(b"x", (LOOP, port))
    assert s.recv(9) == b"x"
    with local.socket(socket.AF_INET, socket.SOCK_DGRAM) as t, pytest.raises(OSError):
        t.bind(("0.0.0.0", port))
