"""Names come from a CRM: whatever is in them, a message keeps its shape and its reader sees the name."""

from decimal import Decimal
from html.parser import HTMLParser

import pytest
from markdown import markdown

from clari_pipeline.notify import Alert, Message, compose
from clari_pipeline.notify.rendering import plain_in_markdown
from tests.helpers.alert_examples import alert, headline, nowhere, swing

AWKWARD = [
    "[Ana](https://evil.example.com)",
    "<b>Ana</b>",
    "<script>alert(1)</script>",
    "<!channel> <@U123|boss>",
    "*Ana* **Ruiz** _x_ __y__ ~z~",
    "a|b|c",
    "`code` ```fence",
    "Ana\nRuiz\r\n# Heading",
    "👩‍👩‍👧 Ana 🚀",
    "@everyone @here",
    "&lt;b&gt; AT&T",
    "back\\slash \\*",
    "{{ 7 * 7 }} {% raw %}",
    'O\'Brien "Bo"',
    "\u202etxt.exe\u202c",
    "\x00\x1b[31mred",
    "- list",
    "1. one",
    "---",
    "<!-- gone",
]


def told(name: str) -> list[Message]:
    """A person, a field, a role, a newcomer, a forecast and a failed export of that name."""
    manager = swing(
        name,
        "100",
        "10",
        forecast_id=name,
        role_name=name,
        field_name=name,
        changed_by=name,
        reports_change=Decimal(-5),
        contributors=[{"user_name": name, "change_amount": Decimal(-5)}],
    )
    failed: Alert = alert(
        "export_failed", "P2", name, f"Of {name}: no answer", {"forecast_id": name, "quarter_id": "2026_Q4"}
    )
    heads = {(name, "2026_Q4"): headline(forecast_id=name, field_name=name, newcomers=[name], leavers=[name])}
    return compose([manager, failed], heads, where_to_look=lambda *_: ["https://bi.example.com/a_b_?x=*1*&y=2"])


class Shape(HTMLParser):
    """The tags of a page, and what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.seen = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.seen += data


@pytest.mark.parametrize("name", AWKWARD)
def test_a_message_keeps_its_shape_and_shows_the_name(name: str) -> None:
    """The page has the tags of a tame name, text and subject its lines, CommonMark its tags; Slack and Discord find no
    sign of theirs that we did not write; and a page's reader sees the name.
    """
    for tame, awkward in zip(told("Ana"), told(name), strict=True):
        is_failure = awkward.kind == "export_failed"
        # A failed export's body is somebody's text: its lines stay lines.
        surplus = len(f"Of {name}: no answer".splitlines()) - 1 if is_failure else 0
        expected, page = Shape(tame.html), Shape(awkward.html)
        assert len(page.tags) == len(expected.tags) + surplus
        assert set(page.tags) == set(expected.tags)
        if not is_failure and name.isprintable() and "  " not in name:
            assert name in page.seen

        assert Shape(markdown(awkward.markdown)).tags == Shape(markdown(tame.markdown)).tags
        for sign in "*`~<>|":
            assert awkward.markdown.count(sign) == tame.markdown.count(sign)
        assert "@everyone" not in awkward.markdown
        assert "https://bi.example.com/a_b_?x=*1*&y=2" in awkward.markdown

        assert len(awkward.text.splitlines()) == len(tame.text.splitlines()) + surplus
        assert len(awkward.subject.splitlines()) == 1
        assert all(sign.isprintable() or sign in "\n\u200d" for sign in awkward.text)
        assert awkward.raw["alerts"][0]["detail"]["forecast_id" if is_failure else "user_name"] == name


def test_what_people_copy_stays_as_it_is() -> None:
    for word in ("entry_keys_are_complete", "2026_Q4", "total_new", "jo.park@example.com", "AT&T", "#1", "(EMEA)"):
        assert plain_in_markdown(word) == word


def test_someone_without_a_name_is_called_by_id() -> None:
    (message,) = compose([swing("", "100", "10", user_id="u-42")], {}, where_to_look=nowhere)
    assert "u-42 (AE, EMEA), Commit" in message.text


def test_a_name_without_end_does_not_make_a_subject_without_end() -> None:
    (message,) = compose([swing("Ana" * 500, "100", "10")], {}, where_to_look=nowhere)
    assert len(message.subject) < 200
