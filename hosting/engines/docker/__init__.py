"""Docker Engine, the default place where hosted databases run: plain values in and out.

    engine = Docker("unix:///var/run/docker.sock", "a1b2c3")
    engine.ensure_network("berth-a1b2c3-prod", "bra1b2c3p", "10.213.0.0/17", "10.213.0.1")
    engine.ensure_running(ContainerSpec(name="berth-a1b2c3-i42-g7-web", ...))

Images are started by ID. Every call is bounded: by `REQUEST_TIMEOUT` where it takes no time limit of its own, and by
`keep_going` where it follows a stream.
"""

from hosting.engines.docker.cgroups import Usage
from hosting.engines.docker.errors import (
    AddressTaken,
    BuildFailed,
    ContainerMissing,
    EngineError,
    EngineUnreachable,
    FileRefused,
    ImageMissing,
    LimitRefused,
    NetworkMissing,
    OutOfMemory,
    SubnetTaken,
    TimedOut,
)
from hosting.engines.docker.images import Images
from hosting.engines.docker.inside import Inside
from hosting.engines.docker.networks import Networks, dynamic_range
from hosting.engines.docker.one_offs import OneOffs
from hosting.engines.docker.specs import ContainerSpec, Limits, Mount, create_config
from hosting.engines.docker.states import ContainerState, HostInfo, ImageInfo, ImagesUse

__all__ = [
    "AddressTaken",
    "BuildFailed",
    "ContainerMissing",
    "ContainerSpec",
    "ContainerState",
    "Docker",
    "EngineError",
    "EngineUnreachable",
    "FileRefused",
    "HostInfo",
    "ImageInfo",
    "ImageMissing",
    "ImagesUse",
    "LimitRefused",
    "Limits",
    "Mount",
    "NetworkMissing",
    "OutOfMemory",
    "SubnetTaken",
    "TimedOut",
    "Usage",
    "create_config",
    "dynamic_range",
]


class Docker(Inside, OneOffs, Images, Networks):
    """One engine, for one installation of Berth."""
