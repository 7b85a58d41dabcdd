/**
 * Measures ways of doing one thing side by side, in one run: rounds in turn, so that a machine that slows down slows
 * all of them, and medians, so that a hiccup does not count. What is compared are ratios; times are for orientation.
 *
 * A benchmark is a file next to this one that exports `bench: Bench`. `npm run bench` compiles it and runs it in a process
 * of its own; `npm run bench -- issuing` runs one. `npm run check` runs all of them in a short form: see {@link Form}.
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
  /** What it counts, where that is not what the bench counts. */
  counts?: Counts
}

export interface Bench {
  title: string
  /** What is compared, and on what. */
  about: string
  /** What one call of `run` does, in the singular: `chain validated`. */
  unit: string
  /** The contender that the ratios divide by. */
  base: string
  /** What tables and plots call the base, where rows have their own. Default: its name. */
  baseTitle?: string
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
  /** How many contenders run in the form `once`, if the others do the same with more. */
  sample?: number
  /** What the issue asks of the result. */
  promises: readonly BenchPromise[]
  plots?: readonly Plot[]
  /** Everything that is set up once and not measured. For the form `once`, few of what there are thousands of. */
  prepare: (form: Form) => Prepared | Promise<Prepared>
}

type Clock = 'cpu' | 'wall'
type Counts = 'time' | 'memory'

interface BenchPromise {
  /** `at most 2 × the floor` */
  says: string
  /** What it is about, where that is not the bench's clock. */
  clock?: Clock
  holds: (measured: (name: string) => Measured) => boolean
}

interface Prepared {
  contenders: readonly (Contender | RemoteContender)[]
  dispose?: () => void | Promise<void>
}

export interface Measured {
  name: string
  counts: Counts
  /** Milliseconds (or bytes) for one, the median over the rounds. */
  time: number
  perSecond: number
  /** The median over that of the base. */
  ratio: number
  /** Quartiles of the time over the base's time of the same round. */
  spread: readonly [number, number]
}

/**
 * `full` is for figures. `short` is for `npm run check`: fewer and shorter rounds, and only promises about processor time are
 * decided, with a tolerance, and only what they are about is measured. `once` shows that the bench runs, and decides nothing.
 */
export type Form = 'full' | 'short' | 'once'

const ROUNDS: Readonly<Record<Exclude<Form, 'full'>, number>> = { short: 7, once: 1 }
/** Most milliseconds that a contender works per round. */
const SLICES: Readonly<Record<Exclude<Form, 'full'>, number>> = { short: 60, once: 50 }
/** Most milliseconds that a contender works before the rounds of the short form. */
const MAX_SHORT_WARM_UP = 600
/** What the short form allows beyond a promise: its rounds are short, and the machine may have other work. */
const TOLERANCE = 1.1

/** What `npm run bench -- --write` draws: ratios to the base as bars, or as lines over a logarithmic axis. */
export interface Plot {
  title: string
  bars?: readonly { name: string; contender: string }[]
  /** The title of the x axis, and the lines. */
  x?: string
  lines?: readonly { name: string; points: readonly { x: number; contender: string }[] }[]
}

interface BenchResult {
  title: string
  about: string
  unit: string
  base: string
  rows: Measured[]
  promises: { says: string; held: boolean }[]
  plots: readonly Plot[]
}

