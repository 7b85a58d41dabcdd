/** `isRetryable`: the rows of docs/retries.md, and the error classes of etcd3. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as etcd3 from 'etcd3'
import { describe, expect, it } from 'vitest'
import { markCall } from '../../../src/client/base/retryable.js'
import { createSecureClient, type ErrorCode, EtcdMtlsError, isRetryable } from '../../../src/client/index.js'
import { CALL_FORMS } from '../../support/call-forms.js'
import { root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { grpcPeer, refuseCall } from '../../support/peers.js'

const pki = mintPki()
const page = readFileSync(join(root, 'docs/retries.md'), 'utf8')
const section = page.split(/^## /m).find((each) => each.startsWith('When to call again\n')) ?? ''
const inTable = [...section.matchAll(/^\| `(ERR_[A-Z_]+)` +\| (yes|no) /gm)]
const [, others = ''] = /^All others are not, ([^]*?)\.$/m.exec(section) ?? []
const rows = [...inTable, ...others.matchAll(/`(ERR_[A-Z_]+)`/g)].map(([, code = '', yes]) => ({
  code: code as ErrorCode,
  retryable: yes === 'yes',
}))

function ours(code: ErrorCode): Error {
  return new EtcdMtlsError(code, code, {} as never)
}

describe('isRetryable, for an error of this package', () => {
  it('docs/retries.md describes every code', () => {
    const source = readFileSync(join(root, 'src/report/errors.ts'), 'utf8')
    const codes = [...source.matchAll(/^ {2}(ERR_[A-Z_]+):/gm)].map(([, code]) => code)
    expect(codes.length).toBeGreaterThan(10)
    expect(rows.map(({ code }) => code).sort()).toEqual(codes.sort())
  })

  it.each(rows)('returns $retryable for $code, also as the cause of an error of a call', ({ code, retryable }) => {
    expect(isRetryable(ours(code))).toBe(retryable)
    for (const Class of [etcd3.GRPCUnavailableError, etcd3.GRPCInternalError, etcd3.GRPCDeadlineExceededError]) {
      const error = Object.assign(new Class('14 UNAVAILABLE: etcdserver: no leader'), { cause: ours(code) })
      markCall(error)
      expect(isRetryable(error)).toBe(retryable)
    }
  })

  it('returns false for a code of another version, and for an error that only contains a retryable one', () => {
    expect(isRetryable(ours('ERR_NEW' as ErrorCode))).toBe(false)
    expect(isRetryable(ours('toString' as ErrorCode))).toBe(false)
    expect(isRetryable(new Error('two writes', { cause: ours('ERR_UNREACHABLE') }))).toBe(false)
    expect(isRetryable(new AggregateError([ours('ERR_UNREACHABLE')]))).toBe(false)
  })

  it.each([
    undefined,
    null,
    'ERR_UNREACHABLE',
    { code: 'ERR_UNREACHABLE' },
    new Error('x'),
    AbortSignal.abort().reason,
  ])('returns false for %o', (value) => {
    expect(isRetryable(value)).toBe(false)
  })
})

describe('isRetryable, for an error of etcd3', () => {
  const classes = Object.entries(etcd3).flatMap(([name, Class]: [string, unknown]) =>
    typeof Class === 'function' && Class.prototype instanceof Error ? [{ name, Class: Class as new () => Error }] : [],
  )

  it('the source has a row for every class', () => {
    const source = readFileSync(join(root, 'src/client/base/retryable.ts'), 'utf8')
    expect(classes.length).toBeGreaterThan(30)
    expect(classes.filter(({ name }) => !source.includes(`  ${name}: `))).toEqual([])
  })

  it('accepts only classes after which nothing was written, if it does not know the client', () => {
    const yes = classes.filter(({ Class }) => isRetryable(new Class())).map(({ name }) => name)
    expect(yes.sort()).toEqual(['EtcdLockFailedError', 'EtcdWatchStreamEnded', 'STMConflictError'])
  })

  it('accepts an expired deadline and an unavailable etcd of a call of this client as well', () => {
    const yes = classes.filter(({ Class }) => {
      const error = new Class()
      markCall(error)
      return isRetryable(error)
    })
    expect(yes.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['GRPCDeadlineExceededError', 'GRPCUnavailableError']),
    )
    expect(yes).toHaveLength(5)
  })

  it.each([
    ['2 UNKNOWN: etcdserver: too many requests', true],
    ['2 UNKNOWN: raft proposal dropped', true],
    ['14 UNAVAILABLE: etcdserver: no leader', true],
    ['14 UNAVAILABLE: etcdserver: request timed out', false],
    ['14 UNAVAILABLE: etcdserver: leader changed', false],
    ['3 INVALID_ARGUMENT: the key "etcdserver: too many requests" is empty', false],
  ])('reads the message of any client: %s', (message, retryable) => {
    const Class = message.startsWith('2') ? etcd3.GRPCUnknownError : etcd3.GRPCUnavailableError
    expect(isRetryable(new Class(message))).toBe(retryable)
  })

  it('returns false for a lease that is gone, whatever the cause', () => {
    const error = Object.assign(new etcd3.EtcdLeaseInvalidError('7'), { cause: ours('ERR_UNREACHABLE') })
    expect(isRetryable(error)).toBe(false)
  })

  it.each(CALL_FORMS)('separates reads from writes that may be applied: $name', async (form) => {
    // A read gets no answer.
    const answers: Record<string, [code: number, message: string]> = {
      '/etcdserverpb.KV/Put': [14, 'etcdserver: request timed out'],
      '/etcdserverpb.KV/DeleteRange': [8, 'etcdserver: mvcc: database space exceeded'],
    }
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      const answer = answers[String(headers[':path'])]
      stream.on('data', () => undefined)
      if (answer !== undefined) refuseCall(stream, ...answer)
    })
    const credentials = pki.client
    await using client = await createSecureClient(form.options({ endpoints: peer.endpoint, credentials }))
    const deadline = Date.now() + 300
    const read: unknown = await client.get('a').options({ deadline }).string().catch(asIs)
    expect(read).toBeInstanceOf(etcd3.GRPCDeadlineExceededError)
    expect(read).not.toHaveProperty('cause')
    expect(isRetryable(read)).toBe(true)
    const write: unknown = await client.put('a').value('1').exec().catch(asIs)
    expect(write).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
    expect(isRetryable(write)).toBe(false)
    const refused: unknown = await client.delete().key('a').exec().catch(asIs)
    expect(refused).toBeInstanceOf(etcd3.GRPCResourceExhastedError)
    expect(isRetryable(refused)).toBe(false)
  })
})

function asIs(reason: unknown): unknown {
  return reason
}
