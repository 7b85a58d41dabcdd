/** The commands that grant a permission, as a shell and etcdctl read them. */
import { expect, it } from 'vitest'
import { finding } from '../../support/finding.js'

it('quotes the name of a user', () => {
  const who = { identity: 'common-name', user: 'My App', method: 'KV/Put' } as const
  const required = [{ permission: 'write', key: 'a', rangeEnd: null }] as const
  const { remedy } = finding('access/permission-denied', { ...who, required: [...required] })
  expect(remedy).toContain('"etcdctl user get \'My App\'"')
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
  const { remedy } = finding('access/permission-denied', { ...who, required: [{ permission: 'read', key, rangeEnd }] })
  expect(remedy).toContain(`"etcdctl role grant-permission ROLE read ${args}"`)
})

it('grants reading and writing of one range at once, because another grant would replace the first', () => {
  const who = { identity: 'common-name', user: 'app', method: 'KV/Txn' } as const
  const key = { key: 'a', rangeEnd: null }
  const { message, remedy } = finding('access/permission-denied', {
    ...who,
    required: [
      { permission: 'read', ...key },
      { permission: 'write', ...key },
      { permission: 'write', key: 'b', rangeEnd: null },
    ],
  })
  expect(message).toContain(
    'read the key "a", the permission to write the key "a" and the permission to write the key "b"',
  )
  expect(remedy).toContain('"etcdctl role grant-permission ROLE readwrite a"')
  expect(remedy).toContain('"etcdctl role grant-permission ROLE write b"')
})

it.each([
  ['app/', 'app0', 'the whole range from "app/" to "app0"'],
  ['app/', '\0', 'every key from "app/"'],
  ['\0', '\0', 'every key'],
  ['app/a', null, 'the key "app/a"'],
])('reports the range %j to %j as it was asked for', (key, rangeEnd, shown) => {
  const who = { identity: 'common-name', user: 'app', method: 'KV/Range' } as const
  const { message } = finding('access/permission-denied', { ...who, required: [{ permission: 'read', key, rangeEnd }] })
  expect(message).toContain(`the permission to read ${shown},`)
})

it.each([
  ['svc\n', 'username', 'etcdctl user get svc'],
  ['svc', 'password', 'call .trimEnd() after reading the password'],
] as const)('says first that the login of %j ends with a line break in the %s', (username, lineBreakIn, remedy) => {
  const found = finding('login/failed', { username, refused: true, detail: 'authentication failed', lineBreakIn })
  expect(found.message).toMatch(/ends with a line break, as "echo NAME \| base64"/)
  expect(found.remedy).toMatch(/^Remove the line break: /)
  expect(found.remedy).toContain(remedy)
})

it('prints no command with a name that has control characters', () => {
  const { remedy } = finding('login/failed', {
    username: 'a\u0001b',
    refused: true,
    lineBreakIn: null,
    detail: 'authentication failed',
  })
  expect(remedy).toContain('etcdctl user get NAME')
  expect(remedy).not.toContain('u{1}')
})
