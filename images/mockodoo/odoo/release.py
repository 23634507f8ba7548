from mockodoo.release import MAJOR, SERIES, VERSION

version = VERSION
version_info = (MAJOR, 0, 0, "final", 0, "")
serie = series = major_version = SERIES
