/** Plans of init: files by the schema that editors use, which is the same that reads them. */
import { execFileSync } from 'node:child_process'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { KEY_ALGORITHMS } from '../../../src/authority/algorithms.js'
import { Options, UsageError } from '../../../src/cli/command.js'
import { PLAN_SCHEMA } from '../../../src/cli/pki/plan-schema.js'
import { type Plan, readPlan } from '../../../src/cli/pki/plan.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
const read = (text: string): Promise<Plan> => readPlan(new Options({ plan: folder.file('plan.yaml', text) }))
const isValid = new Ajv2020({ strict: true, allErrors: true }).compile(PLAN_SCHEMA)
const MEMBERS = 'members: [{ name: a, hosts: [10.0.0.1] }]\n'

const FULL = `
ca: { name: my-ca, validity: 3650d }
members:
  - name: etcd-0
    hosts: [10.0.0.1, etcd-0.etcd]
    peerHosts: [10.1.0.1]
    clientUrls: ['https://etcd.example.com:2379']
    peerUrls: ['https://[fd00::1]:2380']
    dataDir: /data
    extra: { quota-backend-bytes: 8589934592, pre-vote: yes, log-outputs: [stderr], auto-compaction-retention: 1h }
  - { name: etcd-1, hosts: ['*.etcd', ETCD-1.etcd] }
clients: [app, { name: backup, validity: 7d }]
validity: 90d
algorithm: ed25519
memberDir: /etc/etcd/pki
dataDir: /var/lib/etcd
clientPort: 12379
peerPort: 12380
initialClusterToken: blue
etcdVersion: '3.6'
extra: { heartbeat-interval: 200 }
`

describe('a plan', () => {
  it('a plan that is a FIFO, a device or too long is refused at once', async () => {
    execFileSync('mkfifo', [folder.file('fifo')], { stdio: 'pipe' })
    for (const plan of [folder.file('fifo'), '/dev/zero', folder.file('long', ' '.repeat(2 ** 20 + 1))])
      await expect(readPlan(new Options({ plan }))).rejects.toThrow(UsageError)
  })

  it('a plan has the hosts of its URLs in the certificates, and the first host that can be dialled in the URLs', async () => {
    expect(await read(FULL)).toMatchObject({
      members: [
        {
          name: 'etcd-0',
          hosts: ['10.0.0.1', 'etcd-0.etcd', 'etcd.example.com'],
          peerHosts: ['10.1.0.1', 'fd00::1'],
          dataDir: '/data',
          extra: { 'quota-backend-bytes': 8_589_934_592, 'pre-vote': true, 'log-outputs': ['stderr'] },
        },
        {
          hosts: ['*.etcd', 'etcd-1.etcd'],
          clientUrls: ['https://etcd-1.etcd:12379'],
          peerUrls: ['https://etcd-1.etcd:12380'],
          dataDir: '/var/lib/etcd',
        },
      ],
      clients: [{ name: 'app' }, { name: 'backup', validity: '7d' }],
      algorithm: 'ed25519',
      etcdVersion: '3.6',
      extra: { 'heartbeat-interval': 200 },
    })
  })

  it('the schema accepts a plan with every key, and has every kind of key of the library', () => {
    expect(isValid(parse(FULL, { version: '1.1' }))).toBe(true)
    expect(PLAN_SCHEMA.properties?.['algorithm']?.enum).toEqual(KEY_ALGORITHMS)
  })

  it.each([
    ['', 1, 'the plan must be a mapping.'],
    ['- a\n', 1, 'the plan must be a mapping.'],
    ['clients: [a]\n', 1, 'the plan must have the key "members".'],
    ['members: []\n', 1, 'members must not be empty.'],
    ['members:\n  - hosts: [a.b]\n', 2, 'members[0] must have the key "name".'],
    ['members:\n  - name: a\n    hosts: a.b\n', 3, 'hosts must be a list.'],
    ['members:\n  - name: 1\n    hosts: [a.b]\n', 2, 'name must be a string in quotes.'],
    [`${MEMBERS}etcdVersion: 3.5\n`, 2, 'etcdVersion must be a string in quotes.'],
    [`${MEMBERS}clientPort: 70000\n`, 2, 'clientPort must be a number from 1 to 65535.'],
    [`${MEMBERS}clientPort: 1.5\n`, 2, 'clientPort must be a whole number.'],
    [`${MEMBERS}algorithm: dsa\n`, 2, 'algorithm must be one of ecdsa-p256,'],
    [`${MEMBERS}clients:\n  - [a]\n`, 3, 'clients[0] must be a string in quotes or a mapping.'],
    [`${MEMBERS}extra: { a: { b: c } }\n`, 2, 'a must be a string in quotes or a number or true or false or a list.'],
    [`${MEMBERS}member: []\n`, 2, '"member" is not a key of the plan: ca, members, clients,'],
  ])('a plan that its schema refuses is refused with its line: %j', async (text, line, message) => {
    await expect(read(text)).rejects.toThrow(`plan.yaml:${String(line)}: ${message}`)
    expect(isValid(parse(text, { version: '1.1' }) as unknown)).toBe(false)
  })

  it.each([
    ['members: [\n', ':1: '],
    [`${MEMBERS}validity: 1d\nvalidity: 2d\n`, ':3: the key "validity" is there twice.'],
    ["members: [{ name: a, hosts: [a.b], clientUrls: ['a.b'] }]\n", '"a.b" is not a URL.'],
  ])('a plan with a fault that no schema describes is refused: %j', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message)
  })
})
