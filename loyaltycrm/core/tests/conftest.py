"""A site of specimen pages in this process, for a real browser."""

from collections.abc import Iterator

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test import override_settings
from django.test.testcases import LiveServerThread


@pytest.fixture(scope="module")
def specimen_site(module_db: str) -> Iterator[str]:
    """The project's site with the specimen pages added; gives its address."""
    with override_settings(ROOT_URLCONF="loyaltycrm.core.tests.specimen_urls", ALLOWED_HOSTS=["127.0.0.1"]):
        thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
        thread.daemon = True
        thread.start()
        thread.is_ready.wait()
        if thread.error:
            raise thread.error
        yield f"http://127.0.0.1:{thread.port}"
        thread.terminate()
