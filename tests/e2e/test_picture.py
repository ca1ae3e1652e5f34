"""The picture of the doctor in README.md shows what the program prints."""
import os
import re
import shutil
import sys
import xml.dom.minidom

import pytest

import lab

sys.path.insert(0, os.path.join(lab.ROOT, "tools"))
import picture  # noqa: E402  (needs the path above)


def test_picture_is_what_the_doctor_says(local):    # which knows whether hosts can be made
    """Run again, the text is the same, but for the size of a queue, which is the machine's."""
    module = os.path.join(os.path.dirname(lab.SOCAST), "socast_nft.so")
    if not shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin") or not os.path.exists(module):
        pytest.skip("needs the program nft (package nftables), and a build with jansson")
    with open(os.path.join(lab.ROOT, "doc", "doctor.svg"), encoding="utf-8") as f:
        shown = f.read()
    xml.dom.minidom.parseString(shown)
    have, want = ([re.sub(r"\d{5,}", "N", line) for line in lines] for lines in (picture.text(shown), picture.play()))
    assert have == want, "make it anew: tools/picture.py"


def test_text_of_a_picture():
    """What goes in comes out, whatever it has in it."""
    lines = ["host1$ a <b> & 'c'", "ok       x", "         run: y", "", "problem  <&>"]
    assert picture.text(picture.svg(lines)) == lines
