import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import { Field, focusFirst, textOf } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { Logo } from '../parts/logo.tsx'
import { signIn } from '../session.ts'
import { messageOf } from '../wire.ts'

/** For those who may not look yet. */
export function SignInPage({ byToken }: { readonly byToken: boolean }): JSX.Element {
  return (
    <main class="alone">
      <div class="sign-in">
        <Logo />
        <h1>jobferry</h1>
        {byToken ? (
          <TokenForm />
        ) : (
          <p class="muted">
            You may not see these jobs. The application this dashboard belongs to decides who may: sign in there, then
            load this page again.
          </p>
        )}
      </div>
    </main>
  )
}

function TokenForm(): JSX.Element {
  const [token, setToken] = useState('')
  const [error, setError] = useState<string>()
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setError(undefined)
    try {
      await signIn(token.trim())
    } catch (refused) {
      setError(messageOf(refused))
    }
  }
  return (
    <form class="form" onSubmit={(event) => void submit(event)}>
      <Field label="Token" hint="It was given to the dashboard when it was started." error={error}>
        {(attributes) => (
          <input
            {...attributes}
            type="password"
            autocomplete="current-password"
            ref={focusFirst}
            required
            value={token}
            onInput={(event) => setToken(textOf(event))}
          />
        )}
      </Field>
      <button type="submit" class="button primary">
        <Icon name="key" /> Sign in
      </button>
    </form>
  )
}
