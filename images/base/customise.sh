#!/bin/sh
# Run by mmdebstrap on the finished tree ($1): what a container with dropped capabilities has no use for goes away.
set -eu
root="$1"
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/info
