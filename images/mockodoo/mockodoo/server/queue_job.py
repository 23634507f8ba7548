"""The OCA's queue_job: what its runner says when it is loaded server-wide beside forked workers."""

import logging

from mockodoo.options import config


def announce_runner() -> None:
    """Log the line by which the platform knows that jobs will run. The stand-in runs none."""
    if "queue_job" in config.modules("server_wide_modules") and config["workers"] and config["http_enable"]:
        logging.getLogger("odoo.addons.queue_job.jobrunner").info("starting jobrunner thread (in prefork server)")
        logging.getLogger("odoo.addons.queue_job.jobrunner.runner").info("database connections ready")
