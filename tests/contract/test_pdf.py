"""A PDF needs wkhtmltopdf, a second worker, and `report.url` for its style sheets: only a real image has the first."""

import pytest

from .serving import Server
from .stage import Stage

pytestmark = pytest.mark.real_odoo

SCRIPT = """
env["ir.config_parameter"].set_param("report.url", "http://127.0.0.1:8069")
env["ir.ui.view"].create({
    "name": "contract.report", "type": "qweb", "key": "contract_book.report",
    "arch": '''<t t-name="contract_book.report">
        <t t-call="web.basic_layout"><h1 class="text-danger">Contract</h1></t>
    </t>''',
})
report = env["ir.actions.report"].create({
    "name": "Contract", "model": "res.partner", "report_type": "qweb-pdf", "report_name": "contract_book.report",
})
env.cr.commit()
"""


def test_a_pdf_comes_with_its_style_sheet(stage: Stage, server: Server) -> None:
    assert stage.odoo("-d", server.database, "--no-http", command=("shell",), stdin=SCRIPT).exit_code == 0
    session = server.sign_in()
    answer = server.get("/report/pdf/contract_book.report/1", headers={"Cookie": f"session_id={session}"}, timeout=60)
    assert (answer.status, answer.body[:5]) == (200, b"%PDF-")
    assert "GET /web/assets" in server.output()
