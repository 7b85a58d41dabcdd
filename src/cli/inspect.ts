/** `inspect`: what files and servers hold, and what is wrong with it. */
import type { CertificateRequest } from '../x509/certificate-request.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import type { FindingCode, Finding } from '../report/finding.js'
import { formatReport } from '../report/format.js'
import { type PrintOptions, wrapText } from '../report/print-report.js'
import { printable } from '../report/printable.js'
import { makeReport } from '../report/report.js'
import { publicKeyText } from '../x509/algorithms.js'
import { bytesEqual } from '../x509/der.js'
import { crypto } from '../x509/node-crypto.js'
import type { Usage } from '../validate/context.js'
import { durationText } from '../validate/checks/check-validity.js'
import { validateChain } from '../validate/validate.js'
import type { Answer, Call } from './command.js'
import type { InspectDocument, InspectedCertificate, InspectedKey, InspectedTarget } from './documents.js'
import { type Contents, readAnchors, readTargets } from './targets.js'

export async function run(call: Call): Promise<Answer> {
  const usage = call.options.choice('usage', ['client', 'server', 'peer', 'any'])
  const given = await readAnchors(call.options.text('cacert'))
  const { contents, unchecked } = await readTargets(call.operands, call)
  const checkedAt = new Date()
  const all = contents.flatMap(({ certificates }) => certificates)
  const anchors = (given ?? contents.filter(({ source }) => source !== 'server')).flatMap((each) => each.certificates)
  const rules: Rules = {
    usage,
    hosts: call.options.list('host'),
    at: checkedAt,
    anchors: given === null ? anchors.filter((each) => each.isCa && each.isSelfIssued) : anchors,
    areAnchorsGiven: given !== null,
    crls: contents.flatMap(({ crls }) => crls),
    deadline: performance.now() + MAX_MS,
  }
  const notChecked = [...unchecked]
  const targets = contents.map((each): { target: InspectedTarget; findings: readonly Finding[] } => {
    const findings = validate(each, rules, notChecked)
    const isTrusted = each.certificates.length > 0 && !findings.some(({ severity }) => severity === 'error')
    const verified = given === null || each.certificates.length === 0 ? null : isTrusted
    return { target: describe(each, all, verified, checkedAt), findings: [...each.findings, ...findings] }
  })
  const findings = [...(given ?? []), ...targets].flatMap((each) => each.findings)
  const report = makeReport({ checkedAt, path: null, findings: distinct(findings) })
  const document: InspectDocument = {
    ok: report.ok,
    checkedAt,
    targets: targets.map(({ target }) => target),
    findings: report.findings,
    unchecked: notChecked,
  }
  const text = (print: PrintOptions): string => {
    const blocks = document.targets.map((each) => targetLines(each, print).join('\n'))
    const { color, width } = print
    return [
      ...blocks,
      ...notChecked.map((each) => `Not checked: ${printable(each)}`),
      formatReport(report, { color, width }),
    ].join('\n\n')
  }
  return { document, text, findings: report.findings, isDue: notChecked.length > 0 }
}

interface Rules {
  readonly usage: Usage | undefined
  readonly hosts: readonly string[]
  readonly at: Date
  readonly anchors: readonly Certificate[]
  readonly areAnchorsGiven: boolean
  readonly crls: readonly Crl[]
  /** By performance.now(). */
  readonly deadline: number
}

/** Milliseconds that all validations together may take. An ordinary chain needs less than one. */
const MAX_MS = 10_000
/** Most intermediates that one validation gets. */
const MAX_INTERMEDIATES = 100
/** Without `--cacert`, an unknown issuer is no fault. */
const UNKNOWN_ISSUER: readonly FindingCode[] = [
  'chain/no-trust-anchors',
  'chain/issuer-not-found',
  'chain/root-not-trusted',
]
/** What is unusual for a certificate of a server or client, and usual for a CA. */
const USUAL_OF_CA: FindingCode[] = ['constraints/leaf-is-ca', 'usage/key-usage-missing', 'validity/lifetime-long']

/** Validates each certificate that issued no other one of the same target. */
function validate({ certificates, source, host, place }: Contents, rules: Rules, unchecked: string[]): Finding[] {
  const { usage, at, anchors, areAnchorsGiven } = rules
  const issuers = new Set(issuersOf(certificates))
  const isOfServer = source === 'server'
  // The first one is what a server, or a program that loads the file, presents.
  const leaves = certificates.filter(
    (_, i) => (i === 0 && certificates[0]?.isCa === false) || (!issuers.has(i) && !isOfServer),
  )
  return leaves.flatMap((leaf) => {
    if (performance.now() > rules.deadline) {
      const why = `${place.origin}: the certificate ${leaf.subject.toString()} was not validated, because the others took too long.`
      if (!unchecked.includes(why)) unchecked.push(why)
      return []
    }
    const isCaAlone = leaf.isCa && usage === undefined
    const hosts = rules.hosts.length === 0 && host !== null ? [host] : rules.hosts
    const intermediates = certificates.filter((each) => each.isCa && each !== leaf).slice(0, MAX_INTERMEDIATES)
    const crls = rules.crls.filter(({ issuer }) => issuer.equals(leaf.issuer))
    const { findings } = validateChain(
      { leaf, intermediates, trustAnchors: isOfServer && !areAnchorsGiven ? [] : anchors, crls },
      {
        usage: usage ?? (isOfServer ? 'server' : 'any'),
        hosts: isCaAlone ? [] : hosts,
        at,
        ignore: isCaAlone ? USUAL_OF_CA : [],
      },
    )
    return areAnchorsGiven ? findings : findings.filter(({ code }) => !UNKNOWN_ISSUER.includes(code))
  })
}

