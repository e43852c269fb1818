import { describe, expect, it } from 'vitest'

import { toStoreError, type Trouble, troubleOf } from './errors.ts'

const said: readonly (readonly [Trouble, string])[] = [
  ['broken', 'Connection is closed.'],
  ['broken', 'Socket closed unexpectedly'],
  ['broken', 'connect ECONNREFUSED 127.0.0.1:6379'],
  ['broken', 'read ECONNRESET'],
  ['broken', 'getaddrinfo ENOTFOUND redis'],
  [
    'broken',
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
  ],
  ['broken', ''],
  ['later', 'LOADING Redis is loading the dataset in memory'],
  ['later', 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.'],
  ['later', 'CLUSTERDOWN The cluster is down'],
  ['later', 'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.'],
  ['later', 'ERR max number of clients reached'],
  ['demoted', "READONLY You can't write against a read only replica."],
  [
    'demoted',
    "ERR Error running script (call to f_0): @user_script:3: @user_script: 3: -READONLY You can't write against a read only replica.",
  ],
  ['unknown script', 'NOSCRIPT No matching script. Please use EVAL.'],
  ['full', "OOM command not allowed when used memory > 'maxmemory'. script: 0, on @user_script:14."],
  [
    'full',
    "ERR Error running script (call to f_0): @user_script:4: @user_script: 4: -OOM command not allowed when used memory > 'maxmemory'.",
  ],
  ['ours', 'JOBFERRY there is a job a already'],
  ['refused', 'WRONGPASS invalid username-password pair or user is disabled.'],
  ['refused', 'NOPERM this user has no permissions to run the EVALSHA command'],
  ['refused', 'WRONGTYPE Operation against a key holding the wrong kind of value script: 0, on @user_script:3.'],
  ['refused', "ERR unknown command 'WAITAOF', with args beginning with: "],
]

describe('what a client library throws', () => {
  it.each(said)('is %s: %s', (trouble, message) => {
    expect(troubleOf(new Error(message))).toBe(trouble)
  })

  it('leaves as a StoreError that says whether trying again may help', () => {
    const retryable = said
      .filter(([, message]) => toStoreError(new Error(message)).retryable)
      .map(([trouble]) => trouble)
    expect(new Set(retryable)).toEqual(new Set(['broken', 'later', 'demoted', 'full']))
  })
})
