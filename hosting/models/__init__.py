"""Rows of what runs where. hosting knows no project: an Instance never asks who drives it."""

from hosting.models.backups import Backup, Place, Vault, VaultCopy
from hosting.models.domains import AcmeAccount, Alias, Certificate, Challenge
from hosting.models.hosts import DatabaseServer, Host, Stage
from hosting.models.instances import Instance
from hosting.models.pools import Pool, Replica, Slot
from hosting.models.runtimes import Runtime
from hosting.models.templates import Template
from hosting.models.watching import CronRun, Mail, TrafficSecond, TrafficWatch

__all__ = [
    "AcmeAccount",
    "Alias",
    "Backup",
    "Certificate",
    "Challenge",
    "CronRun",
    "DatabaseServer",
    "Host",
    "Instance",
    "Mail",
    "Place",
    "Pool",
    "Replica",
    "Runtime",
    "Slot",
    "Stage",
    "Template",
    "TrafficSecond",
    "TrafficWatch",
    "Vault",
    "VaultCopy",
]
