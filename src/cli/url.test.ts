import { expect, it } from 'vitest'

import { UsageError } from '../core/errors.ts'
import { storeUrls } from './url.ts'

it('takes --url before JOBFERRY_URL, and needs one of them', () => {
  expect(storeUrls(['sqlite:a.db', 'sqlite:b.db'], { JOBFERRY_URL: 'sqlite:c.db' })).toEqual([
    'sqlite:a.db',
    'sqlite:b.db',
  ])
  expect(storeUrls(undefined, { JOBFERRY_URL: 'sqlite:c.db' })).toEqual(['sqlite:c.db'])
  expect(() => storeUrls(undefined, { JOBFERRY_URL: '' })).toThrow(UsageError)
})
