/** What the values of a configuration mean together: plaintext where TLS was meant, and TLS that protects nothing. */
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import { CRL_FIXED } from '../lint/advisories.js'
import { finding as lintFinding } from '../lint/finding.js'
import type { MemberConfig, TlsSide } from '../model.js'
import { nameOf, type OptionBlock, type SideRow } from '../options.js'
import { clientTlsRows, peerTlsRows } from '../options-tls.js'
import { availableIn, type ParsedVersion } from '../version.js'
import { rowsOf } from './check-config.js'

type SideName = 'client' | 'peer'
type Field = keyof TlsSide

const FIELDS: Readonly<Record<SideName, readonly Field[]>> = {
  client: fieldsOf(clientTlsRows).concat('listenUrls', 'httpUrls', 'advertiseUrls'),
  peer: fieldsOf(peerTlsRows).concat('listenUrls', 'advertiseUrls'),
}

function fieldsOf(rows: readonly SideRow[]): Field[] {
  return [...new Set(rows.flatMap(({ field }) => field ?? []))]
}

/** Of a side, what has nothing to do with TLS. */
const ADDRESSES: readonly Field[] = ['listenUrls', 'advertiseUrls', 'httpUrls', 'plaintext']

export function judgeTls(config: MemberConfig, version: ParsedVersion): Finding[] {
  return [
    ...judgeSide(config, 'client'),
    ...judgeSide(config, 'peer'),
    ...judgeRevocation(config, version),
    ...judgeMetrics(config),
    ...judgeMembers(config),
  ]
}

function judgeSide(config: MemberConfig, name: SideName): Finding[] {
  const side: TlsSide = config[name]
  const set = FIELDS[name].filter((field) => isSet(side, field))
  const tls = set.filter((field) => !ADDRESSES.includes(field))
  const urls = set.filter((field) => ADDRESSES.includes(field)).flatMap((field) => urlsOf(side, field))
  const option = (field: Field): string => optionOf(name, field)
  if (side.plaintext === true) {
    const encrypted = urls.find(({ url }) => !isPlain(url))
    const beside = [...tls, ...(encrypted === undefined ? [] : [encrypted.field])]
    return beside.map((field) =>
      finding('config/plaintext-beside-tls', { ...unplaced(option(field)), other: option('listenUrls') }),
    )
  }
  const plain = urls
    .filter(({ url }) => isPlain(url))
    .map(({ field, url }) => finding('config/plaintext-url', { ...unplaced(option(field)), url }))
  if (side.autoTls === true) {
    const others = tls.filter((field) => field !== 'autoTls')
    return [
      ...plain,
      ...others.map((field) =>
        finding('config/auto-tls-replaces', { ...unplaced(option('autoTls')), other: option(field) }),
      ),
    ]
  }
  return [...plain, ...judgeFiles(name, side, urls[0]?.url ?? ''), ...judgeAuth(name, side)]
}

function judgeFiles(name: SideName, side: TlsSide, url: string): Finding[] {
  const missing = (['certFile', 'keyFile'] as const).filter((field) => side[field] === undefined)
  if (missing.length === 2) {
    return missing.map((field) => finding('config/certificate-missing', { ...unplaced(optionOf(name, field)), url }))
  }
  return []
}

/** A CA that is named, and whose certificates are not asked for. */
function judgeAuth(name: SideName, side: TlsSide): Finding[] {
  if (asksForCertificates(side) || side.trustedCaFile === undefined) return []
  const auth = optionOf(name, 'clientCertAuth')
  return [finding('config/client-auth-half', { ...unplaced(optionOf(name, 'trustedCaFile')), auth })]
}

/** Certificates are asked for unless that is switched off, or there is nothing to judge them by. */
export function asksForCertificates(side: TlsSide): boolean {
  return side.plaintext !== true && side.autoTls !== true && side.clientCertAuth !== false
}

/** GHSA-3wh4-j44w-pg92: with HTTP on a URL of its own, older releases let revoked clients in by gRPC. */
function judgeRevocation({ client }: MemberConfig, version: ParsedVersion): Finding[] {
  if (client.crlFile === undefined || client.httpUrls === undefined) return []
  if (availableIn(version, CRL_FIXED) === 'all') return []
  const httpUrls = optionOf('client', 'httpUrls')
  return [
    lintFinding('config/crl-bypassed', { ...unplaced(optionOf('client', 'crlFile')), httpUrls, fixed: [...CRL_FIXED] }),
  ]
}

/** An https listener of metrics takes the TLS of clients. */
function judgeMetrics({ client, metricsUrls = [] }: MemberConfig): Finding[] {
  const url = metricsUrls.find((each) => !isPlain(each))
  if (url === undefined || client.plaintext !== true) return []
  return [finding('config/certificate-missing', { ...unplaced(optionOf('client', 'certFile')), url })]
}

function judgeMembers({ name, peer, initialCluster }: MemberConfig): Finding[] {
  const at = unplaced(optionOf('server', 'initialCluster'))
  const members = new Map(Object.entries(initialCluster))
  const findings: Finding[] =
    peer.plaintext === true
      ? []
      : [...members.values()]
          .flat()
          .filter(isPlain)
          .map((url) => finding('config/plaintext-url', { ...at, url }))
  const own = members.get(name)
  if (own === undefined) return [...findings, finding('config/cluster-without-member', { ...at, name })]
  const advertised = peer.advertiseUrls
  const same = own.every((url) => advertised.includes(url)) && advertised.every((url) => own.includes(url))
  if (!same) {
    const details = { ...at, name, advertised: [...advertised], listed: [...own] }
    findings.push(finding('config/cluster-urls-differ', details))
  }
  return findings
}

function isSet(side: TlsSide, field: Field): boolean {
  return side[field] !== undefined && side[field] !== false
}

function urlsOf(side: TlsSide, field: Field): { field: Field; url: string }[] {
  const value = side[field]
  return typeof value === 'object' ? value.map((url) => ({ field, url })) : []
}

/** In any spelling, since what is not spelled right has a finding of its own. */
function isPlain(url: string): boolean {
  return /^http:/i.test(url)
}

function optionOf(block: OptionBlock, field: string): string {
  const row = rowsOf(block).get(field)
  return row === undefined ? field : nameOf(row)
}
