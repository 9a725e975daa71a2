"""A site of specimen pages in this process, for a real browser."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from loyaltycrm.local.fixtures.services import site_in_a_thread


@pytest.fixture(scope="module")
def specimen_site(module_db: str) -> Iterator[str]:
    """The project's site with the specimen pages added; gives its address."""
    addresses = override_settings(ROOT_URLCONF="loyaltycrm.core.tests.specimen_urls", ALLOWED_HOSTS=["127.0.0.1"])
    with addresses, site_in_a_thread() as url:
        yield url
