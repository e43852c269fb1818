// A worker process of kills.test.ts: works what comes, and says each number that a run has ended with on a line of its own.
import { open, task } from '../../src/index.ts'

const [, , url = '', namespace = '', leaseMs = ''] = process.argv
const jobs = await open(url, { namespace, logger: false, timeout: '20s' })
const note = task<number>({
  name: 'note',
  maxAttempts: 100,
  backoff: 50,
  handler: async (n) => {
    await new Promise((resolve) => setTimeout(resolve, n % 7))
    process.stdout.write(`${n}\n`)
  },
})
jobs.work([note], { concurrency: 10, lease: Number(leaseMs), poll: 1_000 })
process.stdout.write('ready\n')
