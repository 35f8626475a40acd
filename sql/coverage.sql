-- Finished days, sealed, so that reports and generation cost the unsealed tail and not the history.
--
-- A sealed stretch is a row of `pipeline_coverage`. Its windows are contiguous and COMPLETED, and no other window
-- reaches into it: the triggers of the migrations unseal a stretch in the transaction that changes that. An unsealed
-- window is one that starts in no sealed stretch; together they are the pipeline.

-- fragment: earliest
'0001-01-01T00:00:00.000000Z'

-- fragment: latest
'9999-12-31T23:59:59.999999Z'

-- fragment: unsealed_stretches
SELECT sealed_to AS stretch_from, COALESCE(LEAD(sealed_from) OVER (ORDER BY sealed_from), {latest}) AS stretch_to
  FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
 UNION ALL
SELECT {earliest}, COALESCE(MIN(sealed_from), {latest})
  FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name

-- fragment: unsealed_windows
{windows_in:{unsealed_stretches}}

-- name: islands
-- Contiguous stretches that windows cover: a new one starts where no earlier window reaches.
WITH covered AS (
    SELECT sealed_from AS covered_from, sealed_to AS covered_to
      FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
     UNION ALL SELECT window_start_time, window_end_time FROM {unsealed_windows} AS unsealed)
