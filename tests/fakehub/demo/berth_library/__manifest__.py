{
    "name": "Berth Library",
    "summary": "Books, and who has borrowed them",
    "version": "18.0.1.0.0",
    "category": "Productivity",
    "author": "Berth",
    "license": "LGPL-3",
    "depends": ["base"],
    "data": [
        "security/ir.model.access.csv",
        "views/library_book_views.xml",
    ],
    "demo": [
        "demo/library_book_demo.xml",
    ],
    "application": True,
    "installable": True,
}
