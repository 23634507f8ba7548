"""Deploy keys of submodules: make, install at the provider, rotate, remove; and the ring with which builds use them."""

from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from portal import audit, clock
from portal.models import User
from portal.stories import ProjectError
from projects import fresh, providers
from projects.connect import github
from projects.git import InvalidName, SshKey, UrlPolicy, host_and_path, locate, ssh_place
from projects.keypairs import new_pair
from projects.models import DeployKey, Project

KEY = "This key"
SHORT = 500  # characters of an error that are kept


def policy() -> UrlPolicy:
    """Which addresses Git may fetch from here."""
    private = settings.BERTH_GIT_ALLOW_PRIVATE
    return UrlPolicy(allow_private=private, allow_http=private)


# --- what people do ---------------------------------------------------------------------------------------------------
def add(*, project: Project, url: str, kind: DeployKey.Kind, by: User) -> DeployKey:
    """Make a key pair for the SSH address of a submodule. Raises ProjectError."""
    url = url.strip()
    place = _checked(url)
    private, public = new_pair(kind, _comment(project))
    try:
        with transaction.atomic():
            key = DeployKey.objects.create(
                project=project, url=url, place=place, kind=kind, private=private, public=public
            )
            _record(key, "add deploy key", by, after={"url": url, "kind": kind, "public": public})
    except IntegrityError as error:
        raise ProjectError(
            "This address has a key already", "No other was made.", "Rotate that one if you want a new one."
        ) from error
    return key


def rotate(*, key: DeployKey, by: User) -> None:
    """A new pair in place of the old one, which is used no more from now on."""
    with transaction.atomic():
        fresh.lock(key, KEY)
        before = key.public
        key.private, key.public = new_pair(key.kind, _comment(key.project))
        key.stale_key, key.provider_key = key.provider_key or key.stale_key, ""
        key.used_at, key.failed_at, key.error = None, None, ""
        key.save()
        _record(key, "rotate deploy key", by, before={"public": before}, after={"public": key.public})


def renew(*, key: DeployKey, by: User) -> str:
    """Rotate, and install the new half where Berth had installed the old one. Says what is left to do, "" if nothing
    is.
    """
    was_installed = bool(key.provider_key)
    rotate(key=key, by=by)
    if not was_installed:
        return "Builds can't fetch with the new key until its public half is installed."
    try:
        return install(key=key, by=by)
    except ProjectError as error:
        return error.in_words


def install(*, key: DeployKey, by: User) -> str:
    """Install the public half at the provider, with the person's own rights. Says what is left to do there, "" if
    nothing is. Raises ProjectError.
    """
    public = key.public
    try:
        name = _repository(key, by)
        there = github(by.github_token).add_deploy_key(name, f"Berth: {key.project.slug}", public)
    except providers.ProviderError as error:
        raise ProjectError(
            "The key could not be installed",
            str(error),
            "Copy it, and ask an admin of that repository to add it there, as a deploy key without write access.",
        ) from error
    with transaction.atomic():
        fresh.lock(key, KEY)
        is_current = key.public == public
        if is_current:
            key.provider_key = str(there)
            key.save(update_fields=["provider_key"])
            _record(key, "install deploy key", by, after={"repository": name, "id": there})
    if is_current:
        return _drop_stale(key, name, by)
    left = _delete_there(name, str(there), by) or "The one from before was removed there again."
    raise ProjectError("The key was rotated meanwhile", left, "Install the new one.")


def _drop_stale(key: DeployKey, name: str, by: User) -> str:
    """The key before the rotation goes only when the new one is there."""
    if not key.stale_key:
        return ""
    left = _delete_there(name, key.stale_key, by)
    if not left:
        DeployKey.objects.filter(pk=key.pk, stale_key=key.stale_key).update(stale_key="")
        key.stale_key = ""
    return left


def _delete_there(name: str, there: str, by: User) -> str:
    """What is left to do there, "" if nothing is."""
    try:
        github(by.github_token).delete_deploy_key(name, int(there))
    except providers.ProviderError as error:
        return f"The key from before could not be removed there: {error} Remove it by hand."
    return ""


