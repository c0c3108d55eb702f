"""What people do with the messages they get, made up: journeys from a send to a click and a purchase. Pure.

The same people, seed, beginning and length give the same events. A person keeps to a channel and to how often they
answer, so that asking the events for a preferred channel has an answer. Events come in the order of the journeys;
Currents files them by `queued_at`, which is a little later than they happened and, now and then, days later, as it is
with a telephone that was off the net.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox.currents import campaigns as shop
from braze_sandbox.currents import filler, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from braze_sandbox.currents.people import Person

CHANNELS, CHANNEL_SHARES = ("email", "push", "sms"), (60, 28, 12)
FAITHFUL = 0.85  # how often somebody is reached by their channel
OFFLINE = 0.02  # how often an event is queued long after it happened
DAY, HOUR, MINUTE = 86_400, 3_600, 60
LONGEST_OFFLINE = 3 * DAY


class Event(NamedTuple):
    """One event.

    Attributes:
        queued_at: When Braze queued it, in seconds since 1970; its hour is the folder it is written to.
        record: What the file holds.
    """

    event_type: str
    queued_at: int
    record: dict[str, Any]


def engagement(people: Sequence[Person], count: int, *, begin: int, seconds: int, seed: int = 1) -> Iterator[Event]:
    """Make up events.

    Args:
        people: Who gets messages; those without an e-mail address or a telephone are reached by the other channels.
        count: How many events.
        begin: When the first may be queued, in seconds since 1970.
        seconds: How long after that the last may be queued.
        seed: Another one gives others, with other ids.
    """
    dice = random.Random(f"{seed}/{begin}/{seconds}")  # noqa: S311 # made up on purpose
    made = 0
    while people and made < count:
        person = dice.choice(people)
        journey = _Journey(person, dice, begin, begin + seconds, seed)
        for event in journey.events()[: count - made]:
            yield event
            made += 1


def event_of(event_type: str, known: dict[str, Any], *, queued_at: int) -> Event:
    """Return an event with what is known of it; other fields are null, or filled if they may not be."""
    record = {}
    for field in schemas.fields_of(event_type):
        value = known.get(field.name)
        record[field.name] = _made_up(field, known) if value is None and not field.is_nullable else value
    return Event(event_type, queued_at, record)


def _made_up(field: schemas.Field, known: dict[str, Any]) -> Any:
    blank: dict[str, Any] = {"boolean": False, "int": 0, "long": 0, "float": 0.0}
    return blank.get(field.type, filler.identifier(field.name, known["id"]))


class _Journey:
    """One person, one message, and what came of it."""

    def __init__(self, person: Person, dice: random.Random, begin: int, end: int, seed: int) -> None:
        self._person, self._dice, self._begin, self._end = person, dice, begin, end
        # Who somebody is does not change from one journey, or one run, to the next.
        self._habits = random.Random(f"{seed}/{person.user_id}")  # noqa: S311
        self._favorite = self._habits.choices(CHANNELS, CHANNEL_SHARES)[0]
        self._device = self._habits.choice(shop.DEVICES)
        self._interest = self._habits.betavariate(2, 3)
        self._clock = dice.randrange(begin, max(begin + 1, end - HOUR))
        self._number = dice.getrandbits(64)
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """Return the events of the journey, in order."""
        channel = self._favorite if self._chance(FAITHFUL) else self._dice.choice(CHANNELS)
        if channel == "email" and not self._person.email:
            channel = "push"
        if channel == "sms" and not self._person.phone:
            channel = "email" if self._person.email else "push"
        fitting = [campaign for campaign in shop.CAMPAIGNS if campaign.channel == channel]
        message = self._message(self._dice.choices(fitting, [campaign.share for campaign in fitting])[0])
        {"email": self._email, "push": self._push, "sms": self._sms}[channel](message)
        return self._events

    def _email(self, message: dict[str, Any]) -> None:
        message |= {
            "email_address": self._person.email,
            "ip_pool": "marketing",
            "esp": "example-esp",
            "from_domain": shop.MAIL_DOMAIN,
            "sending_ip": shop.SENDING_ADDRESS,
        }
        self._happens("users.messages.email.Send", message)
        if self._chance(0.02):
            self._happens("users.messages.email.Bounce", message, bounce_reason="550 5.1.1 no such mailbox")
            return
        self._happens("users.messages.email.Delivery", message)
        if not self._chance(0.25 + self._interest):
            return
        agent: dict[str, Any] = {"user_agent": "Mozilla/5.0 (made up)", "is_amp": False}
        self._happens(
            "users.messages.email.Open", message, HOUR, machine_open="true" * self._chance(0.2) or None, **agent
        )
        if self._chance(0.03):
            self._happens("users.messages.email.Unsubscribe", message)
        elif self._chance(0.35):
            url = f"https://shop.example.com/{self._dice.choice(shop.GENRES)}"
            is_bot = self._chance(0.05)
            reason = ["data_center_ip"] if is_bot else None
            self._happens(
                *("users.messages.email.Click", message),
                url=url,
                is_suspected_bot_click=is_bot,
                suspected_bot_click_reason=reason,
                **agent,
            )
            self._visits()

    def _push(self, message: dict[str, Any]) -> None:
        message |= self._app() | {"message_extras": json.dumps({"deep_link": "shop://new"})}
        self._happens("users.messages.pushnotification.Send", message)
        if self._chance(0.03):
            self._happens("users.messages.pushnotification.Bounce", message)
        elif self._chance(0.1 + 0.6 * self._interest):
            self._happens("users.messages.pushnotification.Open", message, 20 * MINUTE, button_action_type="URI")
            self._visits()

    def _sms(self, message: dict[str, Any]) -> None:
        message |= {
            "to_phone_number": self._person.phone,
            "user_phone_number": self._person.phone,
            "from_phone_number": shop.SHORT_CODE,
            "subscription_group_id": shop.SUBSCRIPTION_GROUP,
            "category": "marketing",
        }
        self._happens("users.messages.sms.Send", message)
        self._happens("users.messages.sms.Delivery", message)
        if self._chance(0.1 + 0.5 * self._interest):
            urls = {"url": "https://shop.example.com/sale", "short_url": "https://s.example.com/a1"}
            self._happens("users.messages.sms.ShortLinkClick", message, 30 * MINUTE, **urls)
            self._visits()

    def _visits(self) -> None:
        session = self._app() | {"session_id": filler.identifier("session", self._number)}
        self._happens("users.behaviors.app.SessionStart", session)
        properties = {"genre": self._dice.choice(shop.GENRES), "seconds": self._dice.randrange(5, 240)}
        if self._chance(0.3):
            properties |= {"tags": ["sale", "new"], "in_stock": True}
        self._happens("users.behaviors.CustomEvent", session, name="viewed_album", properties=json.dumps(properties))
        if self._chance(0.15):
            product, price = self._dice.choice(shop.PRODUCTS)
            bought: dict[str, Any] = {"product_id": product, "price": price, "currency": "USD"}
            bought["properties"] = json.dumps({"gift": self._chance(0.2)})
            self._happens("users.behaviors.Purchase", session, **bought)
        duration = self._dice.randrange(50, 9_000) / 10
        self._happens("users.behaviors.app.SessionEnd", session, 10 * MINUTE, duration=duration)

    def _happens(self, event_type: str, message: dict[str, Any], within: int = 2 * MINUTE, **more: Any) -> None:
        self._clock = min(self._clock + self._dice.randrange(1, within), self._end - 1)
        known = message | more | {"time": self._clock - (self._dice.randrange(LONGEST_OFFLINE) * self._chance(OFFLINE))}
        known["id"] = filler.identifier(event_type, self._number, len(self._events))
        self._events.append(event_of(event_type, known, queued_at=self._clock))

    def _message(self, campaign: shop.Campaign) -> dict[str, Any]:
        sent = "canvas" if campaign.step else "campaign"
        message = {
            f"{sent}_id": filler.identifier(sent, campaign.name),
            f"{sent}_name": campaign.name,
            "message_variation_id": filler.identifier("variation", campaign.name),
            "message_variation_name": "Variant 1",
            "send_id": None if campaign.step else filler.identifier("send", campaign.name)[:24].replace("-", ""),
            "dispatch_id": filler.identifier("dispatch", self._number).replace("-", ""),
        }
        if campaign.step:
            message |= {
                "canvas_variation_id": filler.identifier("canvas variation", campaign.name),
                "canvas_variation_name": "Variant 1",
                "canvas_step_id": filler.identifier("step", campaign.name),
                "canvas_step_name": campaign.step,
            }
        return self._who() | message

    def _who(self) -> dict[str, Any]:
        person = self._person
        return {
            "user_id": person.user_id,
            "external_user_id": person.external_id,
            "timezone": person.time_zone,
            "app_group_id": shop.WORKSPACE,
        }

    def _app(self) -> dict[str, Any]:
        device = {"platform": self._device.platform, "os_version": self._device.os_version}
        return self._who() | {
            **device,
            "device_model": self._device.model,
            "device_id": filler.identifier("device", self._person.user_id),
            "app_id": shop.APP,
        }

    def _chance(self, share: float) -> bool:
        return self._dice.random() < share
