/** `inspect`: what files and servers hold, and what is wrong with it. */
import { type Finding, type FindingCode, formatReport, type Unchecked } from '../report/index.js'
import { printable, type PrintOptions, wrapText } from '../report/internal.js'
import { durationText } from '../validate/internal.js'
import { validateChain } from '../validate/index.js'
import {
  bytesEqual,
  type Certificate,
  type CertificateRequest,
  crypto,
  forUsage,
  publicKeyText,
} from '../x509/internal.js'
import type { Answer, Call } from './command.js'
import type { Documents, InspectedItem, InspectedTarget } from './documents.js'
import { checked, type Contents, notRead, readAnchors, readTargets } from './targets.js'

/** Milliseconds that all validations together may take. An ordinary chain needs less than one. */
const MAX_MS = 10_000
/** Most intermediates, and most roots, of one validation: it accepts 200 certificates. */
const MAX_INTERMEDIATES = 90
/** Without `--cacert`, an unknown issuer is no fault. */
const UNKNOWN_ISSUER: readonly FindingCode[] = [
  'chain/no-trust-anchors',
  'chain/issuer-not-found',
  'chain/root-not-trusted',
]
/** What is unusual for the certificate of a server or client, and usual for that of a CA. */
const USUAL_OF_CA: readonly FindingCode[] = [
  'constraints/leaf-is-ca',
  'usage/key-usage-missing',
  'validity/lifetime-long',
]

export async function run(call: Call): Promise<Answer> {
  const unchecked: Unchecked[] = []
  const usage = call.options.choice('usage', ['client', 'server', 'peer', 'any'])
  const given = await readAnchors(call.options.text('cacert'))
  const contents = await readTargets(call.operands, call, unchecked)
  const at = new Date()
  const start = performance.now()
  const owners = new Map(
    contents.flatMap((each) => each.certificates.map(({ spki, subject }) => [keyText(spki), String(subject)] as const)),
  )
  const anchors = (given ?? contents).flatMap((each) => each.certificates)
  const roots = new Map(anchors.filter(isRoot).map((each) => [each.subject.mapKey, each]))
  const issued = contents.flatMap((each) => each.certificates.filter((one) => !one.isSelfIssued))
  const issuerNames = new Set([...issued.map(({ issuer }) => issuer.mapKey), ...(given === null ? [] : roots.keys())])
  const topsOf = (chain: readonly Certificate[]): Certificate[] => {
    const names = new Set(chain.map(({ issuer }) => issuer.mapKey))
    return [...names].flatMap((name) => roots.get(name) ?? []).slice(0, MAX_INTERMEDIATES)
  }
  const validate = ({ certificates, host, place }: Contents): Finding[] => {
    const issuers = new Set(issuersOf(certificates))
    // A server presents the first one. A file is validated from each certificate that issued no other one in it.
    const leaves = host === null ? certificates.filter((_, i) => !issuers.has(i)) : certificates.slice(0, 1)
    let isLate = false
    return leaves.flatMap((leaf, i) => {
      if (performance.now() - start > MAX_MS) {
        const message = `${String(leaves.length - i)} certificates of ${place.origin} were not validated: the others took too long.`
        if (!isLate) unchecked.push(notRead(place.file, message))
        isLate = true
        return []
      }
      // A CA that issued another target, or that --cacert names, is no certificate of a server or client.
      const isCa = leaf.isCa && (usage === undefined || issuerNames.has(leaf.subject.mapKey))
      const named = call.options.list('host')
      const hosts = isCa ? [] : named.length === 0 && host !== null ? [host] : named
      const intermediates = certificates
        .filter((each) => each.isCa && !each.isSelfIssued && each !== leaf)
        .slice(0, MAX_INTERMEDIATES)
      const crls = contents.flatMap((each) => each.crls).filter(({ issuer }) => issuer.equals(leaf.issuer))
      const { findings } = validateChain(
        { leaf, intermediates, trustAnchors: given === null ? topsOf([leaf, ...intermediates]) : anchors, crls },
        {
          usage: isCa ? 'any' : (usage ?? (host === null ? 'any' : 'server')),
          hosts,
          at,
          ignore: isCa ? USUAL_OF_CA : [],
        },
      )
      return given === null ? findings.filter(({ code }) => !UNKNOWN_ISSUER.includes(code)) : findings
    })
  }
  const findings = [...(given ?? []), ...contents].flatMap((each) =>
    each.findings.map((found) => forUsage(found, usage ?? 'any')),
  )
  const targets = contents.map((each): InspectedTarget => {
    const found = validate(each)
    findings.push(...found)
    const isValid = found.every(({ severity }) => severity !== 'error')
    const verified = given === null || each.certificates.length === 0 ? null : isValid
    const { keyExchange } = each
    return {
      name: each.place.origin,
      content: contentOf(each),
      verified,
      keyExchange,
      items: itemsOf(each, owners, at),
    }
  })
  const document: Documents['inspect'] = { ...checked(findings, unchecked, at), targets }
  const text = (print: PrintOptions): string => {
    const { color, width } = print
    const blocks = targets.map((each, i) => targetLines(each, contents[i]?.host ?? null, print).join('\n'))
    return [...blocks, formatReport(document, { color, width })].join('\n\n')
  }
  return { document, text, findings: document.findings, isDue: !document.complete }
}

