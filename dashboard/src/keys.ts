import { useEffect, useRef } from 'preact/hooks'

/** What keys do, by `event.key`. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>

/** For as long as the component is there, a key pressed outside of fields and dialogs does what is said. The component mounted last has it first. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const layer = (event: KeyboardEvent): boolean => {
      const press = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : undefined
      press?.(event)
      return press !== undefined
    }
    layers.unshift(layer)
    return () => void layers.splice(layers.indexOf(layer), 1)
  }, [])
}

const layers: ((event: KeyboardEvent) => boolean)[] = []

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  if (writing(event.target) || document.querySelector('dialog[open]') !== null) return
  if (layers.some((layer) => layer(event))) event.preventDefault()
})

function writing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button'].includes(target.type)
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}