function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [`${each.code} ${each.message}`, each])).values()]
}

/** For each certificate the position of its issuer in the list, by name and key identifier; -1 if it is not there. */
function issuersOf(certificates: readonly Certificate[]): number[] {
  const byName = new Map<string, number[]>()
  for (const [i, { subject }] of certificates.entries())
    byName.set(subject.rawKey, [...(byName.get(subject.rawKey) ?? []).slice(0, MAX_INTERMEDIATES), i])
  return certificates.map((each, i) => {
    if (each.isSelfIssued) return -1
    const { authorityKeyIdentifier } = each.keyIdentifiers
    const named = (byName.get(each.issuer.rawKey) ?? []).filter((other) => other !== i)
    const wanted = authorityKeyIdentifier?.keyIdentifier ?? null
    const isWanted = (other: number): boolean => {
      const own = certificates[other]?.keyIdentifiers.subjectKeyIdentifier ?? null
      return wanted !== null && own !== null && bytesEqual(wanted, own)
    }
    return named.find(isWanted) ?? named[0] ?? -1
  })
}

function describe(
  contents: Contents,
  all: readonly Certificate[],
  verified: boolean | null,
  at: Date,
): InspectedTarget {
  const { place, source, certificates, requests, crls, keys } = contents
  const issuers = issuersOf(certificates)
  return {
    name: place.origin,
    source,
    content: contentOf(contents),
    verified,
    certificates: certificates.map((each, i) => certificateOf(each, issuers[i] ?? -1, at)),
    requests: requests.map((each) => ({ ...holderOf(each), asksForCa: each.asksForCa })),
    crls: crls.map((crl) => {
      const { issuer, thisUpdate, nextUpdate, damage } = crl
      const entries = damage === null ? crl.entries.size : null
      return { issuer: issuer.toString(), thisUpdate, nextUpdate, entries }
    }),
    keys: keys.map(({ algorithm, spki }): InspectedKey => {
      const owners = all.filter((each) => spki !== null && bytesEqual(each.spki, spki))
      const publicKeySha256 = spki === null ? null : crypto().hash('sha256', spki)
      return { algorithm, publicKeySha256, certificates: owners.map(({ subject }) => subject.toString()) }
    }),
  }
}

/** `certificate and private key`, `bundle of 3 certificates`, …, or the content that is none of these. */
function contentOf({ certificates, requests, crls, keys, holds }: Contents): string {
  const several = (count: number, one: string, many: string): string[] =>
    count === 0 ? [] : [count === 1 ? one : `${many.replace('#', String(count))}`]
  const parts = [
    ...several(certificates.length, 'certificate', 'bundle of # certificates'),
    ...several(keys.length, 'private key', '# private keys'),
    ...several(requests.length, 'certificate request', '# certificate requests'),
    ...several(crls.length, 'CRL', '# CRLs'),
  ]
  return parts.length === 0 ? (holds ?? 'nothing that can be read') : parts.join(', ')
}

function holderOf(holder: Certificate | CertificateRequest) {
  const names = holder.subjectAltNames.map(({ kind, value }) => {
    return `${kind === 'dns' || kind === 'ip' || kind === 'uri' ? kind.toUpperCase() : kind}:${value}`
  })
  return { subject: holder.subject.toString(), publicKey: publicKeyText(holder.publicKeyInfo), names }
}

function certificateOf(certificate: Certificate, issuer: number, at: Date): InspectedCertificate {
  const { notBefore, notAfter, extensions } = certificate
  const lifetime = Math.max(1000, notAfter.getTime() - notBefore.getTime())
  return {
    ...holderOf(certificate),
    issuer: certificate.issuer.toString(),
    serialNumber: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256,
    notBefore,
    notAfter,
    lifetimeUsed: Math.max(0, (at.getTime() - notBefore.getTime()) / lifetime),
    isCa: certificate.isCa,
    keyUsage: [...(extensions.keyUsage ?? [])],
    extendedKeyUsage: [...(extensions.extendedKeyUsage ?? [])],
    issuedBy: issuer === -1 ? null : issuer,
  }
}

/** Most subject alternative names that are printed, and the deepest indentation. */
const MAX_NAMES = 20
const MAX_INDENT = 10
/** Characters of the bar of a lifetime. */
const BAR = 20

