/** Findings as SARIF 2.1.0 (OASIS, sarif-v2.1.0-os), which GitHub, GitLab and editors read. */
import { createHash } from 'node:crypto'
import { isAbsolute, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Finding, FindingPlace, Severity, SuppressedFinding, Unchecked } from '../../report/index.js'
import { findingUrl, printableJson } from '../../report/internal.js'
import type { ExplainedCode, LintDocument } from '../documents.js'
import { readPackageFile } from '../package-file.js'

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json'
const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' }
/** GitHub's `security-severity`: a score of CVSS. */
const SCORES: Readonly<Record<Severity, string>> = { error: '8.0', warning: '5.0', info: '2.0' }

export function sarifText(document: LintDocument): string {
  const { version } = readPackageFile('package.json') as { version: string }
  const pages = new Map((readPackageFile('dist/findings.json') as ExplainedCode[]).map((each) => [each.code, each]))
  const all = document.members.flatMap(({ files: [file = null], findings, suppressed }) => [
    ...findings.map((finding) => ({ finding, file, suppression: null })),
    ...suppressed.flatMap((each) => ('finding' in each ? [{ finding: each.finding, file, suppression: each }] : [])),
  ])
  const found: Found[] = [...all, ...document.findings.map((finding) => ({ finding, file: null, suppression: null }))]
  const codes = [...new Set(found.map(({ finding }) => finding.code))].sort()
  const seen = new Map<string, number>()
  const run = {
    tool: {
      driver: {
        name: 'etcd-mtls',
        version,
        informationUri: 'https://github.com/etcd-mtls/etcd-mtls',
        rules: codes.map((code) => ruleOf(code, pages.get(code))),
      },
    },
    columnKind: 'utf16CodeUnits',
    results: found.map((each) => resultOf(each, codes.indexOf(each.finding.code), seen)),
    invocations: [
      {
        executionSuccessful: true,
        toolExecutionNotifications: document.members.flatMap(({ files: [file = null], unchecked }) =>
          unchecked.map((each) => notificationOf(each, file)),
        ),
      },
    ],
  }
  return printableJson({ $schema: SCHEMA, version: '2.1.0', runs: [run] })
}

interface Found {
  readonly finding: Finding
  /** The file of the member, for a finding without a place. */
  readonly file: string | null
  readonly suppression: SuppressedFinding | null
}

function ruleOf(code: string, page: ExplainedCode | undefined): object {
  const [severity = 'error'] = page?.severities ?? []
  const { title = code, explanation = code, source = '' } = page ?? {}
  return {
    id: code,
    shortDescription: { text: title },
    fullDescription: { text: explanation },
    help: { text: `${explanation}${source === '' ? '' : `\n\nSource: ${source}`}` },
    helpUri: findingUrl(code),
    defaultConfiguration: { level: LEVELS[severity] },
    properties: { 'security-severity': SCORES[severity], tags: ['security', 'etcd', 'tls'] },
  }
}

function resultOf({ finding, file, suppression }: Found, ruleIndex: number, seen: Map<string, number>): object {
  const { code, severity, message, remedy, place, certificate, consequences } = finding
  const about = certificate === null ? [] : [fileOf(certificate.origin)].filter((each) => each !== null)
  const related = [
    ...consequences.map((each) => ({
      ...locationOf(each.place, file),
      message: { text: `${each.code}: ${each.message}` },
    })),
    ...about.map((each) => ({
      ...locationOf({ file: each, line: null, column: null }, each),
      message: { text: `The certificate "${certificate?.subject ?? ''}"` },
    })),
  ]
  return {
    ruleId: code,
    ruleIndex,
    level: LEVELS[severity],
    message: { text: `${message}\nFix: ${remedy}` },
    locations: [locationOf(place, file)],
    ...(related.length === 0 ? {} : { relatedLocations: related }),
    partialFingerprints: { 'etcdMtls/v1': fingerprintOf(finding, file, seen) },
    ...(suppression === null ? {} : { suppressions: [suppressionOf(suppression)] }),
  }
}

/** The same after lines have moved: the code, the file, the option, and the how manieth of these it is. */
function fingerprintOf({ code, place }: Finding, file: string | null, seen: Map<string, number>): string {
  const key = JSON.stringify([code, uriOf(place?.file ?? file), place?.option ?? null])
  const count = seen.get(key) ?? 0
  seen.set(key, count + 1)
  return createHash('sha256')
    .update(`${key}${String(count)}`)
    .digest('hex')
    .slice(0, 32)
}

function suppressionOf({ reason, by }: SuppressedFinding): object {
  return { kind: by === null ? 'external' : 'inSource', justification: reason }
}

function notificationOf({ kind, message, place }: Unchecked, file: string | null): object {
  return {
    descriptor: { id: `unchecked/${kind}` },
    level: 'note',
    message: { text: message },
    locations: [locationOf(place, file)],
  }
}

type Place = Pick<FindingPlace, 'file' | 'line' | 'column' | 'endColumn'>

function locationOf(place: Place | undefined, file: string | null): object {
  const artifactLocation = uriOf(place?.file ?? file)
  const { line = null, column = null, endColumn } = place ?? {}
  // GitHub shows no result without a region.
  const start = { startLine: line ?? 1, ...(column === null ? {} : { startColumn: column }) }
  const end = endColumn === undefined ? {} : { endLine: line ?? 1, endColumn }
  return { physicalLocation: { artifactLocation, region: { ...start, ...end } } }
}

/** Relative to the directory of the call, which is the root of the repository in a pipeline. */
function uriOf(file: string | null): { uri: string; uriBaseId?: string } {
  const path = relative('.', file ?? '.')
  const isOutside = isAbsolute(path) || path.split(sep)[0] === '..'
  if (isOutside) return { uri: pathToFileURL(file ?? '.').href }
  return {
    uri: encodeURI(path.split(sep).join('/')).replaceAll('#', '%23').replaceAll('?', '%3F'),
    uriBaseId: '%SRCROOT%',
  }
}

/** The file of an origin such as `server.crt (from client-transport-security.cert-file)`. */
function fileOf(origin: string): string | null {
  return /^(.+) \(from /.exec(origin)?.[1] ?? null
}
