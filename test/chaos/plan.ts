/** Which faults happen when: the same for the same seed. */
import { Random } from '../fuzz/random.js'

export const FAULTS = [
  'kill',
  'restart',
  'freeze',
  'cut-clients',
  'cut-members',
  'cut-link',
  'loss',
  'move-leader',
  'compact',
] as const
export type FaultKind = (typeof FAULTS)[number]

export interface Fault {
  readonly kind: FaultKind
  /** Index of the member that it happens to. */
  readonly member: number
  /** After the begin of its turn, in milliseconds. */
  readonly delay: number
  /** Milliseconds. */
  readonly duration: number
}

/** Faults that happen at once, and the pause after the last of them, in milliseconds. */
export interface Turn {
  readonly faults: readonly Fault[]
  readonly pause: number
}

/** Shortest and longest duration, in milliseconds. */
const DURATIONS: Record<FaultKind, readonly [number, number]> = {
  kill: [300, 2000],
  restart: [300, 2000],
  freeze: [500, 4000],
  'cut-clients': [500, 4000],
  'cut-members': [500, 5000],
  'cut-link': [500, 5000],
  loss: [500, 4000],
  'move-leader': [0, 0],
  compact: [0, 0],
}
/** How many faults happen at once in each second turn. */
const AT_ONCE = 3

/**
 * By turns, one fault alone and several at once. Those at once hit one member in most cases, so that a quorum stays connected for
 * most of the time. With a choice of `only` some kinds they happen alone, to one member after the other, and each one is over
 * for a while before the next one begins.
 */
export function* planOf(seed: number, members: number, only: readonly FaultKind[] | null): Generator<Turn, never> {
  const random = new Random(seed)
  const between = (least: number, most: number): number => least + random.below(most - least)
  const fault = (kind: FaultKind, member: number, delay: number): Fault => ({
    kind,
    member,
    delay,
    duration: between(...DURATIONS[kind]),
  })
  const pause = (): number => between(200, 1500)
  for (let turn = 0; ;) {
    for (const kind of shuffled(only ?? FAULTS, random)) {
      if (only !== null) {
        yield { faults: [fault(kind, turn % members, 0)], pause: between(3000, 5000) }
        turn += 1
        continue
      }
      yield { faults: [fault(kind, random.below(members), 0)], pause: pause() }
      const victim = random.below(members)
      const faults = shuffled(FAULTS, random)
        .slice(0, AT_ONCE)
        .map((each) => fault(each, random.below(3) < 2 ? victim : random.below(members), random.below(800)))
      yield { faults, pause: pause() }
    }
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const rest = [...list]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice(random.below(rest.length), 1))
  return order
}
