/** Locks between hosts: the holder is cut off from the cluster, or the only member that it knows dies. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CLIENT_ADDRESS, createMembers, type Member, Network, OTHER_CLIENT_ADDRESS } from '../chaos/network.js'
import { drawn } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { type Child, type ChildModules, packageModules } from '../support/child-modules.js'

/** Seconds. The signal aborts a tenth of it before the lease can expire, which a busy machine may need. */
const TTL = 8

const { file } = temporaryFolder()
const network = new Network(`p${process.pid.toString(36)}`)
let spaces: { holder: string; other: string }
let members: Member[]
let startModule: ChildModules['start']
const children: Child[] = []

beforeAll(async () => {
  spaces = { holder: network.host('holder', CLIENT_ADDRESS), other: network.host('other', OTHER_CLIENT_ADDRESS) }
  members = createMembers(network, file('.'))
  await Promise.all(members.map((each) => each.start()))
  startModule = await packageModules()
})

afterAll(async () => {
  for (const { process } of children) process.kill('SIGKILL')
  await Promise.all(members.map((each) => each.end('SIGKILL')))
  network.close()
})

/** A process on that host that holds a lock until its signal aborts. It writes when that happens, in nanoseconds of one clock. */
function contend(space: string, name: string, endpoints: readonly string[]): Child {
  const code = `
    const { createSecureClient } = await load('client')
    const { fromFiles } = await load('credentials')
    const { lock } = await load('coordination')
    const file = (name) => ${JSON.stringify(file('.'))} + '/' + name
    const credentials = fromFiles({ ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') })
    const client = await createSecureClient({ endpoints: ${JSON.stringify(endpoints)}, credentials, preflight: 'all' })
    console.log('contends.')
    const held = await lock(client, ${JSON.stringify(name)}, { ttl: '${String(TTL)}s' })
    const at = process.hrtime.bigint()
    console.log('held at ' + at + ' with ' + held.fencingToken + '.')
    await new Promise((resolve) => held.signal.addEventListener('abort', resolve))
    console.log('aborted at ' + process.hrtime.bigint() + ' as ' + held.signal.reason.details.reason + '.')
  `
  const child = startModule(code, ['ip', 'netns', 'exec', space])
  children.push(child)
  return child
}

/** The part of the output that the expression names. */
async function read(child: Child, expression: RegExp): Promise<string> {
  await expect.poll(() => expression.exec(child.output())?.[1], { timeout: 60_000 }).toBeDefined()
  return expression.exec(child.output())?.[1] ?? ''
}

const HELD_AT = /held at (\d+) /
const TOKEN = / with (\d+)\./
const ABORTED_AT = /aborted at (\d+) /

/** Lets one process hold and another wait, then `cut` the holder off. Checks that their times do not overlap. */
async function handOver(name: string, endpoints: readonly string[], cut: () => unknown): Promise<void> {
  const all = members.map(({ endpoint }) => endpoint)
  const holder = contend(spaces.holder, name, endpoints)
  const token = await read(holder, TOKEN)
  const other = contend(spaces.other, name, all)
  await other.says('contends.')
  const cutAt = process.hrtime.bigint()
  await cut()
  const abortedAt = BigInt(await read(holder, ABORTED_AT))
  const heldAt = BigInt(await read(other, HELD_AT))
  // The last keep-alive that was answered was sent before the cut: from then on the lease lives for at least a TTL.
  expect(Number(abortedAt - cutAt) / 1e9).toBeLessThan(TTL)
  expect(await read(holder, / as (\w+)\./)).toBe('unanswered')
  expect(heldAt).toBeGreaterThan(abortedAt)
  expect(BigInt(await read(other, TOKEN))).toBeGreaterThan(BigInt(token))
}

/** In `npm test`, one of the two. */
const WAYS: readonly (readonly [string, () => Promise<void>])[] = [
  ['is cut off', cutOff],
  ['has its member killed', killMember],
]

it.each(drawn(WAYS, 1))('aborts the signal of a holder that %s before another host gets the lock', (_way, happens) =>
  happens(),
)

async function cutOff(): Promise<void> {
  const heals: (() => void)[] = []
  const all = members.map(({ endpoint }) => endpoint)
  await handOver('cut', all, () => {
    heals.push(...members.map((each) => each.impair({ cut: [CLIENT_ADDRESS], loss: 0 })))
  })
  for (const heal of heals) heal()
}

async function killMember(): Promise<void> {
  const [member] = members
  await handOver('killed', [member?.endpoint ?? ''], () => member?.end('SIGKILL'))
  await member?.start()
}
