{
    "name": "Contract: books",
    "version": "1.3",
    "depends": ["web"],
    "data": ["security/ir.model.access.csv", "views/book.xml", "data/cron.xml"],
    "license": "LGPL-3",
}
