/** Credentials made of minted certificates, and what tests of a real etcd make of them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Etcd3 } from 'etcd3'
import type { Credentials } from '../../src/credentials/credentials.js'
import { Certificate } from '../../src/x509/certificate.js'
import { PrivateKey } from '../../src/x509/keys/keys.js'
import { dns, ip, mintCa, mintLeaf, type Minted, type MintLeafOptions } from './mint.js'

/**
 * Credentials of minted certificates: the leaf with its key, intermediates to send, and the CAs to trust. `key` takes
 * another key than the leaf's own, for credentials that do not fit together.
 */
export function mintedCredentials(parts: {
  leaf: Minted
  intermediates?: readonly Minted[] | undefined
  trust: readonly Minted[]
  key?: Minted | undefined
}): Credentials {
  const { leaf, intermediates = [], trust, key = leaf } = parts
  const parse = (minted: Minted, what: string): Certificate => Certificate.parse(minted.der, what)
  return {
    trustAnchors: trust.map((each) => parse(each, 'minted CA')),
    chain: [parse(leaf, 'minted leaf'), ...intermediates.map((each) => parse(each, 'minted intermediate'))],
    key: PrivateKey.fromKeyObject(key.key, 'minted key'),
    crls: [],
    origin: 'minted',
  }
}

/** What the files of credentials hold. */
export interface Pems {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((each) => each.toPem()).join('')
}

export function pemsOf({ trustAnchors, chain, key }: Credentials): Pems {
  return { ca: pemOf(trustAnchors), cert: pemOf(chain), key: key.exportPem() }
}

/** Writes `ca.crt`, `NAME.crt` and `NAME.key` into a folder, and returns their paths. */
export function writePems(folder: string, name: string, credentials: Credentials): Pems {
  const files = { ca: join(folder, 'ca.crt'), cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
  const pems = pemsOf(credentials)
  for (const role of ['ca', 'cert', 'key'] as const) writeFileSync(files[role], pems[role], { mode: 0o600 })
  return files
}

/** A CA with a server and a client certificate that etcd is content with. */
export interface MintedPki {
  readonly root: Minted
  readonly server: Credentials
  /** Common name `root`, the name of etcd's superuser. */
  readonly client: Credentials
  /** One more server certificate, with the usual names and usages by default. */
  issueServer(options?: Partial<MintLeafOptions>): Credentials
  /** One more client certificate, with clientAuth alone by default. */
  issueClient(options?: Partial<MintLeafOptions>): Credentials
}

/** A fresh CA and the usual certificates under it. */
export function mintPki(name = 'Test root'): MintedPki {
  const root = mintCa({ subject: name })
  const issueServer = (options: Partial<MintLeafOptions> = {}): Credentials => {
    const names = [ip('127.0.0.1'), dns('localhost')]
    return mintedCredentials({ leaf: mintLeaf({ subject: 'etcd', names, issuer: root, ...options }), trust: [root] })
  }
  const issueClient = (options: Partial<MintLeafOptions> = {}): Credentials => {
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: root, ...options })
    return mintedCredentials({ leaf, trust: [root] })
  }
  return { root, server: issueServer(), client: issueClient(), issueServer, issueClient }
}

/** A member for `startEtcdCluster`: the usual server certificate, and a peer certificate for its name and 127.0.0.1. */
export function clusterMember<Name extends string>(
  pki: MintedPki,
  name: Name,
): { name: Name; server: Credentials; peer: Credentials } {
  const leaf = mintLeaf({ subject: name, issuer: pki.root, names: [dns(name), ip('127.0.0.1')] })
  return { name, server: pki.server, peer: mintedCredentials({ leaf, trust: [pki.root] }) }
}

/** `m1`, `m2` and `m3`: see {@link clusterMember}. */
export function threeMembers(pki: MintedPki) {
  return [clusterMember(pki, 'm1'), clusterMember(pki, 'm2'), clusterMember(pki, 'm3')] as const
}

/** Users `root`, and `alice` with the password `alice-password`, who may use one prefix so; from now on etcd asks who is there. */
export async function enableAuth(admin: Etcd3, permission: 'Read' | 'Readwrite', prefix: string): Promise<void> {
  await admin.user('root').create('root-password')
  await admin.user('root').addRole('root')
  await admin.role('of-alice').create()
  await admin.role('of-alice').grant({ permission, range: admin.range({ prefix }) })
  await admin.user('alice').create('alice-password')
  await admin.user('alice').addRole('of-alice')
  await admin.auth.authEnable()
}
