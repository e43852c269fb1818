import { UsageError } from '../../core/errors.ts'
import { toMs } from '../../core/duration.ts'
import type { UniqueOption } from '../../core/dedupe.ts'
import { prepare } from '../../enqueue.ts'
import { type AnyTask, task } from '../../task.ts'
import { expectTask, importTasks } from '../modules.ts'
import { duration, instant, many, oneOf, onlyGiven, type Option, text, type Values, whole } from '../options.ts'
import { withNewStore } from '../open-store.ts'
import { readPayload } from '../payload.ts'
import { type Call, type Verb, verb } from '../verb.ts'

const until: Option<'claimed' | 'settled' | number> = {
  kind: 'value',
  hint: '<claimed|settled|duration>',
  says: 'how long the unique key is held; default claimed',
  read: ([given = ''], option) => (given === 'claimed' || given === 'settled' ? given : toMs(given, option, 1)),
}

const options = {
  queue: text('<name>', "the queue; default: the task's, or `default`"),
  delay: duration('not before so much time has passed'),
  'run-at': instant('not before this time'),
  priority: whole('lower runs first', -32_768, 32_767),
  'max-attempts': whole('how many runs at most', 1, 10_000),
  unique: text('<key>', 'at most one job of the queue holds this key'),
  'on-conflict': oneOf(['keep', 'replace', 'reject'], 'what happens when the key is held; default keep'),
  until,
  'concurrency-key': text('<key>', 'jobs of the queue with the same key never run at the same time'),
  module: many('<module>', 'where the task is declared: its schema and policy then hold; several may be given'),
}

export const enqueue: Verb = verb({
  name: 'enqueue',
  usage: '<task> [payload | @file | -]',
  words: [1, 2],
  summary: 'Adds a job, and prints its id and what happened: added, kept or replaced.',
  notes:
    "The payload is JSON, from a file with @, from stdin with -. Without --module nobody checks it until it is run,\nand the task's own queue, priority, attempts and keys are not known.",
  importing: true,
  options,
  async run(call) {
    const { values, words, terminal } = call
    const [name = '', given] = words
    const enqueueOptions = onlyGiven({
      queue: values.queue,
      delay: values.delay,
      runAt: values['run-at'],
      priority: values.priority,
      maxAttempts: values['max-attempts'],
      unique: toUniqueOption(values),
      concurrencyKey: values['concurrency-key'],
    })
    const declared = await declaration(call, name)
    const payload = given === undefined ? undefined : await readPayload(given, terminal.io)
    const entry = { task: declared, payload, options: enqueueOptions }
    await prepare(entry, () => '', Date.now(), undefined) // so that no file is made for a job that is refused
    return await withNewStore(call, async (jobs) => {
      const [enqueued] = await jobs.enqueueMany([entry])
      if (terminal.json) terminal.give(enqueued)
      else terminal.say(`${enqueued?.id} ${enqueued?.outcome}`)
      return 0
    })
  },
})

async function declaration({ values, terminal }: Call<typeof options>, name: string): Promise<AnyTask> {
  if (values.module === undefined) return task<unknown>({ name })
  return expectTask(await importTasks(values.module, terminal.io.cwd), name)
}

function toUniqueOption(values: Values<typeof options>): UniqueOption | undefined {
  const more = onlyGiven({ until: values.until, onConflict: values['on-conflict'] })
  if (values.unique !== undefined) return { key: values.unique, ...more }
  if (Object.keys(more).length > 0)
    throw new UsageError('Expected --on-conflict and --until only together with --unique')
  return undefined
}
