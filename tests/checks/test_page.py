"""The manuals as pages: nothing leads nowhere, everything can be pointed at, and a phone shows it whole."""
import html
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT

PAGES = ["socast", "filan", "procan"]
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000", "--window-size=1400,1000", "--dump-dom"]


def read(name):
    path = BUILD / f"{name}.html"
    if not path.is_file():
        pytest.skip("the pages are not built (no mandoc)")
    return path.read_text(encoding="utf-8")


@pytest.fixture(name="page")
def fixture_page():
    return read("socast")


@pytest.fixture(name="manual")
def fixture_manual():
    return (BUILD / "socast.1").read_text(encoding="utf-8").replace("\\-", "-")


def ids(text):
    return [html.unescape(i) for i in re.findall(r'\sid="([^"]+)"', text)]


@pytest.mark.parametrize("name", PAGES)
def test_links(name):
    """Every anchor is there once; links lead to one, to a page of ours or to a manual that lives."""
    text = read(name)
    have = ids(text)
    assert len(have) == len(set(have)), sorted({i for i in have if have.count(i) > 1})
    hrefs = [html.unescape(h) for h in re.findall(r'href="([^"]+)"', text)]
    assert not {h for h in hrefs if h.startswith("#")} - {"#" + i for i in have}
    rest = {h for h in hrefs if not h.startswith("#")}
    assert not {h for h in rest if not re.fullmatch(r"https://manpages\.debian\.org/[\w.-]+\.\d|(socast|filan|procan)\.html", h)}
    assert not re.findall(r"<a(?![^>]*href)[^>]*>", text)


def test_sections(page, manual):
    sections = re.findall(r"^\.S[hs] (.+)$", manual, re.M)
    assert len(sections) > 40
    flat = re.sub(r"\s+", " ", page).lower()
    assert not [s for s in sections if f">{s}</a>".lower() not in flat]


def test_contents_are_folded(page):
    """Closed in the page itself: on a phone they would be longer than the screen."""
    assert page.count('<nav class="toc"><details><summary>Contents</summary>') == 1 and "nav.toc {" in page


def test_everything_has_an_anchor(page, manual):
    """Displays and entries of lists can be linked to; names whole, aliases too."""
    assert page.count("<pre>") == manual.count("\n.Bd ")
    assert len(re.findall(r'<div id="[^"]+" class="Bd[^"]*"><a class="permalink" [^>]*></a>\s*<pre>', page)) == page.count("<pre>")
    entries = re.findall(r"<dt.*?</dt>", page, re.S)
    assert len(entries) > 800 and not [e for e in entries if ' id="' not in e]
    assert {"fork", "flock-ex-nb", "flock-nb", "TCP4-LISTEN", "TCP4-L", "-d", "--metrics", "ip-add-membership"} <= set(ids(page))


def test_names_lead_to_their_entries(page):
    """A name of an option, type or flag in the text is a link; what only looks like one is none."""
    for name in ("range", "max-children", "SYSTEM", "-d", "--doctor"):
        assert f'<a class="entry" href="#{name}">' in page, name
    assert len(re.findall(r'class="entry"', page)) > 300
    names = set(re.findall(r'<a class="permalink" id="([^"]+)" href="[^"]+"><code', page))
    text = re.sub(r'(<code class="Fl">[^<]*</code></a>)\s+<code class="Cm">[^<]*</code>', r"\1", page)     # arguments
    text = re.sub(r"<(dt|h\d|a|pre|table)\b.*?</\1>", "", text, flags=re.S)
    plain = set(re.findall(r'(?<!=)<code class="Cm">([a-z][\w-]+)</code>(?!=)', text))
    assert not plain & names


def test_script_is_small(page):
    """It is in the page, short, and loads nothing; without it nothing is missing."""
    (script,) = re.findall(r"<script>\n(.*?)</script>", page, re.S)
    assert len(script.splitlines()) <= 40
    assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML", script)
    assert not re.findall(r"<(?:link|img|iframe)\b|<script [^>]*src|@import|url\(", page)
    assert script == (ROOT / "man/page.js").read_text(encoding="utf-8")


PROBE = """<script>addEventListener("load", () => {
const root = document.documentElement, list = document.getElementById("fork").closest("dl"), box = list.previousElementSibling.querySelector("input");
const shown = () => [...list.querySelectorAll(":scope > dt")].filter(dt => dt.offsetHeight).map(dt => dt.textContent);
const say = { width: innerWidth, needs: root.scrollWidth, open: document.querySelector("nav.toc details").open, all: shown().length,
	wide: [...document.querySelectorAll("main *")].filter(e => !e.closest("pre, nav") && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80)).slice(0, 5) };
box.value = "segments nodelay";
box.dispatchEvent(new Event("input"));
say.found = shown();
location.hash = "#fork";
setTimeout(() => { say.again = shown().length; parent.postMessage(JSON.stringify(say), "*"); }, 200);
});</script>"""

FRAME = """<!DOCTYPE html><body><iframe src="page.html" style="border: 0; width: %dpx; height: 900px"></iframe><script>
addEventListener("message", e => { const p = document.createElement("output"); p.textContent = e.data; document.body.append(p); });</script>"""


@pytest.mark.parametrize("width", [400, 1200])
def test_in_a_browser(page, tmp_path, width):
    """Nothing but code runs out at the right; the contents are open where there is room; the filter filters, and a link
    to an entry that it hides shows it again."""
    if not shutil.which("chromium"):
        pytest.skip("needs the program chromium")
    (tmp_path / "page.html").write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME % width, encoding="utf-8")
    run = ["chromium", *CHROMIUM, f"--user-data-dir={tmp_path}/profile", f"file://{tmp_path}/frame.html"]
    r = subprocess.run(run, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)}, check=False)
    found = re.search(r"<output>(.*?)</output>", r.stdout)
    assert found, r.stdout[-500:] + r.stderr[-2000:]
    say = json.loads(html.unescape(found[1]))
    assert say["width"] == width and say["needs"] <= width and not say["wide"], say
    assert say["open"] == (width > 1120)
    assert say["all"] > 400 and say["again"] == say["all"]
    assert len(say["found"]) == 1 and say["found"][0].startswith("tcp-nodelay"), say["found"]
