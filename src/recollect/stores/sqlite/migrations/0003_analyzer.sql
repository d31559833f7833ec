-- analyzer: the version of the rules by which terms are made; 0 while there are none, and 1 for what was there before
-- they had a version.
INSERT INTO recollect_meta (name, value) SELECT 'analyzer', EXISTS (SELECT 1 FROM recollect_messages);
