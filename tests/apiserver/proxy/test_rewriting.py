"""Links of pages that come through the proxy. What is expected is what kube-apiserver answers."""

from __future__ import annotations

import gzip
import zlib

import pytest

from pybernetes.apiserver.proxy.rewriting import Place, joined, page

AT = "/api/v1/namespaces/a/pods/p:80/proxy"
PLACE = Place(AT, frozenset({"10.0.0.7:80", "api.example:6443"}))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("/rewriteme", f"{AT}/rewriteme"),
        ("/there/?x=1#f", f"{AT}/there/?x=1#f"),
        ("http://10.0.0.7:80/abs/", f"{AT}/abs/"),
        ("//10.0.0.7:80/z", f"{AT}/z"),
        ("https://api.example:6443/z", f"{AT}/z"),
        ("https://other/zz", "https://other/zz"),
        ("rel/x", "rel/x"),
        ("", ""),
        ("?q", "?q"),
        ("#m", "#m"),
        ("mailto:x@y", "mailto:x@y"),
        (f"{AT}/twice", f"{AT}/twice"),
        ("/sp ace", f"{AT}/sp%20ace"),
        ("http://[broken/x", "http://[broken/x"),
    ],
)
def test_a_link_to_the_server_leads_through_the_proxy(written: str, read: str) -> None:
    assert PLACE.link(written) == read


WRITTEN = (
    '<!-- c --><BODY background=/bg.png><A HREF="/r?x=1&amp;y=2" class=q>test</A> <img src="/i.png" usemap="#m"/>'
    '<script src="/s.js">if (a<b) "<a href=/no>"</script>\n<form action="/f/" disabled><p title="/np">&lt;t&gt; &nbsp;é'
)
READ = (
    f'<!-- c --><body background="{AT}/bg.png"><a href="{AT}/r?x=1&amp;y=2" class="q">test</A> '
    f'<img src="{AT}/i.png" usemap="#m"/><script src="{AT}/s.js">if (a<b) "<a href=/no>"</script>\n'
    f'<form action="{AT}/f/" disabled=""><p title="/np">&lt;t&gt; &nbsp;é'
)


def test_a_page_keeps_everything_but_the_links_of_its_tags() -> None:
    assert page(WRITTEN.encode(), "", PLACE).decode() == READ


def test_a_packed_page_stays_packed() -> None:
    assert gzip.decompress(page(gzip.compress(WRITTEN.encode()), "gzip", PLACE)).decode() == READ
    deflated = zlib.compress(WRITTEN.encode(), wbits=-zlib.MAX_WBITS)
    assert zlib.decompress(page(deflated, "deflate", PLACE), -zlib.MAX_WBITS).decode() == READ


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate"])
def test_a_page_that_cannot_be_read_stays_as_it_is(encoding: str) -> None:
    assert page(b'<a href="/x">', encoding, PLACE) == b'<a href="/x">'


def test_a_path_below_a_prefix_loses_double_slashes_and_keeps_the_last() -> None:
    assert joined("/", "/a//b/") == "/a/b/"
    assert joined("/", "") == "/"
    assert joined("/p/", "/a/../b") == "/p/b"
