-- analyzer: the version of the rules by which terms are made; 0 while there are none, and 1 for what was there before
-- they had a version.
INSERT INTO recollect.meta (name, value)
SELECT 'analyzer', CASE WHEN EXISTS (SELECT FROM recollect.messages) THEN 1 ELSE 0 END
ON CONFLICT (name) DO NOTHING;
