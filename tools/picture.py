#!/usr/bin/env python3
"""picture.py [FILE] - what the doctor says about a firewall, as an SVG picture of a terminal (doc/doctor.svg)

The text is what the program prints on a virtual host (see tests/e2e/lab.py) whose rules drop a group's
datagrams. tests/e2e/test_picture.py compares the picture in the tree with a new run.
"""
import html
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import lab  # noqa: E402  (needs the path above)

RULES = "table inet filter { chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }"
ARGS = ["--doctor", "MCAST:239.1.2.3:5000"]
FONT, LINE, MARGIN = 14, 20, 16
WIDTH = FONT * 0.6      # of a character; textLength makes it true with every font
INK, PAPER = "#d6dbe0", "#15191d"
COLOURS = [(r"ok ", "#7bc275"), (r"note ", "#e5c07b"), (r"problem ", "#ef7d78"), (r" +(seen|mend|run): ", "#8e98a2")]


def play():
    """The lines of the terminal: the command, and what it prints."""
    lan = lab.Lan()
    try:
        host = lan.hosts[0]
        nft = host.command(["nft", RULES]).wait(10)
        assert nft.status == 0, nft
        out = host.run(*ARGS)
        assert out.status == 1 and not out.log, out
        return [f"host1$ socast {' '.join(ARGS)}", *out.out.decode().splitlines()]
    finally:
        lan.close()


def escape(text):
    """Blanks that no viewer takes away."""
    return html.escape(text).replace(" ", "\u00a0")


def coloured(line):
    """A line with its first word, or a command, in colour."""
    if line.startswith("host1$ "):
        return escape("host1$ ") + f'<tspan font-weight="bold">{escape(line[7:])}</tspan>'
    for pattern, colour in COLOURS:
        m = re.match(pattern, line)
        if not m:
            continue
        rest = escape(line[m.end():])
        bold = ' font-weight="bold"' if colour != COLOURS[-1][1] else ""
        rest = f'<tspan font-weight="bold">{rest}</tspan>' if "run:" in m[0] else rest
        return f'<tspan fill="{colour}"{bold}>{escape(m[0])}</tspan>{rest}'
    return escape(line)


def svg(lines):
    width, height = round(2 * MARGIN + WIDTH * max(map(len, lines))), 2 * MARGIN + LINE * len(lines)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
           "<!-- made by tools/picture.py from a run of the program -->",
           "<title>socast --doctor names the rule that drops a group's datagrams, and the command that mends it</title>",
           f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
           f'<g fill="{INK}" font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">']
    for n, line in enumerate(lines):
        out.append(f'<text x="{MARGIN}" y="{MARGIN + LINE * n + FONT}" textLength="{WIDTH * len(line):.1f}" '
                   f'lengthAdjust="spacingAndGlyphs">{coloured(line)}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def text(picture):
    """The lines that a picture shows."""
    return [html.unescape(re.sub(r"<[^>]*>", "", line)).replace("\u00a0", " ") for line in re.findall(r"<text [^>]*>(.*)</text>", picture)]


if __name__ == "__main__":
    lab.become_root()
    made = svg(play())
    with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "doc", "doctor.svg"), "w", encoding="utf-8") as f:
        f.write(made)
