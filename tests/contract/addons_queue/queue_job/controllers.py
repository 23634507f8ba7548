from odoo import http
from odoo.http import request

NOW = "clock_timestamp() AT TIME ZONE 'UTC'"
TAKE = "SELECT id FROM queue_job WHERE uuid = %s AND state = 'enqueued' FOR NO KEY UPDATE SKIP LOCKED"


class RunJob(http.Controller):
    @http.route("/queue_job/runjob", type="http", auth="none", save_session=False)
    def runjob(self, db, job_uuid):
        cr = request.env.cr
        cr.execute(TAKE, (job_uuid,))
        row = cr.fetchone()
        if row is None:
            return ""
        cr.execute(f"UPDATE queue_job SET state = 'started', date_started = {NOW} WHERE id = %s", row)
        cr.commit()
        cr.execute("SELECT 1 FROM queue_job WHERE id = %s FOR NO KEY UPDATE", row)  # none begins it again meanwhile
        request.env["queue.job"].sudo().browse(row[0]).run()
        cr.execute(f"UPDATE queue_job SET state = 'done', date_done = {NOW} WHERE id = %s", row)
        cr.commit()
        return ""
