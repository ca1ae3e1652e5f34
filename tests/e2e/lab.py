"""Virtual hosts and running programs for the end-to-end tests.

A Host is a network namespace with its own host name; a Proc is a program running
on it. `lan()` joins three hosts by a switch:

      host1 eth0            host2 eth0            host3 eth0
      192.168.10.1/24       192.168.10.2/24       192.168.10.3/24
      fd00::1  fe80::1      fd00::2  fe80::2      fd00::3  fe80::3
            \\____________________ | ____________________/
                               switch

Every namespace is held by a small child process that ends when this process ends,
so nothing can be left behind, not even after a crash. Nothing is ever done in the
namespace of the machine itself. As an ordinary user the tests first move into a
user namespace of their own, where the kernel allows that.

Waiting is always for an event (a log line, output, an exit) and has a deadline. The
module is single-threaded: whoever waits reads the output of every running Proc, so
that no program ever blocks on a full pipe. Only the standard library is used.
"""
import contextlib
import ctypes
import fcntl
import itertools
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOCAST = os.path.abspath(os.environ.get("SOCAST", os.path.join(ROOT, "build", "socast")))
SOCAT_REF = os.environ.get("SOCAT_REF", "/usr/bin/socat")
NAME = os.path.basename(SOCAST)         # log prefix
PREFIX = NAME.upper() + "_"             # prefix of environment variables
SLOW = float(os.environ.get("SOCAST_TEST_SLOW", "1"))  # stretches every deadline

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x4000000, 0x10000000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(libc, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), name + ": " + os.strerror(ctypes.get_errno()))


REAL_ROOT = os.geteuid() == 0


def become_root():
    """Have the rights to make namespaces. Returns the reason when that is impossible."""
    if os.geteuid() == 0:
        return None
    uid, gid = os.getuid(), os.getgid()
    try:
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w", encoding="ascii") as f:
                f.write(text)
    except OSError as e:
        return f"needs root or user namespaces ({e})"
    return None


def _die_with_parent():
    """In a new program: end when this process ends, whatever ended it."""
    libc.prctl(1, signal.SIGKILL)       # PR_SET_PDEATHSIG


