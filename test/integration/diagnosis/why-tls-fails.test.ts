/**
 * Every cause of a connection that fails, brought about, met by our client, by the examination of the cluster and by plain etcd3;
 * docs/why-tls-fails.md is what was found. `ETCD_MTLS_WRITE_DOCS=1 npm test -- test/integration/diagnosis` writes that page.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import { examineCluster } from '../../../src/doctor/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import type { Finding } from '../../../src/report/index.js'
import { parseDuration } from '../../../src/report/duration.js'
import { root } from '../../support/compiled.js'
import { mintPki, pemsOf } from '../../support/etcd.js'
import { ALERTS_SAY_WHY, IS_3_4, noCertificateAlert } from '../../support/etcd-version.js'
import { drawn, isLong } from '../../support/long.js'
import { OwnTime } from '../../support/own-time.js'
import { askPlainEtcd3, STILL_WAITING } from '../../support/plain-etcd3.js'
import type { Cause, CauseGroup, Outcome, Situation } from '../../support/tls-cause.js'
import { firstTwoSentences } from '../../support/tls-cause-says.js'
import { CLIENT_CAUSES } from '../../support/tls-causes-client.js'
import {
  ENVIRONMENT_CAUSES,
  MACHINE_CAUSES,
  NETWORK_CAUSES,
  PARAMETER_CAUSES,
} from '../../support/tls-causes-network.js'
import { CLUSTER_CAUSES, PROXY_CAUSES } from '../../support/tls-causes-proxies.js'
import { SERVER_CAUSES } from '../../support/tls-causes-server.js'
import { NotOnThisEtcd, startStage, type TlsStage } from '../../support/tls-stage.js'

const PAGE = join(root, 'docs/why-tls-fails.md')
const WRITES_DOCS = process.env['ETCD_MTLS_WRITE_DOCS'] === '1'
const GROUPS: readonly CauseGroup[] = [
  CLIENT_CAUSES,
  SERVER_CAUSES,
  PARAMETER_CAUSES,
  NETWORK_CAUSES,
  MACHINE_CAUSES,
  PROXY_CAUSES,
  CLUSTER_CAUSES,
  ENVIRONMENT_CAUSES,
]
const ALL = GROUPS.flatMap(({ causes }) => causes)
const isSlow = (each: Cause): boolean => each.isSlow === true
/** Causes that this run tries: half of each group, and two of those that take long. */
const CHOSEN = new Set(
  WRITES_DOCS
    ? ALL
    : [
        ...drawn(ALL.filter(isSlow), 2),
        ...GROUPS.map(({ causes }) => causes.filter((each) => !isSlow(each))).flatMap((quick) =>
          drawn(quick, Math.ceil(quick.length / 2)),
        ),
      ],
)
/** The causes about which plain etcd3 is asked as well: on Node 26, which refuses an IP address as a server name, it cannot dial one. */
const ASKED = Number(process.versions.node.split('.')[0]) < 26 ? ALL : []
const COMPARED = new Set(WRITES_DOCS ? ASKED : drawn(ASKED, 10))
/** The causes about which our client is asked twice: the answer is the same. */
const AGAIN = new Set(drawn(ALL, 5))
/** The causes that the examination of the cluster meets as well. */
const EXAMINED = new Set(
  drawn(
    ALL.filter(({ isOfClient }) => isOfClient !== true),
    30,
  ),
)

const pki = mintPki()
/** The rows of the page, by cause; without the last cells if plain etcd3 was not asked. */
const rows = new Map<Cause, string>()
let stage: TlsStage

// Node warns of what plain etcd3 does (an IP address as SNI), and of NODE_TLS_REJECT_UNAUTHORIZED.
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

