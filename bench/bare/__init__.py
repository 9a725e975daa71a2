"""The bare counterparts: the same reads, writes and commits by hand-written SQL."""
