"""Images: look, pull, build, remove."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from hosting.engines.docker.building import (
    BuildLog,
    base_images,
    build_params,
    event_text,
    is_builder,
    pack,
    with_labels,
)
from hosting.engines.docker.connection import Connection
from hosting.engines.docker.errors import EngineError, ImageMissing, TimedOut
from hosting.engines.docker.specs import FINISHED_LABEL, INSTALLATION_LABEL
from hosting.engines.docker.states import ImageInfo, ImagesUse, image_info, images_use
from hosting.engines.docker.streams import KeepGoing, follow, forever
from hosting.engines.docker.wire import Stream
from portal.commands import Output, discard


class Images(Connection):
    def image(self, ref: str) -> ImageInfo | None:
        """The image with this ID, digest or tag, or None where the engine has none. No registry is asked."""
        try:
            with self.asking(f"look at image {ref}", missing=ImageMissing):
                return image_info(self.api.inspect_image(ref))  # type: ignore[no-untyped-call]
        except ImageMissing:
            return None

    def images(self, labels: Mapping[str, str] | None = None) -> tuple[ImageInfo, ...]:
        """This installation's images that bear all of `labels`. The layer that a build has come to is none of them,
        though the engine lists it as an image without a name.
        """
        wanted = {**(labels or {}), INSTALLATION_LABEL: self.installation, FINISHED_LABEL: "yes"}
        filters = {"label": [f"{name}={value}" for name, value in wanted.items()]}
        with self.asking("list images"):
            found = self.api.images(quiet=True, filters=filters)
        infos = (self.image(image_id) for image_id in sorted(set(found)))
        return tuple(info for info in infos if info is not None)

    def used(self) -> ImagesUse:
        """What this installation's images take. The engine reckons for a second or so."""
        with self.asking("ask what images take"):
            found = self.api.df()["Images"] or ()
        return images_use(found, INSTALLATION_LABEL, self.installation)

    def pull(self, ref: str, *, timeout: float, output: Output = discard, keep_going: KeepGoing = forever) -> ImageInfo:
        """Fetch an image from its registry. Raises ImageMissing, TimedOut after `timeout` seconds, EngineError."""
        late = TimedOut(f"Pulling image {ref} took over {timeout:.0f} s and was stopped. Try again later.")
        bounded = _bounded(keep_going, timeout, late)
        stream = Stream(self.url, f"/v{self.api_version}/images/create", {"fromImage": with_tag(ref)})
        for event in follow(lambda: stream, keep_going=bounded, cancel=stream.cancel):
            if "error" in event:
                raise EngineError(f"Image {ref} was not pulled: {event['error']}. Check its name and the network.")
            if text := event_text(event):
                output(text)
        info = self.image(ref)
        if info is None:
            raise ImageMissing(f"The registry has no image {ref}. Check its name.")
        return info

    def build(
        self,
        context: Path,
        dockerfile: str,
        *,
        tag: str,
        labels: Mapping[str, str],
        memory_bytes: int,
        cpus: float,
        network: str,
        timeout: float,
        output: Output = discard,
        keep_going: KeepGoing = forever,
    ) -> str:
        """Build an image and return its ID; `memory_bytes`, `cpus` and `network` (a name, or "none") bind its commands.

        `timeout` is in seconds. `context` is a folder, `dockerfile` the text of the Dockerfile. A `.dockerignore` at
        the top of the folder counts: keep a customer's files in a folder of their own. `output` gets the builder's
        words; what `keep_going` raises, four times a second, stops the build. Raises BuildFailed, ImageMissing,
        TimedOut, EngineError.
        """
        for base in base_images(dockerfile):
            if self.image(base) is None:
                raise ImageMissing(
                    f"The image to build on, {base}, is missing. Nothing was built; make or pull it first."
                )
        owned = with_labels(dockerfile, {INSTALLATION_LABEL: self.installation, FINISHED_LABEL: "no"})
        params = build_params(tag=tag, labels=labels, memory_bytes=memory_bytes, cpus=cpus, network=network)
        log = BuildLog()
        late = TimedOut(f"Building image {tag} took over {timeout:.0f} s and was stopped. No image was made.")
        bounded = _bounded(keep_going, timeout, late)
        with tempfile.TemporaryFile() as packed:
            pack(context, owned, packed)
            packed.seek(0)
            stream = Stream(self.url, f"/v{self.api_version}/build", params, packed)
            for event in follow(lambda: stream, keep_going=bounded, cancel=stream.cancel):
                if text := log.hear(event):
                    output(text)
        return log.finished()

    def builders(self, *, older_than_s: float = 0) -> tuple[str, ...]:
        """Names of the containers in which commands of image builds run, or ran when the engine died.

        One that a person made of a finished image bears that image's label, and is none of them.
        """
        before, own = time.time() - older_than_s, {"label": f"{INSTALLATION_LABEL}={self.installation}"}
        with self.asking("list containers"):
            found = [entry for entry in self.api.containers(all=True, filters=own) if entry["Created"] < before]
        return tuple(sorted(entry["Names"][0].lstrip("/") for entry in found if is_builder(entry["Labels"])))

    def prune_builds(self, *, older_than_s: float) -> list[str]:
        """Remove what builds left that failed, or died with the engine: containers, and layers that no image uses.

        Younger layers stay: they make the next build of the same repository quick. Returns what was removed.
        """
        filters = {"label": f"{INSTALLATION_LABEL}={self.installation}"}
        removed = []
        with self.asking("remove what builds left"):
            for name in self.builders(older_than_s=older_than_s):
                self.api.remove_container(name, v=True, force=True)
                removed.append(f"container {name}")
            dangling = filters | {"dangling": "true", "until": f"{older_than_s:.0f}s"}
            pruned = self.api.prune_images(filters=dangling)["ImagesDeleted"] or ()  # type: ignore[no-untyped-call]
        return [*removed, *(f"layer {entry['Deleted']}" for entry in pruned if "Deleted" in entry)]

    def tag(self, image_id: str, name: str) -> None:
        """Give an image a further name, `repository:tag`. Raises ImageMissing, EngineError."""
        repository, _, tag = name.rpartition(":")
        with self.asking(f"name image {image_id}", missing=ImageMissing):
            self.api.tag(image_id, repository, tag)

    def untag(self, name: str) -> None:
        """Take a name from its image; one that is gone is no error. With its last name an image goes that nothing is
        made of. Raises EngineError while a container uses such a one.
        """
        if self.image(name) is not None:
            with self.asking(f"take the name {name} from its image"):
                self.api.remove_image(name)

    def remove_image(self, image_id: str) -> None:
        """Remove an image with all its tags; one that is gone is no error. Raises EngineError while it is in use."""
        info = self.image(image_id)
        if info is None:
            return
        users = {"ancestor": info.id}
        with self.asking(f"remove image {image_id}"):
            used_by = self.api.containers(all=True, quiet=True, filters=users)
            if used_by:
                raise EngineError(
                    f"Image {image_id} is in use by a container and was kept. Remove the container first."
                )
            self.api.remove_image(info.id, force=True)


def _bounded(keep_going: KeepGoing, timeout: float, late: TimedOut) -> KeepGoing:
    """`keep_going`, which raises `late` from `timeout` seconds from now on."""
    deadline = time.monotonic() + timeout

    def call() -> None:
        keep_going()
        if time.monotonic() > deadline:
            raise late

    return call


def with_tag(ref: str) -> str:
    """`ref` with a tag: without one the engine would pull every tag that there is."""
    name = ref.rpartition("/")[2]
    return ref if ":" in name or "@" in name else f"{ref}:latest"
