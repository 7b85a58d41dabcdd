/** What etcd's users and roles refuse, on a real etcd with authentication by common name and by password. */
import { once } from 'node:events'
import { EtcdPermissionDeniedError, EtcdUserNotFoundError } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isEtcdMtlsError, type Finding, type SecureEtcd3 } from '../../src/client/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { enableAuth } from '../support/etcd.js'
import { errorCodes, refused } from '../support/refused.js'
import { sharedEtcd } from '../support/shared-etcd.js'

describe('authentication by common name', () => {
  const shared = sharedEtcd()
  const { pki } = shared
  let admin: SecureEtcd3

  beforeAll(async () => {
    admin = await shared.connect()
    await enableAuth(admin, 'Read', 'public/')
  })
  afterAll(async () => {
    await admin.auth.authDisable()
    await admin[Symbol.asyncDispose]()
  })

  const as = (credentials: Credentials, auth?: { username: string; password: string }): Promise<SecureEtcd3> =>
    shared.connect({ credentials, auth })

  async function refusal(promise: Promise<unknown>): Promise<{ error: Error; finding: Finding }> {
    const error: unknown = await promise.then(
      () => null,
      (reason: unknown) => reason,
    )
    if (!(error instanceof Error) || !isEtcdMtlsError(error.cause, 'ERR_ACCESS_DENIED')) {
      throw new Error("It should have been refused by etcd's users and roles", { cause: error })
    }
    return { error, finding: error.cause.details.report.findings[0] }
  }

  it('a refusal names the user, how etcd knows it, the call, the key and the permission', async () => {
    await using alice = await as(pki.issueClient({ subject: 'alice' }))
    expect(await alice.get('public/a').string()).toBeNull()
    const put = await refusal(alice.put('public/a').value('secret value').exec())
    expect(put.error).toBeInstanceOf(EtcdPermissionDeniedError)
    expect(put.finding).toMatchObject({
      code: 'access/permission-denied',
      certificate: { role: 'leaf', subject: 'CN=alice' },
      details: {
        identity: 'common-name',
        user: 'alice',
        method: 'KV/Put',
        required: [{ permission: 'write', key: 'public/a', rangeEnd: null }],
      },
    })
    expect(JSON.stringify(put.error.cause)).not.toContain('secret value')
    const range = await refusal(alice.getAll().prefix('other/').strings())
    expect(range.finding.details).toMatchObject({
      required: [{ permission: 'read', key: 'other/', rangeEnd: 'other0' }],
    })
    const watch = await refusal(alice.watch().prefix('other/').create())
    expect(watch.error).toBeInstanceOf(EtcdPermissionDeniedError)
    expect(watch.finding.details).toMatchObject({
      user: 'alice',
      method: 'Watch/Watch',
      required: [{ permission: 'read', key: 'other/', rangeEnd: 'other0' }],
    })
    const administration = await refusal(alice.user('alice').delete())
    expect(administration.finding.details).toMatchObject({
      required: [{ permission: 'root' }],
      method: 'Auth/UserDelete',
    })
  })

  it('a transaction names the keys of its comparisons and of both branches, and the remedy grants them', async () => {
    await using alice = await as(pki.issueClient({ subject: 'alice' }))
    const transaction = (): Promise<unknown> =>
      alice
        .if('lock/a', 'Create', '==', 0)
        .then(alice.put('lock/a').value('secret value'), alice.delete().prefix('queue/'))
        .else(alice.get('public/a'))
        .commit()
    const { error, finding } = await refusal(transaction())
    expect(finding.details).toMatchObject({
      method: 'KV/Txn',
      required: [
        { permission: 'read', key: 'lock/a', rangeEnd: null },
        { permission: 'write', key: 'lock/a', rangeEnd: null },
        { permission: 'write', key: 'queue/', rangeEnd: 'queue0' },
        { permission: 'read', key: 'public/a', rangeEnd: null },
      ],
    })
    expect(JSON.stringify(error.cause)).not.toContain('secret value')
    expect(finding.remedy).toContain('etcdctl role grant-permission ROLE readwrite lock/a')
    const role = admin.role('writer')
    await role.create()
    await role.grant({ permission: 'Readwrite', range: admin.range('lock/a') })
    await role.grant({ permission: 'Write', range: admin.range({ prefix: 'queue/' }) })
    await admin.user('alice').addRole('writer')
    await expect(transaction()).resolves.toMatchObject({ succeeded: true })
    await admin.user('alice').removeRole('writer')
    await role.delete()
  })

  it('a common name that is not a user is reported, whichever of its two messages etcd sends', async () => {
    await using bob = await as(pki.issueClient({ subject: 'bob' }))
    const read = await refusal(bob.get('public/a').string())
    expect(read.finding).toMatchObject({ code: 'access/permission-denied', details: { user: 'bob' } })
    expect(read.finding.remedy).toContain('etcdctl user add bob --no-password')
    const list = await refusal(bob.auth.userList())
    expect(list.error).toBeInstanceOf(EtcdUserNotFoundError)
    expect(list.finding).toMatchObject({ code: 'access/no-user', details: { user: 'bob', named: true } })
  })

  it('a certificate without a common name is refused as one of no user', async () => {
    await using nobody = await as(pki.issueClient({ subject: [['O', 'Example']] }))
    const list = await refusal(nobody.auth.userList())
    expect(list.finding).toMatchObject({
      code: 'access/no-user',
      details: { user: null, identity: 'none', named: false },
    })
  })

  it('a password that etcd refuses fails at once in spite of waitFor', async () => {
    const auth = { username: 'alice', password: 'wrong' }
    const connecting = shared.connect({ credentials: pki.client, auth, waitFor: '600s' })
    const { details } = await refused(connecting, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['login/failed'])
  })

  it('reports a line break at the end of a password first', async () => {
    const auth = { username: 'alice', password: 'alice-password\n' }
    const { details } = await refused(shared.connect({ credentials: pki.client, auth }), 'ERR_HANDSHAKE_FAILED')
    expect(details.report.findings[0].message).toContain('the password ends with a line break')
    expect(JSON.stringify(details.report)).not.toContain('alice-password')
  })

  it('a client with a password is its user, and not the user of the certificate', async () => {
    await using alice = await as(pki.client, { username: 'alice', password: 'alice-password' })
    const seen = once(await alice.watch().prefix('public/').create(), 'put')
    await admin.put('public/b').value('2')
    await seen
    expect(await alice.get('public/b').string()).toBe('2')
    const { finding } = await refusal(alice.put('public/a').value('x').exec())
    expect(finding).toMatchObject({
      code: 'access/permission-denied',
      certificate: null,
      details: { identity: 'password', user: 'alice' },
    })
  })
})
