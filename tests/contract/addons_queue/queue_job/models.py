import time
import uuid

from odoo import fields, models


class Delayed:
    """What stands for a model whose methods are to be run later."""

    def __init__(self, jobs):
        self.jobs = jobs

    def _test_job(self, job_duration=0):
        return self.jobs.create({"uuid": str(uuid.uuid4()), "state": "pending", "duration": job_duration})


class QueueJob(models.Model):
    _name = "queue.job"
    _description = "Job"

    uuid = fields.Char()
    state = fields.Char()
    duration = fields.Integer()
    date_enqueued = fields.Datetime()
    date_started = fields.Datetime()
    date_done = fields.Datetime()

    def with_delay(self):
        return Delayed(self)

    def run(self):
        time.sleep(self.duration)
