"""Cases of the benchmark: TCP and UNIX streams, connections, idle sessions. Each returns {metric: value}."""
import os
import resource
import subprocess
import time

from harness import Run, lab


def ends(b, family):
    """Where the relay listens and where it connects to: (its two addresses, the load's two)."""
    if family == "unix":
        a, to = b.fresh("a.s"), b.fresh("b.s")
        return f"UNIX-LISTEN:{a}", f"UNIX-CONNECT:{to}", f"unix:{a}", f"unix:{to}"
    a, to = lab.port(), lab.port()
    if family == "udp":
        return f"UDP4-LISTEN:{a}", f"UDP4:127.0.0.1:{to}", f"udp:{a}", f"udp:{to}"
    if family == "socks":
        return f"TCP4-LISTEN:{a},reuseaddr", f"SOCKS5:127.0.0.1:192.0.2.1:80,socksport={to}", f"tcp:{a}", f"socks:{to}"
    return f"TCP4-LISTEN:{a},reuseaddr", f"TCP4:127.0.0.1:{to}", f"tcp:{a}", f"tcp:{to}"


def amount(b):
    return (1 if b.quick else 3) << 30


def rate(size, seconds, cpu):
    return {"mb_per_s": size / seconds / 1e6, "cpu_s_per_gb": cpu / size * 1e9}


def bulk(b, prog, family):
    listen, connect, a, to = ends(b, family)
    run = Run(b, prog, "-u", listen, connect)
    r = b.run_load("bulk", a, to, amount(b), program=b.stream)
    _, cpu, _ = run.finish()
    return rate(r["bytes"], r["seconds"], cpu)


def into_tcp(b, prog, how):
    data, size = b.data()
    to = lab.port()
    sink = b.start_load("sink", f"tcp:{to}", program=b.stream)
    cat = subprocess.Popen(["cat", data], stdout=subprocess.PIPE) if how == "pipe" else None
    source = "-" if cat else f"OPEN:{data}"
    _, cpu, _ = Run(b, prog, "-u", source, f"TCP4:127.0.0.1:{to}", stdin=cat.stdout if cat else subprocess.DEVNULL).finish()
    out = sink.communicate(timeout=30)[0]
    if cat:
        cat.stdout.close()
        cat.wait()
    r = b.json(out)
    if r["bytes"] != size:
        raise RuntimeError(f"{how}: {r['bytes']} of {size} bytes arrived")
    return rate(size, r["seconds"], cpu)


def tcp_file(b, prog):
    a, out, size = lab.port(), b.fresh("out"), (128 if b.quick else 512) << 20
    run = Run(b, prog, "-u", f"TCP4-LISTEN:{a},reuseaddr", f"CREATE:{out}")
    r = b.run_load("pour", f"tcp:{a}", size, program=b.stream)
    _, cpu, _ = run.finish()
    if os.path.getsize(out) != size:
        raise RuntimeError(f"{os.path.getsize(out)} of {size} bytes arrived")
    return rate(size, r["seconds"], cpu)


def listening(b, prog, family, option=""):
    listen, connect, a, to = ends(b, family)
    run = Run(b, prog, listen + ",fork" + option, connect,
              ready=(lambda r: r.has_port(int(a[4:]), "udp" if family == "udp" else "tcp")) if family != "unix" else None)
    return run, a, to


def conns(b, prog, clients, option="", family="tcp"):
    run, a, to = listening(b, prog, family, option)
    # a queue that overflows makes clients wait for a second: several of those must fit in
    r = b.run_load("conns", a, to, clients, 2 * b.secs if clients == 1 else 6, program=b.stream)
    _, cpu, _ = run.stop()
    return {"per_s": r["per_s"], "p99_us": r["p99_us"], "failed": r["failed"], "cpu_ms_each": cpu * 1e3 / max(1, r["done"])}


def process_kib(pgid):
    """Proportional set size of all processes of the group."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[2]) != pgid:
                    continue
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            pass
    return total


def kernel_kib():
    """What the kernel itself holds: sockets, epoll entries, stacks, page tables (the load's sockets included)."""
    names = ("SUnreclaim:", "KernelStack:", "PageTables:")
    with open("/proc/meminfo") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(names))


def idle(b, prog, n):
    run, a, to = listening(b, prog, "tcp")
    before, kernel = process_kib(run.p.pid), kernel_kib()
    load = b.start_load("idle", a, to, n, program=b.stream)
    r = b.json(load.stdout.readline())
    load.stderr.readline()
    time.sleep(0.3)
    used, held = process_kib(run.p.pid) - before, kernel_kib() - kernel
    load.stdin.close()
    load.wait()
    run.stop()
    return {"process_kib_each": used / n, "kernel_kib_each": held / n, "sessions_per_s": n / r["seconds"]}


def rtt(b, prog, family, sessions):
    run, a, to = listening(b, prog, family)
    load = b.start_load("idle", a, to, sessions, program=b.stream) if sessions else None
    if load:
        load.stdout.readline()
    r = b.run_load("rtt", a, "-" if load else to, b.secs, program=b.stream)
    if load:
        load.stdin.close()
        load.wait()
    run.stop()
    return {"p50_us": r["p50_us"], "p99_us": r["p99_us"]}


# Two descriptors each, and a few to spare.
MOST = min(10000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2)


def cases(b):
    """Name, function of a program, metrics shown (+ more is better, - less is better)."""
    rows = []
    for family in ("tcp", "unix"):
        rows.append((f"{family}-bulk", lambda p, f=family: bulk(b, p, f), ["+mb_per_s", "-cpu_s_per_gb"]))
    for how in ("file", "pipe"):
        rows.append((f"{how}-tcp", lambda p, h=how: into_tcp(b, p, h), ["+mb_per_s", "-cpu_s_per_gb"]))
    rows.append(("tcp-file", lambda p: tcp_file(b, p), ["+mb_per_s", "-cpu_s_per_gb"]))
    for n in (1, 32):
        rows.append((f"tcp-conns-{n}", lambda p, n=n: conns(b, p, n), ["+per_s", "-cpu_ms_each", "-p99_us"]))
    # the reference with a queue that does not overflow
    rows.append(("tcp-conns-32-backlog", lambda p: conns(b, p, 32, ",backlog=1024"), ["+per_s", "-cpu_ms_each", "-p99_us"]))
    for n in (1, 8):
        rows.append((f"socks5-conns-{n}", lambda p, n=n: conns(b, p, n, ",backlog=1024", "socks"), ["+per_s", "-cpu_ms_each", "-p99_us"]))
    for n in (500, 2000, MOST):
        rows.append((f"idle-{n}", lambda p, n=n: idle(b, p, n), ["-process_kib_each", "-kernel_kib_each", "+sessions_per_s"]))
    for family, n in (("tcp", 0), ("udp", 0), ("tcp", 2000)):
        rows.append((f"rtt-{family}-{n}", lambda p, f=family, n=n: rtt(b, p, f, n), ["-p50_us", "-p99_us"]))
    return rows
