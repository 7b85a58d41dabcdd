/** Credentials as the files that etcd reads. */
import type { Credentials } from '../credentials/credentials.js'
import type { Certificate } from '../x509/certificate.js'

/** File names and their contents; all lie in one folder that only etcd reads. */
export type EtcdFiles = Readonly<Record<string, string | Uint8Array>>

/** The three files of one side: `server` for clients, `peer` for other members. */
export interface MaterialNames {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** The names that one side's files have. */
export function materialNames(side: string): MaterialNames {
  return { cert: `${side}.crt`, key: `${side}.key`, ca: `${side}-ca.crt` }
}

/** Certificate chain and key of one side. etcd reads an unencrypted key only, so the key is written out as it is. */
export function identityFiles(side: string, credentials: Credentials): EtcdFiles {
  const names = materialNames(side)
  return { [names.cert]: pemOf(credentials.chain), [names.key]: credentials.key.exportPem() }
}

/** Certificate chain, key and trusted CAs of one side. */
export function materialFiles(side: string, credentials: Credentials, trusted: readonly Certificate[]): EtcdFiles {
  return { ...identityFiles(side, credentials), [materialNames(side).ca]: pemOf(trusted) }
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((each) => each.toPem().trimEnd() + '\n').join('')
}
