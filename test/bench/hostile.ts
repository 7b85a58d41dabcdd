/** What the worst inputs cost that we could think of, next to an ordinary chain. */
import { type ConfigInput, lintEtcdConfig } from '../../src/config/index.js'
import { validateChain } from '../../src/validate/index.js'
import { dns, mintCa, mintLeaf } from '../support/mint.js'
import { HOSTILE_FORMS, hostileConfigs } from '../fuzz/hostile-configs.js'
import { FRAME_FLOODS, MANY_CALLS, FEW_CALLS, hostileFrames } from './support-frames.js'
import { hostileCases } from '../fuzz/hostile.js'
import { processorTime } from '../fuzz/loop.js'
import type { Bench, Contender, RemoteContender } from './harness.js'

const ORDINARY = 'ordinary chain of three'
/** Rows of configurations: in each form, the text that costs most. */
const CONFIGS = HOSTILE_FORMS.map((form) => ({ name: `configuration of 100 kB: the worst ${form}`, form }))

/** More than the fuzzers allow, which take the best of several tries. */
const MAX_MS = 150

export const bench: Bench = {
  title: 'Hostile input',
  about:
    'Each case tries to exhaust the validator: huge lists of names and extensions, graphs of CAs that certify each ' +
    'other, bundles of thousands of certificates. The time is from bytes to a report. Of ' +
    `${String(Object.keys(hostileConfigs).length)} configurations of 100 kB in each form, the slowest one counts.`,
  unit: 'report',
  base: ORDINARY,
  slice: 50,
  rounds: 5,
  sample: 12,
  promises: [
    {
      says: `none takes more than ${String(MAX_MS)} ms of processor time`,
      holds: (measured) => [...hostileCases, ...CONFIGS].every(({ name }) => measured(name).time <= MAX_MS),
    },
    {
      says: 'frames of a server for which 10,000 calls wait take at most 3 × the time as for 10',
      holds: (measured) =>
        FRAME_FLOODS.every(({ title }) => {
          const [few, many] = [FEW_CALLS, MANY_CALLS].map((calls) => measured(title(calls)).time)
          return few !== undefined && many !== undefined && many <= 3 * few
        }),
    },
  ],
  prepare: () => ({
    contenders: [ordinary(), ...hostileCases.map(hostile), ...CONFIGS.map(hostileConfig), ...hostileFrames()],
  }),
}

function ordinary(): Contender {
  const root = mintCa({ subject: 'Bench root' })
  const issuer = mintCa({ subject: 'Bench issuer', issuer: root })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer, names: [dns('etcd-0.etcd.svc')] })
  const input = { leaf: leaf.der, intermediates: [issuer.der], trustAnchors: [root.der] }
  return { name: ORDINARY, run: () => validateChain(input, { usage: 'server' }) }
}

/** The input is made again each time: all of them at once would be most of the heap, and charged to whoever runs. */
function hostile({ name, make }: (typeof hostileCases)[number]): RemoteContender {
  return {
    name,
    async measure(milliseconds) {
      const { input, options } = make()
      const check = (): unknown => validateChain(input, { usage: 'server', ...options })
      const costs: number[] = []
      for (const end = performance.now() + milliseconds; performance.now() < end;) costs.push(processorTime(check))
      return Promise.resolve(costs.toSorted((a, b) => a - b)[costs.length >> 1] ?? processorTime(check))
    },
  }
}

/** The dearest text is found while everything warms up. */
function hostileConfig({ name, form }: (typeof CONFIGS)[number]): RemoteContender {
  let worst: string | null = null
  const costOf = (text: string): Promise<number> => leastCost({ [form]: text })
  return {
    name,
    async measure() {
      if (worst !== null) return costOf(worst)
      let most = 0
      for (const text of Object.values(hostileConfigs)) {
        const cost = await costOf(text)
        if (cost <= most) continue
        most = cost
        worst = text
      }
      return most
    },
  }
}

/** Processor time in milliseconds, of the better of two: the first one may pay for what others left behind. */
async function leastCost(config: ConfigInput): Promise<number> {
  let least = Infinity
  for (let i = 0; i < 2; i++) {
    const before = process.cpuUsage()
    await lintEtcdConfig(config, { readFiles: false })
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}