def remove(*, key: DeployKey, by: User) -> str:
    """Forget a key, and remove it at the provider where Berth installed it: says what is left to do there, "" if
    nothing is.
    """
    left = ""
    try:
        if key.provider_key or key.stale_key:
            name = _repository(key, by)
            for there in filter(None, (key.provider_key, key.stale_key)):
                github(by.github_token).delete_deploy_key(name, int(there))
    except providers.ProviderError as error:
        left = f"It could not be removed at the provider: {error} Remove it there by hand."
    asked = key.provider_key
    with transaction.atomic():
        fresh.lock(key, KEY)
        if key.provider_key != asked:
            left = f"It was installed meanwhile, as {key.provider_key}. Remove it there by hand."
        key.delete()
        _record(key, "remove deploy key", by, before={"url": key.url, "public": key.public})
    return left


def forget_host(*, key: DeployKey, by: User) -> None:
    """Let the next use pin the server's host key anew."""
    with transaction.atomic():
        fresh.lock(key, KEY)
        before, key.known_hosts = key.known_hosts, ""
        key.save(update_fields=["known_hosts"])
        _record(key, "forget host key", by, before={"known_hosts": before})


def is_at_provider(key: DeployKey) -> bool:
    """Whether the address is one of the provider's, so that one click may install the key."""
    return host_and_path(key.url).partition("/")[0] == (urlsplit(settings.BERTH_GITHUB_URL).hostname or "")


def _repository(key: DeployKey, by: User) -> str:
    """The repository's name at the provider. Raises ProviderError."""
    name = host_and_path(key.url).partition("/")[2]
    found = github(by.github_token).repository(name)
    if not found.ssh_url or ssh_place(found.ssh_url) != key.place:
        raise providers.NotFound(f"{key.url} is not the SSH address of {found.full_name}, which is {found.ssh_url}.")
    return found.full_name


def _checked(url: str) -> str:
    """The address's place. Raises ProjectError for what Berth never fetches from."""
    try:
        place = ssh_place(locate(url, policy()).url)
    except InvalidName as error:
        raise ProjectError(
            "No key was made",
            f"The address can't be used: {error.reason}",
            "Write it as .gitmodules has it, like git@github.com:owner/name.git",
        ) from error
    if place.startswith("@"):
        raise ProjectError(
            "The address names no user", "No key was made.", "Write it as git@host:owner/name.git, with the user."
        )
    return place


def _comment(project: Project) -> str:
    return f"berth-{settings.BERTH_INSTALLATION}-{project.slug}"


def _record(key: DeployKey, verb: str, by: User, *, before: object = None, after: object = None) -> None:
    """The private half is in no entry."""
    project = key.project
    audit.record(by=by, verb=verb, object=key.url[:200], project_id=project.pk, before=before, after=after)


# --- what builds do ---------------------------------------------------------------------------------------------------
class Ring:
    """A project's keys, each for its own address alone."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def find(self, url: str) -> SshKey | None:
        key = self._row(url)
        return SshKey(key.private, key.known_hosts) if key is not None else None

    def ssh_url(self, url: str) -> str | None:
        try:
            wanted = host_and_path(url)
        except InvalidName:
            return None
        urls = self._project.deploy_keys.order_by("pk").values_list("url", flat=True)
        return next((each for each in urls if host_and_path(each) == wanted), None)

    def note(self, url: str, *, known_hosts: str, error: str) -> None:
        key, now = self._row(url), clock.now()
        if key is None:
            return
        key.used_at, key.error = now, error[:SHORT]
        if error:
            key.failed_at = now
        elif not key.known_hosts:
            key.known_hosts = known_hosts
        key.save(update_fields=["used_at", "error", "failed_at", "known_hosts"])

    def _row(self, url: str) -> DeployKey | None:
        try:
            return self._project.deploy_keys.filter(place=ssh_place(url)).first()
        except InvalidName:
            return None
