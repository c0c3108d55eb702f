"""Code lists: countries, currencies, time zones. Pure, read once on first use."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

import pycountry

# Names that Ruby on Rails has for time zones. Braze docs, "Standard attributes", 2026-09, accepts them too.
RAILS_ZONES = frozenset(
    """International Date Line West|Midway Island|American Samoa|Hawaii|Alaska|Pacific Time (US & Canada)|Tijuana
|Mountain Time (US & Canada)|Arizona|Chihuahua|Mazatlan|Central Time (US & Canada)|Saskatchewan|Guadalajara
|Mexico City|Monterrey|Central America|Eastern Time (US & Canada)|Indiana (East)|Bogota|Lima|Quito
|Atlantic Time (Canada)|Caracas|La Paz|Santiago|Asuncion|Newfoundland|Brasilia|Buenos Aires|Montevideo|Georgetown
|Puerto Rico|Greenland|Mid-Atlantic|Azores|Cape Verde Is.|Dublin|Edinburgh|Lisbon|London|Casablanca|Monrovia|UTC
|Belgrade|Bratislava|Budapest|Ljubljana|Prague|Sarajevo|Skopje|Warsaw|Zagreb|Brussels|Copenhagen|Madrid|Paris
|Amsterdam|Berlin|Bern|Zurich|Rome|Stockholm|Vienna|West Central Africa|Bucharest|Cairo|Helsinki|Kyiv|Riga|Sofia
|Tallinn|Vilnius|Athens|Istanbul|Minsk|Jerusalem|Harare|Pretoria|Kaliningrad|Moscow|St. Petersburg|Volgograd
|Samara|Kuwait|Riyadh|Nairobi|Baghdad|Tehran|Abu Dhabi|Muscat|Baku|Tbilisi|Yerevan|Kabul|Ekaterinburg|Islamabad
|Karachi|Tashkent|Chennai|Kolkata|Mumbai|New Delhi|Kathmandu|Dhaka|Sri Jayawardenepura|Almaty|Astana|Novosibirsk
|Rangoon|Bangkok|Hanoi|Jakarta|Krasnoyarsk|Beijing|Chongqing|Hong Kong|Urumqi|Kuala Lumpur|Singapore|Taipei|Perth
|Irkutsk|Ulaanbaatar|Seoul|Osaka|Sapporo|Tokyo|Yakutsk|Darwin|Adelaide|Canberra|Melbourne|Sydney|Brisbane|Hobart
|Vladivostok|Guam|Port Moresby|Magadan|Srednekolymsk|Solomon Is.|New Caledonia|Fiji|Kamchatka|Marshall Is.
|Auckland|Wellington|Nuku'alofa|Tokelau Is.|Chatham Is.|Samoa""".replace("\n", "").split("|")
)


def country_code(name: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country given by code or English name, or `None`."""
    return _countries().get(name.strip().casefold())


def is_currency(code: object) -> bool:
    """Return whether this is an ISO 4217 code, in capitals."""
    return isinstance(code, str) and code in _currencies()


def is_time_zone(name: str) -> bool:
    """Return whether this is a time zone of the IANA or of Ruby on Rails."""
    return name in _time_zones()


@cache
def _countries() -> dict[str, str]:
    names = {"uk": "GB", "usa": "US", "great britain": "GB", "south korea": "KR", "russia": "RU", "turkey": "TR"}
    for country in pycountry.countries:
        for key in ("alpha_2", "alpha_3", "name", "common_name", "official_name"):
            name = getattr(country, key, None)
            if name:
                names[name.casefold()] = country.alpha_2
    return names


@cache
def _currencies() -> frozenset[str]:
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


@cache
def _time_zones() -> frozenset[str]:
    return RAILS_ZONES | available_timezones()
