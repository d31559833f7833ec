-- What the role may not do of what Recollect does, a row each: the right, and on what. $1: the name of the schema,
-- $2: its tables.
SELECT r.name, string_agg(c.relname, ', ' ORDER BY c.relname)
FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS r (name, place)
JOIN pg_class AS c ON c.relname = ANY ($2) AND NOT has_table_privilege(c.oid, r.name)
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $1
GROUP BY r.name, r.place
UNION ALL
SELECT 'EXECUTE', string_agg(p.proname, ', ' ORDER BY p.proname)
FROM pg_namespace AS n
JOIN pg_proc AS p ON p.pronamespace = n.oid AND NOT has_function_privilege(p.oid, 'EXECUTE')
WHERE n.nspname = $1
HAVING count(*) > 0
