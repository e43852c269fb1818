import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

import type { LogLineView, LogPage } from '../../../src/dashboard/shapes.ts'
import { jobAddress } from '../address.ts'
import { useCell } from '../cell.ts'
import { changes } from '../feed.ts'
import { clockTime, exact, lines as linesOf } from '../format.ts'
import { ask, messageOf } from '../wire.ts'
import { Copy } from './copy.tsx'
import { Icon } from './icon.tsx'

const pageLines = 500
/** More lines than this are not read by themselves. */
const mostLines = 5_000
const pollMs = 1_000

/** A job's lines as they come. While the last one is in sight, the newest stays in sight. */
export function Logs({ id, running }: { readonly id: string; readonly running: boolean }): JSX.Element {
  const { lines, more, error } = useLines(id, running)
  const place = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  useLayoutEffect(() => {
    const element = place.current
    if (element !== null && atEnd.current && running) element.scrollTop = element.scrollHeight
  }, [lines.length])
  return (
    <section class="panel" aria-label="Log">
      <header class="panel-head">
        <h2>Log</h2>
        {lines.length > 0 && <span class="muted">{linesOf(lines.length)}</span>}
        {running && <span class="tag live">as it comes</span>}
        <span class="grow" />
        {lines.length > 0 && <Copy text={() => lines.map(written).join('\n')} label="log" />}
      </header>
      {error !== undefined && (
        <p class="stale" role="status">
          <Icon name="warn" /> {error}
        </p>
      )}
      {lines.length === 0 ? (
        <p class="panel-body muted">{running ? 'It has written nothing yet.' : 'It has written nothing.'}</p>
      ) : (
        <div
          class="log"
          ref={place}
          role="log"
          aria-label="Log lines"
          tabIndex={0}
          onScroll={({ currentTarget: element }) => {
            atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24
          }}
        >
          {lines.map((line, index) => (
            <Line key={line.seq} line={line} newAttempt={line.attempt !== lines[index - 1]?.attempt} />
          ))}
          {more && <p class="muted">There are more. The command line has all of them.</p>}
        </div>
      )}
    </section>
  )
}

function Line({ line, newAttempt }: { readonly line: LogLineView; readonly newAttempt: boolean }): JSX.Element {
  return (
    <>
      {newAttempt && <p class="log-attempt">Attempt {line.attempt}</p>}
      <p class={`log-line ${line.level}`}>
        <time dateTime={new Date(line.at).toISOString()} title={exact(line.at)}>
          {clockTime(line.at)}
        </time>
        <span class="log-level">{line.level}</span>
        <span class="log-message">
          {line.message}
          {line.data.text !== '' && <span class="log-data">{oneLine(line.data.text)}</span>}
        </span>
      </p>
    </>
  )
}

interface Lines {
  readonly lines: readonly LogLineView[]
  readonly more: boolean
  readonly error: string | undefined
}

/** Reads on behind the last line whenever something has changed, and every second while the job runs: lines ring no bell. */
function useLines(id: string, running: boolean): Lines {
  const [state, setState] = useState<Lines>({ lines: [], more: false, error: undefined })
  const change = useCell(changes)
  const reading = useRef({ busy: false, after: 0, count: 0, gone: false })

  useEffect(() => {
    const mine = reading.current
    mine.gone = false
    return () => {
      mine.gone = true
    }
  }, [])

  const readOn = async (): Promise<void> => {
    const mine = reading.current
    if (mine.busy) return
    mine.busy = true
    try {
      for (;;) {
        const page = await ask<LogPage>(`api/${jobAddress(id)}/logs?after=${mine.after}&limit=${pageLines}`)
        if (mine.gone) return
        mine.after = page.after
        mine.count += page.lines.length
        const full = page.lines.length === pageLines
        const more = full && mine.count >= mostLines
        setState((before) => ({ lines: [...before.lines, ...page.lines], more, error: undefined }))
        if (!full || more) return
      }
    } catch (error) {
      setState((before) => ({ ...before, error: messageOf(error) }))
    } finally {
      mine.busy = false
    }
  }

  useEffect(() => void readOn(), [change, running])
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => document.visibilityState === 'visible' && void readOn(), pollMs)
    return () => clearInterval(timer)
  }, [running])
  return state
}

function written(line: LogLineView): string {
  const data = line.data.text === '' ? '' : ` ${oneLine(line.data.text)}`
  return `${exact(line.at)} ${line.level} ${line.message}${data}`
}

/** Data comes indented; in a line it takes one. */
function oneLine(text: string): string {
  return text.replaceAll(/\n\s*/g, ' ')
}
