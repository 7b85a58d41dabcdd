/** Which step of the replacement of a CA is safe, on real clusters: the members read their files in the directory of the plan. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { type Authority, createAuthority, issueCluster } from '../../../src/authority/index.js'
import { createSecureClient } from '../../../src/client/index.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { type RollState, rollState } from '../../../src/doctor/index.js'
import { runInProcess } from '../../support/call-command.js'
import { commandPath, documentComplaints } from '../../support/command.js'
import { startDoctorCluster } from '../../support/doctor-cluster.js'
import { startLoad } from '../../support/load.js'
import { drawn, scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { PLAN, startWrittenCluster, type WrittenCluster } from '../../support/written-cluster.js'

const folder = temporaryFolder()
const run = promisify(execFile)

/** A directory of a CA, as the command reads it. */
function writeCa(directory: string, authority: Authority): string {
  const { cert, key } = authority.export()
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'ca.crt'), cert)
  writeFileSync(join(directory, 'ca.key'), key, { mode: 0o600 })
  return directory
}

/** Two CAs, the directory of a cluster of the first one, and a call that checks it. */
async function setUp(name: string, names: readonly [string, string], other?: Authority) {
  const base = folder.file(name)
  const [from, to] = [await createAuthority({ name: names[0] }), await createAuthority({ name: names[1] })]
  const [old, next] = [writeCa(join(base, 'old'), from), writeCa(join(base, 'new'), to)]
  const directory = join(base, 'pki')
  const issued = await issueCluster(other === undefined ? from : { client: from, peer: other }, PLAN)
  const rolling = await startWrittenCluster(directory, issued)
  const endpoints = rolling.cluster.endpoints
  const check = (): Promise<RollState> => rollState({ from, to, directory, endpoints })
  const args = ['--from', old, '--to', next, '--dir', directory, '--endpoints', endpoints.join()]
  const trust = (which: string, cas: readonly string[]): void => {
    const text = cas.map((ca) => readFileSync(join(ca, 'ca.crt'), 'utf8')).join('')
    writeFileSync(join(directory, which, 'ca.crt'), text)
  }
  return { from, to, old, next, directory, rolling, check, args, trust, endpoints }
}

async function restart({ cluster }: WrittenCluster, name: string): Promise<void> {
  const member = cluster.member(name as 'm1')
  await member.stop()
  await member.start()
}

/** The step and what is said against others, without the numbers of ports. */
const judged = ({ step, refusals }: RollState): unknown => step ?? refusals

/** Follows `roll check` alone until it says that the roll is done. */
async function follow(args: readonly string[], rolling: WrittenCluster, done: string[]): Promise<void> {
  const program = await commandPath()
  const env = { ...process.env, PATH: process.env['PATH'] }
  for (let i = 0; i < 20; i++) {
    const { code, stdout } = await runInProcess(['roll', 'check', ...args, '--json'])
    expect(documentComplaints('roll', JSON.parse(stdout))).toEqual([])
    const { step, steps, refusals } = JSON.parse(stdout) as {
      step: RollState['step']
      steps: { command: string }[]
      refusals: string[]
    }
    expect([code, refusals]).toEqual([0, []])
    if (step === null) throw new Error('no step')
    done.push(step.kind === 'restart' ? `restart ${step.members.join()}` : step.kind)
    if (step.kind === 'done') return
    if (step.kind === 'restart') await restart(rolling, step.members[0] ?? '')
    else {
      for (const { command } of steps) {
        const line = command.replace(/^etcd-mtls/, `'${process.execPath}' '${program}'`)
        await run('sh', ['-c', line], { env })
      }
    }
  }
  throw new Error('The roll does not end.')
}

const CAS = [
  ['two names', ['etcd CA', 'etcd CA 2027']],
  ['one name', ['etcd CA', 'etcd CA']],
] as const

