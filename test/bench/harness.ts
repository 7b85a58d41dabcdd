/**
 * Measures ways of doing one thing side by side, in one run: rounds in turn, so that a machine that slows down slows
 * all of them, and medians, so that a hiccup does not count. What is compared are ratios; times are for orientation.
 *
 * A benchmark is a file next to this one that exports `bench: Bench`. `npm run bench` compiles it and runs it in a process
 * of its own; `npm run bench -- issuing` runs one.
 */

/** One way of doing it. */
export interface Contender {
  name: string
  /** Does the thing once. What it gives is ignored, so that nothing is optimised away it should depend on the work. */
  run: () => unknown
  /** Its own clock, where the bench's would not see the work: that of another process. Its ratio mixes two clocks then. */
  clock?: Clock
  /** The contender that its ratio divides by, where that is not the bench's base. */
  base?: string
}

/** One way of doing it in a process of its own, which measures itself. */
export interface RemoteContender {
  name: string
  base?: string
  /** Does the thing for about so many milliseconds; gives what one took, in milliseconds or what the bench counts in. */
  measure: (milliseconds: number) => Promise<number>
}

export interface Bench {
  title: string
  /** What is compared, and on what. */
  about: string
  /** What one call of `run` does, in the singular: `chain validated`. */
  unit: string
  /** The contender that the ratios divide by. */
  base: string
  /**
   * `cpu` (the default) counts the processor time of the process, whatever else the machine does; `wall` counts what
   * passes, for work that waits for somebody.
   */
  clock?: Clock
  /** What is counted: milliseconds (the default), or bytes. */
  counts?: Counts
  /** Milliseconds that one contender works per round. Default: 100. */
  slice?: number
  /** Default: 15. */
  rounds?: number
  /** What the issue asks of the result. */
  promises: readonly BenchPromise[]
  /** Everything that is set up once and not measured. */
  prepare: () => Prepared | Promise<Prepared>
}

type Clock = 'cpu' | 'wall'
type Counts = 'time' | 'memory'

interface BenchPromise {
  /** `at most 2 × the floor` */
  says: string
  holds: (measured: (name: string) => Measured) => boolean
}

interface Prepared {
  contenders: readonly (Contender | RemoteContender)[]
  dispose?: () => void | Promise<void>
}

export interface Measured {
  name: string
  /** Milliseconds (or bytes) for one, the median over the rounds. */
  time: number
  perSecond: number
  /** Time over the base's time of the same round, the median over the rounds. */
  ratio: number
}

interface BenchResult {
  title: string
  about: string
  unit: string
  base: string
  counts: Counts
  rows: Measured[]
  promises: { says: string; held: boolean }[]
}

/** Prepares, measures, cleans up. */
export async function runBench(bench: Bench): Promise<BenchResult> {
  const { title, about, unit, base, promises, clock = 'cpu', counts = 'time', slice = 100, rounds = 15 } = bench
  const { contenders, dispose } = await bench.prepare()
  try {
    const rows = await measure(contenders, { base, clock, slice, rounds })
    const measured = (name: string): Measured => {
      const row = rows.find((each) => each.name === name)
      if (row === undefined) throw new Error(`No contender of "${title}" is called "${name}"`)
      return row
    }
    return {
      title,
      about,
      unit,
      base,
      counts,
      rows,
      promises: promises.map(({ says, holds }) => ({ says, held: holds(measured) })),
    }
  } finally {
    await dispose?.()
  }
}

const CLOCKS: Readonly<Record<Clock, () => number>> = {
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  wall: () => performance.now(),
}

interface Settings {
  base: string
  clock: Clock
  /** Milliseconds. */
  slice: number
  rounds: number
}

async function measure(
  contenders: readonly (Contender | RemoteContender)[],
  { base, clock, slice, rounds }: Settings,
): Promise<Measured[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (const contender of contenders) await workFor(contender, slice * 5, clock) // warm: compiled, caches filled
  for (let round = 0; round < rounds; round += 1) {
    const first = round % contenders.length // each has its turn after each other
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      times.get(contender.name)?.push(await workFor(contender, slice, clock))
    }
  }
  return contenders.map(({ name, base: ownBase = base }) => {
    const [own, baseTimes] = [times.get(name) ?? [], times.get(ownBase)]
    if (baseTimes === undefined) throw new Error(`No contender is called "${ownBase}"`)
    const time = median(own)
    const ratio = median(own.map((each, round) => each / (baseTimes[round] ?? NaN)))
    return { name, time, perSecond: 1000 / time, ratio }
  })
}

/**
 * Repeats the work for so many milliseconds, at least once; gives the milliseconds that one took. No garbage is collected
 * on request in between: that also throws compiled code away, and small functions in JavaScript look slower than they are.
 */
async function workFor(contender: Contender | RemoteContender, milliseconds: number, usual: Clock): Promise<number> {
  if ('measure' in contender) return contender.measure(milliseconds)
  const { run, clock } = contender
  const now = CLOCKS[clock ?? usual]
  const started = now()
  let count = 0
  let elapsed = 0
  do {
    const outcome = run()
    if (outcome instanceof Promise) await outcome // a synchronous contender does not pay for a turn of the event loop
    count += 1
    elapsed = now() - started
  } while (elapsed < milliseconds)
  return elapsed / count
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = NaN, high = NaN] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

/** The address of a subpath's bundle, or of the root's, which `npm run bench` makes next to the compiled benchmarks. */
export function shipped(room = ''): string {
  return new URL(`../../dist/${room === '' ? '' : `${room}/`}index.js`, import.meta.url).href
}
