import { callersPlans } from './settings.ts'

/** The key may be free now, or its first job gone from the turn: in each lane the first parked job of the key comes back. */
export const unpark: string = `
create or replace function @.unpark(of_queue integer, key text) returns void language plpgsql ${callersPlans} as $fn$
begin
  update @.job j set parked = false
  where j.ctid = any (array(
    select n.ctid from @.lane l cross join lateral (
      select p.ctid from @.job p
      where p.parked and p.queue = of_queue and p.concurrency_key = key and p.lane = l.id
      order by p.run_at, p.seq
      limit 1
    ) n
    where l.queue = of_queue and l.keyed
  ));
end
$fn$;`
