/** The command line of a throw-away etcd. */
import { materialNames } from './files.js'

/** How one etcd sees its surroundings. */
export interface EtcdPlace {
  /** Folder of the certificates, keys and {@link EtcdOptions.files}, as etcd sees it. */
  readonly directory: string
  readonly dataDirectory: string
  /** Where etcd listens for clients, as `https://0.0.0.0:2379`. */
  readonly clientListenUrl: string
  /** Where clients reach it, as `https://127.0.0.1:32768`. */
  readonly clientUrl: string
  /** Where a program beside etcd reaches it, as `https://127.0.0.1:2379`. */
  readonly localUrl: string
  /** Where etcd listens for other members. */
  readonly peerListenUrl: string
  /** Where other members reach it. */
  readonly peerUrl: string
}

export interface FlagOptions {
  readonly name: string
  readonly place: EtcdPlace
  /** Whether clients have to show a certificate. */
  readonly clientCertAuth: boolean
  /** Whether the peer side speaks TLS, with certificates asked for in both directions. */
  readonly peerTls: boolean
  /** Name and peer URL of every member, this one included. */
  readonly members: readonly { readonly name: string; readonly peerUrl: string }[]
}

/** Flags rather than a file: with `--config-file` etcd ignores every other flag, and then no CRL can be set. */
export function etcdFlags(options: FlagOptions): string[] {
  const { name, place, clientCertAuth, peerTls, members } = options
  const flags = {
    name,
    'data-dir': place.dataDirectory,
    'listen-client-urls': place.clientListenUrl,
    'advertise-client-urls': place.clientUrl,
    'listen-peer-urls': place.peerListenUrl,
    'initial-advertise-peer-urls': place.peerUrl,
    'initial-cluster': members.map((each) => `${each.name}=${each.peerUrl}`).join(','),
    'initial-cluster-state': 'new',
    // The default since 3.5 (server/embed/config.go); 3.4 writes plain text without it.
    logger: 'zap',
    ...sideFlags('', 'server', place, clientCertAuth),
    ...(peerTls ? sideFlags('peer-', 'peer', place, true) : {}),
  }
  return Object.entries(flags).map(([key, value]) => `--${key}=${value}`)
}

function sideFlags(prefix: string, side: string, place: EtcdPlace, clientCertAuth: boolean): Record<string, string> {
  const names = materialNames(side)
  const file = (name: string): string => `${place.directory}/${name}`
  return {
    [`${prefix}cert-file`]: file(names.cert),
    [`${prefix}key-file`]: file(names.key),
    // A CA file alone would already make etcd ask for a certificate, so both go together.
    ...(clientCertAuth ? { [`${prefix}client-cert-auth`]: 'true', [`${prefix}trusted-ca-file`]: file(names.ca) } : {}),
  }
}
