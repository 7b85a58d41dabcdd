/** What the room needs of the thing that etcd runs in, be it a container or a process of this machine. */
import type { EtcdFiles } from './files.js'
import type { EtcdPlace } from './flags.js'
import type { LogBuffer } from './log-buffer.js'

/** How a program ended, and what it wrote. */
export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** One etcd's home: made once, started and stopped any number of times, removed at the end. */
export interface Machine {
  /** The port on 127.0.0.1 that clients use. */
  readonly port: number
  readonly place: EtcdPlace
  readonly logs: LogBuffer
  /** Puts files into `place.directory`, readable by etcd alone; also before the first start, and while etcd is stopped. */
  writeFiles(files: EtcdFiles): Promise<void>
  /**
   * Starts etcd. Resolves once it runs, which is long before it serves; the promise in the result resolves with words on
   * how it ended. What it writes goes to `logs`.
   */
  start(flags: readonly string[], signal: AbortSignal): Promise<{ readonly ended: Promise<string> }>
  /** Ends etcd in an orderly way; data and files stay. */
  stop(): Promise<void>
  /** Freezes etcd: connections are still accepted by the kernel, and nothing answers. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Runs etcdctl where etcd runs. `directory` is where {@link writeFiles} has put the files. */
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
