/** What the worst inputs cost that we could think of, next to an ordinary chain. */
import { FrameSession } from '../../src/client/http2/frame-session.js'
import { Flag, FrameType } from '../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../src/client/http2/settings.js'
import { type ConfigInput, lintEtcdConfig } from '../../src/config/index.js'
import { validateChain } from '../../src/validate/index.js'
import { Recorder, REQUEST } from '../support/frame-sessions.js'
import { frame, Http2Peer, number } from '../support/http2-frames.js'
import { dns, mintCa, mintLeaf } from '../support/mint.js'
import { HOSTILE_FORMS, hostileConfigs } from '../fuzz/hostile-configs.js'
import { hostileCases } from '../fuzz/hostile.js'
import { processorTime } from '../fuzz/loop.js'
import type { Bench, Contender, RemoteContender } from './harness.js'

const ORDINARY = 'ordinary chain of three'
/** Rows of configurations: in each form, the text that costs most. */
const CONFIGS = HOSTILE_FORMS.map((form) => ({ name: `configuration of 100 kB: the worst ${form}`, form }))

/** Calls that wait because the server gives them no window. */
const [FEW, MANY] = [10, 10_000]
/** Frames of windows: as many as a client accepts at once. */
const FRAMES = 1900
const WINDOWS = [
  { name: 'windows of a byte for the connection', frame: () => windowUpdate(0) },
  { name: 'windows of a byte for a stream', frame: () => windowUpdate(1) },
  { name: 'first windows of 0 and 1', frame: (i: number) => firstWindow(i % 2) },
  { name: 'ever larger first windows', frame: (i: number) => firstWindow(i >> 2) },
]
type WindowAttack = (typeof WINDOWS)[number]

function nameOf({ name }: WindowAttack, calls: number): string {
  return `${String(FRAMES)} ${name}: ${calls.toLocaleString('en')} calls`
}

function windowUpdate(stream: number): Buffer {
  return frame(FrameType.WINDOW_UPDATE, 0, stream, number(1))
}

function firstWindow(bytes: number): Buffer {
  return frame(FrameType.SETTINGS, 0, 0, encodeSettings([[Setting.INITIAL_WINDOW_SIZE, bytes]]))
}

/** More than the fuzzers allow, which take the best of several tries. */
const MAX_MS = 150

export const bench: Bench = {
  title: 'Hostile input',
  about:
    'Each case tries to exhaust the validator: huge lists of names and extensions, graphs of CAs that certify each ' +
    'other, bundles of thousands of certificates. The time is from bytes to a report. A server gives windows of HTTP/2 byte by byte ' +
    'to calls that wait. Of ' +
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
      says: 'frames of windows cost at most 3 × as much with 10,000 waiting calls as with 10',
      holds: (measured) =>
        WINDOWS.every((each) => measured(nameOf(each, MANY)).time <= 3 * measured(nameOf(each, FEW)).time),
    },
  ],
  prepare: () => {
    const frames = WINDOWS.flatMap((each) => [windowFrames(each, FEW), windowFrames(each, MANY)])
    return { contenders: [ordinary(), ...hostileCases.map(hostile), ...CONFIGS.map(hostileConfig), ...frames] }
  },
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

/** In pieces, because a client may do something at the end of each turn. */
function windowFrames(attack: WindowAttack, calls: number): RemoteContender {
  const pieces = Array.from({ length: FRAMES / 10 }, (_, i) =>
    Buffer.concat(Array.from({ length: 10 }, (_each, j) => attack.frame(10 * i + j))),
  )
  const measureOnce = async (): Promise<number> => {
    const peer = new Http2Peer()
    const ignore = (): void => undefined
    const session = new FrameSession(peer.socket, { onSettings: ignore, onGoaway: ignore, onClose: ignore })
    peer.accept([[Setting.INITIAL_WINDOW_SIZE, 0]])
    await new Promise<void>((answered) => {
      session.ask(answered)
      peer.send(FrameType.SETTINGS, { flags: Flag.ACK })
    })
    for (let i = 0; i < calls; i += 1) session.request(REQUEST, new Recorder(), new Uint8Array(2000 + (i % 50)))
    await new Promise(setImmediate)
    const before = process.cpuUsage()
    for (const piece of pieces) {
      peer.end.write(piece)
      await new Promise(setImmediate)
    }
    const { user, system } = process.cpuUsage(before)
    if (!session.isOpen) throw new Error('the client has ended the connection')
    session.destroy()
    return (user + system) / 1000
  }
  return {
    name: nameOf(attack, calls),
    async measure() {
      let least = Infinity
      for (let i = 0; i < 3; i += 1) least = Math.min(least, await measureOnce())
      return least
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