it.each(
  drawn(
    CAS.flatMap((each) => Array.from({ length: scaled({ short: 1, long: 5 }) }, () => each)),
    1,
  ),
)(
  'a roll that follows roll check alone, with CAs of %s, loses no write and every member stays reachable',
  async (name, names) => {
    const { rolling, args, from, old, next, directory, endpoints, check } = await setUp(
      `whole ${name} ${String(Math.random())}`,
      names,
    )
    await using _ = rolling
    const client = fromFiles({ ...rolling.files.clients.app, watch: { pollInterval: '200ms' } })
    await using etcd = await createSecureClient({ endpoints: rolling.cluster.endpoints, credentials: client })
    const load = await startLoad(etcd, { rate: 20, watchers: 1 })
    const planned = await runInProcess(['roll', 'plan', ...args])
    expect(planned.stdout).toMatch(
      /1\. Trust both CAs[^]*2\. Restart[^]*3\. Reissue[^]*4\. Trust the new[^]*5\. Restart/,
    )
    const done: string[] = []
    await follow(args, rolling, done)
    const kinds = done.map((each) => each.split(' ')[0])
    const restarts = ['restart', 'restart', 'restart']
    expect(kinds).toEqual(['trust-both', ...restarts, 'reissue', 'trust-new', ...restarts, 'done'])
    const account = await load.end()
    expect([account.failed, account.lost]).toEqual([[], []])
    const { members } = await check()
    expect(members.flatMap(({ ports }) => ports.map((each) => [each.accepts, each.serves, each.file]))).toEqual(
      members.flatMap(() => [
        ['new', 'new', 'new'],
        ['new', 'new', 'new'],
      ]),
    )
    // The command works against the cluster from here on.
    const late = ['issue', 'client', 'late', '--dir', directory, '--ca-dir']
    const byOld = await runInProcess([...late, old])
    expect([byOld.code, byOld.stderr]).toEqual([
      2,
      expect.stringMatching(/does not trust the CA in[^]*pass their directory/),
    ])
    const issued = await runInProcess([...late, next])
    expect([issued.code, issued.stderr]).toEqual([0, ''])
    const [ca = '', cert = '', key = ''] = ['ca.crt', 'tls.crt', 'tls.key'].map((each) =>
      join(directory, 'clients/late', each),
    )
    const lateClient = await createSecureClient({ endpoints, credentials: fromFiles({ ca, cert, key }) })
    await lateClient.put('late').value('1')
    lateClient.close()
    const renewed = await runInProcess(['renew', directory, '--ca-dir', next])
    expect([renewed.code, renewed.stdout]).toEqual([0, expect.stringMatching(/^8 not due/)])
    const stranger = { ...(await from.issue({ role: 'client', name: 'app' })), trustAnchors: [...from.trustAnchors] }
    await expect(createSecureClient({ endpoints: rolling.cluster.endpoints, credentials: stranger })).rejects.toThrow()
  },
)

it('refuses each wrong order before a second member is touched, and says why', async () => {
  const given = await setUp('wrong', ['etcd CA', 'etcd CA 2027'])
  const { rolling, check, trust, old, next, directory, from, endpoints } = given
  await using _ = rolling
  const app = join(directory, 'clients/app')
  // A CA that is not valid yet.
  const early = await createAuthority({ name: 'early', clock: () => new Date(Date.now() + 172_800_000) })
  expect(judged(await rollState({ from, to: early, directory, endpoints }))).toEqual([
    expect.stringMatching(/not valid before/),
  ])
  // CAs of another cluster.
  const [foreign, other] = [await createAuthority({ name: 'x' }), await createAuthority({ name: 'y' })]
  const unknown = await rollState({ from: foreign, to: other, directory, endpoints })
  expect(unknown.step).toBeNull()
  expect(judged(await check())).toMatchObject({ kind: 'trust-both', members: ['m1', 'm2', 'm3'] })
  // Only the new CA in the file of m2.
  trust('members/m2', [next])
  expect(judged(await check())).toEqual(
    expect.arrayContaining([expect.stringMatching(/^Do not restart m2: it would refuse m1/)]),
  )
  for (const member of ['m1', 'm2', 'm3']) trust(`members/${member}`, [old, next])
  expect(judged(await check())).toMatchObject({ kind: 'restart' })
  // m3 is not restarted: the certificates are not the next step, also after they were reissued.
  await restart(rolling, 'm1')
  await restart(rolling, 'm2')
  expect(judged(await check())).toEqual({ kind: 'restart', members: ['m3'] })
  await restart(rolling, 'm3')
  // The client does not trust the new CA.
  expect(judged(await check())).toEqual([expect.stringMatching(/client app does not trust the new CA/)])
  trust('clients/app', [old, next])
  expect(judged(await check())).toMatchObject({ kind: 'reissue' })
  // The certificate of the client is left behind.
  const before = ['tls.crt', 'tls.key'].map((file) => [join(app, file), readFileSync(join(app, file))] as const)
  await runInProcess(['renew', directory, '--foreign', '--ca-dir', next])
  for (const [file, content] of before) writeFileSync(file, content)
  expect(judged(await check())).toEqual([
    expect.stringMatching(/client app has a certificate of "CN=etcd CA": reissue it/),
  ])
  // And the file of m1 trusts the new CA alone all the same.
  trust('members/m1', [next])
  expect(judged(await check())).toEqual([expect.stringMatching(/^Do not restart m1: it would refuse the client app/)])
})

