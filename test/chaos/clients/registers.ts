/** Registers that are read, written, deleted, and compared and swapped by several clients at once. */
import type { Etcd3 } from 'etcd3'
import type { Operation } from '../linearizable.js'
import { callOptions, pause, recordFailure, type Work } from './work.js'

/** How many registers are worked on at once. */
const REGISTERS = 4
/** Operations on one register, until the next one takes its place: checking a history costs more than its square. */
const OPERATIONS = 60

type Action = Operation['action']

export async function workOnRegisters(work: Work): Promise<void> {
  await Promise.all(Array.from({ length: REGISTERS }, (_, slot) => workOnSlot(work, slot)))
}

async function workOnSlot(work: Work, slot: number): Promise<void> {
  const { stopping, random, pace, recorder } = work
  for (let generation = 0; !stopping.aborted; generation += 1) {
    const key = `${work.prefix}r${String(slot)}-${String(generation)}`
    const register = new Register(work, key)
    const loop = async (client: Etcd3, index: number): Promise<void> => {
      while (!stopping.aborted && register.history.length < OPERATIONS) {
        await register.operate(client, `${String(slot)}-${String(index)}`)
        await pause(random.below(pace), stopping)
      }
    }
    await Promise.all(work.clients.map(loop))
    recorder.add({ type: 'register', key, history: register.history })
  }
}

class Register {
  readonly history: Operation[] = []
  readonly #work: Work
  readonly #key: string
  #values = 0

  constructor(work: Work, key: string) {
    this.#work = work
    this.#key = key
  }

  async operate(client: Etcd3, loop: string): Promise<void> {
    const key = this.#key
    const value = `${key}#${String((this.#values += 1))}`
    const options = callOptions()
    const kind = this.#work.random.below(10)
    if (kind === 0) {
      await this.#call(loop, { type: 'write', value: null }, async () => {
        await client.delete().key(key).options(options).exec()
        return { type: 'write', value: null }
      })
    } else if (kind <= 3) {
      await this.#call(loop, { type: 'write', value }, async () => {
        await client.put(key).value(value).options(options).exec()
        return { type: 'write', value }
      })
    } else if (kind <= 5 && this.#lastValue !== null) {
      const cas = { type: 'cas', expected: this.#lastValue, value } as const
      await this.#call(loop, { ...cas, swapped: null, found: null }, async () => {
        const { succeeded, responses } = await client
          .if(key, 'Value', '==', cas.expected)
          .then(client.put(key).value(value))
          .else(client.get(key))
          .options(options)
          .commit()
        const found = succeeded ? null : (responses[0]?.response_range.kvs[0]?.value.toString() ?? null)
        return { ...cas, swapped: succeeded, found }
      })
    } else {
      await this.#call(loop, null, async () => ({
        type: 'read',
        value: await client.get(key).options(options).string(),
      }))
    }
  }

  get #lastValue(): string | null {
    const last = this.history.findLast(({ action }) => action.type !== 'cas' && action.value !== null)
    return last?.action.value ?? null
  }

  /** Notes one operation. A read that failed says nothing, nor does a write that was certainly not applied. */
  async #call(loop: string, unknown: Action | null, call: () => Promise<Action>): Promise<void> {
    const begun = Date.now()
    const called = performance.now()
    let answered = false
    try {
      const action = await call()
      this.history.push({ called, returned: performance.now(), action })
      answered = true
    } catch (error) {
      const maybe = recordFailure(this.#work, error, unknown !== null)
      if (maybe && unknown !== null) this.history.push({ called, returned: Infinity, action: unknown })
    }
    const returned = begun + performance.now() - called
    this.#work.recorder.add({ type: 'call', loop, called: begun, returned, answered })
  }
}
