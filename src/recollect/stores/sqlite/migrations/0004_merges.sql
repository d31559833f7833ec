-- What a flush of many messages gathers before it writes a segment of the index, in bytes, and how many segments of a
-- size are merged: fewer and larger ones, so that an import rewrites the index less often (a fifth of its cost).
INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('hashsize', 8388608);
INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('automerge', 8);
