/** The commands that grant a permission, as a shell and etcdctl read them. */
import { expect, it } from 'vitest'
import { finding } from '../../support/finding.js'

it('quotes the name of a user', () => {
  const details = { identity: 'common-name', user: 'My App', method: 'KV/Put', permission: 'write' } as const
  const { remedy } = finding('access/permission-denied', { ...details, key: 'a', rangeEnd: null })
  expect(remedy).toContain('"etcdctl user get \'My App\' --detail"')
  expect(remedy).toContain('"etcdctl user grant-role \'My App\' ROLE"')
})

it.each([
  ['/app/a', null, '/app/a'],
  ['/app/', '/app0', '/app/ /app0'],
  ['\0', '\0', "--prefix=true ''"],
  ['b', '\0', '--from-key=true b'],
  ["it's $HOME", null, "'it'\\''s $HOME'"],
  ['-x', null, "'-x'"],
  ['a\nb', null, 'KEY'],
  [null, null, 'KEY'],
])('grants the range %j to %j with a command that can be run', (key, rangeEnd, args) => {
  const who = { identity: 'common-name', user: 'app', method: 'KV/Range' } as const
  const { remedy } = finding('access/permission-denied', { ...who, permission: 'read', key, rangeEnd })
  expect(remedy).toContain(`"etcdctl role grant-permission ROLE read ${args}"`)
})
