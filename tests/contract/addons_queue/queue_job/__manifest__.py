{"name": "Contract: as much of queue_job as a server needs", "version": "1.1", "depends": ["web"], "license": "LGPL-3"}