SELECT MIN(covered_from) AS island_start, MAX(covered_to) AS island_end
  FROM (SELECT covered_from, covered_to, SUM(starts) OVER (ORDER BY covered_from, covered_to) AS island
          FROM (SELECT covered_from, covered_to,
                       CASE WHEN covered_from <= MAX(covered_to) OVER (
                                ORDER BY covered_from, covered_to
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS starts
                  FROM covered) AS marked) AS numbered
 GROUP BY island ORDER BY island_start;

-- fragment: window_order
ORDER BY window_start_time, window_end_time

-- fragment: of_page
pipeline_id = :pipeline_id AND mapping_name = :mapping_name
AND window_start_time >= {time:page_from} AND window_start_time < {time:page_until}

-- fragment: whole_days
-- Days of a page whose windows are all COMPLETED, each beginning where the one before it ends, and crossed by no other
-- window of the page.
SELECT target_day, MIN(window_start_time) AS sealed_from, MAX(window_end_time) AS sealed_to, COUNT(*) AS windows,
       COALESCE(SUM(target_count), 0) AS target_rows,
       SUM(CASE audit_result WHEN 'loaded' THEN 1 ELSE 0 END) AS loaded,
       SUM(CASE audit_result WHEN 'empty' THEN 1 ELSE 0 END) AS empty,
       SUM(CASE audit_result WHEN 'already_present' THEN 1 ELSE 0 END) AS already_present,
       SUM(CASE audit_result WHEN 'skipped' THEN 1 ELSE 0 END) AS skipped
  FROM (SELECT target_day, window_start_time, window_end_time, audit_result, target_count,
               SUM(CASE WHEN target_day = day_before THEN 0 ELSE 1 END) OVER ({window_order}) AS day_number,
               CASE WHEN pipeline_status = 'COMPLETED'
                     AND (end_before = window_start_time OR target_day <> day_before OR day_before IS NULL)
                     AND (reached <= window_start_time OR reached IS NULL)
                     AND window_end_time <= COALESCE(start_behind, {time:page_until}) THEN 1 ELSE 0 END AS sound
          FROM (SELECT target_day, window_start_time, window_end_time, pipeline_status, audit_result, target_count,
                       LAG(target_day) OVER ({window_order}) AS day_before,
                       LAG(window_end_time) OVER ({window_order}) AS end_before,
                       LEAD(window_start_time) OVER ({window_order}) AS start_behind,
                       MAX(window_end_time) OVER (
                           {window_order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                  FROM pipeline_records WHERE {of_page}) AS walked) AS numbered
 GROUP BY day_number, target_day
HAVING MIN(sound) = 1

-- fragment: sealed_before
(SELECT {it} FROM pipeline_coverage AS sealed
  WHERE sealed.pipeline_id = :pipeline_id AND sealed.mapping_name = :mapping_name AND sealed.sealed_from <= day.sealed_from
  ORDER BY sealed.sealed_from DESC LIMIT 1)

-- fragment: finished_days
-- Those that may be sealed: not the newest, which may still grow, none that is sealed, and none into which a window of
-- an earlier page reaches; one of a sealed stretch cannot.
SELECT day.* FROM ({whole_days}) AS day
 WHERE target_day <> (
       SELECT newest.target_day FROM pipeline_records AS newest
        WHERE newest.pipeline_id = :pipeline_id AND newest.mapping_name = :mapping_name
        ORDER BY newest.window_start_time DESC LIMIT 1)
   AND NOT EXISTS (
       SELECT 1 FROM pipeline_coverage AS there
        WHERE there.pipeline_id = :pipeline_id AND there.mapping_name = :mapping_name
          AND there.sealed_from < day.sealed_to AND there.sealed_to > day.sealed_from
          AND there.sealed_from >= COALESCE({sealed_before:sealed.sealed_from}, day.sealed_from))
   AND (SELECT early.id FROM pipeline_records AS early
         WHERE early.pipeline_id = :pipeline_id AND early.mapping_name = :mapping_name
           AND early.window_start_time >= COALESCE({sealed_before:sealed.sealed_to}, {earliest})
           AND early.window_start_time < {time:page_from} AND early.window_end_time > day.sealed_from
         ORDER BY early.window_start_time LIMIT 1) IS NULL

-- name: unsealed_stretches
-- As far as they lie between :since and :last.
SELECT CASE WHEN stretch_from > {time:since} THEN stretch_from ELSE {time:since} END AS stretch_from,
       CASE WHEN stretch_to < {time:last} THEN stretch_to ELSE {time:last} END AS stretch_to
  FROM ({unsealed_stretches}) AS stretches
 WHERE stretch_from < stretch_to AND stretch_to > {time:since} AND stretch_from < {time:last}
 ORDER BY stretch_from LIMIT :stretches;

-- name: sealing_since
SELECT sealing_since FROM pipelines WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name;

-- name: page_end
-- Behind so many windows and the rest of the last one's day; none when the stretch ends before.
SELECT (SELECT behind.window_start_time FROM pipeline_records AS behind
         WHERE behind.pipeline_id = :pipeline_id AND behind.mapping_name = :mapping_name
           AND behind.window_start_time > last_start AND behind.window_start_time < {time:page_until}
           AND behind.target_day <> last_day
         ORDER BY behind.window_start_time LIMIT 1) AS page_until
  FROM (SELECT window_start_time AS last_start, target_day AS last_day FROM pipeline_records WHERE {of_page}
         {window_order} LIMIT 1 OFFSET :windows) AS last;

-- name: days_to_seal
SELECT (SELECT COUNT(*) FROM ({finished_days}) AS finished) AS days,
       (SELECT COUNT(*) FROM pipeline_records WHERE {of_page}) AS windows;

-- name: hold_to_seal
-- No row: somebody adds windows, reopens or seals just now. The triggers that unseal wait for whoever holds it.
SELECT pipeline_id FROM pipelines
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name {for_update_or_skip};

-- name: seal_days
-- Cleanup, holding the row of `pipelines`, in a statement behind the one that took it: it has to see what the last
-- holder did. Crash: the days are sealed or they are not; the next cleanup finds them again.
INSERT INTO pipeline_coverage (pipeline_id, mapping_name, target_day, sealed_from, sealed_to, windows, target_rows,
    loaded, empty, already_present, skipped)
SELECT :pipeline_id, :mapping_name, finished.* FROM ({finished_days}) AS finished WHERE TRUE
RETURNING sealed_from;

-- name: note_sealing
UPDATE pipelines SET sealing_since = {time:since} WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name;
