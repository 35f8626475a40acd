-- Three roles for a control table in PostgreSQL. They cannot log in: grant them to users who can.
--
--   pipeline_owner    changes the schema: `pipeline migrate`
--   pipeline_runner   every move, generation and decision, no change of the schema; the trace it can only read
--   pipeline_reader   reads: status, windows, gaps, dashboards
--
--   psql "$CONTROL_URL" -f sql/roles.sql
--   GRANT pipeline_runner TO airflow;
--
-- Run it once as a user who may create roles, before or after the first `pipeline migrate`. Twice does no harm;
-- `pipeline migrate` runs it again after every migration, so that new tables have their rights.

DO $$
DECLARE
    wanted text;
    thing record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['pipeline_owner', 'pipeline_runner', 'pipeline_reader'] LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE 'CREATE ROLE ' || wanted || ' NOLOGIN';
            EXCEPTION WHEN duplicate_object OR unique_violation THEN  -- roles belong to the server: made meanwhile
            END;
        END IF;
        IF NOT has_schema_privilege(wanted, current_schema(), 'USAGE') THEN
            EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO ' || wanted;
        END IF;
    END LOOP;
    IF NOT has_schema_privilege('pipeline_owner', current_schema(), 'CREATE') THEN
        EXECUTE 'GRANT CREATE ON SCHEMA ' || quote_ident(current_schema()) || ' TO pipeline_owner';
    END IF;

    FOR thing IN SELECT * FROM (VALUES
        ('pipeline_migrations', 'SELECT'),
        ('pipelines', 'SELECT, INSERT, UPDATE'),
        ('pipeline_records', 'SELECT, INSERT, UPDATE, DELETE'),
        ('pipeline_ranges', 'SELECT, INSERT, UPDATE'),
        ('pipeline_coverage', 'SELECT, INSERT, UPDATE, DELETE'),
        -- Until migration 4 the trace is written with the rights of whoever moves.
        ('pipeline_record_events', CASE WHEN EXISTS (
            SELECT FROM pg_proc WHERE oid = to_regproc('pipeline_record_event') AND prosecdef)
            THEN 'SELECT' ELSE 'SELECT, INSERT' END)) AS rights(of_table, of_runner)
        WHERE to_regclass(of_table) IS NOT NULL
    LOOP
        EXECUTE 'ALTER TABLE ' || thing.of_table || ' OWNER TO pipeline_owner';
        EXECUTE 'REVOKE ALL ON ' || thing.of_table || ' FROM PUBLIC, pipeline_runner, pipeline_reader';
        EXECUTE 'GRANT ' || thing.of_runner || ' ON ' || thing.of_table || ' TO pipeline_runner';
        EXECUTE 'GRANT SELECT ON ' || thing.of_table || ' TO pipeline_reader';
    END LOOP;

    -- The functions that write the trace do so as its owner; nobody else may hang them on tables of his own.
    FOR thing IN SELECT oid::regprocedure AS of_function, prosecdef AS as_owner FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'pipeline_')
    LOOP
        EXECUTE 'ALTER FUNCTION ' || thing.of_function || ' OWNER TO pipeline_owner';
        IF thing.as_owner THEN
            EXECUTE 'REVOKE ALL ON FUNCTION ' || thing.of_function || ' FROM PUBLIC';
        END IF;
    END LOOP;
END $$;
