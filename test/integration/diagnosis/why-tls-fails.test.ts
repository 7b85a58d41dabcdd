/**
 * Every cause of a connection that fails, brought about, met by our client and by plain etcd3; docs/why-tls-fails.md is
 * what was found. `ETCD_MTLS_WRITE_DOCS=1 npm test -- test/integration/diagnosis` writes that page.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import { type ErrorCode, isEtcdMtlsError } from '../../../src/report/errors.js'
import type { Finding, FindingCode } from '../../../src/report/index.js'
import { parseDuration } from '../../../src/report/duration.js'
import { root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { ALERTS_SAY_WHY, IS_3_4, noCertificateAlert } from '../../support/etcd-version.js'
import { drawn, isLong } from '../../support/long.js'
import { OwnTime } from '../../support/own-time.js'
import { askPlainEtcd3, plainCredentials, type PlainSayings, STILL_WAITING } from '../../support/plain-etcd3.js'
import type { Cause, Situation } from '../../support/tls-cause.js'
import { CAUSES } from '../../support/tls-causes.js'
import { NotOnThisEtcd, startStage, type TlsStage } from '../../support/tls-stage.js'
import { renderWhyTlsFails, type FoundCause } from '../../support/why-page.js'

const PAGE = join(root, 'docs/why-tls-fails.md')

const WRITES_DOCS = process.env['ETCD_MTLS_WRITE_DOCS'] === '1'
const ALL = CAUSES.flatMap(({ causes }) => causes)
/** In `npm test`, half of the causes. */
const TRIED = new Set(WRITES_DOCS ? ALL : drawn(ALL, 60))
/** The causes about which our client is asked twice. */
const AGAIN = new Set(drawn(TRIED, 10))
const GROUPS = CAUSES.map(({ title, causes }) => ({ title, causes: causes.filter((each) => TRIED.has(each)) }))

const pki = mintPki()
const found: FoundCause[] = []
/** Rows that are not tried, or need flags which the etcd of these tests does not have. */
const missing = new Set(ALL.filter((each) => !TRIED.has(each)))
let stage: TlsStage

// Node warns of what plain etcd3 does (an IP address as SNI), and of NODE_TLS_REJECT_UNAUTHORIZED, whoever sets it.
const listeners = process.listeners('warning')

// What the machine itself has set is none of the causes.
const SET = ['NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED', 'grpc_proxy', 'https_proxy', 'http_proxy']
const environment = { ...process.env }

beforeAll(async () => {
  process.removeAllListeners('warning')
  for (const name of SET) Reflect.deleteProperty(process.env, name)
  stage = await startStage(pki)
})

afterAll(async () => {
  for (const name of SET) if (environment[name] !== undefined) process.env[name] = environment[name]
  for (const listener of listeners) process.on('warning', listener)
  await stage[Symbol.asyncDispose]()
})

describe.each(GROUPS.filter(({ causes }) => causes.length > 0))('$title', ({ title, causes }) => {
  it.each(causes)('$cause', async (cause) => {
    const situation = await setUp(cause)
    if (situation === null) return
    const before = handles()
    using rejections = unhandledRejections()
    try {
      const ours = await askOurs(situation)
      // Whoever asks again gets the same answer.
      const again = AGAIN.has(cause) ? await askOurs(situation) : ours
      expect(again).toEqual({ ...ours, late: again.late, remedies: again.remedies, details: again.details })
      if (situation.cure !== undefined) {
        const cured = await askOurs({ ...situation, options: { ...situation.options, ...situation.cure } })
        expect([cured.error, cured.codes]).toEqual([null, expect.not.arrayContaining([...cause.codes])])
      }
      // Sockets of plain etcd3 that an earlier row left end meanwhile.
      await expect.poll(() => moreThan(before)).toEqual([])
      expect(rejections.seen).toEqual([])
      const plain = await askPlain(situation)
      found.push({ group: title, cause: cause.cause, ...ours, plain })
      const { error, codes, certificate, remedies, late } = ours
      expect({ error, codes, certificate }).toEqual({
        error: cause.error,
        codes: codesOf(cause),
        certificate: cause.certificate,
      })
      expect(ours.all).toEqual(expect.arrayContaining([...(cause.hints ?? [])]))
      if (codesOf(cause)[0] === cause.codes[0]) expect(ours.details ?? {}).toMatchObject(detailsOf(cause))
      for (const remedy of remedies) expect(remedy).toMatch(/^\S.{20,}\.$/)
      // The processor time of the answer itself, which is more if others use the caches of the processor.
      expect(late).toBeLessThan(timeoutOf(situation) / 5)
    } finally {
      await situation.end?.()
    }
  })
})

