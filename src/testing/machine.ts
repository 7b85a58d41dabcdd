/** What the room needs of the thing that etcd runs in, be it a container or a process of this machine. */
import type { Credentials } from '../credentials/credentials.js'
import type { Certificate } from '../x509/certificate.js'
import type { LogBuffer } from './log-buffer.js'

/** How a program ended, and what it wrote. */
export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** One etcd's home: made once, started and stopped any number of times, removed at the end. */
export interface Machine {
  readonly place: EtcdPlace
  readonly logs: LogBuffer
  /** Puts files into `place.directory`, readable by etcd alone; also before the first start, and while etcd is stopped. */
  writeFiles(files: EtcdFiles): Promise<void>
  /**
   * Starts etcd. Resolves once it runs, which is long before it serves; the promise in the result resolves to a sentence on
   * how it ended. What it writes goes to `logs`.
   */
  start(flags: readonly string[], signal: AbortSignal): Promise<{ readonly ended: Promise<string> }>
  /** Ends etcd in an orderly way; data and files stay. */
  stop(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Runs etcdctl where etcd runs. */
  etcdctl(args: readonly string[]): Promise<ExecResult>
  /** Ends etcd at once and removes all that was made for it. May be called at any time, more than once. */
  remove(): Promise<void>
}

/** Ports of 127.0.0.1 that are held for the machine. */
export interface Ports {
  readonly client: number
  readonly peer: number
}

/** Where machines are made: a container engine, with a network if they are to meet, or this machine itself. */
export interface Host {
  /** Makes one; nothing runs yet. With `peerTls` it is one member of several. */
  machine(name: string, ports: Ports, peerTls: boolean): Machine
  /** Removes what the machines shared, after they themselves have been removed. */
  close(): Promise<void>
}

/** File names and their contents. All are in one directory that only etcd can read. */
export type EtcdFiles = Readonly<Record<string, string | Uint8Array>>

/** Certificate chain and key of one side: `server` for clients, `peer` for other members. etcd reads an unencrypted key only. */
export function identityFiles(side: string, { chain, key }: Credentials): EtcdFiles {
  return { [`${side}.crt`]: pemOf(chain), [`${side}.key`]: key.exportPem() }
}

/** Certificate chain, key and trusted CAs of one side. */
export function materialFiles(side: string, credentials: Credentials, trusted: readonly Certificate[]): EtcdFiles {
  return { ...identityFiles(side, credentials), [`${side}-ca.crt`]: pemOf(trusted) }
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((each) => each.toPem().trimEnd() + '\n').join('')
}

/** The directory and the URLs of one etcd. */
export interface EtcdPlace {
  /** The directory of the certificates, keys and {@link EtcdOptions.files}, as etcd sees it. */
  readonly directory: string
  readonly dataDirectory: string
  /** The URL on which etcd listens for clients, such as `https://0.0.0.0:2379`. */
  readonly clientListenUrl: string
  /** The URL for clients, such as `https://127.0.0.1:32768`. */
  readonly clientUrl: string
  /** The URL for a program in the same container, such as `https://127.0.0.1:2379`. */
  readonly localUrl: string
  /** The URL on which etcd listens for other members. */
  readonly peerListenUrl: string
  /** The URL for other members. */
  readonly peerUrl: string
}

interface FlagOptions {
  readonly name: string
  readonly place: EtcdPlace
  /** Whether clients have to show a certificate. */
  readonly clientCertAuth: boolean
  /** Whether members connect to each other by TLS, with certificates in both directions. */
  readonly peerTls: boolean
  /** Name and peer URL of every member, as etcd takes them. */
  readonly cluster: string
}

/** Flags rather than a file: with `--config-file` etcd ignores every other flag, and then no CRL can be set. */
export function etcdFlags({ name, place, clientCertAuth, peerTls, cluster }: FlagOptions): string[] {
  const flags = {
    name,
    'data-dir': place.dataDirectory,
    'listen-client-urls': place.clientListenUrl,
    'advertise-client-urls': place.clientUrl,
    'listen-peer-urls': place.peerListenUrl,
    'initial-advertise-peer-urls': place.peerUrl,
    'initial-cluster': cluster,
    'initial-cluster-state': 'new',
    // The default since 3.5 (server/embed/config.go); 3.4 writes plain text without it.
    logger: 'zap',
    ...sideFlags('', `${place.directory}/server`, clientCertAuth),
    ...(peerTls ? sideFlags('peer-', `${place.directory}/peer`, true) : {}),
  }
  return Object.entries(flags).map(([key, value]) => `--${key}=${value}`)
}

function sideFlags(prefix: string, files: string, clientCertAuth: boolean): Record<string, string> {
  // A CA file alone would already make etcd ask for a certificate, so both go together.
  const trust = { [`${prefix}client-cert-auth`]: 'true', [`${prefix}trusted-ca-file`]: `${files}-ca.crt` }
  const own = { [`${prefix}cert-file`]: `${files}.crt`, [`${prefix}key-file`]: `${files}.key` }
  return clientCertAuth ? { ...own, ...trust } : own
}
