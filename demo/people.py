"""The people: invents a person for every customer number, the same one each time.

Nobody here exists. E-mail addresses are in the domains set aside for examples (RFC 2606); telephone numbers
are in the ranges that the authorities of the United States, the United Kingdom, France and Germany keep for
fiction, and people elsewhere have none. Consent (`email_subscribe`, `push_subscribe`) is left out on
purpose: Braze knows it best.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SEED = 1998


class Person(NamedTuple):
    """One customer as a shop knows them; the fields are columns of the table `customers`."""

    customer_id: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    birth_date: dt.date | None
    gender: str | None
    city: str
    country: str
    language: str
    time_zone: str
    favorite_genre: str | None
    signed_up_at: dt.datetime


class Place(NamedTuple):
    """A country's share of the customers and what its people may be called."""

    share: int
    country: str
    language: str
    cities: Mapping[str, str]
    women: str
    men: str
    families: str


# Written as "name" or "name=spelling in an e-mail address" where the two differ.
PLACES = (
    Place(
        52,
        "US",
        "en",
        {
            "New York": "America/New_York",
            "Boston": "America/New_York",
            "Chicago": "America/Chicago",
            "Austin": "America/Chicago",
            "Denver": "America/Denver",
            "Phoenix": "America/Phoenix",
            "Los Angeles": "America/Los_Angeles",
            "Seattle": "America/Los_Angeles",
            "Honolulu": "Pacific/Honolulu",
        },
        "Abigail Alice Bella Carmen Diana Ella Grace Hannah Imani Jada Kayla Luna Maya Nora Olivia "
        "Ruby Sofía=sofia Zoë=zoe",
        "Aaron Caleb Darius Elijah Gabriel Henry Isaac Jamal José=jose Kevin Liam Marcus Noah Omar "
        "Peter René=rene Samuel Theo",
        "Adams Bennett Brooks Carter Coleman Diaz Evans Foster García=garcia Hughes Jackson Kim Lee Morgan "
        "Nguyen Núñez=nunez O'Brien=obrien Patel Reed Rivera Santos Sullivan Turner Washington Young",
    ),
    Place(
        8,
        "CA",
        "en",
        {"Toronto": "America/Toronto", "Vancouver": "America/Vancouver", "Halifax": "America/Halifax"},
        "Amelia Charlotte Chloé=chloe Emma Hailey Mila Sadie Violet",
        "Benjamin Étienne=etienne Jack Leo Logan Lucas Owen William",
        "Bouchard Campbell Côté=cote Fraser Gagné=gagne MacDonald Singh Tremblay Wong",
    ),
    Place(
        10,
        "GB",
        "en",
        {
            "London": "Europe/London",
            "Leeds": "Europe/London",
            "Glasgow": "Europe/London",
            "Cardiff": "Europe/London",
        },
        "Aisha Beatrice Eilidh Freya Isla Niamh Poppy Rosie Siân=sian",
        "Alfie Angus Callum Harry Idris Oliver Rhys Rory Zayn",
        "Ahmed Baker Clarke Davies Hussain Llewellyn McKenzie Okafor Shaw Taylor Wright",
    ),
    Place(
        8,
        "DE",
        "de",
        {"Berlin": "Europe/Berlin", "Köln": "Europe/Berlin", "München": "Europe/Berlin"},
        "Anja Bärbel=baerbel Clara Greta Jule Käthe=kaethe Lena Sibel",
        "Björn=bjoern Emre Felix Jörg=joerg Lukas Maximilian Paul Sören=soeren",
        "Bauer Groß=gross Jäger=jaeger Köhler=koehler Müller=mueller Schröder=schroeder Weiß=weiss Yildiz",
    ),
    Place(
        7,
        "FR",
        "fr",
        {"Paris": "Europe/Paris", "Lyon": "Europe/Paris", "Orléans": "Europe/Paris"},
        "Amélie=amelie Camille Françoise=francoise Inès=ines Léa=lea Maëlle=maelle Zélie=zelie",
        "Adrien Benoît=benoit Gaël=gael Hugo Loïc=loic Mathéo=matheo Rémi=remi",
        "Bernard Dubois Faure Lefèvre=lefevre Moreau N'Diaye=ndiaye Roux Thérond=therond",
    ),
    Place(
        4,
        "SE",
        "sv",
        {"Stockholm": "Europe/Stockholm", "Göteborg": "Europe/Stockholm", "Malmö": "Europe/Stockholm"},
        "Astrid Åsa=asa Ebba Märta=marta Signe",
        "Åke=ake Gustav Jönne=jonne Nils Örjan=orjan",
        "Åkesson=akesson Bergström=bergstrom Öberg=oberg Lindqvist Sjöström=sjostrom",
    ),
    Place(
        3,
        "PL",
        "pl",
        {"Warszawa": "Europe/Warsaw", "Łódź": "Europe/Warsaw", "Kraków": "Europe/Warsaw"},
        "Agnieszka Grażyna=grazyna Małgorzata=malgorzata Zuzanna",
        "Łukasz=lukasz Michał=michal Paweł=pawel Stanisław=stanislaw",
        "Dąbrowska=dabrowska Kowalczyk Wójcik=wojcik Ziółko=ziolko",
    ),
    Place(
        4,
        "BR",
        "pt",
        {"São Paulo": "America/Sao_Paulo", "Recife": "America/Recife", "Manaus": "America/Manaus"},
        "Conceição=conceicao Júlia=julia Letícia=leticia Mônica=monica",
        "Antônio=antonio César=cesar João=joao Otávio=otavio",
        "Araújo=araujo Gonçalves=goncalves Magalhães=magalhaes Souza",
    ),
    Place(
        2,
        "JP",
        "ja",
        {"東京": "Asia/Tokyo", "大阪": "Asia/Tokyo"},
        "花子=hanako 美咲=misaki 陽菜=hina 結衣=yui",
        "太郎=taro 健=ken 翔太=shota 蓮=ren",
        "佐藤=sato 鈴木=suzuki 高橋=takahashi 渡辺=watanabe",
    ),
    Place(
        2,
        "KR",
        "ko",
        {"서울": "Asia/Seoul", "부산": "Asia/Seoul"},
        "민지=minji 서연=seoyeon 하은=haeun",
        "도윤=doyun 민준=minjun 지훈=jihoon",
        "김=kim 박=park 이=lee 최=choi",
    ),
)

