-- How a pipeline stands. Every statement only reads.

-- name: counts_by_status
-- Sealed days by their sums, the rest one by one; in one statement, for a day may be sealed at any time.
WITH sealed AS (
    SELECT COALESCE(SUM(loaded), 0) AS loaded, COALESCE(SUM(empty), 0) AS empty,
           COALESCE(SUM(already_present), 0) AS already_present, COALESCE(SUM(skipped), 0) AS skipped
      FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name)
SELECT pipeline_status, COALESCE(audit_result, '') AS audit_result, COUNT(*) AS windows
  FROM {unsealed_windows} AS unsealed
 GROUP BY pipeline_status, COALESCE(audit_result, '')
 UNION ALL SELECT 'COMPLETED', 'loaded', loaded FROM sealed WHERE loaded > 0
 UNION ALL SELECT 'COMPLETED', 'empty', empty FROM sealed WHERE empty > 0
 UNION ALL SELECT 'COMPLETED', 'already_present', already_present FROM sealed WHERE already_present > 0
 UNION ALL SELECT 'COMPLETED', 'skipped', skipped FROM sealed WHERE skipped > 0;

-- name: rows_put_aside
-- Of the newest windows, so that it costs the same however long the history is; `since` is the start of the oldest one.
SELECT COALESCE(SUM(bad), 0) AS rows, COALESCE(SUM(CASE WHEN bad > 0 THEN 1 ELSE 0 END), 0) AS windows,
       MAX(CASE WHEN bad > 0 THEN window_start_time END) AS newest, MIN(window_start_time) AS since
  FROM (SELECT window_start_time, {audited:bad} AS bad FROM pipeline_records
         WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
         ORDER BY window_start_time DESC LIMIT :page_size) AS newest_windows;

-- name: first_unfinished
SELECT MIN(window_start_time) AS start
  FROM {unsealed_windows} AS unsealed
 WHERE pipeline_status <> 'COMPLETED';

-- name: why_none
-- Windows that no run can take now: held, waiting for their next try, quarantined.
SELECT COALESCE(SUM(CASE WHEN pipeline_status = 'IN_PROGRESS' THEN 1 ELSE 0 END), 0) AS held,
       COALESCE(SUM(CASE WHEN pipeline_status = 'PENDING' AND not_before IS NOT NULL THEN 1 ELSE 0 END), 0) AS waiting,
       COALESCE(SUM(CASE WHEN pipeline_status = 'FAILED' THEN 1 ELSE 0 END), 0) AS quarantined
  FROM {unsealed_windows} AS unsealed
 WHERE pipeline_status <> 'COMPLETED';

-- name: overlapping_windows
-- Pairs of neighbours of which the later begins before the earlier ends; the table refuses them, a
-- person's hand may not have. None is sealed.
SELECT * FROM (
  SELECT id, window_start_time, window_end_time,
         LAG(id) OVER (ORDER BY window_start_time, id) AS other_id,
         LAG(window_end_time) OVER (ORDER BY window_start_time, id) AS other_end
    FROM {unsealed_windows} AS unsealed) AS neighbours
 WHERE window_start_time < other_end
 ORDER BY window_start_time, id;

-- name: empty_windows
-- Of sealed days only those that have some, and no more of them than fill the page.
SELECT id, window_start_time, window_end_time
  FROM {windows_in:SELECT sealed_from AS stretch_from, sealed_to AS stretch_to
          FROM (SELECT sealed_from, sealed_to, SUM(empty) OVER (ORDER BY sealed_from) - empty AS before
                  FROM pipeline_coverage
                 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND empty > 0) AS days
         WHERE before < :page_size
         UNION ALL {unsealed_stretches}} AS looked_at
 WHERE audit_result = 'empty'
 ORDER BY window_start_time, id
 LIMIT :page_size;
