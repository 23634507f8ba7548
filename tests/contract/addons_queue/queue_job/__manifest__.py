{
    "name": "Contract: as much of queue_job as a server needs",
    "version": "1.1",
    "depends": ["web"],
    "data": ["security/ir.model.access.csv"],
    "license": "LGPL-3",
}
