"""Messages reach real listeners on loopback, whatever the state of the others; addresses reach nobody."""

import json
import logging
import re
import ssl
import traceback
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import SecretStr

from clari_pipeline.core.setting_errors import ChannelUnusable
from clari_pipeline.notify import Channels, Message, Timeouts, compose, split_addresses
from tests.alerts.conftest import MailListener
from tests.helpers.alert_examples import HEADLINES, RUN, alert, failures, look, manager, mass_change, nowhere, swings
from tests.helpers.listeners import WebListener, free_port

Listen = Callable[..., WebListener]
IMPATIENT = Timeouts(connect=0.5, answer=0.3, total=5)


@pytest.fixture(scope="module")
def message() -> Message:
    return compose([*swings(), mass_change()], HEADLINES, where_to_look=look)[0]


def test_a_webhook_gets_title_message_and_raw_values_as_one_json_document(web: Listen, message: Message) -> None:
    listener = web()
    assert [sent.error for sent in Channels([f"json://127.0.0.1:{listener.port}/hook"]).deliver(message)] == [None]
    (document,) = listener.documents
    assert document["title"] == message.subject
    for wanted in ("Ana Ruiz", "1,280,500.50 → 980,500.50 EUR", "−23.4 %", "2026_Q4", "total_new"):
        assert wanted in document["message"]
    assert (document["severity"], document["kind"]) == ("P2", "forecast_swing")
    first = document["alerts"][0]
    assert (first["forecast_id"], first["quarter_id"], first["run_id"]) == ("total_new", "2026_Q4", RUN)
    assert first["detail"]["current_value"] == "980500.50"
    assert first["detail"]["changed_at"] == "2026-11-23T16:41:00+00:00"
    assert document["headlines"][0]["call"] == "12400000.0000"


def test_what_a_user_adds_to_a_webhooks_address_stays(web: Listen, message: Message) -> None:
    listener = web()
    Channels([f"json://127.0.0.1:{listener.port}/?:title=summary&:team=revops&:kind=clari"]).deliver(message)
    (document,) = listener.documents
    assert (document["summary"], document["team"], document["kind"]) == (message.subject, "revops", "clari")
    assert document["alerts"]


def test_mail_arrives_as_a_page_with_a_plain_text_beside_it(mail: MailListener, message: Message) -> None:
    address = f"mailto://clari:secret@127.0.0.1:{mail.port}/?from=clari@example.com&to=revops@example.com&mode=insecure"
    assert [sent.error for sent in Channels([address]).deliver(message)] == [None]
    (received,) = mail.received
    assert received["Subject"] == message.subject
    assert received["To"] == "revops@example.com"
    page, plain = (received.get_body(preferencelist=(form,)) for form in ("html", "plain"))
    assert page is not None
    assert plain is not None
    for wanted in ("Ana Ruiz", "1,280,500.50", "980,500.50 EUR", "−300,000.00", "−23.4 %", "2026_Q4", "total_new"):
        assert wanted in page.get_content()
        assert wanted in plain.get_content()
    assert _balanced(page.get_content())
    assert plain.get_content().replace("\r\n", "\n") == message.text, "not the page without its tags"


def test_other_services_get_plain_text(web: Listen, message: Message) -> None:
    listener = web()
    Channels([f"xml://127.0.0.1:{listener.port}/"]).deliver(message)
    assert "Ana Ruiz (AE, EMEA), Commit, 2026_Q4" in listener.received[0][1]
    assert "**" not in listener.received[0][1]


def test_a_service_that_reads_markdown_gets_markdown(web: Listen) -> None:
    """A Mattermost server is the one of that kind that can stand on loopback."""
    listener = web()
    (message,) = compose([*swings(), *([manager()] * 5)], HEADLINES, where_to_look=look)
    token = "a" * 24
    Channels([f"mmost://127.0.0.1:{listener.port}/{token}"]).deliver(message)
    told = "".join(document["text"] for document in listener.documents)
    assert "**Ana Ruiz** (AE, EMEA), Commit, `2026_Q4`: 1,280,500.50 → 980,500.50 EUR" in told
    assert len(listener.documents) > 1, "a long message is sent in pieces that the service takes"
    assert all(len(document["text"]) <= 4000 for document in listener.documents)