it('the page shows what was found, and distinguishes more than forty causes', () => {
  expect(found.length).toBeGreaterThan(40)
  const page = renderWhyTlsFails(CAUSES, found)
  if (WRITES_DOCS) writeFileSync(PAGE, page)
  const written = withoutMissing(ofThisGo(readFileSync(PAGE, 'utf8')))
  // What an old Go says stands in the rows above, and not in the page.
  if (ALERTS_SAY_WHY)
    expect(withoutWaiting(written, page), 'ETCD_MTLS_WRITE_DOCS=1 writes it again').toBe(withoutWaiting(page, written))
  else expect(causesIn(page)).toEqual(causesIn(written))
})

/** The first cell of each row. */
function causesIn(page: string): string[] {
  return page.split('\n').flatMap((line) => /^\| (.+?) \| /.exec(line)?.[1] ?? [])
}

/**
 * The page without what plain etcd3 said in those rows in which it said nothing in time, in this page or in the other one: whether
 * it notices an alert that comes after the handshake is a race, which a busy machine decides in another way.
 */
function withoutWaiting(page: string, other: string): string {
  const others = other.split('\n')
  const lines = page.split('\n').map((line, index) => {
    const isWaiting = [line, others[index] ?? ''].some((each) => each.includes(STILL_WAITING))
    return isWaiting ? line.split(' | ').slice(0, 3).join(' | ') : line
  })
  return lines.join('\n')
}

/** Null for what the etcd of these tests cannot be set up for; the page is compared without it. */
async function setUp(cause: Cause): Promise<Situation | null> {
  try {
    return await cause.setUp(stage, pki)
  } catch (error) {
    if (!(error instanceof NotOnThisEtcd)) throw error
    missing.add(cause)
    expect(IS_3_4, error.message).toBe(true)
    return null
  }
}

