"""What every import of a file shares: staging of its rows, the account of what became of each, the lock, a rehearsal.

A file's rows go by COPY into a temporary table, which dies with the process; checks are statements over that table;
what passes is taken in chunks, each in one transaction. So memory does not grow with the file, and an import that
dies is simply run again: what was taken is found to be known.
"""

from loyaltycrm.core.imports.manner import AS_IT_COMES, Manner
from loyaltycrm.core.imports.run import AnotherRuns, ImportedFile, ImportRun, Progress, running_import
from loyaltycrm.core.imports.stage import CHUNK_ROWS, RowRefused, Shape, Stage, chunks_of, differs_from_known, unhurried

__all__ = [
    "AS_IT_COMES",
    "CHUNK_ROWS",
    "AnotherRuns",
    "ImportRun",
    "ImportedFile",
    "Manner",
    "Progress",
    "RowRefused",
    "Shape",
    "Stage",
    "chunks_of",
    "differs_from_known",
    "running_import",
    "unhurried",
]
