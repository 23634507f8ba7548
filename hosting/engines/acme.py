"""A certificate authority, spoken to by ACME (RFC 8555) with certbot's library. Names are proven over HTTP (HTTP-01).

Plain values in and out, own exceptions, no Django.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import requests
from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

USER_AGENT = "berth"
NETWORK_TIMEOUT_S = 30

Present = Callable[[str, str], None]
"""Lets http://HOST/.well-known/acme-challenge/TOKEN answer with a text: called with token and text."""


class AcmeError(Exception):
    """The authority said no, and why."""


class Unreachable(AcmeError):
    """It can't be reached, or fails itself: worth another try soon, and no attempt of ours by its own count."""


class RateLimited(AcmeError):
    """It was asked too often: not to be asked again for hours."""


@dataclass(frozen=True)
class Account:
    """How an authority knows us: our key (PEM), and the address that it gave the account."""

    key: str
    address: str


@dataclass(frozen=True)
class Issued:
    """A certificate followed by those that issued it, and its key, all PEM."""

    chain: str
    key: str


@dataclass(frozen=True)
class Authority:
    """`directory` is where it tells its addresses, `ca_file` the certificates by which it is known ("": the usual)."""

    directory: str
    ca_file: str = ""

    def register(self, mail: str = "") -> Account:
        """A new account; its terms of service are agreed to. Raises AcmeError."""
        key = _new_key()
        with _translated():
            client = self._client(key)
            wish = messages.NewRegistration.from_data(email=mail or None, terms_of_service_agreed=True)
            return Account(key, str(client.new_account(wish).uri))

    def issue(self, account: Account, host: str, present: Present, *, seconds: float = 90.0) -> Issued:
        """Prove the host and get a certificate for it with a new key. Raises AcmeError.

        Each call is an order of its own: one that is cut short costs the authority's limits an order, and no more.
        """
        key = _new_key()
        deadline = datetime.now() + timedelta(seconds=seconds)
        with _translated():
            client = self._client(account.key, account.address)
            order = client.new_order(crypto_util.make_csr(key.encode(), [host]))
            for authorization in order.authorizations:
                if authorization.body.status != messages.STATUS_VALID:
                    self._answer(client, authorization, present)
            chain = client.poll_and_finalize(order, deadline).fullchain_pem
        return Issued(str(chain), key)

    def _answer(self, client: ClientV2, authorization: messages.AuthorizationResource, present: Present) -> None:
        offered = (each for each in authorization.body.challenges if isinstance(each.chall, challenges.HTTP01))
        challenge = next(offered, None)
        if challenge is None:
            raise AcmeError("The certificate authority offers no way to prove this name over HTTP.")
        response, text = challenge.response_and_validation(client.net.key)
        present(challenge.chall.encode("token"), text)
        client.answer_challenge(challenge, response)

    def _client(self, key: str, address: str = "") -> ClientV2:
        network = ClientNetwork(
            JWKEC(key=ComparableECKey(cast(Any, _loaded(key)))),
            alg=ES256,
            account=messages.RegistrationResource(uri=address, body=messages.Registration()) if address else None,
            verify_ssl=cast(bool, self.ca_file or True),  # requests takes a file as well
            user_agent=USER_AGENT,
            timeout=NETWORK_TIMEOUT_S,
        )
        return ClientV2(ClientV2.get_directory(self.directory, network), network)


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _loaded(key: str) -> ec.EllipticCurvePrivateKey:
    return cast(ec.EllipticCurvePrivateKey, serialization.load_pem_private_key(key.encode(), password=None))


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors as ours, in words that a person can act on."""
    try:
        yield
    except errors.ValidationError as error:
        raise AcmeError(" ".join(_reasons(error)) or "The name could not be proven.") from error
    except errors.TimeoutError as error:
        raise Unreachable("The certificate authority did not come to an end in time.") from error
    except messages.Error as error:
        raise _told(error) from error
    except requests.RequestException as error:
        raise Unreachable(f"The certificate authority can't be reached: {error}"[:300]) from error
    except (errors.Error, JoseError, ValueError) as error:
        raise AcmeError(f"The certificate authority answered what was not expected: {error}"[:300]) from error


def _told(error: messages.Error) -> AcmeError:
    kind = RateLimited if error.code == "rateLimited" else Unreachable if error.code == "serverInternal" else AcmeError
    return kind(f"The certificate authority says: {error.detail or error.code}"[:500])


def _reasons(error: errors.ValidationError) -> Iterator[str]:
    """What the authority saw at each name."""
    for authorization in error.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                yield f"{authorization.body.identifier.value}: {challenge.error.detail}"[:500]
