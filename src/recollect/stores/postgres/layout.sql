-- What is in a schema, an object a row: its kind, its name, its definition. $1: the name of the schema.
SELECT 'table', c.relname, CASE c.relpersistence WHEN 'p' THEN 'logged' ELSE 'not logged' END
FROM pg_namespace AS n
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
WHERE n.nspname = $1
UNION ALL
SELECT 'column', c.relname || '.' || a.attname,
    format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || quote_ident(l.collname) ELSE '' END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN a.attidentity <> '' THEN ' IDENTITY' WHEN a.attgenerated <> '' THEN ' GENERATED'
        WHEN a.atthasdef THEN ' DEFAULT' ELSE '' END
FROM pg_namespace AS n
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE n.nspname = $1
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(c.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' (not valid)' END
FROM pg_namespace AS n
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('i', 'I')
JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE n.nspname = $1
UNION ALL
SELECT 'trigger', t.tgname, pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END
FROM pg_namespace AS n
JOIN pg_class AS c ON c.relnamespace = n.oid
JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
WHERE n.nspname = $1
UNION ALL
SELECT 'function', p.proname, p.prosrc
FROM pg_namespace AS n
JOIN pg_proc AS p ON p.pronamespace = n.oid
WHERE n.nspname = $1
