import { filters, toJobFilter } from '../filters.ts'
import { jobTable } from '../job-lines.ts'
import { withStoreThere } from '../open-store.ts'
import { flag, onlyGiven, text, whole } from '../options.ts'
import { type Verb, verb } from '../verb.ts'

const defaultLimit = 50

export const list: Verb = verb({
  name: 'list',
  summary: 'Lists jobs, the newest first.',
  notes: 'As JSON: { "jobs": […], "after": "…" }, with `after` for the next page where there may be one.',
  options: {
    ...filters,
    limit: whole(`at most so many, 1 to 1,000; default ${defaultLimit}`, 1, 1_000),
    after: text('<id>', 'the next page: the last id of the one before'),
    oldest: flag('the oldest first'),
  },
  async run(call) {
    const { values, terminal } = call
    const limit = values.limit ?? defaultLimit
    const page = onlyGiven({ after: values.after, order: values.oldest && ('oldest' as const) })
    return await withStoreThere(call, async (jobs) => {
      const found = await jobs.list({ ...toJobFilter(values), ...page, limit })
      const after = found.length < limit ? undefined : found.at(-1)?.id
      if (terminal.json) terminal.give({ jobs: found, after })
      else if (found.length === 0) terminal.note('No jobs match.')
      else terminal.say(jobTable(found, Date.now(), terminal.paint, terminal.width))
      if (!terminal.json && after !== undefined) terminal.note(`There may be more: --after ${after}`)
      return 0
    })
  },
})
