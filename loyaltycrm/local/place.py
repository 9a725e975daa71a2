"""Where the local servers of this checkout keep their data, and how a second start finds them again.

The data lie in a private folder with a short name under the temporary folder, since a socket's path may not be long
and PostgreSQL's user may not be able to enter the checkout; `var/local/place.json` remembers which folder it is.
"""

import contextlib
import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import free_port, port_is_free, server_user

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = ROOT / "var" / "local"
_PREFIX = "loyaltycrm-"


def short_folder(kind: str) -> Path:
    """A new private folder with a short path under the temporary folder."""
    try:
        return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-"))
    except OSError as refusal:
        raise LocalProblem(
            f"No folder could be made under {tempfile.gettempdir()} ({refusal.strerror}). "
            "Free some space there, or set TMPDIR to another folder."
        ) from refusal


@dataclass
class Place:
    """What `make demo` remembers from one start to the next."""

    checkout: str
    home: str
    redis_port: int
    redis_password: str

    @property
    def folder(self) -> Path:
        return Path(self.home)


def _record() -> Path:
    return VAR / "place.json"


def remembered() -> Place | None:
    """The place of the last start, when its folder is still there and is ours."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        place = Place(**json.loads(_record().read_text()))
        found = place.folder.lstat()
        user = server_user()
        owners = {os.geteuid(), user.uid if user else os.geteuid()}
        if _belongs_to_another_copy(place):
            return None
        if place.folder.is_dir() and not place.folder.is_symlink() and found.st_uid in owners:
            return place
    return None


def _belongs_to_another_copy(place: Place) -> bool:
    """Whether somebody copied a checkout with its `var`: the servers stay with the one they were made for."""
    return place.checkout != str(ROOT) and Path(place.checkout, "var", "local", "place.json").exists()


def resume_or_make() -> Place:
    """The remembered place, or a new one, written down."""
    VAR.mkdir(parents=True, exist_ok=True)
    place = remembered()
    if place is None:
        place = Place(str(ROOT), str(short_folder("demo")), free_port(), secrets.token_hex(16))
    elif not port_is_free(place.redis_port):
        place.redis_port = free_port()
    place.checkout = str(ROOT)
    target = _record()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(place), file)
    return place