describe.each(GROUPS)('$title', ({ causes }) => {
  it.each(causes.filter((each) => CHOSEN.has(each)))('explains the cause: $cause', async (cause) => {
    const situation = await setUp(cause)
    if (situation === null) return
    const before = handles()
    const rejections: unknown[] = []
    const onRejection = (reason: unknown) => rejections.push(reason)
    process.on('unhandledRejection', onRejection)
    try {
      const ours = await askOurs(situation)
      if (AGAIN.has(cause)) expect((await askOurs(situation)).codes).toEqual(ours.codes)
      if (situation.cure !== undefined) {
        const cured = await askOurs({ ...situation, options: { ...situation.options, ...situation.cure } })
        expect([cured.error, cured.codes]).toEqual([null, expect.not.arrayContaining([...cause.codes])])
      }
      // Sockets of plain etcd3 that an earlier row left end meanwhile.
      await expect.poll(() => moreThan(before)).toEqual([])
      expect(rejections).toEqual([])
      if (EXAMINED.has(cause) && isOfServer(situation)) {
        // The examination reads no key, so that no role refuses it, and its environment is not that of a client.
        const codes = ours.codes.filter((code) => !/^(?:access|environment)\//.test(code))
        const found = await askDoctor(situation)
        // A learner is healthy, though it serves no client.
        if ('learner' in (cause.details ?? {})) expect(found).not.toContain('endpoint/unavailable')
        else expect(found).toEqual(expect.arrayContaining(codes))
      }
      rows.set(cause, rowOf(ours, cause, COMPARED.has(cause) ? await askPlain(situation) : []))
      const { error, codes, certificate } = ours
      const expected = ALERTS_SAY_WHY ? cause.codes : (cause.codesOfOldGo ?? cause.codes)
      expect({ error, codes, certificate }).toEqual({
        error: cause.error,
        codes: expected,
        certificate: cause.certificate,
      })
      expect(ours.all).toEqual(expect.arrayContaining([...(cause.hints ?? [])]))
      const details = cause.details ?? {}
      if (expected[0] === cause.codes[0]) expect(ours.reported[0]?.details ?? {}).toMatchObject(details)
      const [first] = ours.reported
      if (first !== undefined && first.code === cause.codes[0]) {
        const said = firstTwoSentences(first)
        expect(
          cause.says.filter((each) => !said.includes(each)),
          said,
        ).toEqual([])
      }
      for (const { remedy } of ours.reported) expect(remedy).toMatch(/^\S.{20,}\.$/)
      // The processor time of the answer itself, which is more if others use the caches of the processor.
      expect(ours.late).toBeLessThan(timeoutOf(situation) / 5)
    } finally {
      process.off('unhandledRejection', onRejection)
      await situation.end?.()
    }
  })
})

it('the page shows the findings, and distinguishes more than forty causes', () => {
  expect(rows.size).toBeGreaterThan(40)
  if (WRITES_DOCS) writeFileSync(PAGE, renderPage())
  const lines = readFileSync(PAGE, 'utf8').split('\n')
  expect(lines.filter((line) => /^\| (?!cause|---)/.test(line)).map((line) => line.split(' | ')[0])).toEqual(
    ALL.map(({ cause }) => `| ${cause}`),
  )
  // The alerts of an old Go are in the rows of the tables, and not in the page.
  if (!ALERTS_SAY_WHY) return
  const written = new Set(lines.flatMap((line) => [line, cellsOf(line, 3)]).map(ofThisGo))
  const wrong = [...rows.values()].filter((row) => !written.has(row) && !(isRace(row) && written.has(cellsOf(row, 3))))
  expect(wrong, 'ETCD_MTLS_WRITE_DOCS=1 writes the page again').toEqual([])
})

function renderPage(): string {
  const head = readFileSync(PAGE, 'utf8').split(/^## /m)[0] ?? ''
  const sections = GROUPS.map(({ title, text, causes }) => {
    const top = [
      '| cause | this client reports | certificate | plain etcd3: first call | second call |',
      '| --- | --- | --- | --- | --- |',
    ]
    const found = causes.map((each) => rows.get(each)).join('\n')
    return `## ${title}\n\n${text}\n\n<!-- prettier-ignore -->\n${top.join('\n')}\n${found}\n`
  })
  return head + sections.join('\n')
}

/** A row of the page, with the answers of plain etcd3 if it was asked. */
function rowOf({ error, codes, certificate }: Ours, { cause }: Cause, plain: readonly string[]): string {
  const ours = [error === null ? 'It connects.' : `\`${error}\``, ...codes.map((code) => `\`${code}\``)].join('<br>')
  const about = certificate === null ? '–' : `the ${certificate.replace(/^(client|server)/, "$1's")}`
  const [first, ...after] = plain.map((each) => each.replaceAll('|', '\\|'))
  const theirs = first === undefined ? [] : [first.replace('GRPCUnavailableError: 14 UNAVAILABLE: ', ''), ...after]
  return `| ${[cause, ours, about, ...theirs].join(' | ')}${plain.length === 0 ? '' : ' |'}`
}

function cellsOf(line: string, count: number): string {
  return line.split(' | ').slice(0, count).join(' | ')
}

/** Whether plain etcd3 notices an alert that comes after the handshake depends on how busy the machine is. */
function isRace(row: string): boolean {
  return row.includes(STILL_WAITING) || row.includes('Failed to connect')
}

/** The line of the page as it is with the Go of the etcd under test: it was written with Go 1.24. */
function ofThisGo(line: string): string {
  if (noCertificateAlert('TLSv1.2') === 42 || !line.startsWith('| no certificate, in TLS 1.2 ')) return line
  return line.replace('alert bad certificate SSL alert number 42', 'alert handshake failure SSL alert number 40')
}

/** Null for what the etcd of these tests cannot be set up for. */
async function setUp(cause: Cause): Promise<Situation | null> {
  try {
    return await cause.setUp(stage, pki)
  } catch (error) {
    if (!(error instanceof NotOnThisEtcd)) throw error
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

/** Milliseconds. */
function timeoutOf({ options }: Situation): number {
  return parseDuration(options?.dialTimeout ?? '5s', 'dialTimeout')
}

type Ours = Pick<Cause, 'error' | 'codes' | 'certificate'> & {
  /** The findings that the row is about. */
  reported: readonly Finding[]
  /** The codes of all findings. */
  all: string[]
  /** Milliseconds between a timer of the dial time-out, which is as late as this machine is slow, and the answer. */
  late: number
}

async function askOurs(situation: Situation): Promise<Ours> {
  const { endpoint, elsewhere } = situation
  let sinceDue: OwnTime | null = null
  const timer = setTimeout(() => (sinceDue = new OwnTime()), timeoutOf(situation))
  const { error, findings } = await (elsewhere ?? (() => connectOnce(situation)))()
  clearTimeout(timer)
  const reported = error === null ? findings : findings.filter((each) => each.severity === 'error')
  return {
    error,
    codes: reported.map(({ code }) => code),
    certificate: certificateOf(reported[0], endpoint),
    reported,
    all: findings.map(({ code }) => code),
    // How long a process elsewhere took to start is not known.
    late: elsewhere === undefined ? elapsedOf(sinceDue) : 0,
  }
}

function elapsedOf(clock: OwnTime | null): number {
  using ended = clock
  return ended?.elapsed ?? 0
}

async function connectOnce({ endpoint, credentials, options, ask = getOnce }: Situation): Promise<Outcome> {
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

/** Options of the client that the examination has as well. */
const OF_BOTH = ['serverName', 'dialTimeout', 'auth']

/** Whether the examination of the cluster meets the cause as well: it is in no call, process or other option of this client. */
function isOfServer({ ask, elsewhere, options = {} }: Situation): boolean {
  return ask === undefined && elsewhere === undefined && Object.keys(options).every((each) => OF_BOTH.includes(each))
}

/** The codes of what the examination finds. */
async function askDoctor({
  endpoint,
  credentials,
  options: { serverName, dialTimeout, auth } = {},
}: Situation): Promise<string[]> {
  const endpoints = [serverName === undefined ? endpoint : { url: endpoint, serverName }]
  const { findings } = await examineCluster({ endpoints, credentials, dialTimeout, auth, configs: [] })
  // What a finding about the cluster explains is below it.
  const below = ({ code, consequences }: Finding): readonly Finding[] =>
    code === 'cluster/member-down' ? consequences : []
  return findings.flatMap((each) => [each, ...(each.repeats ?? []), ...below(each)]).map(({ code }) => code)
}

function getOnce(client: SecureEtcd3): Promise<unknown> {
  return client.get('a').string()
}

/** `client leaf CN=root`, `server leaf CN=etcd`. */
function certificateOf(found: Finding | undefined, endpoint: string): string | null {
  const certificate = found?.certificate ?? null
  if (certificate === null) return null
  const side = certificate.origin.startsWith(endpoint) ? 'server' : 'client'
  return `${side} ${certificate.role} ${certificate.subject}`
}

/** What plain etcd3 says to the first call, and to the one after it. */
async function askPlain({ endpoint, credentials, plain, options }: Situation): Promise<string[]> {
  if (plain === 'none') return ['–', '']
  if (plain === 'hangs' && !isLong) return [STILL_WAITING, '']
  const given = typeof plain === 'object' ? plain : 'load' in credentials ? {} : pemsOf(credentials)
  const { first, second } = await askPlainEtcd3(endpoint, given, options?.serverName)
  return [first, second]
}