class Deadline:
    """A point in time by which something has to have happened."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds * SLOW

    def left(self):
        return max(0.0, self.end - time.monotonic())


class Result:
    """What a finished program left: stdout and log (bytes and text), status."""

    def __init__(self, out, err, status):
        self.out, self.err, self.status = out, err, status
        self.log = err.decode("utf-8", "replace")

    def __repr__(self):
        return f"status {self.status}\n--- stdout {self.out[:400]!r}\n--- stderr\n{self.log[-4000:]}"


class Proc:
    """A running program, its output so far, and means to wait for more of it."""

    alive = []          # every Proc whose pipes are still open
    reports = []        # logs with what a sanitizer has found, also in processes whose status nobody sees

    def __init__(self, argv, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw):
        self.argv = argv
        self.out = b""
        self.err = b""
        self.p = subprocess.Popen(argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr,
                                  start_new_session=True, bufsize=0, preexec_fn=_die_with_parent, **kw)
        self.pid = self.p.pid
        self.fds = {}
        for name in ("stdout", "stderr"):
            f = getattr(self.p, name)
            if f is not None:
                os.set_blocking(f.fileno(), False)
                with contextlib.suppress(OSError):  # room for the log while a test waits elsewhere
                    fcntl.fcntl(f.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
                self.fds[f.fileno()] = name
        Proc.alive.append(self)

    def __repr__(self):
        return f"{' '.join(map(str, self.argv))}\n{Result(self.out, self.err, self.p.returncode)!r}"

    def _read(self, fd):
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return
        name = self.fds[fd]
        if not data:
            del self.fds[fd]
            getattr(self.p, name).close()
        elif name == "stdout":
            self.out += data
        else:
            self.err += data

    @property
    def log(self):
        return self.err.decode("utf-8", "replace")

    def lines(self):
        return self.out.decode("utf-8", "replace").splitlines()

    def until(self, cond, timeout, what):
        """Read from all programs until @cond() holds; otherwise the test fails."""
        def over():
            return cond() or (self.ended() and not self.fds)    # nothing more can come
        wait_until(over, timeout, lambda: f"no {what} within {timeout} s from\n{self!r}")
        assert cond(), f"no {what} from\n{self!r}"

    def wait_log(self, pattern, timeout=5, count=1):
        """Wait for @count matches of @pattern in the log; returns the last match."""
        rx = re.compile(pattern)

        def found():
            return len(rx.findall(self.log)) >= count
        self.until(found, timeout, f"log line /{pattern}/ ({count})")
        return list(rx.finditer(self.log))[count - 1]

    def expect_output(self, what, timeout=5):
        """Wait until stdout holds @what: bytes = contained, number = that many bytes."""
        if isinstance(what, int):
            self.until(lambda: len(self.out) >= what, timeout, f"output of {what} bytes")
        else:
            if isinstance(what, str):
                what = what.encode()
            self.until(lambda: what in self.out, timeout, f"output {what!r}")
        return self.out

    def send(self, data):
        """Type @data into the program's stdin."""
        if isinstance(data, str):
            data = data.encode()
        os.set_blocking(self.p.stdin.fileno(), False)
        end, view = Deadline(20), memoryview(data)
        while len(view):
            try:
                view = view[os.write(self.p.stdin.fileno(), view):]
            except BlockingIOError:
                pump(0.05)
                assert end.left(), f"stdin not read by {self!r}"

    def close_stdin(self):
        if self.p.stdin and not self.p.stdin.closed:
            self.p.stdin.close()

    def ended(self):
        return self.p.poll() is not None

    def wait(self, timeout=5):
        """Wait for the program to end and its output to be complete; returns Result."""
        wait_until(self.ended, timeout, lambda: f"no end within {timeout} s of\n{self!r}")
        # Programs it left behind may hold the pipes open: a short grace, no more.
        wait_until(lambda: not self.fds, 0.3, None)
        return Result(self.out, self.err, self.p.returncode if self.p.returncode >= 0 else 128 - self.p.returncode)

    def kill(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """End the program and all it started in its session; returns Result."""
        if not self.ended():
            self.kill(sig)
            wait_until(self.ended, timeout, None)
        self.clear()
        return Result(self.out, self.err, self.p.returncode)

    def clear(self):
        """Make sure that nothing of this program is left. Who counts lines (tools/coverage.sh) lets it end by itself."""
        if "SOCAST_TEST_POLITE" in os.environ and not self.ended():
            self.kill()
            wait_until(self.ended, 1, None)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self.ended():
            self.p.kill()
            self.p.wait()
        pump(0)
        if re.search(rb"ERROR: \w+Sanitizer|: runtime error: ", self.err) and self in Proc.alive:
            Proc.reports.append(repr(self))
        for f in (self.p.stdin, self.p.stdout, self.p.stderr):
            if f and not f.closed:
                f.close()
        self.fds = {}
        if self in Proc.alive:
            Proc.alive.remove(self)


def pump(timeout):
    """Read what the running programs have written, waiting at most @timeout seconds."""
    fds = {fd: p for p in Proc.alive for fd in p.fds}
    if not fds:
        if timeout:
            time.sleep(min(timeout, 0.002))
        return
    for fd in select.select(list(fds), [], [], timeout)[0]:
        fds[fd]._read(fd)


def rest(seconds):
    """Let time pass, all of it, and read meanwhile what the running programs write. Before one says that something
    has not happened; for what is to happen there is wait_until(). Not stretched on slow machines."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pump(max(0.0, min(0.01, end - time.monotonic())))


def wait_until(cond, timeout, complain):
    """Wait for an event. @complain makes the failure's text; None: return False."""
    end = Deadline(timeout)
    while True:
        pump(0)
        if cond():
            return True
        if not end.left():
            break
        pump(min(end.left(), 0.01))
    if complain is not None:
        raise AssertionError(complain() if callable(complain) else complain)
    return False


def take(s, n):
    """Read @n bytes of a stream socket, in however many pieces they come; less at its end."""
    data = b""
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    return data


def stop_all():
    for p in list(Proc.alive):
        p.clear()


# Additions to the environment of every program under test (fast path, chaos).
extra_env = {}


def environment(env=None):
    e = {k: v for k, v in os.environ.items() if not k.startswith(("SOCAT_", "SOCAST_"))}
    e["LC_ALL"] = "C"
    e["SHELL"] = "/bin/sh"             # of SHELL addresses: not every caller has one
    e.update(extra_env)
    e.update(env or {})
    return {k: v for k, v in e.items() if v is not None}


class Host:
    """A network namespace with a host name. Use as `with host.inside(): ...` or run
    programs on it. Held by a child process that waits for the end of a pipe."""

    def __init__(self, name):
        self.name = name
        hold_r, self.hold = os.pipe()
        ready_r, ready_w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.hold)
                os.setsid()
                _call("unshare", CLONE_NEWNET | CLONE_NEWUTS)
                socket.sethostname(name)
                os.closerange(3, min(hold_r, ready_w))
                os.write(ready_w, b"y")
                os.read(hold_r, 1)
            finally:
                os._exit(0)
        os.close(hold_r)
        os.close(ready_w)
        ok = os.read(ready_r, 1)
        os.close(ready_r)
        if ok != b"y":
            os.waitpid(self.pid, 0)
            raise OSError("cannot make a network namespace")
        self.net = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.uts = os.open(f"/proc/{self.pid}/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
        self.sysctl("net/ipv6/conf/all/disable_ipv6", 0)
        for conf in ("all", "default", "lo"):
            self.sysctl(f"net/ipv4/conf/{conf}/rp_filter", 0)
        for conf in ("all", "default"):
            self.sysctl(f"net/ipv6/conf/{conf}/accept_dad", 0)
            self.sysctl(f"net/ipv6/conf/{conf}/addr_gen_mode", 1)  # 1 = no automatic fe80
        self.sysctl("net/ipv4/ping_group_range", "0 0", optional=True)
        self.ip("link set lo up")

    @contextlib.contextmanager
    def inside(self):
        """Everything in this block (sockets, programs, sysctls) happens on the host."""
        net = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        uts = os.open("/proc/self/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("setns", self.net, CLONE_NEWNET)
            _call("setns", self.uts, CLONE_NEWUTS)
            yield self
        finally:
            _call("setns", net, CLONE_NEWNET)
            _call("setns", uts, CLONE_NEWUTS)
            os.close(net)
            os.close(uts)

    def sysctl(self, name, value, optional=False):
        with self.inside():
            try:
                with open("/proc/sys/" + name, "w", encoding="ascii") as f:
                    f.write(str(value))
            except OSError:
                if not optional and os.path.exists("/proc/sys/" + name):
                    raise

    def ip(self, *commands):
        """Run `ip` with each of the given command lines."""
        with self.inside():
            r = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n",
                               capture_output=True, text=True, check=False)
        if r.returncode:
            raise RuntimeError(f"ip on {self.name}: {r.stderr.strip()} in {commands}")

    def command(self, argv, env=None, **kw):
        """Start any program."""
        with self.inside():
            return Proc([str(a) for a in argv], environment(env), **kw)

    def start(self, *args, env=None, prog=None, **kw):
        """Start the program under test with these arguments."""
        return self.command([prog or SOCAST, *args], env=env, **kw)

    def run(self, *args, input=b"", timeout=8, env=None, prog=None, **kw):
        """Run the program under test to its end; @input None leaves stdin open."""
        p = self.start(*args, env=env, prog=prog, **kw)
        try:
            if input is not None and p.p.stdin:
                if isinstance(input, str):
                    input = input.encode()
                try:
                    p.send(input)
                except BrokenPipeError:
                    pass
                p.close_stdin()
            return p.wait(timeout)
        finally:
            p.clear()

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM, proto=0, bind=None, timeout=3):
        with self.inside():
            s = socket.socket(family, kind, proto)
        s.settimeout(timeout * SLOW)
        if bind is not None:
            s.bind(bind)
        return s

    def udp(self, bind=("127.0.0.1", 0), timeout=3):
        family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
        return self.socket(family, bind=bind, timeout=timeout)

    def capture(self, ifname="eth0"):
        return Capture(self, ifname)

    def close(self):
        os.close(self.hold)
        os.waitpid(self.pid, 0)
        os.close(self.net)
        os.close(self.uts)


