import { type State, states } from '../core/job.ts'
import type { JobFilter } from '../store.ts'
import { oneOf, onlyGiven, type Option, past, text, type Values } from './options.ts'

/** The options by which jobs are chosen; together they narrow. */
export type Filters = Readonly<Record<'queue' | 'task' | 'unique-key' | 'parent', Option<string>>> &
  Readonly<Record<'since' | 'until', Option<number>>> & { readonly state: Option<State> }

export const filters: Filters = {
  queue: text('<name>', 'only jobs of this queue'),
  task: text('<name>', 'only jobs of this task'),
  state: oneOf(states, 'only jobs in this state'),
  since: past('only jobs created since then; a duration is so long ago'),
  until: past('only jobs created before then'),
  'unique-key': text('<key>', 'only jobs with this unique key'),
  parent: text('<id>', 'only jobs enqueued by the handler of this one'),
}

export function toJobFilter(values: Values<Filters>): Partial<JobFilter> {
  return onlyGiven({
    queue: values.queue,
    task: values.task,
    state: values.state,
    createdFrom: values.since,
    createdUntil: values.until,
    uniqueKey: values['unique-key'],
    parent: values.parent,
  })
}
