"""A mail that a development database sends, looked at in a browser: nothing of it runs, and nothing is fetched."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Portal
from tests.installation import STATIC_FILE, Installation
from tests.rows import BuildRow
from tests.tenant import Tenant

pytestmark = pytest.mark.e2e

HTML = """
<link rel="preconnect" href="http://ELSEWHERE/l">
<style>@import "http://ELSEWHERE/s"; p { color: rgb(1, 2, 3) }</style>
<p>Bold words</p><img src="cid:logo" alt="ours"><img src="http://ELSEWHERE/i" alt="">
<img src="x" onerror="document.body.textContent = 'ran'"><script>document.body.textContent = "ran"</script>
<a href="http://ELSEWHERE/a">Pay now</a>
<iframe src="http://ELSEWHERE/f"></iframe>
<meta http-equiv="refresh" content="0;url=http://ELSEWHERE/m">
<form action="http://ELSEWHERE/p"><button>Send</button></form>
"""
SEND = """
import configparser, smtplib, sys
from email.message import EmailMessage
conf = configparser.RawConfigParser()
conf.read("/etc/odoo/odoo.conf")
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = "Shop <shop@example.com>", "bob@example.com", "Your offer"
mail.set_content("Plain words.")
mail.add_alternative(sys.argv[1], subtype="html")
pixel = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
mail.get_payload()[1].add_related(pixel, maintype="image", subtype="gif", cid="<logo>")
mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="offer.pdf")
with smtplib.SMTP(conf["options"]["smtp_server"], conf["options"].getint("smtp_port"), timeout=60) as client:
    client.send_message(mail)
print("sent")
"""


@pytest.fixture(scope="module")
def build(installation: Installation) -> BuildRow:
    return installation.wait_for_build(installation.push({STATIC_FILE: "post\n"}, "Send mails", "post"))


class Elsewhere:
    """Another server. `asked` is how often somebody connected."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = 0
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> "Elsewhere":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return
            self.asked += 1


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as made:
        yield made


def test_a_mail_is_found_and_read_and_harms_nobody(portal: Portal, build: BuildRow, elsewhere: Elsewhere) -> None:
    page, html = portal.page, HTML.replace("ELSEWHERE", elsewhere.address)
    portal.sign_in("Alice")
    portal.open(f"/{portal.installation.demo()['project']}/builds/{build.number}/")
    page.get_by_role("link", name="post", exact=True).first.click()
    page.get_by_role("link", name="Mails", exact=True).click()
    expect(page.get_by_role("heading", name="No mail yet")).to_be_visible()
    portal.examine("mails-none")

    assert build.instance
    assert Tenant(portal.installation, build.instance).run("python3", "-c", SEND, html).strip() == "sent"
    page.get_by_role("link", name="Your offer").click(timeout=30_000)  # the list shows it by itself
    frame = page.frame_locator(".mail-frame")
    expect(frame.get_by_text("Bold words")).to_have_css("color", "rgb(1, 2, 3)")
    expect(frame.get_by_alt_text("ours")).to_have_js_property("naturalWidth", 1)
    portal.complaints.clear()  # the browser says what of the mail it did not load
    portal.examine("mail")
    assert elsewhere.asked == 0
    with page.expect_popup():
        frame.get_by_role("link", name="Pay now").click()
    expect(page).to_have_url(re.compile(r"/mails/\d+/$"))
    expect(frame.get_by_text("Bold words")).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="offer.pdf").click()
    assert download.value.path().read_bytes() == b"%PDF-1.4"
    page.get_by_role("link", name="Text", exact=True).click()
    expect(page.get_by_label("The mail as text")).to_have_text("Plain words.")
    page.get_by_role("link", name="All mails").click()
    portal.examine("mails")
