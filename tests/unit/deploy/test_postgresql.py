"""An empty cluster of the portal is only made where nothing is there that it would have to know of."""

import io
from pathlib import Path

import pytest

from deploy import postgresql
from deploy.clusters import Cluster, plan
from deploy.environment import fresh, with_urls
from deploy.postgresql import refuse_to_forget
from deploy.progress import Progress, SetupError

VALUES = with_urls(fresh([]) | {"BERTH_SUBNET": "10.213.0.0/16", "BERTH_INSTALLATION": "abc123"})


def clusters(home: Path) -> dict[str, Cluster]:
    return {cluster.name: cluster for cluster in plan(home / "pg", VALUES, memory=0)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One with the files of five instances and no cluster: the disk of `pg` isn't mounted, say."""
    for number in range(5, 10):
        (tmp_path / f"instances/i{number}").mkdir(parents=True)
    return tmp_path


def test_no_cluster_is_made_where_the_portals_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(postgresql, "postgresql_bin", lambda _values: Path("/nowhere"))
    monkeypatch.setattr(postgresql, "create", lambda _programs, cluster, _password: made.append(cluster.name))
    monkeypatch.setattr(postgresql, "bring_up", lambda _programs, cluster, _progress: made.append(cluster.name))
    with pytest.raises(SetupError) as refused:
        postgresql.ensure(home, VALUES, Progress(io.StringIO()))
    assert f"no {home}/pg/portal, yet {home}/instances has the files of i5, i6, i7 and 2 more" in str(refused.value)
    assert "restore-self" in str(refused.value)
    assert not made


def test_other_clusters_may_be_made_anew(home: Path) -> None:
    refuse_to_forget(home, clusters(home)["lab"])


def test_nothing_is_refused_where_the_portals_is_there(home: Path) -> None:
    cluster = clusters(home)["portal"]
    cluster.data.mkdir(parents=True)
    refuse_to_forget(home, cluster)


def test_nothing_is_refused_on_an_empty_machine(tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    refuse_to_forget(tmp_path, clusters(tmp_path)["portal"])
    (tmp_path / "instances" / "lost+found").mkdir()
    refuse_to_forget(tmp_path, clusters(tmp_path)["portal"])
