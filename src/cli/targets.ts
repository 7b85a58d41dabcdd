/** Reads what an operand names: a file, a directory, stdin, or the certificates of a server. All of it is bounded. */
import { codeOf, makeReport, type Place, uncheckedIn } from '../report/internal.js'
import type { Finding, FindingCode, Unchecked } from '../report/index.js'
import { lstat, opendir, realpath } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import {
  type BlockKind,
  type Exposure,
  finding,
  kindOfLabel,
  type OpenedInput,
  openInput,
  otherBlocks,
  readCertificates,
  readCrls,
  readKey,
  readMaterialFile,
  recognize,
  withMissingBlock,
} from '../credentials/internal.js'
import {
  type Certificate,
  type CertificateRequest,
  type Crl,
  MAX_CRL_FILE_BYTES,
  MAX_PEM_BYTES,
  type PrivateKey,
  scanPem,
} from '../x509/internal.js'
import { type Call, UsageError } from './command.js'
import type { CheckDocument } from './documents.js'
import { deniedText, isUnreadableName, readInput, stateOf, UNREADABLE_NAME } from './input.js'

/** What a file, stdin, a value of a Secret, or a server holds. */
export interface Contents {
  readonly place: Place
  /** The host of a server; null for others. */
  readonly host: string | null
  /** Null for others, and if it is not known. */
  readonly keyExchange: string | null
  /** What it is, if it has none of the following. */
  readonly holds: string
  readonly certificates: readonly Certificate[]
  readonly requests: readonly CertificateRequest[]
  readonly crls: readonly Crl[]
  /** Null for a key that is encrypted. */
  readonly keys: readonly (PrivateKey | null)[]
  readonly findings: readonly Finding[]
}

/** Most entries of a tree, directories below each other, bytes of all its files, values of a Secret, and private keys of a call: to check one can take 50 ms. */
const MAX = { entries: 1000, depth: 8, bytes: 64 * 1024 * 1024, values: 100, keys: 200 }
const ADDRESS = /^(?:https:\/\/)?(\[[\da-f:.]+\]|[^\s/:[\]@]+):(\d{1,5})\/?$/i

/**
 * Reads all operands, in their order.
 *
 * @throws {UsageError} for an operand that is neither an existing path nor an address
 */
export async function readTargets(
  operands: readonly string[],
  call: Call,
  unchecked: Unchecked[],
): Promise<Contents[]> {
  const reading: Reading = { unchecked, keys: MAX.keys }
  const read = async (operand: string): Promise<Contents[]> => {
    if (operand === '-') return readStdin(call, reading)
    const state = await stateOf(operand)
    if (state?.isDirectory() === true) return readDirectory(operand, reading)
    if (state !== null) return readFile(operand, MAX_CRL_FILE_BYTES, reading)
    const [, host, port] = ADDRESS.exec(operand) ?? []
    if (host === undefined || port === undefined)
      throw new UsageError(`There is no file or directory ${JSON.stringify(operand)}, and it is not HOST:PORT.`)
    call.progress(`Waiting for ${host}:${port} …`)
    return [await readServer(`https://${host}:${port}`, host.replace(/^\[|\]$/g, ''), call.signal)]
  }
  return (await Promise.all(operands.map(read))).flat()
}

interface Reading {
  readonly unchecked: Unchecked[]
  /** How many more private keys are read. */
  keys: number
}

export function notRead(file: string | null, message: string): Unchecked {
  return uncheckedIn(file, 'limit', message)
}

/** The part that all documents have. A finding about several targets is there once. */
export function checked(findings: readonly Finding[], unchecked: Unchecked[], checkedAt: Date): CheckDocument {
  const distinct = [...new Map(findings.map((each) => [`${each.code} ${each.message}`, each])).values()]
  const report = makeReport({ checkedAt, path: null, findings: distinct })
  return { ok: report.ok, complete: unchecked.length === 0, checkedAt, findings: report.findings, unchecked }
}

/** Reads the files of a directory and of those in it, as the trees of `init` and kubeadm have them. */
async function readDirectory(top: string, reading: Reading): Promise<Contents[]> {
  const { unchecked } = reading
  const [real, left] = [await realpath(top), { entries: MAX.entries, bytes: MAX.bytes }]
  const visit = async (path: string, depth: number): Promise<Contents[]> => {
    const found: Contents[] = []
    for (const name of await namesIn(path, left.entries + 1)) {
      const file = join(path, name)
      if (left.entries-- <= 0) {
        if (left.entries === -1)
          unchecked.push(notRead(top, `It has more than ${String(MAX.entries)} entries. Name the others.`))
        break
      }
      if (isUnreadableName(name)) unchecked.push(notRead(file, UNREADABLE_NAME))
      const state = await stateOf(file)
      const isLink = (await lstat(file).catch(() => null))?.isSymbolicLink() === true
      // Kubernetes mounts a Secret as links to files below `..data`.
      if (state?.isDirectory() === true) {
        if (isLink || name.startsWith('.') || isData(path, name)) continue
        if (depth < MAX.depth) found.push(...(await visit(file, depth + 1)))
        else unchecked.push(notRead(file, 'It is below too many directories. Name it to read it.'))
      } else if (depth > 0 && isLink && !(await leadsInto(file, real))) {
        unchecked.push(notRead(file, 'It is a link that leads out of the directory. Name it to read it.'))
      } else if (state?.isFile() === true || state?.isSymbolicLink() === true) {
        if (state.size > Math.min(left.bytes, MAX_PEM_BYTES)) {
          unchecked.push(notRead(file, 'The file is large. Name it to read it.'))
          continue
        }
        left.bytes -= state.size
        found.push(...(await readFile(file, MAX_PEM_BYTES, reading)).filter((each) => !isOther(each, name)))
      }
    }
    return found
  }
  return visit(top, 0)
}

