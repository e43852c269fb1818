import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
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
  const isDark = useCell(dark)

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const drawn = new uPlot(options(element, lines, write), data(times, lines), element)
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
  }, [isDark]) // colours are given to uPlot once

  useEffect(() => plot.current?.setData(data(times, lines)), [times.at(-1), times.length])

  const summary = lines.map((line) => `${line.label} ${latest(line, write)}`).join(', ')
  return (
    <section class="panel chart" aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        <span class="muted">{hint}</span>
        <span class="grow" />
        <ul class="chart-keys">
          {lines.map((line) => (
            <li key={line.label}>
              <span class={`chart-key ${line.colour}`} />
              {line.label} <strong>{latest(line, write)}</strong>
            </li>
          ))}
        </ul>
      </header>
      <div class="chart-place" ref={place} role="img" aria-label={`${title}: now ${summary}`} />
    </section>
  )
}

function options(element: HTMLElement, lines: readonly Line[], write: (value: number) => string): uPlot.Options {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
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
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    legend: { show: true, live: true },
    scales: { y: { range: (_plot, _least, most) => [0, nice(most)] } },
    axes: [
      { ...axis, space: 80, values: (_plot, at) => at.map(clockTime) },
      { ...axis, size: 52, space: 36, values: (_plot, at) => at.map(write) },
    ],
    series: [
      { label: 'Time', value: (_plot, at) => (at === null ? '' : clockTime(at)) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        fill: line.dash === true ? '' : `color-mix(in srgb, ${colour(line.colour)} 10%, transparent)`,
        width: 1.75,
        dash: line.dash === true ? [5, 4] : [],
        spanGaps: false,
        points: { show: false },
        value: (_plot: uPlot, value: number | null) => (value === null ? '' : write(value)),
      })),
    ],
  }
}

function data(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...times], ...lines.map((line) => [...line.values])]
}

/** The end of an axis: a little above the most, and never so small that noise looks like a mountain. */
function nice(most: number | null | undefined): number {
  return most === null || most === undefined || !(most > 0) ? 1 : most * 1.15
}

function latest(line: Line, write: (value: number) => string): string {
  const value = line.values.findLast((one) => one !== null)
  return value === undefined || value === null ? '–' : write(value)
}
