/** Locks and leases between hosts: the holder is cut off, the only member that it has dies, or the leader is paused. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CLIENT_ADDRESS, createMembers, type Member, Network, OTHER_CLIENT_ADDRESS } from '../chaos/network.js'
import { drawn } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { type Child, type ChildModules, packageModules } from '../support/child-modules.js'

/** Seconds. The signal aborts a tenth of it before the lease can expire, which a busy machine may need. */
const TTL = 8

/** Leases that are granted at once. */
const LEASES = 30

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

/** A process on that host that runs the code, in which `connect(endpoints)` gives a client. */
function startClient(space: string, code: string): Child {
  const prelude = `
    const { createSecureClient } = await load('client')
    const { fromFiles } = await load('credentials')
    const file = (name) => ${JSON.stringify(file('.'))} + '/' + name
    const credentials = fromFiles({ ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') })
    const connect = (endpoints) => createSecureClient({ endpoints, credentials, preflight: 'all' })
  `
  const child = startModule(prelude + code, ['ip', 'netns', 'exec', space])
  children.push(child)
  return child
}

/** A process on that host that holds a lock until its signal aborts. It writes when that happens, in nanoseconds of one clock. */
function contend(space: string, name: string, endpoints: readonly string[]): Child {
  const code = `
    const { lock } = await load('coordination')
    const client = await connect(${JSON.stringify(endpoints)})
    console.log('contends.')
    const held = await lock(client, ${JSON.stringify(name)}, { ttl: '${String(TTL)}s' })
    const at = process.hrtime.bigint()
    console.log('held at ' + at + ' with ' + held.fencingToken + '.')
    await new Promise((resolve) => held.signal.addEventListener('abort', resolve))
    console.log('aborted at ' + process.hrtime.bigint() + ' as ' + held.signal.reason.details.reason + '.')
  `
  return startClient(space, code)
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

/** In `npm test`, one of them. */
const CASES: readonly (readonly [string, () => Promise<void>])[] = [
  ['the signal of a holder that is cut off aborts before another host gets the lock', cutOff],
  ['the signal of a holder whose member is killed aborts before another host gets the lock', killMember],
  ['leases that were granted while the former leader was paused outlive its return', pauseLeader],
]

it.each(drawn(CASES, 1))('keeps the promise of a lock: %s', (_title, happens) => happens())

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

/** A process on the host of the holder. At SIGUSR2 it grants leases, and writes how many of those granted are lost before they are renewed. */
function grantLeases(): Child {
  const code = `
    const client = await connect(${JSON.stringify(members.map(({ endpoint }) => endpoint))})
    const alive = setInterval(() => undefined, 1000)
    process.once('SIGUSR2', async () => {
      const granted = []
      for (let count = 0; count < ${String(LEASES)}; count += 1) {
        const lease = client.lease(12)
        const isKept = new Promise((resolve) => {
          lease.once('keepaliveSucceeded', () => resolve(true)).once('lost', () => resolve(false))
        })
        lease.grant().then(() => granted.push(isKept), () => undefined)
      }
      // A member that cannot reach the others grants none.
      while (granted.length < ${String(LEASES / 2)}) await new Promise((resolve) => setTimeout(resolve, 20))
      const kept = await Promise.all(granted)
      console.log('lost ' + kept.filter((isKept) => !isKept).length + '.')
      client.close()
      clearInterval(alive)
    })
    console.log('ready.')
  `
  return startClient(spaces.holder, code)
}

// Until it notices the election, a leader that was paused answers that it does not have the leases that the next one granted. It is
// cut off from the others, so that this takes a second or two.
async function pauseLeader(): Promise<void> {
  const child = grantLeases()
  await child.says('ready.')
  const former = await findLeader(members)
  await former.freeze(true)
  const others = members.filter((each) => each !== former)
  const heal = former.impair({ cut: others.map(({ address }) => address), loss: 0 })
  await expect.poll(() => findLeader(others).catch(() => null), { timeout: 30_000 }).not.toBeNull()
  await former.freeze(false)
  // It answers on its own only after the first tick of its clock.
  await findLeader([former]).catch(() => null)
  child.process.kill('SIGUSR2')
  expect(await child.ended).toContain('lost 0.')
  heal()
}

async function findLeader(among: readonly Member[]): Promise<Member> {
  for (const member of among) {
    const status = await member.etcdctl('endpoint', 'status', '-w', 'json')
    const [id, leader] = [/"member_id":(\d+)/, /"leader":(\d+)/].map((each) => each.exec(status)?.[1])
    if (id !== undefined && id === leader) return member
  }
  throw new Error('No member leads')
}