/** Prepares, measures, cleans up. */
export async function runBench(bench: Bench, form: Form = 'full'): Promise<BenchResult> {
  const { title, about, unit, base, baseTitle = base, clock = 'cpu', counts = 'time', plots = [] } = bench
  const promises = bench.promises.filter((each) => form === 'full' || isDecided(bench, each, form))
  const { contenders: all, dispose } = await bench.prepare(form)
  const contenders =
    form === 'once' ? all.slice(0, bench.sample) : form === 'short' ? neededFor(promises, all, base) : all
  try {
    const rows = await measure(contenders, { base, clock, counts, ...extentOf(bench, form) })
    const tolerance = form === 'full' ? 1 : TOLERANCE
    const measured = (name: string): Measured => {
      const row = rows.find((each) => each.name === name)
      if (row === undefined) throw new Error(`No contender of "${title}" is called "${name}"`)
      return { ...row, time: row.time / tolerance, ratio: row.ratio / tolerance }
    }
    return {
      title,
      about,
      unit,
      base: baseTitle,
      rows,
      promises: promises.map(({ says, holds }) => ({ says, held: holds(measured) })),
      plots,
    }
  } finally {
    await dispose?.()
  }
}

function isDecided({ clock = 'cpu', counts = 'time' }: Bench, promise: BenchPromise, form: Form): boolean {
  return form === 'short' && counts === 'time' && (promise.clock ?? clock) === 'cpu'
}

/** The contenders that promises are about, with what their ratios divide by. */
function neededFor(
  promises: readonly BenchPromise[],
  all: readonly (Contender | RemoteContender)[],
  base: string,
): (Contender | RemoteContender)[] {
  const names = new Set([base])
  // Whatever is compared: a condition may end at the first part that does not hold.
  for (const value of [0, Infinity]) {
    const measured = (name: string): Measured => {
      names.add(name)
      return { name, counts: 'time', time: value, perSecond: value, ratio: value, spread: [value, value] }
    }
    for (const { holds } of promises) holds(measured)
  }
  for (const each of all) if (names.has(each.name) && each.base !== undefined) names.add(each.base)
  return all.filter(({ name }) => names.has(name))
}

function extentOf({ slice = 100, rounds = 15 }: Bench, form: Form): Pick<Settings, 'slice' | 'rounds' | 'warmUp'> {
  // Without a slice, each time is that of a new process.
  const warmUp = slice === 0 || form === 'once' ? null : slice * 5
  if (form === 'full') return { slice, rounds, warmUp }
  return {
    slice: Math.min(slice, SLICES[form]),
    rounds: Math.min(rounds, ROUNDS[form]),
    warmUp: warmUp === null ? null : Math.min(warmUp, MAX_SHORT_WARM_UP),
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
  counts: Counts
  /** Milliseconds. */
  slice: number
  rounds: number
  /** Milliseconds that each contender works before the rounds; null for not at all. */
  warmUp: number | null
}

async function measure(
  contenders: readonly (Contender | RemoteContender)[],
  { base, clock, counts, slice, rounds, warmUp }: Settings,
): Promise<Measured[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  // Warm: compiled, caches filled.
  if (warmUp !== null) for (const contender of contenders) await workFor(contender, warmUp, clock)
  for (let round = 0; round < rounds; round += 1) {
    const first = round % contenders.length // each has its turn after each other
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      times.get(contender.name)?.push(await workFor(contender, slice, clock))
    }
  }
  return contenders.map((contender) => {
    const { name, base: ownBase = base } = contender
    const counted = 'measure' in contender ? (contender.counts ?? counts) : counts
    const [own, baseTimes] = [times.get(name) ?? [], times.get(ownBase)]
    if (baseTimes === undefined) throw new Error(`No contender is called "${ownBase}"`)
    const time = median(own)
    const ratios = own.map((each, round) => each / (baseTimes[round] ?? NaN))
    const spread = [quantile(ratios, 0.25), quantile(ratios, 0.75)] as const
    return { name, counts: counted, time, perSecond: 1000 / time, ratio: time / median(baseTimes), spread }
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
  return quantile(values, 0.5)
}

/** Between two values, the one in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const [low = NaN, high = NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return low + (high - low) * (place % 1)
}

/** The address of a subpath's bundle, or of the root's, which `npm run bench` makes next to the compiled benchmarks. */
export function shipped(room = ''): string {
  return new URL(`../../dist/${room === '' ? '' : `${room}/`}index.js`, import.meta.url).href
}
