import type { Clock } from '../runtime/clock.ts'
import { Refusal } from './problem.ts'
import { respond } from './respond.ts'
import type { News, Watch } from './watch.ts'

/** How often a line without meaning is sent, so that whatever lies between does not take the silence for an end, in milliseconds. */
const beatMs = 15_000

/** After so long a feed ends, and the browser opens the next: who has lost the right to look is then refused. In milliseconds. */
const lifeMs = 15 * 60_000

/** A reader who is behind by so many events is given up. */
const mostBehind = 200

const mostFeeds = 100

/** Events as they happen (`text/event-stream`), until the reader leaves, the dashboard closes, or for a quarter of an hour. @throws Refusal 503 for the 101st */
export function feed(watch: Watch, clock: Clock, signal: AbortSignal): Response {
  if (watch.watchers >= mostFeeds)
    throw new Refusal(503, 'feeds', `There are ${mostFeeds} feeds open already.`, { 'retry-after': '10' })
  const encoder = new TextEncoder()
  let end: () => void = () => undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let open = true
        let offBeat: () => void = () => undefined
        const send = (text: string): void => {
          if (!open) return
          if ((controller.desiredSize ?? 0) < -mostBehind) return finish()
          controller.enqueue(encoder.encode(text))
        }
        const beat = (): void => {
          offBeat = clock.after(beatMs, () => {
            send(': \n\n')
            beat()
          })
        }
        const finish = (): void => {
          if (!open) return
          open = false
          end()
          controller.close()
        }
        const offLife = clock.after(lifeMs, () => {
          send(eventText({ event: 'end', data: {} }))
          finish()
        })
        send('retry: 2000\n\n')
        beat()
        const unsubscribe = watch.subscribe((news) => {
          send(eventText(news))
          if (news.event === 'end') finish()
        })
        end = () => {
          open = false
          offBeat()
          offLife()
          unsubscribe()
          signal.removeEventListener('abort', finish)
        }
        if (!open) return end() // it was over before it began
        if (signal.aborted) finish()
        else signal.addEventListener('abort', finish)
      },
      cancel: () => end(),
    },
    { highWaterMark: 16 },
  )
  return respond(200, body, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
}

/** JSON has no line breaks of its own, so one `data:` is enough. */
function eventText({ event, data }: News): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