# Area codes of the United States; in each, 555-0100 to 555-0199 are kept for fiction.
US_AREA_CODES = (
    *(201, 202, 203, 205, 206, 207, 208, 209, 210, *range(212, 220)),
    *(301, 302, 303, 304, 305, 307, 308, 309, 310, *range(312, 320)),
    *(401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417, 419),
    *(501, 502, 503, 504, 505, 507, 508, 509, 510, 601, 602, 603, 605, 606, 607, 608, 609, 610),
    *(701, 702, 703, 704, 706, 707, 708, 801, 802, 803, 804, 805, 806, 808, 810),
    *(901, 903, 904, 906, 907, 908, 909, 910),
)
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
GENRES = ("Jazz", "Rock", "Classical", "Hip-Hop", "Electronic", "World")


def invent(first_days: Mapping[str, dt.date], seed: int = SEED) -> Iterator[Person]:
    """Invent a person for each customer of `first_days` (customer number → day of the first purchase)."""
    chance = random.Random(seed)
    phones = _reserved_phones(chance)
    shares = [place.share for place in PLACES]
    for customer_id, first_day in first_days.items():
        place = chance.choices(PLACES, shares)[0]
        gender = chance.choices(("F", "M", "O", "N", "P", None), (44, 44, 3, 2, 3, 4))[0]
        women = gender == "F" or (gender != "M" and chance.random() < 0.5)
        first_name, first_spelling = _pick(chance, place.women if women else place.men)
        last_name, last_spelling = _pick(chance, place.families)
        city = chance.choice(list(place.cities))
        pool = phones.get(place.country)
        yield Person(
            customer_id=customer_id,
            first_name=first_name,
            last_name=last_name,
            email=f"{first_spelling}.{last_spelling}.{int(customer_id)}@{chance.choice(MAIL_DOMAINS)}",
            phone=pool.pop() if pool and chance.random() < 0.7 else None,
            birth_date=_birth_date(chance) if chance.random() < 0.85 else None,
            gender=gender,
            city=city,
            country=place.country,
            language=place.language,
            time_zone=place.cities[city],
            favorite_genre=chance.choice(GENRES) if chance.random() < 0.6 else None,
            signed_up_at=_moment(chance, first_day),
        )


def _pick(chance: random.Random, names: str) -> tuple[str, str]:
    """Choose a name; return it with its spelling in an e-mail address."""
    name, _, spelling = chance.choice(names.split()).partition("=")
    return name, spelling or name.lower()


def _birth_date(chance: random.Random) -> dt.date:
    return dt.date(1925, 1, 1) + dt.timedelta(days=chance.randrange(365 * 55))


def _moment(chance: random.Random, day: dt.date) -> dt.datetime:
    """Return a moment of that day, in UTC; CDNOW tells only the day."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.timezone.utc) + dt.timedelta(
        seconds=chance.randrange(86_400)
    )


def _reserved_phones(chance: random.Random) -> dict[str, list[str]]:
    """Return telephone numbers kept for fiction, per country in E.164, each once, in random order."""
    phones = {
        "US": [f"+1{area}555{line:04}" for area in US_AREA_CODES for line in range(100, 200)],
        "GB": [f"+447700900{line:03}" for line in range(1000)],
        "FR": [f"+3363998{line:04}" for line in range(10_000)],
        "DE": [f"+493023125{line:03}" for line in range(1000)],
    }
    for numbers in phones.values():
        chance.shuffle(numbers)
    return phones