function keyText(spki: Uint8Array): string {
  return Buffer.from(spki).toString('latin1')
}

function isRoot({ isCa, isSelfIssued }: Certificate): boolean {
  return isCa && isSelfIssued
}

/** The positions of equal keys. */
function positionsBy<K>(keys: readonly K[]): Map<K, number[]> {
  const positions = new Map<K, number[]>()
  for (const [i, key] of keys.entries()) {
    const list = positions.get(key)
    if (list === undefined) positions.set(key, [i])
    else list.push(i)
  }
  return positions
}

/** For each certificate the position of its issuer in the list, by name and key identifier; -1 if it is not there. */
function issuersOf(certificates: readonly Certificate[]): number[] {
  const byName = positionsBy(certificates.map(({ subject }) => subject.mapKey))
  return certificates.map((each, i) => {
    if (each.isSelfIssued) return -1
    const wanted = each.keyIdentifiers.authorityKeyIdentifier?.keyIdentifier
    const named = (byName.get(each.issuer.mapKey) ?? []).filter((other) => other !== i).slice(0, MAX_INTERMEDIATES)
    const isWanted = (other: number): boolean => {
      const own = certificates[other]?.keyIdentifiers.subjectKeyIdentifier
      return wanted && own ? bytesEqual(wanted, own) : false
    }
    return named.find(isWanted) ?? named[0] ?? -1
  })
}

/** `certificate, private key`, `bundle of 3 certificates`, …, or other content by its name. */
function contentOf({ certificates, requests, crls, keys, holds }: Contents): string {
  const kinds = [
    [certificates, 'certificate', 'bundle of '],
    [keys, 'private key', ''],
    [requests, 'certificate request', ''],
    [crls, 'CRL', ''],
  ] as const
  const parts = kinds.flatMap(([{ length }, name, before]) =>
    length === 0 ? [] : [length === 1 ? name : `${before}${String(length)} ${name}s`],
  )
  return parts.join(', ') || holds || 'nothing that can be read'
}

const ITEM = {
  ...{ subject: null, issuer: null, depth: 0, notBefore: null, notAfter: null, lifetimeUsed: null, names: [] },
  ...{ usages: [], publicKey: null, serialNumber: null, sha256: null, revoked: null },
}

/** Certificates come first, each below its issuer. */
function itemsOf(
  { certificates, requests, crls, keys }: Contents,
  owners: ReadonlyMap<string, string>,
  at: Date,
): InspectedItem[] {
  const items: InspectedItem[] = []
  const issuers = issuersOf(certificates)
  const below = positionsBy(issuers)
  const seen = new Set<Certificate>()
  const add = (positions: Iterable<number>, depth: number): void => {
    for (const i of positions) {
      const each = certificates[i]
      if (each === undefined || seen.has(each)) continue
      seen.add(each)
      items.push(certificateItem(each, depth, at))
      add(below.get(i) ?? [], depth + 1)
    }
  }
  add(below.get(-1) ?? [], 0)
  // Certificates that issued each other have no top.
  add(certificates.keys(), 0)
  for (const each of requests) items.push({ ...ITEM, kind: 'certificate request', ...holderFields(each) })
  for (const each of crls) {
    const [issuer, revoked] = [each.issuer.toString(), each.damage === null ? each.entries.size : null]
    items.push({ ...ITEM, kind: 'CRL', issuer, notBefore: each.thisUpdate, notAfter: each.nextUpdate, revoked })
  }
  for (const key of keys) {
    const spki = key?.spki
    if (key === null || spki === undefined) items.push({ ...ITEM, kind: 'encrypted private key' })
    else {
      const subject = owners.get(keyText(spki)) ?? null
      const sha256 = crypto().hash('sha256', spki)
      items.push({ ...ITEM, kind: 'private key', subject, publicKey: key.algorithm, sha256 })
    }
  }
  return items
}

