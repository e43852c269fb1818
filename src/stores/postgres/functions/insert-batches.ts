import { plainPlans } from './settings.ts'

/**
 * Inserts batches that have writes or unique keys: each in a subtransaction, so that one that is refused leaves nothing behind. A batch is
 * \`{"writes": […], "jobs": […], "refuse": [place, …]}\`, its answer \`{"ok": …, "holders": […]}\`.
 */
export const insertBatches: string = `
create or replace function @.insert_batches(batches json, now_at bigint, out answers json[], out freed boolean)
language plpgsql ${plainPlans} as $fn$
declare
  batch json;
  written record;
  holders json[];
begin
  answers := '{}';
  freed := false;
  for batch in select b.value from json_array_elements(batches) as b loop
    begin
      select * into written from @.write_each(batch -> 'writes', true);
      holders := @.insert_each(batch -> 'jobs', now_at);
      if cardinality(written.refused) > 0
        or exists (select from json_array_elements_text(batch -> 'refuse') as p where holders[p.value::integer + 1] is not null) then
        raise exception using errcode = 'JF001'; -- undoes the batch
      end if;
      freed := freed or written.freed;
      answers := answers || json_build_object('ok', true, 'holders', to_json(holders));
    exception when sqlstate 'JF001' then
      answers := answers || json_build_object('ok', false, 'holders', to_json(holders));
    end;
  end loop;
end
$fn$;`
