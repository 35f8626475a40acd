-- Finished days, sealed: what reports and generation read in place of the rows of history.
-- A sealed stretch is contiguous, all of its windows are COMPLETED and no other window reaches into it. Triggers keep
-- that so against anybody, also who may not touch this table; whoever seals holds the row of `pipelines` FOR UPDATE,
-- and they wait for that.

CREATE TABLE pipeline_coverage (
    pipeline_id     VARCHAR(200) NOT NULL,
    mapping_name    VARCHAR(200) NOT NULL DEFAULT '',
    target_day      DATE NOT NULL,
    sealed_from     TIMESTAMPTZ NOT NULL,
    sealed_to       TIMESTAMPTZ NOT NULL,
    windows         BIGINT NOT NULL,
    target_rows     NUMERIC(28) NOT NULL,
    loaded          BIGINT NOT NULL,
    empty           BIGINT NOT NULL,
    already_present BIGINT NOT NULL,
    skipped         BIGINT NOT NULL,
    sealed_at       TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (pipeline_id, mapping_name, sealed_from),
    CONSTRAINT pipeline_coverage_stretch CHECK (sealed_to > sealed_from),
    CONSTRAINT pipeline_coverage_results CHECK (
        windows > 0 AND windows = loaded + empty + already_present + skipped)
);

-- From where the next sealing looks on; NULL: from the oldest window.
ALTER TABLE pipelines ADD COLUMN sealing_since TIMESTAMPTZ;

CREATE FUNCTION pipeline_unseal(of_pipeline text, of_mapping text, first timestamptz, last timestamptz)
    RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- A sealing that is under way ends first; the statement behind this one sees what it sealed.
    PERFORM 1 FROM pipelines WHERE pipeline_id = of_pipeline AND mapping_name = of_mapping FOR KEY SHARE;
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = of_pipeline AND mapping_name = of_mapping AND sealed_from < last AND sealed_to > first
       AND sealed_from >= COALESCE((
           SELECT MAX(earlier.sealed_from) FROM pipeline_coverage AS earlier
            WHERE earlier.pipeline_id = of_pipeline AND earlier.mapping_name = of_mapping
              AND earlier.sealed_from <= first), first);
END $$;

CREATE FUNCTION pipeline_record_unsealed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pipeline_unseal(OLD.pipeline_id, OLD.mapping_name, OLD.window_start_time, OLD.window_end_time);
    IF TG_OP = 'UPDATE' THEN
        PERFORM pipeline_unseal(NEW.pipeline_id, NEW.mapping_name, NEW.window_start_time, NEW.window_end_time);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER pipeline_records_reopened AFTER UPDATE OF pipeline_status, audit_result, target_count, target_day
    ON pipeline_records FOR EACH ROW
    WHEN (OLD.pipeline_status = 'COMPLETED' AND (NEW.pipeline_status, NEW.audit_result, NEW.target_count, NEW.target_day)
          IS DISTINCT FROM (OLD.pipeline_status, OLD.audit_result, OLD.target_count, OLD.target_day))
    EXECUTE FUNCTION pipeline_record_unsealed();

CREATE TRIGGER pipeline_records_shifted AFTER UPDATE OF pipeline_id, mapping_name, window_start_time, window_end_time
    ON pipeline_records FOR EACH ROW EXECUTE FUNCTION pipeline_record_unsealed();

CREATE TRIGGER pipeline_records_gone AFTER DELETE ON pipeline_records FOR EACH ROW
    WHEN (OLD.pipeline_status = 'COMPLETED') EXECUTE FUNCTION pipeline_record_unsealed();

CREATE FUNCTION pipeline_records_unsealed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pipeline_unseal(pipeline_id, mapping_name, window_start_time, window_end_time) FROM fresh;
    RETURN NULL;
END $$;

CREATE TRIGGER pipeline_records_crossed AFTER INSERT ON pipeline_records REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION pipeline_records_unsealed();

CREATE FUNCTION pipeline_all_unsealed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM pipeline_coverage;
    RETURN NULL;
END $$;

CREATE TRIGGER pipeline_records_emptied AFTER TRUNCATE ON pipeline_records
    FOR EACH STATEMENT EXECUTE FUNCTION pipeline_all_unsealed();

-- What writes as the owner finds its tables in this schema alone, and nobody hangs it on a table of his own.
DO $$
DECLARE
    writer text;
BEGIN
    FOREACH writer IN ARRAY ARRAY['pipeline_record_unsealed()', 'pipeline_records_unsealed()', 'pipeline_all_unsealed()'] LOOP
        EXECUTE 'ALTER FUNCTION ' || writer || ' SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        EXECUTE 'REVOKE ALL ON FUNCTION ' || writer || ' FROM PUBLIC';
    END LOOP;
END $$;

-- A planner that does not know how few windows a stretch has reads the whole table, or compiles for it first.
CREATE FUNCTION pipeline_windows_in(of_pipeline text, of_mapping text, stretches tstzrange[])
    RETURNS TABLE (id bigint, window_start_time timestamptz, window_end_time timestamptz, pipeline_status varchar,
                   not_before timestamptz, audit_result varchar)
    LANGUAGE plpgsql STABLE ROWS 1000 SET search_path FROM CURRENT SET jit = off AS $$
DECLARE
    stretch tstzrange;
BEGIN
    FOREACH stretch IN ARRAY stretches LOOP
        RETURN QUERY
            SELECT one.id, one.window_start_time, one.window_end_time, one.pipeline_status, one.not_before, one.audit_result
              FROM pipeline_records AS one
             WHERE one.pipeline_id = of_pipeline AND one.mapping_name = of_mapping
               AND one.window_start_time >= lower(stretch) AND one.window_start_time < upper(stretch)
             ORDER BY one.window_start_time;
    END LOOP;
END $$;
