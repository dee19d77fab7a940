"""The ground of the other tests of the page: somebody comes in, reads, follows and sends."""

from __future__ import annotations

import pytest

from tests.access.standalone import MASTER, Standalone
from tests.page.markup import parsed
from tests.page.visiting import Form, Page, visiting


async def test_somebody_signs_in_and_out_again(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get("/batches")
        assert (page.status, page.title, page.heading) == (200, "Batches - LiteBatch", "Batches")
        assert "master (admin)" in page.text
        out = await visitor.submit(page.form("Sign out"))
        assert out.path == "/ui/sign-in"
        assert (await visitor.get("/batches")).path == "/ui/sign-in?next=%2Fbatches"


def test_text_is_what_can_be_read() -> None:
    html = "<p>a<b>b</b> &lt;c&gt;</p><p hidden>no</p><script>no</script><ul><li>1</li></ul>"
    assert parsed(html).text == "ab <c> 1"


@pytest.mark.parametrize("html", ["<p>", "<p></div>", "</p>"])
def test_elements_must_be_closed(html: str) -> None:
    with pytest.raises((AssertionError, IndexError)):
        parsed(html)


def test_the_values_of_a_form_are_those_that_a_browser_would_send() -> None:
    form = next(
        parsed(
            "<form><input name=a value=1><input name=b type=checkbox checked><input name=c type=checkbox>"
            "<input name=d type=radio value=x><input name=d type=radio value=y checked>"
            "<select name=e><option value=1>one</option><option selected>two</option></select>"
            "<textarea name=f>\n\n x </textarea><input name=g disabled value=2><input type=file name=h>"
            "<button name=i value=3>Go</button></form>"
        ).every("form")
    )
    answer = Page.__new__(Page)
    answer.url = "http://host.example/ui/here?x=1"
    read = Form(answer, form)
    assert read.values == {"a": "1", "b": "on", "d": "y", "e": "two", "f": "\n x "}
    assert read.options("e") == ["1", "two"]
    assert (read.action, read.method) == (answer.url, "get")