class Packet:
    """One captured UDP packet."""

    def __init__(self, src, sport, dst, dport, data, ttl):
        self.src, self.sport, self.dst, self.dport, self.data, self.ttl = src, sport, dst, dport, data, ttl

    def __repr__(self):
        return f"{self.src}:{self.sport} > {self.dst}:{self.dport}, {len(self.data)} (ttl {self.ttl})"


class Capture:
    """Sees every UDP packet that arrives at or leaves an interface."""

    def __init__(self, host, ifname):
        with host.inside():
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
            self.s.bind((ifname, 3))
        self.s.setblocking(False)
        self.seen = []

    def _parse(self, proto, raw):
        if proto == 0x0800 and raw[9] == 17:
            ihl = (raw[0] & 15) * 4
            if struct.unpack("!H", raw[6:8])[0] & 0x1fff:
                return          # a later fragment
            src, dst, ttl, udp = raw[12:16], raw[16:20], raw[8], raw[ihl:]
            family = socket.AF_INET
        elif proto == 0x86dd and raw[6] == 17:
            src, dst, ttl, udp = raw[8:24], raw[24:40], raw[7], raw[40:]
            family = socket.AF_INET6
        else:
            return
        sport, dport, length = struct.unpack("!HHH", udp[:6])
        self.seen.append(Packet(socket.inet_ntop(family, src), sport, socket.inet_ntop(family, dst), dport,
                                udp[8:length], ttl))

    def packets(self, **want):
        """All packets so far whose attributes equal @want, e.g. dport=6666."""
        while True:
            try:
                raw, addr = self.s.recvfrom(65536)
            except BlockingIOError:
                break
            self._parse(addr[1], raw)
        return [p for p in self.seen if all(getattr(p, k) == v for k, v in want.items())]

    def wait(self, n, timeout=5, **want):
        wait_until(lambda: len(self.packets(**want)) >= n, timeout,
                   lambda: f"fewer than {n} packets with {want}; seen {self.seen}")
        return self.packets(**want)

    def close(self):
        self.s.close()


