import { suggestion } from '../core/expect.ts'
import { withStoreThere } from './open-store.ts'
import { named } from './table.ts'
import type { Call } from './verb.ts'

/** Pauses or resumes the queues that the call names. One that nobody has used yet is legal, but likely a slip of the hand: it is noted. */
export async function setPaused(call: Call, paused: boolean): Promise<number> {
  const { words, terminal } = call
  return await withStoreThere(call, async (jobs) => {
    const known = (await jobs.stats()).map((one) => one.queue)
    for (const queue of words) {
      if (!known.includes(queue))
        terminal.complain(`Queue ${named(queue)} has had no job so far.${suggestion(queue, known)}`)
      await (paused ? jobs.pause(queue) : jobs.resume(queue))
      if (!terminal.json) terminal.say(`${named(queue)} ${paused ? 'paused' : 'resumed'}`)
    }
    if (terminal.json) terminal.give({ queues: words.map((queue) => ({ queue, paused })) })
    return 0
  })
}
