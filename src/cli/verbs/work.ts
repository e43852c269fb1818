import { expectHandled, importTasks } from '../modules.ts'
import { logLevels, workerLog } from '../log-lines.ts'
import { duration, many, oneOf, onlyGiven, whole } from '../options.ts'
import { shownUrls, withNewStore } from '../open-store.ts'
import { untilStopped } from '../until-stopped.ts'
import { type Verb, verb } from '../verb.ts'

const defaultGraceMs = 25_000

export const work: Verb = verb({
  name: 'work',
  usage: '<module…>',
  words: [1, 1_000],
  summary: 'Works the tasks that modules export: by name, in arrays, or as their default; by path or as packages.',
  notes:
    'SIGTERM or SIGINT drains: nothing more is claimed, and running jobs may go on for the grace. After it, or with a\n' +
    'second signal, they are told to stop and given back; a third signal ends the process at once.\n' +
    'Exit code 0 if every run ended by itself, 1 if some had to be stopped. Lines go to stderr, with --json to stdout.',
  importing: true,
  options: {
    concurrency: whole('how many jobs to run at a time; default 10', 1, 100_000),
    queues: many('<a,b>', 'only jobs of these queues; default: all'),
    lease: duration('how long a job may be held without renewing; default 30s', 1_000),
    poll: duration('how often to look when nothing rings; default 5s', 10),
    grace: duration('how long running jobs may go on after a signal; default 25s'),
    'log-level': oneOf(logLevels, 'the lowest level of lines; default info'),
  },
  async run(call) {
    const { values, words, terminal } = call
    const { concurrency, lease, poll, grace = defaultGraceMs } = values
    const queues = values.queues?.flatMap((names) => names.split(','))
    const log = workerLog(terminal, values['log-level'] ?? 'info')
    const tasks = expectHandled(await importTasks(words, terminal.io.cwd), words)
    const ended = await withNewStore(
      call,
      async (jobs) => {
        const worker = jobs.work(tasks, onlyGiven({ concurrency, queues, lease, poll }))
        return await untilStopped(worker, grace, terminal.io, log, () =>
          log.info('working', { tasks: tasks.map((task) => task.name), store: shownUrls(call) }),
        )
      },
      log,
    )
    log.info('stopped', { ended: ended ? 'every run by itself' : 'some runs were stopped' })
    return ended ? 0 : 1
  },
})
