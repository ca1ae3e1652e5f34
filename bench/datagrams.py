"""Cases of the benchmark: datagrams, files and pipes, starting. Each returns {metric: value}."""
import json
import os
import subprocess
import time

from harness import GROUP, Run, lab


def relay(b, prog, size, rate):
    a, to = lab.port(), lab.port()
    sink = b.start_load("sink", to, 200)
    run = Run(b, prog, "-u", f"UDP4-RECV:{a}", f"UDP4-SENDTO:127.0.0.1:{to}", ready=lambda r: r.has_port(a))
    sent = b.run_load("blast", "127.0.0.1", a, size, rate, b.secs)["sent"]
    got = json.loads(sink.communicate(timeout=30)[0])["received"]
    _, cpu, _ = run.stop()
    return {"cpu_us_per_packet": cpu * 1e6 / max(got, 1), "lost_percent": 100 * (1 - got / sent), "delivered_per_s": got / b.secs}


def mcast_recv(b, prog, to):
    a, size = lab.port(), 1316
    out = open(os.path.join(b.scratch, "out"), "wb") if to == "file" else None
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) if to == "pipe" else None
    run = Run(b, prog, "-u", f"UDP4-RECV:{a},ip-add-membership={GROUP}:127.0.0.1", "-", stdout=out or cat.stdin,
              ready=lambda r: r.has_port(a))
    sent = b.run_load("blast", GROUP, a, size, 40000, b.secs)["sent"]
    time.sleep(0.1)
    _, cpu, _ = run.stop()
    lost = 0
    if out:
        out.close()
        lost = 100 * (1 - os.path.getsize(os.path.join(b.scratch, "out")) / size / sent)
    else:
        cat.stdin.close()
        cat.wait()
    return {"cpu_us_per_packet": cpu * 1e6 / sent, "lost_percent": lost}


def mcast_send(b, prog):
    total = 1316 * (100000 if b.quick else 200000)
    head = subprocess.Popen(["head", "-c", str(total), "/dev/zero"], stdout=subprocess.PIPE)
    wall, cpu, _ = Run(b, prog, "-u", "-b", "1316", "-", f"UDP4-DATAGRAM:{GROUP}:{lab.port()}", stdin=head.stdout).finish()
    head.stdout.close()
    head.wait()
    return {"packets_per_s": total / 1316 / wall, "cpu_us_per_packet": cpu * 1e6 / (total / 1316)}


def ask(b, prog, first, second, clients, wait_ms=500):
    a = lab.port()
    run = Run(b, prog, f"{first}:{a},fork", second, ready=lambda r: r.has_port(a))
    r = b.run_load("echo", "127.0.0.1", a, clients, b.secs, wait_ms)
    _, cpu, _ = run.stop()
    return {"answers_per_s": r["answers"] / b.secs, "unanswered_percent": 100 * r["lost"] / max(1, r["answers"] + r["lost"]),
            "wrong": r["wrong"], "p50_us": r["p50_us"], "cpu_ms_per_answer": cpu * 1e3 / max(1, r["answers"])}


def bytes_(b, prog, how):
    data, size = b.data()
    out = b.fresh("out")
    src = cat = None
    if how == "pipe-file":
        src = subprocess.Popen(["cat", data], stdout=subprocess.PIPE)
        wall, cpu, _ = Run(b, prog, "-u", "-", f"CREATE:{out}", stdin=src.stdout).finish()
        src.stdout.close()
    elif how == "file-pipe":
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        wall, cpu, _ = Run(b, prog, "-u", f"OPEN:{data}", "-", stdout=cat.stdin).finish()
        cat.stdin.close()
    else:
        wall, cpu, _ = Run(b, prog, "-u", f"OPEN:{data}", f"CREATE:{out}").finish()
    for p in (src, cat):
        if p:
            p.wait()
    if not cat and os.path.getsize(out) != size:
        raise RuntimeError(f"{how}: {os.path.getsize(out)} of {size} bytes arrived")
    return {"mb_per_s": size / wall / 1e6, "cpu_s_per_gb": cpu / size * 1e9}


def startup(b, prog):
    return b.run_load("start", 50 if b.quick else 200, prog, "-u", "/dev/null", "/dev/null")


def cases(b):
    """Name, function of a program, metrics shown (+ more is better, - less is better)."""
    rows = []
    for size in (64, 512, 1400):
        rows.append((f"udp-{size}", lambda p, s=size: relay(b, p, s, 40000), ["-cpu_us_per_packet", "-lost_percent"]))
    for size in (64, 512, 1400):
        rows.append((f"udp-blast-{size}", lambda p, s=size: relay(b, p, s, 0), ["-lost_percent", "+delivered_per_s"]))
    for to in ("file", "pipe"):
        rows.append((f"mcast-{to}", lambda p, t=to: mcast_recv(b, p, t), ["-cpu_us_per_packet", "-lost_percent"]))
    rows.append(("mcast-send", lambda p: mcast_send(b, p), ["+packets_per_s"]))
    rows.append(("recvfrom-cat-8", lambda p: ask(b, p, "UDP4-RECVFROM", "EXEC:cat", 8), ["+answers_per_s", "-unanswered_percent"]))
    for n in (1, 8, 64):
        rows.append((f"recvfrom-hostname-{n}", lambda p, n=n: ask(b, p, "UDP4-RECVFROM", "EXEC:hostname", n, 1000), ["-unanswered_percent", "+answers_per_s"]))
    rows.append(("listen-pipe-64", lambda p: ask(b, p, "UDP4-LISTEN", "PIPE", 64), ["+answers_per_s", "-wrong"]))
    for how in ("pipe-file", "file-pipe", "file-file"):
        rows.append((how, lambda p, h=how: bytes_(b, p, h), ["+mb_per_s", "-cpu_s_per_gb"]))
    rows.append(("startup", lambda p: startup(b, p), ["-ms", "-max_rss_mb"]))
    return rows