class Lan:
    """Three hosts and the switch between them, as drawn at the top."""

    ROUTE = "route add 224.0.0.0/4 dev eth0"

    def __init__(self):
        self.switch = Host("switch")
        self.hosts = []
        sw = ["link add br0 type bridge forward_delay 0 mcast_snooping 0"]
        for n in (1, 2, 3):
            h = Host(f"host{n}")
            self.hosts.append(h)
            sw += [f"link add p{n} type veth peer name eth0 netns {h.pid}",
                   f"link set p{n} master br0 up"]
        self.switch.ip(*sw, "link set br0 up")
        for n, h in enumerate(self.hosts, 1):
            h.sysctl("net/ipv4/conf/eth0/rp_filter", 0)
            h.sysctl("net/ipv6/conf/eth0/accept_dad", 0)
            h.sysctl("net/ipv6/conf/eth0/addr_gen_mode", 1)
            h.ip("link set eth0 up",
                 f"addr add 192.168.10.{n}/24 brd + dev eth0",
                 f"addr add fd00::{n}/64 dev eth0 nodad",
                 f"addr add fe80::{n}/64 dev eth0 nodad",
                 self.ROUTE)
        self.wait_for_link()

    def mend(self):
        """Routes and interfaces as they were made; a failed test may have left others."""
        for n, h in enumerate(self.hosts, 1):
            h.ip("link set eth0 up multicast on mtu 1500", "link set lo multicast off", f"addr replace 192.168.10.{n}/24 brd + dev eth0",
                 f"addr replace fd00::{n}/64 dev eth0 nodad", f"addr replace fe80::{n}/64 dev eth0 nodad", self.ROUTE.replace("add", "replace"))
            h.sysctl("net/ipv4/conf/eth0/rp_filter", 0)
        self.wait_for_link()

    def wait_for_link(self):
        """Ports of a bridge need a moment to forward: ask until an answer comes."""
        end = Deadline(10)
        for family, group, addr in ((socket.AF_INET, "192.168.10.%d", "0.0.0.0"), (socket.AF_INET6, "fd00::%d", "::")):
            for n in (2, 3, 1):
                rx = self.hosts[n - 1].socket(family, bind=(addr, 1), timeout=0.02)
                tx = self.hosts[n % 3].socket(family)
                while True:
                    assert end.left(), "the virtual hosts cannot reach each other"
                    try:
                        tx.sendto(b"?", (group % n, 1))
                        rx.recv(9)
                        break
                    except OSError:
                        time.sleep(0.01)
                rx.close()
                tx.close()

    def close(self):
        for h in [*self.hosts, self.switch]:
            h.close()


_ports = itertools.count(20000 + os.getpid() % 24 * 500)


def port():
    """A port number no other test of this run uses."""
    return next(_ports)


def tun_missing():
    """Why no tun interface can be made here, or None. (An ordinary user's namespaces do not help.)"""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return f"no tun device ({e})"
    return None


_features = None


def features():
    """Text printed by -V."""
    global _features
    if _features is None:
        _features = subprocess.run([SOCAST, "-V"], capture_output=True, text=True, timeout=20, check=False,
                                   env=environment()).stdout
    return _features


def has(feature):
    return re.search(rf"#define WITH_{feature} 1$", features(), re.M) is not None


def cpu_seconds(pid):
    """Processor time that @pid has used; of one that has ended: 0."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state(pid):
    """The letter of proc(5) for what @pid does; X when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def running(pid):
    """Whether @pid runs; a zombie does not."""
    return state(pid) not in "ZX"


def descendants(pid):
    """Processes that @pid has started, and those that they have, and so on."""
    kids = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
            if fields[0] not in "ZX":
                kids.setdefault(int(fields[1]), []).append(int(name))
    found = list(kids.get(pid, []))
    for kid in found:
        found += kids.get(kid, [])
    return found


def rss_kib(pid):
    """Resident memory of @pid in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def descriptors(pid):
    return {int(n) for n in os.listdir(f"/proc/{pid}/fd")}


def sa4(addr, p):
    return f"AF=2 {addr}:{p}"


def sa6(addr, p):
    words = struct.unpack("!8H", socket.inet_pton(socket.AF_INET6, addr))
    return "AF=10 [" + ":".join(f"{w:04x}" for w in words) + f"]:{p}"
