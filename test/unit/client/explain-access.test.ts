/** As which user a refused call was made: what is certain, and what only etcd knows. */
import { describe, expect, it } from 'vitest'
import { explainAccess } from '../../../src/client/diagnosis/access.js'

const CALLER = { path: [], commonName: 'bob', isHidden: false, username: null }
const PERMISSION_DENIED = 7
const UNKNOWN = 2
const INVALID_ARGUMENT = 3
const FAILED_PRECONDITION = 9

function explain(code: number, details: string, caller: Partial<typeof CALLER> = {}) {
  const call = { path: '/etcdserverpb.KV/Range', request: null }
  const outcome = { code, details } as Parameters<typeof explainAccess>[0]
  return explainAccess(outcome, call, { ...CALLER, ...caller })?.details.report.findings[0]
}

describe('a call that etcd refuses to a client certificate', () => {
  it.each([
    [PERMISSION_DENIED, 'etcdserver: permission denied'],
    [FAILED_PRECONDITION, 'etcdserver: user name not found'],
    [UNKNOWN, 'auth: permission denied'],
  ])('A refused call names the user of a proxy as the second reading: status %d, %s', (code, text) => {
    const found = explain(code, text)
    expect(found?.details).toMatchObject({ identity: 'common-name', user: 'bob' })
    expect(found?.message).toContain('"bob", the common name of this client\'s certificate, or the user of a proxy')
    expect(found?.remedy).toMatch(
      /a proxy in front of etcd presents a certificate of its own|the certificate of a proxy/,
    )
  })

  it('The remedy has the command that shows the user that etcd sees, and the meaning of each answer', () => {
    expect(explain(PERMISSION_DENIED, 'etcdserver: permission denied')?.remedy).toMatch(
      /^Run "etcdctl user get bob" with this client's certificate and endpoint.*"permission denied".*"user name is empty".*"user name not found"/,
    )
  })

  it.each([
    ['etcdserver: permission denied', 'access/permission-denied'],
    ['etcdserver: user name is empty', 'access/no-user'],
    ['etcdserver: user name not found', 'access/no-user'],
  ])("The status 2 of etcd's grpc-proxy shows that etcd sees the user of a proxy: %s", (text, code) => {
    expect(explain(UNKNOWN, text)).toMatchObject({
      code,
      certificate: null,
      details: { identity: 'hidden', user: null },
    })
  })

  it('The finding does not call the common name a user if etcd sees none', () => {
    const found = explain(INVALID_ARGUMENT, 'etcdserver: user name is empty')
    expect(found).toMatchObject({ code: 'access/no-user', details: { named: false } })
    expect(found?.message).toContain('it sees no user, although the certificate has the common name "bob"')
    expect(found?.remedy).toMatch(/--client-cert-auth=true.*that one has no common name/)
  })
})

it('A call with a password is the call of its user, also through a proxy', () => {
  for (const code of [PERMISSION_DENIED, UNKNOWN]) {
    const found = explain(code, 'etcdserver: permission denied', { username: 'alice' } as never)
    expect(found?.details).toMatchObject({ identity: 'password', user: 'alice' })
    expect(found?.message).toContain('the user "alice" (by password)')
  }
})
