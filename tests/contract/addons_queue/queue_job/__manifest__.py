{"name": "Contract: as much of queue_job as a server loads", "version": "1.0", "depends": ["web"], "license": "LGPL-3"}
