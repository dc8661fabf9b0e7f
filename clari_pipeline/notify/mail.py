"""Send a message as mail: its page, and beside it its own text, where Apprise would flatten the page into one."""

import smtplib
import ssl
from email import message_from_string
from typing import Any

from clari_pipeline.notify.messages import Message


def send_mail(service: Any, message: Message) -> None:
    """Send to each recipient of Apprise's plugin for `mailto://`, from its mails with another text part.

    A mail that the plugin encrypts or signs is sent as it is. Raises `OSError` (`smtplib.SMTPException` is one), also
    where only some recipients were refused.
    """
    mails = service.prepare_emails(
        subject=message.subject,
        body=message.html,
        notify_format=service.notify_format,
        from_addr=service.from_addr,
        to=service.targets,
        cc=service.cc,
        bcc=service.bcc,
        reply_to=service.reply_to,
        smtp_host=service.smtp_host,
        headers={"X-Application": service.app_id, **service.headers},
        names=service.names,
        pgp=service.pgp,
        pgp_mode=service.pgp_mode,
        tzinfo=service.tzinfo,
    )
    refused: Exception | None = None
    with _connection(service) as connection:
        for mail in mails:
            try:
                connection.sendmail(service.from_addr[1], mail.to_addrs, _with_text(mail.body, message.text))
            except smtplib.SMTPException as error:
                refused = error
    if refused is not None:
        raise refused


def _connection(service: Any) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if not service.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address, timeout = (service.smtp_host, service.port), service.socket_connect_timeout
    if service.secure_mode == "ssl":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(*address, timeout=timeout, context=context)
    else:
        connection = smtplib.SMTP(*address, timeout=timeout)
    try:
        if service.secure_mode == "starttls":
            connection.starttls(context=context)
        if service.user and service.password:
            connection.login(service.user, service.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _with_text(mail: str, text: str) -> str:
    parsed = message_from_string(mail)
    if parsed.get_content_type() == "multipart/alternative":
        for part in parsed.walk():
            if part.get_content_type() == "text/plain":
                del part["Content-Transfer-Encoding"]
                part.set_payload(text, "utf-8")
    return parsed.as_string()