function targetLines(target: InspectedTarget, { color, width }: PrintOptions): string[] {
  const { name, content, source, verified, certificates, requests, crls, keys } = target
  const state =
    source !== 'server' || certificates.length === 0
      ? ''
      : verified === null
        ? ', not verified'
        : verified
          ? ', verified'
          : ', refused'
  const wrapped = (text: string, indent: string, hanging = indent): string[] =>
    wrapText(printable(text), { width, first: indent, rest: hanging })
  const field = (indent: string, label: string, text: string): string[] =>
    text === '' ? [] : wrapped(`${label.padEnd(6)} ${text}`, `${indent}  `, `${indent}         `)
  const ofHolder = (
    indent: string,
    { names, publicKey }: Pick<InspectedCertificate, 'names' | 'publicKey'>,
  ): string[] => {
    const more = names.length - MAX_NAMES
    const shown = names.slice(0, MAX_NAMES).join(', ')
    return [
      ...field(indent, 'names', more > 0 ? `${shown} and ${String(more)} more` : shown),
      ...field(indent, 'key', publicKey),
    ]
  }
  const heading = wrapped(`${name}: ${content}${state}`, '', '  ')
  return [
    ...heading.map((line) => (color ? `\u001b[1m${line}\u001b[0m` : line)),
    ...treeOf(certificates).flatMap(([each, depth]) => {
      const indent = '  '.repeat(Math.min(depth + 1, MAX_INDENT))
      const { subject, serialNumber, isCa, issuer, issuedBy } = each
      const isRoot = issuer === subject
      const role = isCa ? (isRoot ? ' (CA, self-signed)' : ' (CA)') : isRoot ? ' (self-signed)' : ''
      return [
        ...wrapped(`${subject === '' ? `serial ${serialNumber}` : subject}${role}`, indent, `${indent}  `),
        ...field(indent, 'issuer', issuedBy === null && !isRoot ? `${issuer} (not in this target)` : ''),
        ...field(indent, 'valid', validityText(each)),
        ...ofHolder(indent, each),
        ...field(indent, 'usage', [...each.keyUsage, ...each.extendedKeyUsage].join(', ')),
        ...field(indent, 'serial', serialNumber),
      ]
    }),
    ...requests.flatMap((each) => [
      ...wrapped(`${each.subject || '(no subject)'} (request${each.asksForCa ? ' for a CA' : ''})`, '  '),
      ...ofHolder('  ', each),
    ]),
    ...crls.flatMap(({ issuer, thisUpdate, nextUpdate, entries }) => [
      ...wrapped(`CRL of ${issuer}`, '  '),
      ...field(
        '  ',
        'update',
        `${dayOf(thisUpdate)}, next ${nextUpdate === null ? 'not announced' : dayOf(nextUpdate)}`,
      ),
      ...field('  ', 'lists', `${entries === null ? 'unreadable' : String(entries)} certificates`),
    ]),
    ...keys.flatMap(({ algorithm, publicKeySha256, certificates: owners }) => [
      ...wrapped(algorithm === null ? 'encrypted private key' : `private key, ${algorithm}`, '  '),
      ...field(
        '  ',
        'of',
        owners.length > 0 ? owners.join(', ') : algorithm === null ? '' : 'no certificate shown here',
      ),
      ...field('  ', 'sha256', publicKeySha256 === null ? '' : publicKeySha256),
    ]),
  ]
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** `2026-01-01 to 2027-01-01, 31 days left  [##################--] 91 %` */
function validityText({ notBefore, notAfter, lifetimeUsed }: InspectedCertificate): string {
  const left = (1 - lifetimeUsed) * (notAfter.getTime() - notBefore.getTime())
  const state = lifetimeUsed > 1 ? 'expired' : lifetimeUsed === 0 ? 'not yet valid' : `${durationText(left)} left`
  const filled = Math.min(BAR, Math.floor(lifetimeUsed * BAR))
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}]`
  return `${dayOf(notBefore)} to ${dayOf(notAfter)}, ${state} ${bar} ${String(Math.min(100, Math.floor(lifetimeUsed * 100)))} %`
}

/** The certificates with their depth: each below its issuer. */
function treeOf(certificates: readonly InspectedCertificate[]): [InspectedCertificate, number][] {
  const below = new Map<number, number[]>()
  for (const [i, { issuedBy }] of certificates.entries()) {
    const parent = issuedBy ?? -1
    below.set(parent, [...(below.get(parent) ?? []), i])
  }
  const seen = new Set<number>()
  const rows: [InspectedCertificate, number][] = []
  const add = (start: number): void => {
    const stack: [number, number][] = [[start, 0]]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [i, depth] = next
      const certificate = certificates[i]
      if (certificate === undefined || seen.has(i)) continue
      seen.add(i)
      rows.push([certificate, depth])
      for (const child of (below.get(i) ?? []).toReversed()) stack.push([child, depth + 1])
    }
  }
  for (const root of below.get(-1) ?? []) add(root)
  // Certificates that issued each other have no root.
  for (const i of certificates.keys()) add(i)
  return rows
}
