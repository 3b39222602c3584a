"""Archives of the embedded default, made in the test's process."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import learning_lab
from labelmill.archives import Choices
from labelmill.archives import service as archives

if TYPE_CHECKING:
    from labelmill.bootstrap import App


class ArchiveLab(learning_lab.Lab):
    """Datasets with answers and classifiers, and archives of them."""

    def request(self, dataset: Any, *, classifier_id: int | None = None, **choices: Any) -> archives.Archive:
        return self.app.database.transact(archives.request, dataset.id, Choices(**choices), classifier_id=classifier_id)

    def make(self, dataset: Any, **choices: Any) -> archives.Archive:
        """Return an archive that is made already, or has failed."""
        found = self.request(dataset, **choices)
        self.work(("archiver",))
        return self.read(archives.get, found.id)

    def opened(self, archive: archives.Archive) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.app.blobs.get(archives.require_file(archive))))

    def trained(self, size: int = 60, answers: int = 30, **settings: Any) -> Any:
        """Return a dataset with answers and a classifier that has predicted all records."""
        dataset = self.dataset(size, batch_size=1000, **settings)
        self.answer_right(dataset, answers)
        self.train(dataset)
        return dataset


@pytest.fixture
def lab(site: Any) -> ArchiveLab:
    app: App = site.app
    return ArchiveLab(app)
