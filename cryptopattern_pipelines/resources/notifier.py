"""Telling people, wherever they want to be told: by Apprise, which speaks to a hundred services by one address each."""

from dataclasses import dataclass

import apprise

from cryptopattern_pipelines.resources.settings import Settings


class DeliveryError(Exception):
    """A message could not be delivered; it is worth trying again."""


@dataclass(frozen=True)
class Notifier:
    """Where messages go: addresses as Apprise reads them (https://github.com/caronc/apprise/wiki).

    No `ConfigurableResource`: those show their fields in the UI, and an address holds its token.
    """

    addresses: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Notifier":
        """The addresses of the settings."""
        return cls(tuple(address.get_secret_value() for address in settings.notify))

    def send(self, title: str, body: str) -> bool:
        """Send a message to every address; False when there is none.

        Raises:
            DeliveryError: an address can't be read, or its service did not take the message.
        """
        if not self.addresses:
            return False
        for number, address in enumerate(self.addresses, start=1):
            service = apprise.Apprise.instantiate(address)
            if service is None:
                raise DeliveryError(
                    f"address {number} of CRYPTOPATTERN_NOTIFY is none that Apprise knows: see its wiki"
                )
            if not service.notify(title=title, body=body):
                raise DeliveryError(
                    f"{service.service_name} (address {number} of CRYPTOPATTERN_NOTIFY) took no message"
                )
        return True
