-- Terms come folded and encoded (`index.encode`), so the tokenizer need not know Unicode: every character but the blank
-- is part of a term. Segments are merged sixteen at a time: an import of a million messages writes its index a quarter
-- faster so, and one of the common words is still found in some dozens of places at most. What the other tokenizer would
-- have split, an emoji for one, was encoded and is no longer: `recollect reindex` makes these terms anew.
DROP TABLE recollect_vocabulary;
DROP TABLE recollect_terms;
CREATE VIRTUAL TABLE recollect_terms USING fts5 (
    terms,
    content = 'recollect_messages',
    content_rowid = 'position',
    tokenize = "ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\]^_`{|}~'"
);
CREATE VIRTUAL TABLE recollect_vocabulary USING fts5vocab ('recollect_terms', 'row');
INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('hashsize', 8388608);
INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('automerge', 16);
INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('crisismerge', 64);
INSERT INTO recollect_terms (rowid, terms)
    SELECT position, terms FROM recollect_messages WHERE terms <> '' ORDER BY position;
UPDATE recollect_meta SET value = (SELECT count(*) FROM recollect_messages WHERE terms <> '') WHERE name = 'indexed_rows';
UPDATE recollect_meta SET value = (SELECT coalesce(max(id), 0) FROM recollect_changes) WHERE name = 'indexed_change';
UPDATE recollect_meta SET value = min(value, 2) WHERE name = 'analyzer';
