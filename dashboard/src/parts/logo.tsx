import type { JSX } from 'preact'

/** A ferry on the water. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="logo-field" width="32" height="32" rx="8" />
      <path class="logo-house" d="M10 9h4.500v5.500H10zM16.5 10.500h6v4h-6z" />
      <path class="logo-hull" d="M5 15.500h22l-2.8 5a2.6 2.6 0 0 1-2.3 1.400H10.100a2.6 2.6 0 0 1-2.3-1.400z" />
      <path class="logo-water" d="M5 25.500q2.750-2 5.5 0t5.5 0 5.5 0 5.5 0" />
    </svg>
  )
}