def _card(listener: WebListener) -> tuple[str, str]:
    """Title and text of the one Adaptive Card that came, whose blocks wrap."""
    ((_, body),) = listener.received
    assert len(body) <= 28 * 1024, "Teams takes no more"
    (attachment,) = json.loads(body)["attachments"]
    title, text = attachment["content"]["body"]
    assert title["wrap"] is text["wrap"] is True
    return title["text"], text["text"]


def test_teams_gets_all_swings_as_one_card(web: Listen, tls: ssl.SSLContext, message: Message) -> None:
    listener = web(tls=tls)
    Channels([f"workflows://127.0.0.1:{listener.port}/an-id/a-signature?verify=no"]).deliver(message)
    title, text = _card(listener)
    assert title == message.subject
    assert text == message.markdown.replace("`", "").rstrip()
    assert len(text) > 1000, "where Apprise would split it"


@pytest.mark.parametrize(
    ("count", "length", "found"),
    [
        (400, 60, r"and (\d+) more: clari-pipeline alerts list\n"),
        (1, 40_000, r"… \(clari-pipeline alerts list shows all\)"),
    ],
)
def test_a_card_that_would_be_too_large_says_what_is_missing(
    web: Listen, tls: ssl.SSLContext, count: int, length: int, found: str
) -> None:
    listener = web(tls=tls)
    where = {"forecast_id": "total_new", "quarter_id": "2026_Q4"}
    refused = [alert("export_refused", "P2", f"Number {n}", "ü" * length, where) for n in range(count)]
    (message,) = compose(refused, {}, where_to_look=look)
    Channels([f"workflow://127.0.0.1:{listener.port}/an-id/a-signature?verify=no"]).deliver(message)
    _, text = _card(listener)
    cut = re.search(found, text)
    assert cut is not None
    if count > 1:
        assert text.count("Number ") + int(cut[1]) == count
    assert text.endswith("- docs/runbook.md#export_refused")


def test_a_template_in_the_address_is_used_for_the_card(
    web: Listen, tls: ssl.SSLContext, tmp_path: Path, message: Message
) -> None:
    card = {"type": "message", "attachments": [{"contentType": "text"}], "summary": "{{app_title}}"}
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    listener = web(tls=tls)
    address = f"workflows://127.0.0.1:{listener.port}/an-id/a-signature?verify=no&template={tmp_path / 'card.json'}"
    Channels([address]).deliver(message)
    (document,) = listener.documents
    assert document["summary"] == message.subject


def test_a_mail_that_one_recipient_is_refused_is_not_accepted(mail: MailListener, message: Message) -> None:
    mail.refuses = "nobody@b.com"
    address = f"mailto://127.0.0.1:{mail.port}/?from=a@b.com&to=nobody@b.com,somebody@b.com"
    (sent,) = Channels([address]).deliver(message)
    assert sent.error is not None
    assert [received["To"] for received in mail.received] == ["somebody@b.com"]


def test_channels_that_are_down_do_not_hide_the_one_that_is_up(web: Listen, message: Message) -> None:
    listener = web()
    down = [f"json://127.0.0.1:{free_port()}/", f"mailto://127.0.0.1:{free_port()}/?from=a@b.com&to=c@d.com"]
    deliveries = Channels([*down, f"json://127.0.0.1:{listener.port}/"]).deliver(message)
    unreached = "could not be reached, refused the sign-in, or gave no answer in time"
    assert [sent.error for sent in deliveries] == [unreached, unreached, None]
    assert Channels([]).deliver(message) == []
    assert len(listener.received) == 1


def test_a_channel_that_answers_500_has_not_accepted(web: Listen, message: Message) -> None:
    listener = web("fails")
    (sent,) = Channels([f"json://127.0.0.1:{listener.port}/?retry=5&optional=yes"]).deliver(message)
    assert sent.error == "answered 500"
    assert len(listener.received) == 1, "the next run sends again, nobody else"


@pytest.mark.parametrize("manner", ["is silent", "drips"])
def test_a_slow_channel_is_given_up(web: Listen, message: Message, manner: str) -> None:
    slow, quick = web(manner), web()
    channels = Channels(
        [f"json://127.0.0.1:{slow.port}/", f"json://127.0.0.1:{quick.port}/"],
        timeouts=Timeouts(connect=0.5, answer=0.3, total=1),
    )
    given_up, sent = channels.deliver(message)
    assert given_up.error is not None
    assert "answer" in given_up.error
    assert sent.error is None


