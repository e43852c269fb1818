import { plainPlans } from './settings.ts'

/** Adds lines to the logs of jobs, in order; those of jobs that are gone are dropped. */
export const logLines: string = `
create or replace function @.log_lines(jobs text[], attempts integer[], ats bigint[], levels text[], messages text[], datas text[])
returns void language plpgsql ${plainPlans} as $fn$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into @.log (job, attempt, at, level, message, data)
  select n.job, n.attempt, n.at, n.level, n.message, n.data
  from unnest(jobs, attempts, ats, levels, messages, datas) as n (job, attempt, at, level, message, data)
  where exists (select from @.job j where j.id = n.job);
end
$fn$;`
