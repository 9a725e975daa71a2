"""The files that browsers load: small, ours, and as the tables of the interface guide say."""

import gzip
import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "static"
TEMPLATES = sorted(ROOT.glob("templates/**/*.html")) + sorted(ROOT.glob("*/templates/**/*.html"))
OWN_CSS = sorted((STATIC / "css").glob("*.css"))

# (token, light, dark) of the interface guide
TOKENS = """
bg #F6F4EF #101517
surface #FFFFFF #182023
sunken #EEEBE4 #20292D
line #DCD8CE #313D42
control #7D7A72 #7F8D93
ink #1A1F21 #E9EDED
ink-2 #565E61 #AAB5B9
primary #0B5566 #79CADC
on-primary #FFFFFF #05222A
primary-soft #DFEEF1 #173A43
danger #B3261E #FFB4AB
danger-soft #FBE7E4 #43201D
warn #7A4A00 #F4C56E
warn-soft #FFF0D1 #3B2D12
ok #1B6B3A #86D9A3
ok-soft #E1F2E6 #17351F
violet #5A3E9C #C7B6F5
amber #A35400 #F0A04B
amber-fill #B86200 #F0A04B
neutral-fill #6F7476 #7F8D93
heat-1 #EAF3F5 #1B2A2F
heat-2 #CFE4E9 #1E3D45
heat-3 #A6CED7 #21525E
heat-4 #74B2C0 #2A6E7E
heat-5 #20697B #74B7C6
heat-6 #0B4553 #A9DCE7
"""
# (text, ground, lowest ratio): what is written on what
PAIRS = [
    *[
        ("ink", ground, 4.5)
        for ground in ("bg", "surface", "sunken", "primary-soft", "warn-soft", "danger-soft", "ok-soft")
    ],
    *[("ink-2", ground, 4.5) for ground in ("bg", "surface", "sunken", "primary-soft", "warn-soft")],
    *[("primary", ground, 4.5) for ground in ("bg", "surface", "sunken", "primary-soft")],
    ("on-primary", "primary", 4.5),
    ("on-primary", "primary-pressed", 4.5),
    ("on-danger", "danger", 4.5),
    *[("danger", ground, 4.5) for ground in ("surface", "bg", "danger-soft")],
    *[("warn", ground, 4.5) for ground in ("surface", "warn-soft")],
    *[("ok", ground, 4.5) for ground in ("surface", "ok-soft")],
    *[("violet", ground, 4.5) for ground in ("surface", "violet-soft", "sunken")],
    *[("amber", ground, 4.5) for ground in ("surface", "primary-soft")],
    *[("control", ground, 3.0) for ground in ("surface", "bg")],
    *[(fill, "sunken", 3.0) for fill in ("primary", "amber-fill", "violet", "neutral-fill")],
    *[(f"heat-{step}-text", f"heat-{step}", 4.5) for step in range(1, 7)],
]


def blocks() -> list[dict[str, str]]:
    """The custom properties of the light block and of the two dark blocks, in that order."""
    css = (STATIC / "css" / "tokens.css").read_text()
    found = [dict(re.findall(r"--([a-z0-9-]+):\s*([^;]+);", block)) for block in re.findall(r"\{([^{}]*)\}", css)]
    return [properties for properties in found if "bg" in properties]


def luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_formula_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_tokens_are_those_of_the_guide_in_both_themes() -> None:
    light, dark, dark_by_device = blocks()
    for line in TOKENS.strip().splitlines():
        name, in_light, in_dark = line.split()
        assert (light[name].upper(), dark[name].upper()) == (in_light, in_dark), name
    assert dark == dark_by_device
    assert set(light) == set(dark)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_contrast_holds(theme: int, text: str, ground: str, least: float) -> None:
    properties = blocks()[theme]
    assert contrast(properties[text], properties[ground]) >= least


def test_staff_pages_load_less_than_250_kb_compressed() -> None:
    loaded = [
        STATIC / "vendor/bootstrap/bootstrap.min.css",
        STATIC / "vendor/inter/inter.css",
        STATIC / "icons.svg",
        *OWN_CSS,
        *(STATIC / "js").glob("*.js"),
        Path(str(finders.find("django_htmx/htmx-2.min.js") or finders.find("django_htmx/htmx.min.js"))),
    ]
    fonts = sorted((STATIC / "vendor/inter").glob("*.woff2"))
    assert len(fonts) == 3
    total = sum(len(gzip.compress(path.read_bytes(), 6)) for path in loaded) + sum(
        path.stat().st_size for path in fonts
    )
    assert total < 250_000, total


def test_nothing_comes_from_another_host_or_from_inside_the_page() -> None:
    for path in [*OWN_CSS, *TEMPLATES, *(STATIC / "js").glob("*.js")]:
        if "emails" in path.parts:
            continue
        text = path.read_text()
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", text), path
        assert not re.search(r"""@import|url\(["']?(https?:)?//""", text), path
        if path.suffix == ".html":
            assert not re.search(r"\sstyle=|<style|\son[a-z]+=", text), path
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path


def test_scripts_never_evaluate_text() -> None:
    for path in (STATIC / "js").glob("*.js"):
        assert not re.search(r"\beval\b|new Function|setTimeout\(['\"]", path.read_text()), path


def test_vendored_files_carry_their_licence_and_no_source_map() -> None:
    for folder in ("bootstrap", "inter", "lucide"):
        assert (STATIC / "vendor" / folder / "LICENSE").stat().st_size > 500
    assert "sourceMappingURL" not in (STATIC / "vendor/bootstrap/bootstrap.min.css").read_text()


def test_versions_of_the_lock_are_those_asked_for() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    lock = (ROOT / "package-lock.json").read_text()
    locked = json.loads(lock)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert "resolved" not in lock
    bootstrap = (STATIC / "vendor/bootstrap/bootstrap.min.css").read_text()
    assert f"v{asked['bootstrap']}" in bootstrap[:200]


def icon_names() -> set[str]:
    return set(re.findall(r'<symbol id="([a-z0-9-]+)"', (STATIC / "icons.svg").read_text()))


def test_every_icon_that_a_template_or_module_names_exists() -> None:
    names = icon_names()
    used = {
        (path.name, name)
        for path in TEMPLATES
        for name in re.findall(r"""\{% icon ["']([^"']+)["']""", path.read_text())
        + re.findall(r"""symbol(?:\|default:|=)["']([^"']+)["']""", path.read_text())
    }
    assert len(used) > 20
    assert {(file, name) for file, name in used if name not in names} == set()


def test_the_sprite_has_what_its_list_says() -> None:
    listed = set(json.loads((ROOT / "scripts" / "icons.json").read_text()))
    assert listed | {"chevron-3", "logo"} == icon_names()


def test_text_is_never_smaller_than_12_and_a_half_pixels() -> None:
    for path in OWN_CSS:
        for size, unit in re.findall(r"font(?:-size)?:[^;]*?([\d.]+)(px|rem)\b", path.read_text()):
            assert float(size) * (16 if unit == "rem" else 1) >= 12.5, (path.name, size, unit)
