{
    "name": "Contacts",
    "version": "1.0",
    "license": "LGPL-3",
    "category": "Sales/CRM",
    "depends": ["base", "mail"],
    "application": True,
}
