import { withNewStore, withStoreThere } from '../open-store.ts'
import { text } from '../options.ts'
import { progress } from '../progress.ts'
import { counted } from '../table.ts'
import { type Verb, verb } from '../verb.ts'

export const adopt: Verb = verb({
  name: 'adopt',
  usage: '<url>',
  words: [1, 1],
  summary: 'Moves the jobs that wait in another queue into the store, once each.',
  notes:
    'The other queue is named as with --url: que:postgres:…, redis-work-queue:redis:…, backlite:app.db?dispatcher=stopped, or a store of ours. Workers\n' +
    'on both sides may run meanwhile, where the format allows it: a job that somebody over there takes first is left to them. If it is broken off, call\n' +
    'it again with the same words.',
  options: {
    queue: text('<name>', 'only jobs of this queue'),
    task: text('<name>', 'only jobs of this task'),
  },
  async run(call) {
    const { values, words, terminal } = call
    const { queue, task } = values
    const [url = ''] = words
    const source = { ...call, values: { ...values, url: [url] } }
    return await withStoreThere(source, async (from) => {
      const waiting = (await from.stats())
        .filter((one) => queue === undefined || one.queue === queue)
        .reduce((sum, one) => sum + (task === undefined ? one.counts : (one.tasks[task] ?? { pending: 0 })).pending, 0)
      return await withNewStore(call, async (jobs) => {
        const bar = progress(terminal.io.stderr, 'moving', waiting)
        const options = { ...(queue === undefined ? {} : { queue }), ...(task === undefined ? {} : { task }) }
        const adopted = await jobs
          .adopt(from, { source: placeOf(url), ...options, onMoved: (count) => bar.add(count) })
          .finally(() => bar.end())
        if (terminal.json) terminal.give(adopted)
        else terminal.say(`${counted(adopted.moved, 'job')} moved${leftOver(adopted.left)}`)
        return 0
      })
    })
  },
})

/** What a URL leads to, whoever goes there: the account is no part of it. */
function placeOf(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, '//').slice(0, 200)
}

function leftOver(count: number): string {
  return count === 0 ? '' : `, ${counted(count, 'job')} left to those who took them first`
}