async function namesIn(path: string, limit: number): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(path)) if (names.push(name) >= limit) break
  } catch (error) {
    const denied = await deniedText(path, error)
    throw new UsageError(denied ?? `The directory ${JSON.stringify(path)} cannot be read (${codeOf(error) ?? ''}).`)
  }
  return names.toSorted()
}

/** Whether it is the data of an etcd, which has no certificate. */
function isData(path: string, name: string): boolean {
  return basename(path) === 'member' && ['snap', 'wal'].includes(name)
}

async function leadsInto(link: string, top: string): Promise<boolean> {
  const target = await realpath(link).catch(() => null)
  return target === null || target.startsWith(top + sep)
}

const NOT_OURS: readonly FindingCode[] = ['input/unexpected-content', 'file/empty']

/** Whether it is of another kind, such as a README next to the certificates or a password in a Secret. */
function isOther({ holds, findings }: Contents, name: string): boolean {
  const isNamed = /\.(?:crt|cer|pem|key|csr|crl)$/i.test(name)
  return holds !== '' && !isNamed && findings.every(({ code }) => NOT_OURS.includes(code))
}

async function readFile(file: string, limit: number, reading: Reading): Promise<Contents[]> {
  const place = { origin: file, file }
  const read = await readMaterialFile(file, { file }, limit)
  if ('code' in read) return [{ ...nothingIn(place), findings: [read] }]
  return readBytes({ place, ...read }, reading)
}

/** The certificates of the file of an option; null without the option. */
export async function readAnchors(file: string | undefined): Promise<Contents[] | null> {
  if (file === undefined) return null
  if ((await stateOf(file)) === null) throw new UsageError(`There is no file ${JSON.stringify(file)}.`)
  return readFile(file, MAX_PEM_BYTES, { unchecked: [], keys: MAX.keys })
}

async function readStdin(call: Call, reading: Reading): Promise<Contents[]> {
  const place = { origin: 'standard input', file: null }
  const bytes = await readInput(call, MAX_PEM_BYTES)
  if (bytes !== null) return readBytes({ place, bytes, exposure: null }, reading)
  const details = { wanted: 'cert', unit: 'bytes', limit: MAX_PEM_BYTES, count: null } as const
  return [{ ...nothingIn(place), findings: [finding('input/too-much', { ...place, ...details })] }]
}

function nothingIn(place: Place, holds = 'nothing that can be read'): Contents {
  return {
    place,
    host: null,
    keyExchange: null,
    holds,
    certificates: [],
    requests: [],
    crls: [],
    keys: [],
    findings: [],
  }
}

interface Source {
  readonly place: Place
  readonly bytes: Buffer
  readonly exposure: Exposure | null
  readonly isInSecret?: boolean
}

/** The labels in PEM of what is also read in DER. */
const LABELS = new Map([
  ['certificate', 'CERTIFICATE'],
  ['certificate request', 'CERTIFICATE REQUEST'],
  ['CRL', 'X509 CRL'],
])

