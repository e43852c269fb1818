import type { JSX } from 'preact'

import { faultInJson, inexactIn, parseJson, writeJson } from '../json.ts'
import { Field, textOf } from './field.tsx'

/** Text that is to be JSON; says at once when it is not. Empty is no payload at all. */
export function JsonField(props: {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly hint?: string
}): JSX.Element {
  const { value, onChange } = props
  const fault = value.trim() === '' ? undefined : (faultInJson(value) ?? lossIn(value))
  return (
    <div class="json-field">
      <Field label={props.label} hint={props.hint ?? 'JSON. Empty for no payload at all.'} error={fault}>
        {(attributes) => (
          <textarea
            {...attributes}
            class="code"
            rows={Math.min(18, Math.max(6, value.split('\n').length + 1))}
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            value={value}
            aria-invalid={fault !== undefined}
            onInput={(event) => onChange(textOf(event))}
          />
        )}
      </Field>
      {value.trim() !== '' && fault === undefined && (
        <button type="button" class="link" onClick={() => onChange(writeJson(parseJson(value)))}>
          Indent
        </button>
      )}
    </div>
  )
}

/** The payload that a text stands for. @throws Error unless it is JSON that can be sent as it is, or is empty, which means `undefined` */
export function payloadIn(text: string): unknown {
  if (text.trim() === '') return undefined
  const fault = faultInJson(text)
  if (fault !== undefined) throw new Error(fault)
  const loss = lossIn(text)
  if (loss !== undefined) throw new Error(loss)
  return JSON.parse(text)
}

/** It is better not to save at all than to save another number. */
function lossIn(text: string): string | undefined {
  const number = inexactIn(parseJson(text))
  return number === undefined ? undefined : `${number} has more digits than can be saved from here.`
}
