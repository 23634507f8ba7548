"""Mails are taken apart as far as that goes; those that are made to harm end there."""

from email.message import EmailMessage

import pytest

from hosting import mailparts
from hosting.mailparts import Message, content, one_line, read

LOGO = b"\x89PNG\r\n\x1a\nlogo"


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in (
        {"From": "Shop <shop@example.com>", "To": "bob@example.com", "Subject": "Hi"} | headers
    ).items():
        message[name] = value
    return message


def multipart(*parts: bytes) -> bytes:
    inside = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + inside + b"--x--\r\n"


def html(text: bytes) -> Message:
    return read(b"Content-Type: text/html\r\n\r\n" + text)


def test_text_html_and_attachments() -> None:
    message = letter()
    message.set_content("plain words")
    message.add_alternative("<p>words</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Angebot für Bob.pdf")
    found = read(message.as_bytes())
    assert found.headers == [("From", "Shop <shop@example.com>"), ("To", "bob@example.com"), ("Subject", "Hi")]
    assert (found.text, found.html) == ("plain words\n", "<p>words</p>\n")
    assert [(part.name, part.type, part.size) for part in found.parts] == [
        ("Angebot für Bob.pdf", "application/pdf", 4)
    ]
    part = content(message.as_bytes(), found.parts[0].number)
    assert part is not None
    assert part[1] == b"%PDF"
    assert content(message.as_bytes(), 99) is None


def test_a_mail_within_a_mail_is_an_attachment() -> None:
    outer, inner = letter(), letter(Subject="Inner")
    inner.set_content("inside")
    outer.set_content("see below")
    outer.add_attachment(inner)
    found = read(outer.as_bytes())
    assert [(part.type, part.name) for part in found.parts] == [("message/rfc822", "part-2.eml")]
    part = content(outer.as_bytes(), 2)
    assert part is not None
    assert b"Subject: Inner" in part[1]


def test_a_text_that_is_attached_is_no_body() -> None:
    message = letter()
    message.set_content("the body")
    message.add_attachment("a,b\n", subtype="csv", filename="x.csv")
    message.add_attachment("notes\n", filename="notes.txt")
    found = read(message.as_bytes())
    assert found.text == "the body\n"
    assert [part.name for part in found.parts] == ["x.csv", "notes.txt"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        ("..", "part-1"),
        ("a\x00b.txt", "a�b.txt"),
        ("x" * 500 + ".txt", "x" * 150),
    ],
)
def test_a_name_holds_no_folder_and_no_control_character(name: str, shown: str) -> None:
    raw = b'Content-Disposition: attachment; filename="' + name.replace("\\", "\\\\").encode() + b'"\r\n\r\nx'
    assert read(raw).parts[0].name == shown


def test_its_own_images_are_shown_and_no_others() -> None:
    message = letter()
    message.set_content(
        '<img src="cid:logo@odoo"><img src="cid:none"><img src="http://evil.example/x.png">', subtype="html"
    )
    message.add_related(LOGO, maintype="image", subtype="png", cid="<logo@odoo>")
    found = read(message.as_bytes())
    assert 'src="data:image/png;base64,iVBORw0KGgpsb2dv"' in found.html
    assert 'src="cid:none"' in found.html


def test_an_image_that_is_named_often_does_not_grow_the_page_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailparts, "IMAGES_CHARS", 100_000)
    message = letter()
    message.set_content('<img src="cid:a">' * 5000, subtype="html")
    message.add_related(b"x" * 1000, maintype="image", subtype="png", cid="<a>")
    assert len(read(message.as_bytes()).html) < 250_000


@pytest.mark.parametrize("kind", ['image/svg+xml"onload=x', "image/png,<script>"])
def test_the_type_of_an_image_says_nothing_else(kind: str) -> None:
    raw = multipart(
        b"Content-Type: text/html\r\n\r\n<img src='cid:a'>",
        b"Content-Type: " + kind.encode() + b"\r\nContent-ID: <a>\r\n\r\nx",
    )
    assert "script" not in read(raw).html
    assert "onload" not in read(raw).html


@pytest.mark.parametrize(
    "tag",
    [
        '<link rel="dns-prefetch" href="//evil.example">',
        "<LINK\nrel=preconnect href=//evil.example>",
        '<meta http-equiv="refresh" content="0;url=http://evil.example">',
        "<base/href=http://evil.example>",
        "<iframe src=http://evil.example></iframe>",
        "<frameset><frame src=http://evil.example></frameset>",
        "<object data=http://evil.example></object><embed src=http://evil.example>",
    ],
)
def test_tags_that_reach_out_by_themselves_are_none_any_more(tag: str) -> None:
    shown = html(b"<p>a</p>" + tag.encode()).html.lower()
    names = ("link", "meta", "base", "iframe", "frame", "object", "embed")
    assert not any(f"<{name}" in shown for name in names)
    assert "no-" in shown


def test_other_tags_stay() -> None:
    assert html(b"<metal><baseline><p>linked").html == "<metal><baseline><p>linked"


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        (b"iso-8859-1", b"f\xfcr", "für"),
        (b"klingon", b"a\xffb", "a�b"),
        (b"hex", b"6162", "6162"),
        (b"punycode", b"plain", "plain"),
        (b"utf-8", b"a\x00b", "a�b"),
        (b"utf-16-le", b"a\x00\x00\xd8", "a�"),
    ],
)
def test_broken_encodings_are_shown_as_well_as_may_be(charset: bytes, body: bytes, text: str) -> None:
    assert read(b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n" + body).text == text


def test_broken_base64_is_shown() -> None:
    found = read(b"Content-Transfer-Encoding: base64\r\n\r\n!!!notbase64===")
    assert found.whole


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1900)),
        b"Content-Type: message/rfc822\r\n\r\n" * 50_000,
        multipart(*[b"\r\nx"] * 5000),
        b"Content-Type: " + b"(" * 60_000 + b"\r\n\r\nbody",
        multipart(*[b"Content-Type: a/b; x%d" % n + b"a:" * 950 + b"\r\n\r\nx" for n in range(1500)]),
    ],
    ids=["nested", "mails in mails", "thousands of parts", "a header that recurses", "headers that take long"],
)
def test_what_is_made_to_be_a_burden_shows_its_source(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailparts, "SECONDS", 0.5)
    found = read(raw)
    assert not found.whole
    assert found.text == mailparts.as_text(raw)
    assert content(raw, 1) is None


def test_only_so_many_parts_are_listed() -> None:
    found = read(multipart(*[b"Content-Type: a/b\r\n\r\nx"] * 300))
    assert len(found.parts) == mailparts.PARTS
    assert found.more_parts


def test_a_header_ends_where_nobody_reads_on() -> None:
    (subject,) = read(b"Subject: " + b"x" * 100_000 + b"\r\n\r\nbody").headers
    assert subject == ("Subject", "x" * mailparts.HEADER_CHARS)


@pytest.mark.parametrize("raw", [b"", b"\0" * 1000, b"\xff\xfe", b"no header\r\nat all"])
def test_what_is_no_mail_is_shown_all_the_same(raw: bytes) -> None:
    assert isinstance(read(raw).text, str)


def test_one_line_holds_no_break_no_control_character_and_no_half_of_one() -> None:
    assert one_line("a\r\nBcc: b\tc\0d\x1b[31m\ud800") == "a Bcc: b c�d�[31m?"