async function readBytes({ isInSecret = false, ...given }: Source, reading: Reading): Promise<Contents[]> {
  const { place, bytes, exposure } = given
  const content = recognize(bytes, () => scanPem(bytes, { bytes: MAX_CRL_FILE_BYTES }))
  const [holds, form] = 'holds' in content ? [content.holds, content.form] : ['other PEM blocks', 'PEM']
  if (!isInSecret && holds.startsWith('Secret manifest')) return readSecret(given, reading)
  const label = form === 'DER' ? LABELS.get(holds) : undefined
  const role = holds.endsWith('private key') ? 'key' : bytes.length > MAX_PEM_BYTES ? 'crl' : 'cert'
  const input = { ...given, role, findings: [] } as const
  const opened: OpenedInput =
    label === undefined ? openInput(input) : { ...input, form: 'der', blocks: [{ label, line: 1, headers: [], bytes }] }
  const of = (kind: BlockKind): OpenedInput[] => {
    const blocks = opened.blocks.filter((each) => kindOfLabel(each.label) === kind)
    return blocks.length === 0 ? [] : [{ ...opened, findings: [], blocks }]
  }
  const readings = of('certificate').map((each) => readCertificates(each))
  const lists = of('crl').map(readCrls)
  const blocks = of('private-key').flatMap((each) => each.blocks)
  if (blocks.length > reading.keys)
    reading.unchecked.push(notRead(place.file, `${place.origin} has more private keys than one call reads.`))
  const keys = blocks.splice(0, reading.keys).map((each) => readKey({ ...opened, findings: [], blocks: [each] }, null))
  reading.keys -= keys.length
  const requests = await Promise.all(
    of('request')
      .flatMap((each) => each.blocks)
      .map((each) => readRequest(each.bytes, place)),
  )
  const own = [
    ...opened.findings,
    ...otherBlocks(opened, ['certificate', 'private-key', 'request', 'crl', 'key-parameters']),
  ]
  const isNone = [readings, lists, keys, requests].every((each) => each.length === 0)
  const { file } = place
  const exposed = keys.length > 0 && exposure !== null && file !== null ? [{ file, ...exposure }] : []
  return [
    {
      ...nothingIn(place, isNone ? holds : ''),
      certificates: readings.flatMap(({ certificates }) => certificates.map(({ certificate }) => certificate)),
      requests: requests.flatMap(({ request }) => request ?? []),
      crls: lists.flatMap(({ crls }) => crls),
      // An encrypted key is shown as such.
      keys: keys.flatMap(({ key, findings }) => (key === null && !findings.every(isEncrypted) ? [] : [key])),
      findings: [
        ...(isNone ? withMissingBlock(own, opened) : own),
        ...[...readings, ...requests, ...lists, ...keys]
          .flatMap(({ findings }) => findings)
          .filter((each) => !isEncrypted(each)),
        ...exposed.map((each) => finding('file/key-readable-by-others', each)),
      ],
    },
  ]
}

function isEncrypted({ code }: Finding): boolean {
  return code === 'key/passphrase-refused'
}

async function readRequest(bytes: Buffer, place: Place) {
  const { inspectRequest } = await import('../authority/index.js')
  return inspectRequest(bytes, { file: place.origin })
}

/** Reads the values of the Secrets in a manifest. */
async function readSecret({ place, bytes }: Source, reading: Reading): Promise<Contents[]> {
  const { at, entriesOf, readYaml } = await import('../config/internal-read.js')
  const { documents, findings } = await readYaml({ text: bytes.toString('utf8'), file: place.file }, 'all')
  const values = [['data', 'base64'] as const, ['stringData', 'utf8'] as const].flatMap(([name, encoding]) =>
    documents.flatMap((each) => entriesOf(at(each, name))).map((each) => ({ ...each, encoding })),
  )
  if (values.length > MAX.values)
    reading.unchecked.push(notRead(place.file, `${place.origin} has more than ${String(MAX.values)} values.`))
  const read = values.slice(0, MAX.values).map(async ({ key, value, encoding }) => {
    const inner = Buffer.from(value.kind === 'scalar' ? value.text : '', encoding)
    const from = { origin: `${key} in ${place.origin}`, file: null }
    const contents = await readBytes({ place: from, bytes: inner, exposure: null, isInSecret: true }, reading)
    return contents.filter((each) => !isOther(each, key))
  })
  return [{ ...nothingIn(place, 'Secret manifest'), findings }, ...(await Promise.all(read)).flat()]
}

async function readServer(url: string, host: string, signal: AbortSignal): Promise<Contents> {
  const { observeServer } = await import('../client/index.js')
  const { chain, refusal, keyExchange } = await observeServer(url, { signal })
  signal.throwIfAborted()
  const place = { origin: url, file: null }
  const none = { ...nothingIn(place, 'no certificate'), host, keyExchange }
  if (chain.length > 0) {
    const blocks = chain.map((bytes) => ({ label: 'CERTIFICATE', line: 1, headers: [], bytes: Buffer.from(bytes) }))
    const input = { role: 'cert', place, bytes: null, exposure: null, findings: [], form: 'der', blocks } as const
    const { certificates, findings } = readCertificates(input)
    return { ...none, holds: '', certificates: certificates.map(({ certificate }) => certificate), findings }
  }
  const { kind, alert, detail } = refusal ?? { kind: 'failed', alert: null, detail: 'it sent no certificate' }
  const made = (await import('../client/internal.js')).finding
  const errorCode = /^E[A-Z_]+$/.test(detail) ? detail : null
  const stage = errorCode === 'ENOTFOUND' || errorCode?.startsWith('EAI_') === true ? 'lookup' : 'connect'
  const timed = { endpoint: url, address: null, timeout: 10_000 }
  const found =
    kind === 'unreachable'
      ? made('endpoint/unreachable', { ...timed, host, stage, errorCode })
      : kind === 'silent'
        ? made('endpoint/silent', { ...timed, after: 'connect', answered: false, protocol: null, wasReady: false })
        : kind === 'closed'
          ? made('endpoint/closed', { endpoint: url, errorCode: errorCode ?? 'EOF', answered: false, handshake: null })
          : made('handshake/failed', { endpoint: url, alert, certificateSent: null, errorCode: detail, detail })
  return { ...none, findings: [found] }
}
