from . import test_library_book
