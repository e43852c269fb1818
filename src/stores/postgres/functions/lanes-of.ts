import { plainPlans } from './settings.ts'

/** The lanes for these queues, tasks and priorities, made where there are none. Two processes may do so at once. */
export const lanesOf: string = `
create or replace function @.lanes_of(queues text[], tasks text[], priorities integer[], keyeds boolean[])
returns table (lane_id text, queue_id text, queue_name text, task_name text, its_priority text, is_keyed text)
language plpgsql ${plainPlans} as $fn$
begin
  insert into @.queue (name)
  select distinct n.name from unnest(queues) as n (name)
  where not exists (select from @.queue u where u.name = n.name)
  order by n.name
  on conflict (name) do nothing;
  insert into @.lane (queue, task, priority, keyed)
  select u.id, n.task, n.priority, n.keyed
  from unnest(queues, tasks, priorities, keyeds) as n (queue, task, priority, keyed) join @.queue u on u.name = n.queue
  where not exists (
    select from @.lane l where l.queue = u.id and l.task = n.task and l.priority = n.priority and l.keyed = n.keyed
  )
  order by 1, 2, 3, 4
  on conflict (queue, task, priority, keyed) do nothing;
  return query
    select l.id::text, l.queue::text, u.name::text, l.task::text, l.priority::text, case when l.keyed then 't' else 'f' end
    from unnest(queues, tasks, priorities, keyeds) as n (queue, task, priority, keyed)
      join @.queue u on u.name = n.queue
      join @.lane l on l.queue = u.id and l.task = n.task and l.priority = n.priority and l.keyed = n.keyed;
end
$fn$;`
