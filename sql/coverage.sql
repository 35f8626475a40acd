-- Finished days, sealed, so that reports and generation cost the unsealed tail and not the history.
--
-- A sealed stretch is a row of `pipeline_coverage`. Its windows are contiguous and COMPLETED, and no other window
-- reaches into it: the triggers of the migrations unseal a stretch in the transaction that changes that. An unsealed
-- window is one that starts in no sealed stretch; together they are the pipeline.

-- fragment: earliest
'0001-01-01T00:00:00.000000Z'

-- fragment: latest
'9999-12-31T00:00:00.000000Z'

-- fragment: unsealed_stretches
SELECT sealed_to AS free_from, COALESCE(LEAD(sealed_from) OVER (ORDER BY sealed_from), {latest}) AS free_until
  FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
 UNION ALL
SELECT {earliest}, COALESCE(MIN(sealed_from), {latest})
  FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name

-- fragment: unsealed_windows
SELECT {it} FROM ({unsealed_stretches}) AS free CROSS JOIN pipeline_records
 WHERE free_from < free_until AND pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND window_start_time >= free_from AND window_start_time < free_until

-- name: islands
-- Contiguous stretches that windows cover: a new one starts where no earlier window reaches.
WITH covered AS (
    SELECT sealed_from AS covered_from, sealed_to AS covered_to
      FROM pipeline_coverage WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
     UNION ALL {unsealed_windows:window_start_time, window_end_time})
SELECT MIN(covered_from) AS island_start, MAX(covered_to) AS island_end
  FROM (SELECT covered_from, covered_to, SUM(starts) OVER (ORDER BY covered_from, covered_to) AS island
          FROM (SELECT covered_from, covered_to,
                       CASE WHEN covered_from <= MAX(covered_to) OVER (
                                ORDER BY covered_from, covered_to
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS starts
                  FROM covered) AS marked) AS numbered
 GROUP BY island ORDER BY island_start;

-- fragment: sealing_since
COALESCE((SELECT sealing_since FROM pipelines WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name),
         {earliest})

-- fragment: pages
-- Of every unsealed stretch as many windows as one sealing looks at, to the end of their last day.
SELECT free_from, page_from, COALESCE(page_cut, free_until) AS page_until, page_cut
  FROM (SELECT free_from, page_from, free_until, (
               SELECT behind.window_start_time FROM pipeline_records AS behind
                WHERE behind.pipeline_id = :pipeline_id AND behind.mapping_name = :mapping_name
                  AND behind.window_start_time > full_page.window_start_time
                  AND behind.window_start_time < free_until AND behind.target_day <> full_page.target_day
                ORDER BY behind.window_start_time LIMIT 1) AS page_cut
          FROM (SELECT free_from, free_until,
                       CASE WHEN free_from > {sealing_since} THEN free_from ELSE {sealing_since} END AS page_from
                  FROM ({unsealed_stretches}) AS stretches
                 WHERE free_from < free_until AND free_until > {sealing_since}) AS free
          LEFT JOIN pipeline_records AS full_page ON full_page.id = (
               SELECT nth.id FROM pipeline_records AS nth
                WHERE nth.pipeline_id = :pipeline_id AND nth.mapping_name = :mapping_name
                  AND nth.window_start_time >= page_from AND nth.window_start_time < free_until
                ORDER BY nth.window_start_time, nth.window_end_time LIMIT 1 OFFSET :windows)) AS cut

-- fragment: finished_days
-- Whole days of the pages: every window COMPLETED, each beginning where the one before it ends, and none that reaches
-- in from before or begins inside. The newest day may still grow.
SELECT target_day, MIN(window_start_time) AS sealed_from, MAX(window_end_time) AS sealed_to, COUNT(*) AS windows,
       COALESCE(SUM(target_count), 0) AS target_rows,
       SUM(CASE audit_result WHEN 'loaded' THEN 1 ELSE 0 END) AS loaded,
       SUM(CASE audit_result WHEN 'empty' THEN 1 ELSE 0 END) AS empty,
       SUM(CASE audit_result WHEN 'already_present' THEN 1 ELSE 0 END) AS already_present,
       SUM(CASE audit_result WHEN 'skipped' THEN 1 ELSE 0 END) AS skipped
  FROM (SELECT page_from, target_day, window_start_time, window_end_time, audit_result, target_count,
               SUM(CASE WHEN target_day = day_before THEN 0 ELSE 1 END) OVER (
                   PARTITION BY page_from ORDER BY window_start_time, window_end_time) AS day_number,
               CASE WHEN pipeline_status = 'COMPLETED'
                     AND (end_before = window_start_time OR target_day <> day_before OR day_before IS NULL)
                     AND window_start_time >= COALESCE(reached, page_from)
                     AND window_start_time >= COALESCE(reached_before, page_from)
                     AND window_end_time <= COALESCE(start_behind, page_until) THEN 1 ELSE 0 END AS sound
          FROM (SELECT page_from, page_until, target_day, window_start_time, window_end_time, pipeline_status,
                       audit_result, target_count,
                       LAG(target_day) OVER in_order AS day_before, LAG(window_end_time) OVER in_order AS end_before,
                       LEAD(window_start_time) OVER in_order AS start_behind,
                       MAX(window_end_time) OVER (
                           PARTITION BY page_from ORDER BY window_start_time, window_end_time
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached,
                       (SELECT MAX(early.window_end_time) FROM pipeline_records AS early
                         WHERE early.pipeline_id = :pipeline_id AND early.mapping_name = :mapping_name
                           AND early.window_start_time >= free_from
                           AND early.window_start_time < page_from) AS reached_before
                  FROM ({pages}) AS pages CROSS JOIN pipeline_records
                 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
                   AND window_start_time >= page_from AND window_start_time < page_until
                WINDOW in_order AS (PARTITION BY page_from ORDER BY window_start_time, window_end_time)) AS walked
       ) AS numbered
 WHERE target_day <> (
       SELECT newest.target_day FROM pipeline_records AS newest
        WHERE newest.pipeline_id = :pipeline_id AND newest.mapping_name = :mapping_name
        ORDER BY newest.window_start_time DESC LIMIT 1)
 GROUP BY page_from, day_number, target_day
HAVING MIN(sound) = 1

-- name: days_to_seal
-- How many days of this page are finished, and where the next page begins when this one does not reach the end.
SELECT COALESCE((SELECT COUNT(*) FROM ({finished_days}) AS finished), 0) AS days,
       (SELECT MIN(page_cut) FROM ({pages}) AS pages) AS next_page,
       (SELECT sealing_since FROM pipelines WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name) AS since;

-- name: hold_to_seal
-- No row: somebody adds windows, reopens or seals just now. The triggers that unseal wait for whoever holds it.
SELECT pipeline_id FROM pipelines
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name {for_update_or_skip};

-- name: seal_days
-- Cleanup, holding the row of `pipelines`, in a statement behind the one that took it: it has to see what the last
-- holder did. Crash: the days are sealed or they are not; the next cleanup finds them again.
INSERT INTO pipeline_coverage (pipeline_id, mapping_name, target_day, sealed_from, sealed_to, windows, target_rows,
    loaded, empty, already_present, skipped)
SELECT :pipeline_id, :mapping_name, finished.* FROM ({finished_days}) AS finished
RETURNING sealed_from;

-- name: note_sealing
UPDATE pipelines SET sealing_since = {time:since} WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name;
