import type { JSX } from 'preact'

/** Drawn in the text's colour on a field of 16 by 16. */
const paths = {
  overview: 'M2 13V8m4 5V3m4 10V6m4 7v-3',
  jobs: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  queues: 'M8 2l6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3',
  workers: 'M3 3h10v7H3zM6 13.500h4M8 10v3.5',
  plus: 'M8 3v10M3 8h10',
  retry: 'M13 8a5 5 0 1 1-1.6-3.700M13 2v3h-3',
  play: 'M5 3l8 5-8 5z',
  pause: 'M5.5 3v10M10.5 3v10',
  cancel: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM5.8 5.800l4.4 4.400m0-4.400l-4.4 4.4',
  trash: 'M3 4.500h10M6 4.500V3h4v1.500M4.5 4.500l.6 8.500h5.800l.6-8.500M7 7v3.500M9 7v3.5',
  edit: 'M3 13l.6-3L10.5 3.200a1.3 1.3 0 0 1 2 2L5.8 12.300zM9.5 4.300l2.2 2.2',
  copy: 'M5.5 5.500h7.500V13H5.500zM3 10.500V3h7.5',
  check: 'M3 8.500l3.5 3.500L13 4.5',
  cross: 'M4 4l8 8m0-8l-8 8',
  search: 'M7 2.500a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.300L14 14',
  clock: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 5v3.200l2.2 1.3',
  warn: 'M8 2.500l6 11H2zM8 6.500v3.500M8 11.800v.2',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  down: 'M3.5 6L8 10.5 12.5 6',
  swap: 'M5 3v10M2.5 5.5L5 3l2.5 2.5M11 13V3M8.5 10.5L11 13l2.5-2.5',
  sliders: 'M3 4.500h6m3 0h1M3 11.500h1m3 0h6M9 3h3v3H9zM4 10h3v3H4z',
  sun: 'M8 5.200a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.600zM8 1.500v1.200M8 13.300v1.200M1.5 8h1.200M13.3 8h1.200M3.4 3.400l.9.9M11.7 11.700l.9.9M3.4 12.600l.9-.9M11.7 4.300l.9-.9',
  moon: 'M13.2 9.600A5.6 5.6 0 0 1 6.4 2.800a5.6 5.6 0 1 0 6.8 6.800z',
  auto: 'M8 2.500a5.5 5.5 0 1 1 0 11zM8 2.500a5.5 5.5 0 1 0 0 11z',
  key: 'M5.5 7.500a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM7.3 8.200L13 2.500M10.5 5l2 2',
  out: 'M9 3H3.500v10H9M7 8h6.500M11 5.500L13.5 8 11 10.5',
  wait: 'M4.5 2.500h7M4.5 13.500h7M5.5 2.500c0 3 5 4 5 5.500s-5 2.5-5 5.500M10.5 2.500c0 3-5 4-5 5.500s5 2.5 5 5.5',
  fail: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 4.800v4M8 10.900v.2',
  ring: 'M8 2.500a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z',
} as const

export type IconName = keyof typeof paths

/** Says nothing by itself: the word beside it does, or the label of what it stands in. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
