{
    "name": "Sales",
    "version": "1.0",
    "license": "LGPL-3",
    "category": "Sales/Sales",
    "depends": ["sale"],
    "application": True,
}
