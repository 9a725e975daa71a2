"""The invented people of the sample shop: names in three languages, numbers and addresses that are nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_LATVIAN = (
    "Anna Ilze Inese Kristīne Laura Līga Elīna Zane Santa Evija Agnese Baiba Sanita Ieva Dace Linda Madara Rūta",
    "Jānis Andris Mārtiņš Kārlis Edgars Artūrs Raivis Juris Pēteris Guntis Normunds Kaspars Ģirts Toms Uldis Oskars",
    (
        "Bērziņa/Bērziņš Kalniņa/Kalniņš Ozola/Ozols Liepa/Liepa Krūmiņa/Krūmiņš Balode/Balodis Eglīte/Eglītis "
        "Zariņa/Zariņš Vītola/Vītols Kļaviņa/Kļaviņš Priede/Priedītis Kārkliņa/Kārkliņš Āboliņa/Āboliņš Šmite/Šmits "
        "Lapiņa/Lapiņš Krasta/Krasts Ābele/Ābele Jansone/Jansons Rudzīte/Rudzītis Pētersone/Pētersons Lāce/Lācis"
    ),
)
_RUSSIAN = (
    "Ольга Елена Наталья Ирина Светлана Татьяна Юлия Марина Екатерина Анастасия Людмила Галина Виктория Дарья",
    "Александр Сергей Дмитрий Андрей Алексей Олег Николай Игорь Владимир Михаил Павел Виктор Артём Максим",
    (
        "Иванова/Иванов Петрова/Петров Соколова/Соколов Кузнецова/Кузнецов Попова/Попов Волкова/Волков Орлова/Орлов "
        "Морозова/Морозов Новикова/Новиков Фёдорова/Фёдоров Седова/Седов Егорова/Егоров Белова/Белов Козлова/Козлов "
        "Лебедева/Лебедев Павлова/Павлов Степанова/Степанов Щербакова/Щербаков"
    ),
)
_ENGLISH = (
    "Emma Olivia Grace Alice Sophie Hannah Lucy Siobhán Chloe Megan Zoë Ruth Clare Julia",
    "James Oliver Thomas Patrick Daniel Henry Samuel Jack Liam Owen Peter Simon Hugh Niall",
    "Smith Jones Taylor Brown Evans Walker Wright Green Hall Wood Clarke Hughes Baker Turner Cook Murphy O’Neill Ellis",
)
_LATIN = str.maketrans(
    "абвгдеёзийклмнопрстуфыэāčēģīķļņšūžōáëö’",
    "abvgdeeziiklmnoprstufyeacegiklnsuzoaeo-",
)
_LATIN_PAIRS = {
    "ж": "zh",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ю": "yu",
    "я": "ya",
    "ь": "",
    "ъ": "",
}

# Beginnings of numbers that are set aside for fiction: valid, never anyone's.
_FICTION = ["+442079460", *(f"+44{area}4960" for area in (113, 114, 115, 116, 117, 118, 121, 131, 141, 151, 161, 191))]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who shops here; blank where the shop does not know."""

    number: str
    first_name: str
    last_name: str
    email: str
    phone: str
    language: str
    card: str


def latin(text: str) -> str:
    """A name as it could stand in an email address."""
    lowered = "".join(_LATIN_PAIRS.get(char, char) for char in text.lower()).translate(_LATIN)
    return "".join(char for char in lowered if char.isascii() and char.isalnum())


def person(number: int, dice: Random) -> Person:
    """The customer of this running number: Latvian, Russian or English, sometimes without name, email or phone."""
    language = dice.choices(["lv", "ru", "en"], [55, 30, 15])[0]
    women, men, families = {"lv": _LATVIAN, "ru": _RUSSIAN, "en": _ENGLISH}[language]
    is_woman = dice.random() < 0.6
    first = dice.choice((women if is_woman else men).split())
    family = dice.choice(families.split()).split("/")
    last = family[0] if is_woman else family[-1]
    has_name, has_email, has_phone = dice.random() < 0.97, dice.random() < 0.82, dice.random() < 0.75
    return Person(
        number=f"R{number:05d}",
        first_name=first if has_name else "",
        last_name=last if has_name else "",
        email=f"{latin(first)}.{latin(last)}.{number}@example.com" if has_name and has_email else "",
        phone=_FICTION[number // 1000 % len(_FICTION)] + f"{number % 1000:03d}" if has_phone else "",
        language=language,
        card=f"0042{number:06d}",
    )
