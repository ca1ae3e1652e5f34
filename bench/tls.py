"""The cases with TLS: bulk both ways, new and resumed sessions, round trip."""
import os
import subprocess

from harness import Run, lab


def certificate(b):
    """Certificate and key (P-256) in one file."""
    pem = os.path.join(b.scratch, "tls.pem")
    if not os.path.exists(pem):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", pem + ".key", "-out", pem + ".crt"], check=True, capture_output=True)
        with os.fdopen(os.open(pem, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as out:
            for part in (".crt", ".key"):
                with open(pem + part, "rb") as f:
                    out.write(f.read())
    return pem


def server(b, prog, option=""):
    a, to = lab.port(), lab.port()
    run = Run(b, prog, f"OPENSSL-LISTEN:{a},reuseaddr,cert={certificate(b)},verify=0" + option, f"TCP4:127.0.0.1:{to}",
              ready=lambda r: r.has_port(a, "tcp"))
    return run, f"tcp:{a}", f"tcp:{to}"


def bulk(b, prog, way):
    size, a, to = (128 if b.quick else 1024) << 20, lab.port(), lab.port()
    if way == "decrypt":
        run, a, to = server(b, prog)
        r = b.run_load("decrypt", a, to, size, program=b.tls)
    else:
        args = ["relay", f"tcp:{a}", f"tcp:{to}"] if prog == b.tls else [f"TCP4-LISTEN:{a},reuseaddr", f"OPENSSL:127.0.0.1:{to},verify=0"]
        run = Run(b, prog, *args, ready=lambda r: r.has_port(a, "tcp"))
        r = b.run_load("encrypt", f"tcp:{a}", f"tcp:{to}", size, certificate(b), program=b.tls)
    _, cpu, _ = run.finish()
    return {"mb_per_s": size / r["seconds"] / 1e6, "cpu_s_per_gb": cpu / size * 1e9}


def conns(b, prog, kind, clients):
    run, a, to = server(b, prog, ",fork")
    r = b.run_load(kind, a, to, clients, 2 * b.secs, program=b.tls)
    _, cpu, _ = run.stop()
    return {"per_s": r["per_s"], "resumed": r["resumed"] / max(1, r["done"]), "cpu_ms_each": cpu * 1e3 / max(1, r["done"])}


def rtt(b, prog):
    run, a, to = server(b, prog, ",fork")
    r = b.run_load("rtt", a, to, b.secs, program=b.tls)
    run.stop()
    return {"p50_us": r["p50_us"], "p99_us": r["p99_us"]}


def cases(b):
    """Name, function of a program, metrics shown (+ more is better, - less is better), and what stands in for the reference."""
    b.tls = b.build("tls", "-lssl", "-lcrypto")
    rows = [(f"tls-{way}", lambda p, w=way: bulk(b, p, w), ["+mb_per_s", "-cpu_s_per_gb"]) for way in ("decrypt", "encrypt")]
    rows.append(("tls-encrypt-loop", rows[1][1], rows[1][2], b.tls))
    for kind in ("conns", "resumed"):
        rows += [(f"tls-{kind}-{n}", lambda p, k=kind, n=n: conns(b, p, k, n), ["+per_s", "-cpu_ms_each"]) for n in (1, 8)]
    rows.append(("tls-rtt", lambda p: rtt(b, p), ["-p50_us", "-p99_us"]))
    return rows