it('the CA of peers is another one: it stays, and a file that forgets it is not started', async () => {
  const peers = await createAuthority({ name: 'peer CA' })
  const { rolling, check, trust, old, next, directory, args } = await setUp('peers', ['etcd CA', 'etcd CA 2027'], peers)
  await using _ = rolling
  const { members, step } = await check()
  expect(members[0]?.ports).toMatchObject([
    { accepts: 'old', serves: 'old' },
    { accepts: 'other', serves: 'other' },
  ])
  expect(step).toMatchObject({ kind: 'trust-both' })
  trust('clients/app', [old, next])
  for (const member of ['m1', 'm2', 'm3']) trust(`members/${member}`, [old, next])
  const peerCa = join(directory, 'members/m2/peer-ca.crt')
  const kept = readFileSync(peerCa)
  copyFileSync(join(directory, 'members/m2/ca.crt'), peerCa)
  expect(judged(await check())).toEqual(
    expect.arrayContaining([expect.stringMatching(/Do not restart m2: it would refuse m1/)]),
  )
  writeFileSync(peerCa, kept)
  expect(judged(await check())).toMatchObject({ kind: 'restart' })
  const text = await runInProcess(['roll', 'check', ...args])
  expect([text.code, text.stdout]).toEqual([
    0,
    expect.stringMatching(/MEMBER +PORT +ACCEPTS OLD[^]*Next: Restart one member/),
  ])
})

it('asks a peer port that accepts only the names of other machines, also with a client certificate of each CA in place of its key', async () => {
  const from = await createAuthority({ name: 'etcd CA' })
  const to = await createAuthority({ name: 'etcd CA 2027' })
  const [server, peer] = [
    await from.issue({ role: 'server', name: 'm1', hosts: ['127.0.0.1', 'm1.internal'] }),
    // etcd compares these with the address of the one that asks.
    await from.issue({ role: 'peer', name: 'm1', hosts: ['10.0.0.1'] }),
  ]
  const admin = await from.issue({ role: 'client', name: 'root' })
  await using cluster = await startDoctorCluster({ names: ['m1'], client: admin, member: () => ({ server, peer }) })
  const endpoints = cluster.members.map(({ clientUrl }) => clientUrl)
  const { configs } = cluster
  const { members, step, unseen } = await rollState({ from, to, endpoints, configs })
  expect(members[0]?.ports).toMatchObject([
    { port: 'client', accepts: 'old', serves: 'old', file: 'old' },
    { port: 'peer', accepts: 'old', serves: 'old', file: 'old' },
  ])
  expect([step, unseen]).toEqual([{ kind: 'trust-both', members: ['m1'] }, []])
  const pairs = { from: admin, to: await to.issue({ role: 'client', name: 'root' }) }
  const byPairs = await rollState({ ...pairs, endpoints, configs: [] })
  expect(byPairs).toMatchObject({ step: { kind: 'trust-both' }, unseen: ['m1'] })
})
