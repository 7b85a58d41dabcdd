/** The interface of the environment that etcd runs in, a container or a local process, and the files and flags of etcd. */
import type { Credentials } from '../credentials/index.js'
import type { Certificate } from '../x509/internal.js'
import type { LogBuffer } from './log-buffer.js'

/** How a program ended, and what it wrote. */
export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The environment of one etcd: created once, started and stopped any number of times, then removed. */
export interface Machine {
  readonly place: EtcdPlace
  readonly logs: LogBuffer
  /** Writes to `place.directory`; allowed before the first start and while etcd is stopped, too. */
  writeFiles(files: EtcdFiles): Promise<void>
  /**
   * Resolves when the process runs, before etcd serves. `ended` resolves to a sentence that says how the process ended. The output
   * goes to `logs`.
   */
  start(flags: readonly string[], signal: AbortSignal): Promise<{ readonly ended: Promise<string> }>
  /** Terminates etcd; data and files stay. */
  stop(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  etcdctl(args: readonly string[]): Promise<ExecResult>
  /** Kills etcd and removes its files. May be called at any time, more than once. */
  remove(): Promise<void>
}

/** Held ports of 127.0.0.1. */
export interface Ports {
  readonly client: number
  readonly peer: number
}

/** Creates machines: a container engine, with a network for a cluster, or the local system. */
export interface Host {
  /** Starts nothing. `peerTls` is set for the members of a cluster. */
  machine(name: string, ports: Ports, peerTls: boolean): Machine
  /** Removes the shared network, after the machines. */
  close(): Promise<void>
}

/** File names and their contents. All are in one directory that only etcd can read. */
export type EtcdFiles = Readonly<Record<string, string | Uint8Array>>

/** @param side `server` for clients, `peer` for other members. */
export function identityFiles(side: string, { chain, key }: Credentials): EtcdFiles {
  return { [`${side}.crt`]: pemOf(chain), [`${side}.key`]: key.exportPem() }
}

export function identityAndCaFiles(side: string, credentials: Credentials, trusted: readonly Certificate[]): EtcdFiles {
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
  /** Whether clients must present a certificate. */
  readonly clientCertAuth: boolean
  /** Whether members use mutual TLS with each other. */
  readonly peerTls: boolean
  /** The value of `--initial-cluster`. */
  readonly cluster: string
}

/** Flags rather than a file: with `--config-file` etcd ignores all flags, and a CRL can only be set by a flag. */
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
  // Both or none: a CA file alone would make etcd request a client certificate.
  const trust = { [`${prefix}client-cert-auth`]: 'true', [`${prefix}trusted-ca-file`]: `${files}-ca.crt` }
  const own = { [`${prefix}cert-file`]: `${files}.crt`, [`${prefix}key-file`]: `${files}.key` }
  return clientCertAuth ? { ...own, ...trust } : own
}
