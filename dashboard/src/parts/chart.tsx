import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

import { useCell } from '../cell.ts'
import { clockTime } from '../format.ts'
import { dark } from '../theme.ts'

/** One line over time. `colour` names a custom property of the style sheet. */
export interface Line {
  readonly label: string
  readonly colour: string
  readonly values: readonly (number | null)[]
  readonly dash?: boolean
}

export interface ChartProps {
  readonly title: string
  readonly hint: string
  /** Milliseconds since 1970, rising. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  readonly write: (value: number) => string
}

const height = 170

/** Lines over the last minutes. Its times are those of the reader's clock and its colours those of the page, light or dark. */
export function Chart({ title, hint, times, lines, write }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const [at, setAt] = useState<number>()
  const isDark = useCell(dark)
  const known = lines.some((line) => line.values.some((value) => value !== null))

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const drawn = new uPlot(options(element, lines, write, setAt), data(times, lines), element)
    plot.current = drawn
    const watch = new ResizeObserver(() => {
      if (element.clientWidth > 0) drawn.setSize({ width: element.clientWidth, height })
    })
    watch.observe(element)
    return () => {
      watch.disconnect()
      drawn.destroy()
      plot.current = undefined
    }
  }, [isDark, known]) // colours are given to uPlot once

  useEffect(() => plot.current?.setData(data(times, lines)), [times.at(-1), times.length])

  const pointed = at === undefined ? undefined : times[at]
  const value = (line: Line): string => written(at === undefined ? lastOf(line) : line.values[at], write)
  return (
    <section class="panel chart" aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        <span class="muted">{pointed === undefined ? hint : clockTime(pointed)}</span>
        <span class="grow" />
        <ul class="chart-keys">
          {lines.map((line) => (
            <li key={line.label}>
              <span class={line.dash === true ? `chart-key dash ${line.colour}` : `chart-key ${line.colour}`} />
              {line.label} <strong>{value(line)}</strong>
            </li>
          ))}
        </ul>
      </header>
      {known ? (
        <div class="chart-place" ref={place} role="img" aria-label={`${title}: ${said(lines, write)}`} />
      ) : (
        <p class="chart-none">Nothing is known yet. It comes from what workers count, from one look to the next.</p>
      )}
    </section>
  )
}

function options(
  element: HTMLElement,
  lines: readonly Line[],
  write: (value: number) => string,
  point: (at: number | undefined) => void,
): uPlot.Options {
  const colour = (name: string): string => paint(element, name)
  const axis = {
    stroke: colour('muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: Math.max(element.clientWidth, 100),
    height,
    ms: 1,
    padding: [8, 26, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? undefined)] },
    scales: { y: { range: (_plot, _least, most) => [0, nice(most)] } },
    axes: [
      { ...axis, size: 26, space: 80, values: (_plot, at) => at.map(clockTime) },
      { ...axis, size: 52, space: 36, values: (_plot, at) => at.map(write) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: colour(line.colour),
        fill: line.dash === true ? '' : `color-mix(in srgb, ${colour(line.colour)} 10%, transparent)`,
        width: 1.75,
        dash: line.dash === true ? [5, 4] : [],
        spanGaps: false,
        points: { show: false },
      })),
    ],
  }
}

/** A colour as a canvas can paint it: what `light-dark()` comes to here. */
function paint(element: HTMLElement, name: string): string {
  element.style.color = `var(--${name})`
  const { color } = getComputedStyle(element)
  element.style.color = ''
  return color
}

function data(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...times], ...lines.map((line) => [...line.values])]
}

/** The end of an axis: a little above the most, and never so small that noise looks like a mountain. */
function nice(most: number | null | undefined): number {
  return most === null || most === undefined || !(most > 0) ? 1 : most * 1.15
}

function lastOf(line: Line): number | null | undefined {
  return line.values.findLast((one) => one !== null)
}

function written(value: number | null | undefined, write: (value: number) => string): string {
  return value === undefined || value === null ? '–' : write(value)
}

function said(lines: readonly Line[], write: (value: number) => string): string {
  return lines.map((line) => `${line.label} ${written(lastOf(line), write)}`).join(', ')
}
