"""What bin/down does by which words."""

import pytest

from deploy.down import parser


def test_it_keeps_all_data_unless_told_otherwise() -> None:
    arguments = parser().parse_args([])
    assert (arguments.keep_hosted, arguments.purge, arguments.yes) == (False, False, False)


def test_keeping_databases_and_purging_them_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--keep-hosted", "--purge"])
    assert "not allowed with" in capsys.readouterr().err
