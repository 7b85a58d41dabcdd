/** The options of a member in order, changes to them, and files for it. */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { type Minted, mintLeaf, type MintLeafOptions } from './mint.js'
import { temporaryFolder } from './openssl.js'

/** The TLS options of one side, left out. */
export const NO_TLS = '-cert-file -key-file -trusted-ca-file -client-cert-auth'
export const NO_PEER_TLS = NO_TLS.replaceAll(/(^| )-/g, '$1-peer-')

/** A pair of files as options. */
export function pair(name: string, side: '' | 'peer-' = ''): string {
  return `${side}cert-file=${name}.crt ${side}key-file=${name}.key`
}

interface MemberUrls {
  readonly name: string
  readonly client: string
  readonly peer: string
  /** Default: this member alone. */
  readonly cluster?: string
}

const ALONE: MemberUrls = { name: 'e1', client: 'https://10.0.0.1:2379', peer: 'https://10.0.0.1:2380' }

/**
 * The options of a member that serves by TLS and requires certificates, by their flags.
 *
 * @param changes `name=value` sets an option, `-name` leaves it out; separated by spaces.
 */
export function memberOptions(changes = '', { name, client, peer, cluster }: MemberUrls = ALONE): Map<string, string> {
  const side = (prefix: string): [string, string][] => [
    [`${prefix}cert-file`, `${prefix === '' ? 'server' : 'peer'}.crt`],
    [`${prefix}key-file`, `${prefix === '' ? 'server' : 'peer'}.key`],
    [`${prefix}trusted-ca-file`, 'ca.crt'],
    [`${prefix}client-cert-auth`, 'true'],
  ]
  const options = new Map<string, string>([
    ['name', name],
    ['listen-client-urls', client],
    ['advertise-client-urls', client],
    ['listen-peer-urls', peer],
    ['initial-advertise-peer-urls', peer],
    ['initial-cluster', cluster ?? `${name}=${peer}`],
    ...side(''),
    ...side('peer-'),
  ])
  for (const change of changes.split(' ').filter((each) => each !== '')) {
    const [, option = change, value = ''] = /^([^=]+)=(.*)$/s.exec(change) ?? []
    if (change.startsWith('-')) options.delete(change.slice(1))
    else options.set(option, value)
  }
  return options
}

/** The same as flags; names of files are those of the folder. */
export function memberFlags(changes = '', urls: MemberUrls = ALONE, folder = '/pki'): string[] {
  return [...memberOptions(changes, urls)].map(
    ([name, value]) => `--${name}=${value.replace(/^[\w-]+\.(?:crt|key|crl)$/, (file) => join(folder, file))}`,
  )
}

interface PkiFolder {
  path(name: string): string
  write(name: string, content: string | Uint8Array): string
  /** Writes a certificate and its key. */
  issue(name: string, options?: Partial<MintLeafOptions>): Minted
  flags(changes?: string, urls?: MemberUrls): string[]
}

/** A folder with the files of members. */
export function pkiFolder(defaults: Pick<MintLeafOptions, 'issuer' | 'names'>): PkiFolder {
  const folder = temporaryFolder()
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(folder.file(name), content, { mode: 0o600 })
    return folder.file(name)
  }
  return {
    path: (name) => folder.file(name),
    write,
    issue(name, options = {}) {
      const leaf = mintLeaf({ subject: name, ...defaults, ...options })
      write(`${name}.crt`, leaf.pem)
      write(`${name}.key`, leaf.keyPem)
      return leaf
    },
    flags: (changes = '', urls = ALONE) => memberFlags(changes, urls, dirname(folder.file('x'))),
  }
}

/** The codes of findings that are worse than infos. */
export function worse(findings: readonly Finding[]): FindingCode[] {
  return findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
}