def test_addresses_stand_nowhere(
    web: Listen,
    mail: MailListener,
    message: Message,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Tokens in path, user, password and query; channels that work, fail, hang, are not there; logs at DEBUG."""
    # What the mail server writes is the far end's.
    caplog.set_level(logging.ERROR, logger="mail.log")
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3", "urllib3.connectionpool"):
        caplog.set_level(logging.DEBUG, logger=name)
    secret = "usertoken:passtoken@127.0.0.1"
    tail = "pathtoken/?-key=querytoken&+X-Key=headertoken"
    channels = Channels(
        [
            f"json://{secret}:{web().port}/{tail}",
            SecretStr(f"json://{secret}:{web('fails').port}/{tail}"),
            f"json://{secret}:{web('is silent').port}/{tail}",
            f"json://{secret}:{free_port()}/{tail}",
            f"form://{secret}:{free_port()}/{tail}",
            f"jsons://{secret}:{web().port}/{tail}&verify=no",
            f"mailto://{secret}:{mail.port}/?from=fromtoken@b.com&to=totoken@b.com&mode=insecure",
            f"mailto://{secret}:{free_port()}/?from=fromtoken@b.com&to=totoken@b.com&mode=insecure",
        ],
        timeouts=IMPATIENT,
    )
    deliveries = channels.deliver(message)
    assert [sent.error is None for sent in deliveries] == [True, False, False, False, False, False, True, False]
    logging.getLogger("apprise").warning("somebody else's line")
    assert "somebody else's line" in caplog.text, "other threads' records pass as ever"
    captured = capfd.readouterr()
    everywhere = [caplog.text, captured.out, captured.err, repr(channels), str(list(channels)), repr(deliveries)]
    assert [where for where in everywhere if "token" in where or "127.0.0.1" in where] == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("hooktoken", "address 2 in CLARI_ALERT_URLS is not one that Apprise knows"),
        ("hooktoken://hooktoken/hooktoken", "address 2 in CLARI_ALERT_URLS is not one that Apprise knows"),
        ("slack://hooktoken", "address 2 in CLARI_ALERT_URLS is not one that Apprise can use: a part of it is missing"),
        ("", "address 2 in CLARI_ALERT_URLS is not one that Apprise knows"),
    ],
)
def test_a_bad_address_is_named_by_its_place(address: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelUnusable) as raised:
        Channels(["json://127.0.0.1/", SecretStr(address)])
    assert str(raised.value).startswith(why)
    assert "hooktoken" not in "".join(traceback.format_exception(raised.value)) + caplog.text


def test_a_channel_is_known_by_kind_place_and_a_hash_that_stays() -> None:
    slack = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    first, second = Channels([slack, "json://127.0.0.1/"])
    (alone,) = Channels(["json://127.0.0.1/"])
    assert (first.scheme, second.name) == ("slack", f"json #2 ({second.id})")
    assert alone.id == second.id
    assert len(alone.id) == 12


def test_a_setting_is_split_between_addresses_only() -> None:
    one, two = "mailto://u:p@h.com/?to=a@x.com,b@x.com", "slack://a/b/c"
    assert split_addresses(f" {one}, {two}") == split_addresses(f"{one},{two},") == [one, two]
    assert split_addresses("") == []


def test_every_kind_of_message_is_accepted(web: Listen, mail: MailListener) -> None:
    listener = web()
    channels = Channels(
        [f"json://127.0.0.1:{listener.port}/", f"mailto://127.0.0.1:{mail.port}/?from=a@b.com&to=c@d.com"]
    )
    for message in compose([*swings(), *failures()], {}, where_to_look=nowhere):
        assert [sent.error for sent in channels.deliver(message)] == [None, None]
    assert [document["severity"] for document in listener.documents] == ["P1", "P2", "P2", "P3"]
    assert [document["type"] for document in listener.documents] == ["failure", "warning", "warning", "info"]


def _balanced(page: str) -> bool:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, _attributes: object) -> None:
            if tag not in {"meta", "br"}:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(page)
    return not tags.open
