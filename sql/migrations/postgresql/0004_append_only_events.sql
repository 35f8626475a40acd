-- The trace is written by the owner of its table, whoever moves a window: sql/roles.sql lets a runner only read it.
-- The functions find their tables in this schema alone, never among somebody's temporary ones, and nobody else may
-- hang them on a table of his own. The release before this one does not notice.

DO $$
DECLARE
    writer text;
BEGIN
    FOREACH writer IN ARRAY ARRAY['pipeline_record_event()', 'pipeline_record_deleted()'] LOOP
        EXECUTE 'ALTER FUNCTION ' || writer || ' SECURITY DEFINER';
        EXECUTE 'ALTER FUNCTION ' || writer || ' SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        EXECUTE 'REVOKE ALL ON FUNCTION ' || writer || ' FROM PUBLIC';
    END LOOP;
END $$;
