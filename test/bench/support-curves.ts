/** Curves: the same work of plain etcd3 and of etcd-mtls, at several sizes. */
import type { Plot, RemoteContender } from './harness.js'
import type { Answer, Remote, startRemotes } from './support-remote.js'

export const PLAIN = 'plain etcd3'

const CLIENTS = [
  { name: PLAIN, kind: 'plain' },
  { name: 'etcd-mtls', kind: 'ours' },
] as const
type Client = (typeof CLIENTS)[number]
type Remotes = Awaited<ReturnType<typeof startRemotes>>

/** What is measured, as the end of the names of its rows. */
const WHAT: Readonly<Record<keyof Answer, string>> = { wall: '', cpu: ', processor', memory: ', memory' }

export interface Curve {
  sizes: readonly number[]
  /** `64 in flight` */
  label: (size: number) => string
  values: readonly (keyof Answer)[]
}

/** The name of plain etcd3's row for the first size and value: the base of a bench. */
export function firstRow({ sizes, label, values }: Curve): string {
  const [size = 0, value = 'wall'] = [sizes[0], values[0]]
  return rowName(CLIENTS[0], label(size), value)
}

function rowName({ name }: Client, label: string, value: keyof Answer): string {
  return `${name}, ${label}${WHAT[value]}`
}

/** A plot for each value. */
export function plotsOf({ sizes, label, values }: Curve, x: string, titles: readonly string[]): Plot[] {
  return values.map((value, index) => ({
    title: titles[index] ?? '',
    x,
    lines: CLIENTS.map((client) => ({
      name: client.name,
      points: sizes.map((size) => ({ x: size, contender: rowName(client, label(size), value) })),
    })),
  }))
}

/** @param measure What one measurement of a client's process is. */
export function contendersOf(
  { sizes, label, values }: Curve,
  measure: (client: Client, size: number, milliseconds: number) => Promise<Answer>,
): RemoteContender[] {
  return sizes.flatMap((size) =>
    values.flatMap((value) =>
      CLIENTS.map((client): RemoteContender => ({
        name: rowName(client, label(size), value),
        base: rowName(CLIENTS[0], label(size), value),
        counts: value === 'memory' ? 'memory' : 'time',
        measure: async (milliseconds) => (await measure(client, size, milliseconds))[value],
      })),
    ),
  )
}

/** One process for each client, for all sizes; that of plain etcd3 also stores what is read. */
export async function startClients(
  remotes: Remotes,
): Promise<{ of(client: Client): Remote; plain: Remote; close(): Promise<void> }> {
  const started = new Map<string, Remote>()
  for (const { name, kind } of CLIENTS) started.set(name, await remotes.start(kind))
  const of = ({ name }: Client): Remote => {
    const remote = started.get(name)
    if (remote === undefined) throw new Error(`There is no process for ${name}`)
    return remote
  }
  return {
    of,
    plain: of(CLIENTS[0]),
    close: async () => {
      for (const remote of started.values()) await remote[Symbol.asyncDispose]()
      await remotes.close()
    },
  }
}

/**
 * Measures in a new process, once for all values of one size and round: the second and third value of a round are those of
 * the first measurement.
 */
export function inNewProcess(
  remotes: Remotes,
  values: number,
  work: (remote: Remote, size: number) => Promise<Answer>,
): (client: Client, size: number) => Promise<Answer> {
  const last = new Map<string, { answer: Answer; left: number }>()
  return async (client, size) => {
    const key = `${client.name} ${String(size)}`
    const known = last.get(key)
    if (known !== undefined && known.left > 0) {
      known.left -= 1
      return known.answer
    }
    await using remote = await remotes.start(client.kind)
    const answer = await work(remote, size)
    last.set(key, { answer, left: values - 1 })
    return answer
  }
}
