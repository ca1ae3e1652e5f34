"""The manual's section DIAGNOSTICS explains what the program may say."""
import re

import conftest

ROOT = conftest.ROOT
CALL = re.compile(r"\b(?:err_set|log_warn|log_error)\s*\(((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")*?);")
LITERAL = re.compile(r"\"((?:[^\"\\]|\\.)*)\"")
FORMAT = re.compile(r"%[-0-9.*#]*(?:l|ll|z|h)*[a-zA-Z]|%$")


def sentences():
    """(file, sentence) of everything that is said as an error or warning; the doctor has a chapter of its own."""
    for path in sorted((ROOT / "src").rglob("*.c")):
        if path.parent.name == "doctor":
            continue
        for call in CALL.finditer(path.read_text(encoding="utf-8")):
            text = "".join(LITERAL.findall(call[1])).replace('\\"', '"')
            if text:
                yield str(path.relative_to(ROOT)), FORMAT.sub("\0", text)


def heads():
    """The heads of the section's lists as patterns; "..." is anything."""
    page = (ROOT / "man/socast.1.in").read_text(encoding="utf-8")
    section = page[page.index(".Sh DIAGNOSTICS"):page.index(".Sh SEE ALSO")]
    for head in re.findall(r"^\.It (.*)$", section, re.M):
        plain = head.replace("\\&", "").replace("\\(dq", '"').replace("\\-", "-").replace("\\e", "\\")
        yield head, re.compile(".*".join(re.escape(part) for part in plain.split("...")), re.S)


def test_every_sentence_is_explained():
    known = [rx for _, rx in heads()]
    missing = []
    for path, text in sentences():
        words = text.replace("\0", "")
        if re.fullmatch(r"[\w\0]*\(.*\)(: \0)*|[\W\0]*", text) or not re.search(r"[a-z]{2}", words):
            continue        # a system call, or a sentence from elsewhere: explained as such
        if not any(rx.search(text) for rx in known):
            missing.append(f"{path}: {text!r}")
    assert not missing, "\n".join(missing)


def test_every_head_is_said():
    """No diagnostic that the program no longer has; reasons of the kernel's are known to the C library."""
    said = [text for _, text in sentences()]
    everything = "\n".join(p.read_text(encoding="utf-8").replace('\\"', '"') for p in (ROOT / "src").rglob("*.c"))
    kernel = {"Address already in use", "Cannot assign requested address", "Permission denied", "Network is unreachable",
              "Connection refused", "Message too long", "No such file or directory", "due to seal option"}
    stale = []
    for head, rx in heads():
        longest = max((p.strip(' "') for p in re.split(r"\.\.\.|\\0|: ", rx.pattern.replace("\\", "").replace(".*", "\\0"))), key=len)
        if longest not in kernel and not any(rx.search(t) for t in said) and longest not in re.sub(r"\"\s*\n\s*\"", "", everything):
            stale.append(head)
    assert not stale, stale
