/** What the worst inputs cost that we could think of, beside an ordinary chain. */
import { validateChain } from '../../src/validate/index.js'
import { dns, mintCa, mintLeaf } from '../support/mint.js'
import { hostileCases } from '../fuzz/hostile.js'
import { MAX_MS, processorTime } from '../fuzz/loop.js'
import type { Bench, Contender, RemoteContender } from './harness.js'

const ORDINARY = 'ordinary chain of three'

export const bench: Bench = {
  title: 'Hostile input',
  about:
    'Each case is made to exhaust the validator: huge lists of names and extensions, graphs of CAs that certify each other, ' +
    'bundles of thousands of certificates. From bytes to a report that says why.',
  unit: 'report',
  base: ORDINARY,
  slice: 50,
  rounds: 5,
  promises: [
    {
      says: `none takes more than ${String(MAX_MS)} ms of processor time`,
      holds: (measured) => hostileCases.every(({ name }) => measured(name).time <= MAX_MS),
    },
  ],
  prepare: () => ({ contenders: [ordinary(), ...hostileCases.map(hostile)] }),
}

function ordinary(): Contender {
  const root = mintCa({ subject: 'Bench root' })
  const issuer = mintCa({ subject: 'Bench issuer', issuer: root })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer, names: [dns('etcd-0.etcd.svc')] })
  const input = { leaf: leaf.der, intermediates: [issuer.der], trustAnchors: [root.der] }
  return { name: ORDINARY, run: () => validateChain(input, { usage: 'server' }) }
}

/** The input is made anew each time: all of them at once would be most of the heap, and charged to whoever runs. */
function hostile({ name, make }: (typeof hostileCases)[number]): RemoteContender {
  return {
    name,
    async measure(milliseconds) {
      const { input, options } = make()
      const judge = (): unknown => validateChain(input, { usage: 'server', ...options })
      const costs: number[] = []
      for (const end = performance.now() + milliseconds; performance.now() < end;) costs.push(processorTime(judge))
      return Promise.resolve(costs.toSorted((a, b) => a - b)[costs.length >> 1] ?? processorTime(judge))
    },
  }
}
