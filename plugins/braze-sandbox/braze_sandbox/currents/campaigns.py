"""The made-up campaigns, products and devices of a shop that sells music. Pure."""

from __future__ import annotations

from typing import NamedTuple

WORKSPACE = "65f0c1a2b3d4e5f601234567"
APP = "0e1d2c3b-4a59-4687-9786-a5b4c3d2e1f0"
SUBSCRIPTION_GROUP = "7b1e0f6a-2d3c-4b5a-9687-1f2e3d4c5b6a"
SHORT_CODE = "+12025550100"
MAIL_DOMAIN = "news.example.com"
SENDING_ADDRESS = "192.0.2.25"  # of the addresses set aside for documentation (RFC 5737)


class Campaign(NamedTuple):
    """Something that is sent; a canvas has a step too."""

    name: str
    channel: str
    share: int
    step: str | None = None


class Device(NamedTuple):
    """What somebody holds in their hands."""

    platform: str
    os_version: str
    model: str


CAMPAIGNS = (
    Campaign("Friday new releases", "email", 6),
    Campaign("Back in stock", "email", 3),
    Campaign("Welcome series", "email", 2, "Day 3: staff picks"),
    Campaign("New from artists you follow", "push", 5),
    Campaign("Cart left behind", "push", 3, "After one hour"),
    Campaign("Weekend sale", "sms", 3),
    Campaign("Order on its way", "sms", 2),
)
DEVICES = (
    Device("ios", "18.5", "iPhone15,4"),
    Device("ios", "17.7", "iPhone13,2"),
    Device("android", "15", "Pixel 8"),
    Device("android", "14", "SM-A546B"),
)
GENRES = ("jazz", "soul", "folk", "electronic", "classical", "indie", "metal", "reggae")
PRODUCTS = (("lp-blue-hours", 24.99), ("cd-night-bus", 12.34), ("lp-salt-and-sand", 31.5), ("cd-first-snow", 9.99))
SUBJECTS = ("New this week", "A record you may like", "Only until Sunday")
