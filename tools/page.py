#!/usr/bin/env python3
"""page.py MANUAL STYLE SCRIPT - a manual as one page of HTML, on standard output

mandoc makes the HTML; this gives it what a browser wants: contents that fold, an anchor at every entry
of a list and at every display, links from names of options, types and flags to their entries, and from
other manuals to where they can be read. The page is one file and needs no network.
"""
import html
import pathlib
import re
import subprocess
import sys

OURS = {"socast", "filan", "procan"}
ELSEWHERE = "https://manpages.debian.org/{name}.{section}"
NAME = re.compile(r'<code class="(?:Cm|Fl)">([^<\s]+)</code>')
ENTRY = re.compile(r"<dt[^>]*>(.*?)</dt>", re.S)
LISTS = re.compile(r"(<dl[^>]*>|</dl>|<dt[^>]*>.*?</dt>)", re.S)


def plain(text):
    """What a reader sees of a piece of HTML, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def slug(text):
    """An anchor made of the first words of a text."""
    words = re.findall(r"[\w.-]*\w", plain(text).lower())
    while len("-".join(words)) > 48:
        words.pop()
    return "-".join(words) or "entry"


class Anchors:
    """Names given so far; each is given once."""

    def __init__(self, body):
        self.taken = set(re.findall(r' id="([^"]*)"', body))

    def take(self, want):
        name, n = want, 1
        while name in self.taken:
            n += 1
            name = f"{want}~{n}"
        self.taken.add(name)
        return name


def bare(body):
    """Without mandoc's anchors but those of headings: in lists they end at the first hyphen of a name."""
    mine = re.compile(r'(?P<heading><h\d.*?</h\d>)|<a class="permalink"[^>]*>|(?<=</code>)</a>|(?<=</i>)</a>| id="[^"]*"', re.S)
    return mine.sub(lambda m: m["heading"] or "", body)


def explained(parts):
    """{name: index of the entry that explains it}; of several the one in the longest list."""
    lists, stack = [], []
    for at, part in enumerate(parts):
        if part.startswith("<dl"):
            stack.append([])
            lists.append(stack[-1])
        elif part == "</dl>":
            stack.pop()
        elif part.startswith("<dt"):
            stack[-1].append(at)
    where = {}
    for entries in sorted(lists, key=len, reverse=True):
        for at in entries:
            for name in NAME.findall(parts[at]):
                where.setdefault(name, at)
    return where


def link_entries(body, anchors):
    """Anchors for every entry of a list; also returns {name: anchor} of flags, types and options."""
    parts = LISTS.split(body)
    where = explained(parts)
    anchor = {name: anchors.take(name) for name in where}
    for at, part in enumerate(parts):
        if not part.startswith("<dt"):
            continue
        mine = [name for name in dict.fromkeys(NAME.findall(part)) if where[name] == at]
        for name in mine:
            code = re.search(rf'<code class="\w+">{re.escape(name)}</code>', part)[0]
            new = f'<a class="permalink" id="{anchor[name]}" href="#{anchor[name]}">{code}</a>'
            part = part.replace(code, new, 1)
        if not mine:
            own = anchors.take(slug(part))
            if NAME.search(part):   # all of them are explained elsewhere
                inner = NAME.sub(lambda m: f'<a class="entry" href="#{anchor[m[1]]}">{m[0]}</a>', ENTRY.fullmatch(part)[1])
            else:
                inner = f'<a class="permalink" href="#{own}">{ENTRY.fullmatch(part)[1]}</a>'
            part = f'<dt id="{own}">{inner}</dt>'
        parts[at] = part
    return "".join(parts), anchor


def link_names(body, anchor):
    """Names in the text lead to their entries; not in entries and headings, nor what is a value or the argument of a flag."""
    skip = r'<dt.*?</dt>|<h\d.*?</h\d>|<a\b.*?</a>|<pre.*?</pre>|<table class="Nm".*?</table>|=\s*<code.*?</code>'
    name = (r'(?P<code><code class="(?:Cm|(?P<flag>Fl))">(?P<name>[^<\s]+)</code>)'
            r'(?P<argument>(?(flag)(?:\s+<code class="Cm">[^<]*</code>)?))')

    def link(m):
        if m["name"] not in anchor:
            return m[0]
        return f'<a class="entry" href="#{anchor[m["name"]]}">{m["code"]}</a>{m["argument"]}'
    return re.sub(f"{skip}|{name}", link, body, flags=re.S)


def link_displays(body, anchors):
    """Displays are named after the paragraph in front of them."""
    def name(m):
        own = anchors.take(slug(m["before"]))
        return f'{m["head"]}<div id="{own}" class="{m["class"]}"><a class="permalink" href="#{own}" aria-label="link to this display"></a>'
    return re.sub(r'(?P<head>(?:<p class="Pp">|<h\d[^>]*>|<dd>|<li>)(?P<before>(?:(?!<p |<div|<h\d|<dd>|<li>).)*)(?:</p>|</h\d>)?\s*)'
                  r'<div class="(?P<class>Bd[^"]*)">', name, body, flags=re.S)


def link_manuals(body):
    def link(m):
        href = f"{m[1]}.html" if m[1] in OURS else ELSEWHERE.format(name=m[1], section=m[2])
        return f'<a class="Xr" href="{href}">{m[1]}({m[2]})</a>'
    return re.sub(r'<a class="Xr">([^<(]+)\((\w+)\)</a>', link, body)


def fold_contents(body):
    contents = re.compile(r'<h1 class="Sh">TABLE OF CONTENTS</h1>\n(<ul.*?\n</ul>)', re.S)
    return contents.sub(r'<nav class="toc"><details><summary>Contents</summary>\n\1\n</details></nav>', body)


def page(manual, style, script):
    made = subprocess.run(["mandoc", "-T", "html", "-O", "fragment,toc", manual], stdout=subprocess.PIPE, text=True, check=True)
    body = bare(fold_contents(made.stdout))
    anchors = Anchors(body)
    body, anchor = link_entries(body, anchors)
    body = link_manuals(link_names(link_displays(body, anchors), anchor))
    title = plain(re.search(r'<td class="head-ltitle">(.*?)</td>', body)[1]).lower()
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}</main>
<script>
{script}</script>
</body>
</html>
"""


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1], *(pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[2:4])))
