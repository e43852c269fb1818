import { Cell } from './cell.ts'

/** `auto` follows the system. */
export type Theme = 'auto' | 'light' | 'dark'

const place = 'jobferry-theme'

export const theme = new Cell<Theme>(kept())
/** Whether it is dark now; changes with the choice and with the system. */
export const dark = new Cell(false)

const system = matchMedia('(prefers-color-scheme: dark)')
system.addEventListener('change', show)
theme.listen(show)
show()

/** Chooses what comes after the present one, and keeps it in this browser. */
export function turnTheme(): void {
  const order: readonly Theme[] = ['auto', 'light', 'dark']
  theme.set(order[(order.indexOf(theme.value) + 1) % order.length] ?? 'auto')
  try {
    localStorage.setItem(place, theme.value)
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}

function kept(): Theme {
  try {
    const text = localStorage.getItem(place)
    return text === 'light' || text === 'dark' ? text : 'auto'
  } catch {
    return 'auto'
  }
}

function show(): void {
  document.documentElement.dataset['theme'] = theme.value
  dark.set(theme.value === 'auto' ? system.matches : theme.value === 'dark')
}