function holderFields({ subject, publicKeyInfo, subjectAltNames, extensions }: Certificate | CertificateRequest) {
  return {
    subject: subject.toString(),
    publicKey: publicKeyText(publicKeyInfo),
    names: subjectAltNames.map(({ kind, value }) => `${kind.length > 3 ? kind : kind.toUpperCase()}:${value}`),
    usages: [...(extensions.keyUsage ?? []), ...(extensions.extendedKeyUsage ?? [])],
  }
}

function certificateItem(certificate: Certificate, depth: number, at: Date): InspectedItem {
  const { notBefore, notAfter, serialNumber, fingerprint256, isCa, issuer } = certificate
  const lifetime = Math.max(1000, notAfter.getTime() - notBefore.getTime())
  const lifetimeUsed = Math.max(0, (at.getTime() - notBefore.getTime()) / lifetime)
  const sha256 = fingerprint256.replaceAll(':', '').toLowerCase()
  const own = { kind: isCa ? 'CA certificate' : 'certificate', issuer: issuer.toString(), depth } as const
  return { ...ITEM, ...own, ...holderFields(certificate), notBefore, notAfter, lifetimeUsed, serialNumber, sha256 }
}

/** Most names that are printed, the deepest indentation, and the characters of the bar of a lifetime. */
const MAX_NAMES = 20
const MAX_DEPTH = 8
const BAR = 20

function targetLines(target: InspectedTarget, host: string | null, { color, width }: PrintOptions): string[] {
  const { name, content, verified, keyExchange, items } = target
  const state =
    host === null || items.length === 0
      ? ''
      : verified === null
        ? ', not verified'
        : verified
          ? ', verified'
          : ', refused'
  const heading = wrapText(
    printable(`${name}: ${content}${state}${keyExchange === null ? '' : `, key exchange ${keyExchange}`}`),
    { width, first: '', rest: '  ' },
  )
  const lines = items.flatMap((item) => {
    const indent = '  '.repeat(Math.min(item.depth, MAX_DEPTH) + 1)
    const { kind, subject, issuer, names, depth, revoked } = item
    const isSelfIssued = subject === issuer
    const more = names.length > MAX_NAMES ? `, and ${String(names.length - MAX_NAMES)} more` : ''
    const fields = [
      ['issuer', depth > 0 || isSelfIssued ? '' : issuer],
      ['valid', validityText(item)],
      ['names', `${names.slice(0, MAX_NAMES).join(', ')}${more}`],
      ['key', item.publicKey],
      ['usage', item.usages.join(', ')],
      ['serial', item.serialNumber],
      ['lists', revoked === null ? '' : `${String(revoked)} revoked certificates`],
      ['sha256', kind === 'private key' ? item.sha256 : ''],
    ] as const
    const title = `${subject ?? ''} (${kind}${isSelfIssued && subject !== null ? ', self-issued' : ''})`.trimStart()
    return [
      ...wrapText(printable(title), { width, first: indent, rest: `${indent}  ` }),
      ...fields.flatMap(([label, text]) => {
        const first = `${indent}  ${label.padEnd(6)} `
        return text !== null && text !== ''
          ? wrapText(printable(text), { width, first, rest: ' '.repeat(first.length) })
          : []
      }),
    ]
  })
  return [...heading.map((line) => (color ? `\u001b[1m${line}\u001b[0m` : line)), ...lines]
}

/** `2026-01-01 to 2027-01-01, 31 days left [##################--] 91 %` */
function validityText({ notBefore, notAfter, lifetimeUsed }: InspectedItem): string {
  if (notBefore === null) return ''
  const day = (date: Date): string => date.toISOString().slice(0, 10)
  const range = `${day(notBefore)} to ${notAfter === null ? 'an unknown date' : day(notAfter)}`
  if (notAfter === null || lifetimeUsed === null) return range
  const left = (1 - lifetimeUsed) * (notAfter.getTime() - notBefore.getTime())
  const state = lifetimeUsed > 1 ? 'expired' : lifetimeUsed === 0 ? 'not yet valid' : `${durationText(left)} left`
  const used = Math.min(1, lifetimeUsed)
  const bar = '#'.repeat(Math.floor(used * BAR)).padEnd(BAR, '-')
  return `${range}, ${state} [${bar}] ${String(Math.floor(used * 100))} %`
}
