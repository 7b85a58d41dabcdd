/** Real processes that write one cluster: several at a time, and killed at any moment. */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeCluster } from '../../../../src/authority/index.js'
import { type ChildModules, childModules } from '../../../support/child-modules.js'
import { scaled } from '../../../support/long.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { cluster, faultsOf, leftOvers, pair, read, root, tree } from './fixture.js'

const folder = temporaryFolder()
let children: ChildModules
beforeAll(async () => {
  children = await childModules(['src/authority/cluster/write-cluster.ts', 'src/credentials/from-pem.ts'])
})
afterAll(() => {
  children[Symbol.dispose]()
})

const plans = [cluster(['a', 'b'], ['alice']), cluster(['a', 'b'], ['alice'])]
const FOLDERS = ['members/a', 'members/b', 'clients/alice']

/** What a process needs to make the same cluster again. */
function pems(plan: (typeof plans)[number]): string {
  const of = (credentials: (typeof plan.members)['a']['server']): object => {
    const files = new Map(pair('x', credentials))
    return { ca: root.pem, cert: files.get('x.crt')?.content, key: files.get('x.key')?.content }
  }
  const { members, clients } = plan
  return JSON.stringify({
    members: {
      a: { server: of(members.a.server), peer: of(members.a.peer) },
      b: { server: of(members.b.server), peer: of(members.b.peer) },
    },
    clients: { alice: of(clients.alice) },
  })
}

/** Writes one plan after the other, so many times, and says so each time. */
function writer(directory: string, rounds: number): string {
  for (const [i, plan] of plans.entries()) folder.file(`plan-${String(i)}.json`, pems(plan))
  return `
    import { readFileSync } from 'node:fs'
    const { writeCluster } = await load('write-cluster')
    const { fromPem } = await load('from-pem')
    const deep = async (value) => 'cert' in value
      ? fromPem(value).load()
      : Object.fromEntries(await Promise.all(Object.entries(value).map(async ([k, v]) => [k, await deep(v)])))
    const plans = []
    for (const file of ${JSON.stringify([0, 1].map((i) => folder.file(`plan-${String(i)}.json`)))}) plans.push(await deep(JSON.parse(readFileSync(file, 'utf8'))))
    for (let i = 0; i < ${String(rounds)}; i++) {
      await writeCluster(${JSON.stringify(directory)}, plans[i % 2], { layout: 'etcd' })
      console.log('wrote ' + i)
    }`
}

/** The files of one generation, as a reader finds them that holds on to it; null if it went away meanwhile. */
function readOneGeneration(directory: string): string[] | null {
  try {
    const generation = realpathSync(`${directory}/..data`)
    return ['ca.crt', 'server.crt', 'server.key'].map((name) => readFileSync(`${generation}/${name}`, 'utf8'))
  } catch {
    return null
  }
}

it('shows a reader one set or the other while two processes write', async () => {
  const directory = folder.file('together')
  const known = plans.map(({ members }) => [root.pem, ...pair('x', members.a.server).map(([, { content }]) => content)])
  const writers = [1, 2].map(() => children.start(writer(directory, scaled({ short: 3, long: 12 }))))
  const work = { done: false }
  const all = Promise.all(writers.map(({ ended }) => ended)).finally(() => (work.done = true))
  let reads = 0
  while (!work.done) {
    const found = readOneGeneration(`${directory}/members/a`)
    if (found !== null) {
      expect(known).toContainEqual(found)
      reads++
    }
    await delay(1)
  }
  await all
  expect(reads).toBeGreaterThan(0)
  for (const path of FOLDERS) expect(faultsOf(`${directory}/${path}`)).toEqual([])
  expect(leftOvers(directory)).toEqual([])
})

it('leaves files with which etcd starts when it is killed at any moment, and a second run completes it', async () => {
  const directory = folder.file('killed')
  const plain = plans[0]?.members.a
  mkdirSync(`${directory}/members/a`, { recursive: true })
  // As another program has left them, so that they are taken over, too.
  if (plain !== undefined) {
    writeFileSync(`${directory}/members/a/ca.crt`, root.pem)
    for (const [name, { content }] of [...pair('server', plain.server), ...pair('peer', plain.peer)])
      writeFileSync(`${directory}/members/a/${name}`, content)
  }
  for (let round = 0; round < scaled({ short: 2, long: 12 }); round++) {
    const child = children.start(writer(directory, 100_000))
    if (round % 2 === 1) await child.says('wrote 1')
    else await Promise.race([child.says('wrote 0'), delay(400 + 20 * round)])
    await delay(Math.random() * 30)
    child.process.kill('SIGKILL')
    await child.ended
    const there = new Set(tree(directory).map((line) => line.split(' ')[0]))
    for (const path of FOLDERS.filter((each) => there.has(each))) {
      expect(faultsOf(`${directory}/${path}`)).toEqual([])
      expect(read(`${directory}/${path}`).size).toBe(path === 'clients/alice' ? 3 : 5)
    }
  }
  const next = cluster(['a', 'b'], ['alice'])
  await writeCluster(directory, next, { layout: 'etcd' })
  expect(leftOvers(directory)).toEqual([])
  expect(read(`${directory}/members/b`).get('peer.key')).toBe(next.members.b.peer.key.exportPem())
})
