"""Every request of docs/api.md, pasted into a shell against a live site."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from customers.models import Customer
from loyaltycrm.core.actions.api_keys import make_api_key
from loyaltycrm.core.models import Scope, Store
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.shop.api import urlpatterns
from loyaltycrm.shop.tests.conftest import code_for
from rewards.benefits import FreeItem
from rewards.models import Reward

DOCS = Path(settings.BASE_DIR, "docs", "api.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"```sh\n(.+?)  # ([0-9]{3})\n```", DOCS, re.DOTALL)


def test_every_address_is_documented() -> None:
    told = set(re.findall(r"\$API/([a-z/]+)", DOCS))
    assert told == {str(entry.pattern) for entry in urlpatterns}


def test_every_request_of_the_docs_works_as_pasted(committed_db: str, barona_iela: Store, programs: Programs) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    assert DOCS.count("```sh") == len(REQUESTS) > 12
    Reward.objects.create(key="coffee", names={"en": "Coffee"}, points_cost=100, benefit=FreeItem(worth_cents=200))
    key = make_api_key(name="Till", store=barona_iela, scopes=Scope.values, by=None).secret
    env = {"API": f"{programs.site().url}/api/v1", "KEY": key, "PATH": str(Path(curl).parent)}
    wrong = []
    given = False
    for request, expected in REQUESTS:
        if "/vouchers" in request and not given:
            code_for(Customer.objects.get(external_id="WEB-77"), barona_iela)
            given = True
        command = request.replace("curl ", "curl --silent --show-error --write-out '\\n%{http_code}' ", 1)
        shell = ["/bin/sh", "-c", command]
        answer = subprocess.run(shell, env=env, capture_output=True, text=True, timeout=300, check=False)
        if answer.stdout[-3:] != expected:
            wrong.append((request, expected, answer.stdout, answer.stderr))
    assert wrong == []
