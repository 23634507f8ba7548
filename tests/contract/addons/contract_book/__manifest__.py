{
    "name": "Contract: books",
    "version": "1.2",
    "depends": ["web"],
    "data": ["security/ir.model.access.csv", "views/book.xml", "data/cron.xml"],
    "demo": ["demo/book.xml"],
    "license": "LGPL-3",
}
