from . import test_failing