/** What keeps this process busy, by its kind, but for timers and what is over in this turn: plain etcd3 has some of them. */
function handles(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (!['Timeout', 'Immediate', 'CloseReq', 'TickObject'].includes(kind))
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/** The kinds of which there are more than before. */
function moreThan(before: ReadonlyMap<string, number>): string[] {
  return [...handles()].flatMap(([kind, count]) => (count > (before.get(kind) ?? 0) ? [kind] : []))
}

function unhandledRejections(): { readonly seen: unknown[] } & Disposable {
  const seen: unknown[] = []
  const listener = (reason: unknown): void => {
    seen.push(reason)
  }
  process.on('unhandledRejection', listener)
  return { seen, [Symbol.dispose]: () => process.removeListener('unhandledRejection', listener) }
}

/** Milliseconds. */
function timeoutOf({ options }: Situation): number {
  return parseDuration(options?.dialTimeout ?? '5s', 'dialTimeout')
}

function codesOf({ codes, codesOfOldGo }: Cause): readonly FindingCode[] {
  return ALERTS_SAY_WHY ? codes : (codesOfOldGo ?? codes)
}

function detailsOf({ details = {}, detailsOf34 = details }: Cause): object {
  return IS_3_4 ? detailsOf34 : details
}

function withoutMissing(page: string): string {
  const sections = page.split(/^(?=## )/m).map((section) => {
    const group = CAUSES.find(({ title }) => section.startsWith(`## ${title}\n`))
    const absent = group?.causes.filter((each) => missing.has(each)) ?? []
    const lines = section.split('\n').filter((line) => !absent.some(({ cause }) => line.startsWith(`| ${cause} |`)))
    return lines.join('\n')
  })
  return sections.join('')
}

/** The page as it is with the Go of the etcd under test: it was written with Go 1.24. */
function ofThisGo(page: string): string {
  if (noCertificateAlert('TLSv1.2') === 42) return page
  const row = /^(\| none given, in TLS 1\.2 .*)alert bad certificate SSL alert number 42/m
  return page.replace(row, '$1alert handshake failure SSL alert number 40')
}

type Ours = Pick<FoundCause, 'error' | 'codes' | 'certificate'> & {
  remedies: string[]
  /** The codes of all findings. */
  all: string[]
  /** Of the first finding. */
  details: object | null
  /** Milliseconds between a timer of the dial time-out, which is as late as this machine is slow, and the answer. */
  late: number
}

function getOnce(client: SecureEtcd3): Promise<unknown> {
  return client.get('a').string()
}

async function askOurs(situation: Situation): Promise<Ours> {
  const { endpoint, credentials, options, ask = getOnce, elsewhere } = situation
  let sinceDue: OwnTime | null = null
  const timer = setTimeout(() => (sinceDue = new OwnTime()), timeoutOf(situation))
  const { error, findings } = await (elsewhere ?? connectOnce)()
  clearTimeout(timer)
  const late = lateness(sinceDue, elsewhere !== undefined)
  const told = error === null ? findings : findings.filter((each) => each.severity === 'error')
  const [first] = told
  return {
    error,
    codes: told.map((each) => each.code),
    certificate: first === undefined ? null : certificateOf(first, endpoint),
    remedies: told.map((each) => each.remedy),
    all: findings.map((each) => each.code),
    details: first?.details ?? null,
    late,
  }

  async function connectOnce(): Promise<{ error: ErrorCode | null; findings: readonly Finding[] }> {
    try {
      await using client = await createSecureClient({ endpoints: endpoint, credentials, ...options })
      await ask(client)
      return { error: null, findings: [...client.tls.report.findings, ...(client.tls.endpoints[0]?.findings ?? [])] }
    } catch (error) {
      // A call that fails rejects with the error of etcd3, and its cause is ours.
      const own = error instanceof Error && !isEtcdMtlsError(error) ? error.cause : error
      if (!isEtcdMtlsError(own)) throw error
      const { code, details } = own
      if ('report' in details) return { error: code, findings: details.report.findings }
      if ('findings' in details) return { error: code, findings: details.findings }
      throw error
    }
  }
}

/** Milliseconds of this process' own time; of a process elsewhere it is not known, because its start takes time, too. */
function lateness(clock: OwnTime | null, isElsewhere: boolean): number {
  using ended = clock
  return ended === null || isElsewhere ? 0 : ended.elapsed
}

/** `client leaf CN=root`, `server leaf CN=etcd`. */
function certificateOf({ certificate }: Finding, endpoint: string): string | null {
  if (certificate === null) return null
  const side = certificate.origin.startsWith(endpoint) ? 'server' : 'client'
  return `${side} ${certificate.role} ${certificate.subject}`
}

function askPlain({
  endpoint,
  credentials,
  plain,
  options,
  elsewhere,
  plainHangs,
  withoutPlain,
}: Situation): Promise<PlainSayings> {
  if (elsewhere !== undefined || withoutPlain === true) return Promise.resolve({ first: '–', second: '' })
  if (plainHangs === true && !isLong) return Promise.resolve({ first: STILL_WAITING, second: '' })
  if (plain !== undefined) return askPlainEtcd3(endpoint, plain)
  if ('load' in credentials) throw new Error('A source needs what plain etcd3 is given beside it')
  return askPlainEtcd3(endpoint, plainCredentials(credentials), options?.serverName)
}
