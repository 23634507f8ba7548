"""Certificates of the router: files first, then the process that runs, without a reload.

Each host name has a file of its own, and a line in the list that says for which name it is used: what else a
certificate claims to be good for is never believed. https://docs.haproxy.org/2.6/management.html#9.3
"""

from collections.abc import Mapping
from functools import partial

from hosting.engines.haproxy.files import write_atomically
from hosting.engines.haproxy.process import Process
from hosting.engines.haproxy.values import check_host

_SECRET = 0o600
_COMMITTED = r"(?s)Committing .*Success!"


class Certificates(Process):
    """PEM texts hold a certificate, those that issued it, and the key. Where TLS is off, there is nothing to tell."""

    def write_certificates(self, certificates: Mapping[str, str], default: str) -> None:
        """Write the files for the next start or reload, and remove those of others. Changes nothing that runs.

        `default` is what a client sees that asks for another name, or for none.
        """
        folder = self.config.certificates_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.config.default_certificate, default, _SECRET)
        for host, pem in certificates.items():
            write_atomically(self.config.certificate(host), pem, _SECRET)
        write_atomically(self.config.certificate_list, self._list(certificates))
        wanted = {self.config.certificate(host) for host in certificates} | {self.config.default_certificate}
        for path in set(folder.glob("*.pem")) - wanted:
            path.unlink()

    def set_certificate(self, host: str, pem: str) -> None:
        """From now on the host's visitors get this one."""
        path = self.config.certificate(check_host(host))
        with self.alone():
            write_atomically(path, pem, _SECRET)
            write_atomically(self.config.certificate_list, self._list({*self._listed(), host}))
            if self.config.tls_port:
                self.in_current(partial(self._load, host, pem))

    def set_default_certificate(self, pem: str) -> None:
        with self.alone():
            write_atomically(self.config.default_certificate, pem, _SECRET)
            if self.config.tls_port:
                self.in_current(partial(self._replace, str(self.config.default_certificate), pem))

    def remove_certificate(self, host: str) -> None:
        path = self.config.certificate(check_host(host))
        with self.alone():
            write_atomically(self.config.certificate_list, self._list(set(self._listed()) - {host}))
            path.unlink(missing_ok=True)
            if self.config.tls_port:
                self.in_current(partial(self._unload, host))

    def loaded_certificates(self) -> set[str]:
        """The hosts for which the running router has a certificate."""
        return set(self.in_current(self._shown)) if self.config.tls_port else set()

    def _list(self, hosts: Mapping[str, str] | set[str]) -> str:
        return "".join(f"{self._line(host)}\n" for host in sorted(hosts))

    def _line(self, host: str) -> str:
        return f"{self.config.certificate(check_host(host))} {host}"

    def _listed(self) -> list[str]:
        return [line.rpartition(" ")[2] for line in self.config.certificate_list.read_text().splitlines()]

    def _shown(self, pid: int) -> list[str]:
        lines = self.ask(pid, f"show ssl crt-list {self.config.certificate_list}").splitlines()
        return [line.rpartition(" ")[2] for line in lines if line.startswith("/")]

    def _load(self, host: str, pem: str, pid: int) -> None:
        name = str(self.config.certificate(host))
        self.tell(pid, f"new ssl cert {name}", r"New empty certificate store .*", r"Certificate .* already exists!")
        self._replace(name, pem, pid)
        if host not in self._shown(pid):
            line = f"add ssl crt-list {self.config.certificate_list} <<\n{self._line(host)}\n"
            self.tell(pid, line, r"(?s)Inserting certificate .*Success!")

    def _replace(self, name: str, pem: str, pid: int) -> None:
        """A blank line ends the payload, so there must be none within, and only one after it."""
        payload = "\n".join(line for line in pem.splitlines() if line.strip())
        self.tell(pid, f"set ssl cert {name} <<\n{payload}\n", r"Transaction (created|updated) for certificate .*")
        self.tell(pid, f"commit ssl cert {name}", _COMMITTED)

    def _unload(self, host: str, pid: int) -> None:
        name = str(self.config.certificate(host))
        if host in self._shown(pid):
            listed = self.config.certificate_list
            self.tell(pid, f"del ssl crt-list {listed} {name}", r"Entry .* deleted in crtlist .*")
        self.tell(pid, f"del ssl cert {name}", r"Certificate .* deleted!", r".*certificate .* doesn't exist!")
