/**
 * Each remedy of a finding about a cluster is followed as it is written, on a real cluster: then the finding is gone, and no member that was
 * healthy is worse.
 */
import { X509Certificate } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, createServer, type Server } from 'node:tls'
import { afterAll, expect, it } from 'vitest'
import { cluster as clusterRows } from '../../../src/report/catalogue/cluster.js'
import { configCluster } from '../../../src/report/catalogue/config/cluster.js'
import type { Finding } from '../../../src/report/index.js'
import { Row as CatalogueRow } from '../../../src/report/row.js'
import { memberOf, onePki, startDoctorCluster, afterStart } from '../../support/doctor-cluster.js'
import { pemsOf } from '../../support/etcd.js'
import { drawn } from '../../support/long.js'
import { type Minted, mintCa, mintCrl } from '../../support/mint.js'
import { expectRemedied, findingNamed, healthyIn, RemediedCluster, START, startScript } from '../../support/remedies.js'

const OTHER = mintCa({ subject: 'Other CA' })
const DAY = 86_400_000

interface Row {
  /** The code of the finding, with its kind. */
  readonly finding: string
  readonly fault: string
  /** @default 3 */
  readonly size?: number
  readonly break: (c: RemediedCluster) => Promise<void> | void
  /** @default what the examination reports */
  readonly found?: (c: RemediedCluster) => Finding | undefined
  /** @default what `follow` of the cluster does */
  readonly remedy?: (c: RemediedCluster, remedy: string) => Promise<void> | void
}

const inDays = (days: number): Date => new Date(Date.now() + days * DAY)
const each = (c: RemediedCluster, work: (name: string) => void): void => {
  for (const { name } of c.cluster.members) work(name)
}

/** Peer certificates that end then, which began 30 days before. */
function peersUntil(c: RemediedCluster, days: number, side: 'server' | 'peer' = 'peer'): void {
  const dates = { notBefore: inDays(days - 30), notAfter: inDays(days) }
  each(c, (name) => {
    c.writePair(name, side, memberOf(c.ca, `${name} ${side}`, dates))
  })
}

/** Renews the certificates of a side. */
const renews =
  (side: 'server' | 'peer') =>
  (c: RemediedCluster, remedy: string): void => {
    expect(remedy).toContain(`Renew the ${side} certificates`)
    each(c, (name) => {
      c.writePair(name, side, memberOf(c.ca, `${name} ${side}`))
    })
  }

/** Puts a line into the block for peers. */
const PEER_CA = 'peer-ca.crt\n'
const ALLOWED = (...names: string[]): string =>
  `${PEER_CA}  allowed-cn: [${names.map((each) => `${each} peer`).join()}]\n`

/** Stops all members, and removes their data: then they start for the first time. */
async function beforeFirstStart(c: RemediedCluster, ...edits: Parameters<RemediedCluster['edit']>[]): Promise<void> {
  await Promise.all(c.cluster.members.map((each) => each.stop()))
  each(c, (name) => {
    rmSync(c.file(name, 'data'), { recursive: true, force: true })
  })
  for (const edit of edits) c.edit(...edit)
}

const sorted = (list = ''): string[] => list.split(',').sort()

const startAll = async (c: RemediedCluster): Promise<void> => {
  await Promise.all(c.cluster.members.map((each) => each.start()))
}

/** The node of kubeadm next to the members: kube-apiserver with these flags. */
function apiserver(c: RemediedCluster, flags: Readonly<Record<string, string>>): void {
  const folder = c.file('m1', 'kubernetes')
  mkdirSync(join(folder, 'manifests'), { recursive: true })
  const all = {
    'etcd-cafile': c.file('m1', 'apiserver-ca.crt'),
    'etcd-certfile': c.file('m1', 'apiserver.crt'),
    'etcd-keyfile': c.file('m1', 'apiserver.key'),
    'etcd-servers': c.cluster.members.map(({ clientUrl }) => clientUrl).join(','),
    ...flags,
  }
  const command = ['kube-apiserver', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)]
  const mount = c.member('m1').folder
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'kube-apiserver', namespace: 'kube-system' } },
    spec: {
      containers: [{ name: 'kube-apiserver', command, volumeMounts: [{ mountPath: mount, name: 'files' }] }],
      volumes: [{ name: 'files', hostPath: { path: mount, type: 'DirectoryOrCreate' } }],
    },
  }
  writeFileSync(join(folder, 'manifests/kube-apiserver.yaml'), JSON.stringify(pod))
  c.options = { kubeadm: folder, endpoints: undefined }
}

function apiserverPair(c: RemediedCluster, ca: Minted, days = 300): void {
  const dates = { notBefore: inDays(-30), notAfter: inDays(days), usages: ['clientAuth' as const] }
  const { cert, key } = pemsOf(memberOf(ca, 'kube-apiserver', dates))
  c.write('m1', 'apiserver.crt', cert)
  c.write('m1', 'apiserver.key', key)
  c.writeCas('m1', 'apiserver-ca.crt', c.ca)
}

const ROWS: readonly Row[] = [
  {
    finding: 'cluster/peer-refused CA file',
    fault: 'the CA file of one member is wrong',
    async break(c) {
      c.writeCas('m1', 'peer-ca.crt', OTHER)
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/peer-refused certificate',
    fault: 'the certificate of one member is of another CA',
    async break(c) {
      c.writePair('m2', 'peer', memberOf(OTHER, 'm2 peer'))
      await c.restart('m2')
    },
  },
  {
    finding: 'cluster/peer-refused CA file',
    fault: 'the certificate and the CA file of one member are of another CA',
    async break(c) {
      c.writePair('m3', 'peer', memberOf(OTHER, 'm3 peer'))
      c.writeCas('m3', 'peer-ca.crt', OTHER)
      await c.restart('m3')
    },
  },
  {
    finding: 'cluster/peer-refused certificate',
    fault: 'the CA of one certificate is only in the file of its member',
    async break(c) {
      c.writePair('m1', 'peer', memberOf(OTHER, 'm1 peer'))
      c.writeCas('m1', 'peer-ca.crt', c.ca, OTHER)
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/peer-refused certificate',
    fault: 'a peer certificate has expired',
    async break(c) {
      c.writePair('m1', 'peer', memberOf(c.ca, 'm1 peer', { notBefore: inDays(-30), notAfter: inDays(-1) }))
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/peer-refused certificate',
    fault: 'a peer certificate is only for servers',
    async break(c) {
      c.writePair('m2', 'peer', memberOf(c.ca, 'm2 peer', { usages: ['serverAuth'] }))
      await c.restart('m2')
    },
  },
  ...['Either', 'Or'].map((way) => ({
    finding: 'cluster/peer-refused either',
    fault: `one of two members has another CA file, and the way after "${way}" is followed`,
    size: 2,
    async break(c: RemediedCluster) {
      c.writeCas('m1', 'peer-ca.crt', OTHER)
      c.writePair('m2', 'peer', memberOf(OTHER, 'm2 peer'))
      c.writeCas('m2', 'peer-ca.crt', OTHER, c.ca)
      c.writePair('m1', 'peer', memberOf(c.ca, 'm1 peer'))
      await c.restart('m1', 'm2')
      c.writeCas('m1', 'peer-ca.crt', c.ca)
      await c.restart('m1')
    },
    async remedy(c: RemediedCluster, remedy: string) {
      expect(remedy).toMatch(/^Which of the two is wrong is not visible from here\. Either: .* Or: /)
      await c.follow(remedy.split(/\. (?=Either:|Or:)/).find((each) => each.startsWith(way)) ?? '')
    },
  })),
  {
    finding: 'cluster/peer-refused not allowed',
    fault: 'a member allows the name of only one other member',
    async break(c) {
      each(c, (name) => {
        c.edit(name, PEER_CA, name === 'm2' ? ALLOWED('m1', 'm2') : ALLOWED('m1', 'm2', 'm3'))
      })
      await c.restartAll()
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Add the name to the allowed names \(.*\) of m2, and restart one after the other: /)
      c.edit('m2', 'm2 peer]', 'm2 peer, m3 peer]')
      await c.restart('m2')
    },
  },
  ...[true, false].map((hasJoined) => ({
    finding: 'cluster/data-of-other-cluster no cluster',
    fault: hasJoined
      ? 'a member lost its data, and started with another token'
      : 'a member first started with another token',
    async break(c: RemediedCluster) {
      const token = [
        'm3',
        'initial-cluster-state: new',
        'initial-cluster-state: new\ninitial-cluster-token: other',
      ] as const
      if (hasJoined) {
        await c.member('m3').stop()
        rmSync(c.file('m3', 'data'), { recursive: true })
        c.edit(...token)
        await c.member('m3').start()
      } else {
        await beforeFirstStart(c, [...token])
        await startAll(c)
        await expect.poll(async () => healthyIn(await c.examine()), { timeout: 30_000 }).toEqual(['m1', 'm2'])
      }
    },
    async remedy(c: RemediedCluster, remedy: string) {
      await c.member('m3').stop()
      await c.follow(remedy)
      const [, token = '', list = ''] =
        /--initial-cluster-token=(\S+), --initial-cluster=(\S+) and --initial-cluster-state=existing\. /.exec(remedy) ??
        []
      c.edit('m3', 'initial-cluster-token: other', `initial-cluster-token: ${token}`)
      expect(readFileSync(c.member('m3').config, 'utf8')).toContain(`initial-cluster: ${list}\n`)
      c.edit('m3', 'initial-cluster-state: new', 'initial-cluster-state: existing')
      await c.member('m3').start()
      await expect.poll(async () => healthyIn(await c.examine()), { timeout: 30_000 }).toContain('m3')
    },
  })),
  {
    finding: 'cluster/data-used-twice copy',
    fault: 'a member was started with a copy of the data of another one',
    async break(c) {
      await c.member('m3').stop()
      rmSync(c.file('m3', 'data'), { recursive: true })
      cpSync(c.file('m1', 'data'), c.file('m3', 'data'), { recursive: true })
      await c.member('m3').start()
    },
    async remedy(c, remedy) {
      const [again = '', restart = ''] = remedy.split(/(?= If "etcdctl member list")/)
      expect(again).toMatch(
        /^Stop m3, and start m1 if it ended too\. If m3's own data exists, set --data-dir to it, and start it\. Otherwise move/,
      )
      await c.member('m3').stop()
      await expect
        .poll(
          async () => {
            if (c.member('m1').hasEnded()) await c.member('m1').start()
            return healthyIn(await c.examine({ endpoints: [c.member('m1').clientUrl, c.member('m2').clientUrl] }))
              .length
          },
          { timeout: 30_000 },
        )
        .toBe(2)
      await c.follow(again)
      const [, list = ''] =
        /Set --initial-cluster=(\S+) and --initial-cluster-state=existing, and start it\./.exec(again) ?? []
      c.edit('m3', 'initial-cluster-state: new', 'initial-cluster-state: existing')
      expect(sorted(/^initial-cluster: (.*)$/m.exec(readFileSync(c.member('m3').config, 'utf8'))?.[1])).toEqual(
        sorted(list),
      )
      await c.member('m3').start()
      await expect.poll(async () => healthyIn(await c.examine()), { timeout: 30_000 }).toContain('m3')
      await c.follow(restart)
      await expect.poll(() => c.idOf('m1'), { timeout: 10_000 }).not.toBe('')
    },
  },
  {
    finding: 'cluster/ca-not-reloaded names',
    fault: 'a CA was added to a file',
    break(c) {
      c.writeCas('m1', 'ca.crt', c.ca, OTHER)
    },
  },
  {
    finding: 'cluster/ca-not-reloaded same names',
    fault: 'a CA of the same name was added to a file',
    async break(c) {
      await afterStart(c.cluster)
      c.writeCas('m1', 'peer-ca.crt', c.ca, mintCa({ subject: 'Cluster CA' }))
    },
  },
  {
    finding: 'cluster/refused-after-restart members',
    fault: 'the CA in use was replaced in one file',
    break(c) {
      c.writeCas('m1', 'peer-ca.crt', OTHER)
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Do not restart m1 yet\. Set \S+ back to \S*\/ca\.crt, which has the CA/)
      c.edit('m1', 'peer-ca.crt', 'ca.crt')
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/refused-after-restart members',
    fault: 'the CA in use was replaced in both files',
    break(c) {
      for (const file of ['ca.crt', 'peer-ca.crt']) c.writeCas('m1', file, OTHER)
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Do not restart m1 yet\. Add the CA that issued .* to \S*peer-ca\.crt: "/)
      for (const file of ['peer-ca.crt', 'ca.crt'])
        await c.follow(
          remedy.replaceAll('OTHER-CA.crt', c.file('m2', 'peer-ca.crt')).replaceAll('peer-ca.crt"', `${file}"`),
        )
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/refused-after-restart clients',
    fault: 'the CA of clients was replaced in the file',
    break(c) {
      c.writeCas('m1', 'ca.crt', OTHER)
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Do not restart m1 yet\. Set \S+ back to \S*peer-ca\.crt, which has the CA/)
      c.edit('m1', '/ca.crt', '/peer-ca.crt')
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/refused-after-restart start',
    fault: 'the configuration names a file that does not exist',
    break(c) {
      c.edit('m1', 'peer-ca.crt', 'missing.crt')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Do not restart m1 yet\. /)
      c.writeCas('m1', 'missing.crt', c.ca)
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/served-differs-from-file unknown',
    fault: 'the configuration names another pair since the start',
    async break(c) {
      await afterStart(c.cluster)
      for (const end of ['crt', 'key'])
        c.write('m1', `next.${end}`, readFileSync(c.file('m2', `server.${end}`), 'utf8'))
      const { cert, key } = pemsOf(memberOf(c.ca, 'm1 next'))
      c.write('m1', 'next.crt', cert)
      c.write('m1', 'next.key', key)
      c.edit('m1', /server\.(?=crt|key)/, 'next.')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Restart the member if its configuration or its mounts have changed: /)
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/served-differs-from-file unknown',
    fault: 'the process sees another pair of files',
    async break(c) {
      const pair = ['server.crt', 'server.key']
      mkdirSync(c.file('m1', 'src'), { recursive: true })
      for (const file of pair) c.write('m1', `src/${file}`, readFileSync(c.file('m1', file), 'utf8'))
      c.writePair('m1', 'server', memberOf(c.ca, 'm1 server'))
      const mounts = pair.map((file) => `mount --bind src/${file} ${file}`).join(' && ')
      c.write('m1', START, `exec unshare -m sh -c '${mounts} && exec "$@"' sh "$@"`)
      await afterStart(c.cluster)
      await c.restart('m1')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Restart the member if its configuration or its mounts have changed: /)
      rmSync(c.file('m1', START))
      await c.restart('m1')
    },
  },
  {
    finding: 'cluster/served-differs-from-file unknown',
    fault: 'a proxy that terminates TLS is in front of one member',
    async break(c) {
      c.options = { endpoints: await startProxy(c) }
    },
    remedy(c, remedy) {
      expect(remedy).toMatch(/ If a proxy is in front of it, "ss -ltnp sport = :\d+" shows it\. /)
      c.options = {}
    },
  },
  ...(
    [
      ['by others', 'm2', '--peer-crl-file', 'peer'],
      ['itself', 'm1', '--peer-crl-file', 'peer'],
      ['gateway', 'm1', '--client-crl-file', 'server'],
    ] as const
  ).map(([kind, by, flag, side]) => ({
    finding: `config/member-revoked ${kind}`,
    fault: `${flag} of ${by} has the serial number of a certificate of m1`,
    async break(c: RemediedCluster) {
      const { serialNumber } = new X509Certificate(readFileSync(c.file('m1', `${side}.crt`)))
      const revoked = [{ serial: BigInt(`0x${serialNumber}`) }]
      each(c, (name) => {
        c.write(name, 'crl.pem', mintCrl({ issuer: c.ca, revoked: name === by ? revoked : [] }).pem)
      })
      await c.useFlags((folder) => [`${flag}=${folder}/crl.pem`])
    },
    remedy(c: RemediedCluster, remedy: string) {
      expect(remedy).toMatch(/^Issue a new certificate for --(?:peer-)?cert-file, with another serial number\.$/)
      c.writePair('m1', side, memberOf(c.ca, `m1 ${side}`))
    },
  })),
  {
    finding: 'cluster/served-differs-from-file other member',
    fault: 'the configurations of two members are exchanged',
    async break(c) {
      const folders = [c.member('m1').folder, c.member('m2').folder]
      for (const [i, name] of ['m1', 'm2'].entries())
        c.edit(name, `${String(folders[i])}/server.`, `${String(folders[1 - i])}/server.`)
      await Promise.resolve()
    },
    remedy(c, remedy) {
      expect(remedy).toMatch(/^Compare the addresses of both members with "etcdctl member list"\./)
      const folders = [c.member('m1').folder, c.member('m2').folder]
      for (const [i, name] of ['m1', 'm2'].entries())
        c.edit(name, `${String(folders[1 - i])}/server.`, `${String(folders[i])}/server.`)
    },
  },
  {
    finding: 'cluster/member-down one',
    fault: 'one of three members was stopped',
    break: (c) => c.member('m3').stop(),
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Start it: /)
      await c.member('m3').start()
    },
  },
  {
    finding: 'cluster/member-down no quorum',
    fault: 'two of three members were stopped',
    async break(c) {
      await c.member('m2').stop()
      await c.member('m3').stop()
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Start m2 and m3: /)
      await Promise.all([c.member('m2').start(), c.member('m3').start()])
    },
  },
  ...(
    [
      ['soon', 'peer', 6],
      ['near', 'peer', 2],
      ['clients soon', 'server', 6],
      ['clients near', 'server', 2],
    ] as const
  ).map(([kind, side, days]) => ({
    finding: `cluster/quorum-expires ${kind}`,
    fault: `the ${side} certificates end in ${String(days)} days`,
    break: (c: RemediedCluster) => {
      peersUntil(c, days, side)
    },
    remedy: renews(side),
  })),
  {
    finding: 'cluster/quorum-expires now',
    fault: 'the peer certificates of all members have expired',
    async break(c) {
      peersUntil(c, -1)
      await c.restartAll()
    },
    remedy: renews('peer'),
  },
  ...(
    [
      [
        'expired',
        'its certificate has expired',
        (c) => {
          apiserverPair(c, c.ca, -1)
          apiserver(c, {})
        },
        /^Renew \S*apiserver\.crt, then restart kube-apiserver\./,
        (c) => {
          apiserverPair(c, c.ca)
        },
      ],
      [
        'certificate',
        'its certificate is of another CA',
        (c) => {
          apiserverPair(c, OTHER)
          apiserver(c, {})
        },
        /^Set --etcd-certfile and --etcd-keyfile of kube-apiserver to a pair of a CA that etcd accepts\./,
        (c) => {
          apiserverPair(c, c.ca)
        },
      ],
      [
        'revoked',
        'the CRL of etcd has its serial number',
        (c) => {
          apiserverPair(c, c.ca)
          const { serialNumber } = new X509Certificate(readFileSync(c.file('m1', 'apiserver.crt')))
          const revoked = [{ serial: BigInt(`0x${serialNumber}`) }]
          each(c, (name) => {
            c.write(name, 'crl.pem', mintCrl({ issuer: c.ca, revoked }).pem)
          })
          apiserver(c, {})
          return c.useFlags((folder) => [`--client-crl-file=${folder}/crl.pem`])
        },
        /^Issue \S*apiserver\.crt again, with another serial number, then restart kube-apiserver\./,
        (c) => {
          apiserverPair(c, c.ca)
        },
      ],
      [
        'server',
        'its CA file has another CA',
        (c) => {
          apiserverPair(c, c.ca)
          c.writeCas('m1', 'apiserver-ca.crt', OTHER)
          apiserver(c, {})
        },
        /set --etcd-cafile to \S+ca\.crt\.$/,
        (c, remedy) => {
          apiserver(c, { 'etcd-cafile': /set --etcd-cafile to (\S+)\.$/.exec(remedy)?.[1] ?? '' })
        },
      ],
      [
        'url',
        'its URL is of no member',
        (c) => {
          apiserverPair(c, c.ca)
          apiserver(c, { 'etcd-servers': 'https://127.0.0.1:1' })
        },
        /set --etcd-servers to URLs of members: https:/,
        (c, remedy) => {
          apiserver(c, { 'etcd-servers': [...remedy.matchAll(/https:[\d./:]+\d/g)].join() })
        },
      ],
    ] as [
      string,
      string,
      (c: RemediedCluster) => void | Promise<void>,
      RegExp,
      (c: RemediedCluster, remedy: string) => void,
    ][]
  ).map(([kind, fault, breaks, wanted, fix]) => ({
    finding: `cluster/apiserver-cannot-connect ${kind}`,
    fault: `kube-apiserver cannot connect because ${fault}`,
    break: breaks,
    remedy(c: RemediedCluster, remedy: string) {
      expect(remedy).toMatch(wanted)
      fix(c, remedy)
    },
  })),
  {
    finding: 'config/members-name-repeated',
    fault: 'the configurations of two members have one name',
    break: (c) => {
      c.edit('m2', 'name: m2', 'name: m1')
    },
    async remedy(c, remedy) {
      expect(remedy).toBe('Give each member its own name (--name).')
      c.edit('m2', 'name: m1', 'name: m2')
      await c.restart('m2')
    },
  },
  {
    finding: 'config/members-differ cluster',
    fault: 'the members of a new cluster have two tokens',
    break: (c) =>
      beforeFirstStart(c, [
        'm2',
        'initial-cluster-state: new',
        'initial-cluster-state: new\ninitial-cluster-token: other',
      ]),
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Write the same \S*initial-cluster-token\S* for all members\./)
      for (const name of ['m1', 'm3'])
        c.edit(name, 'initial-cluster-state: new', 'initial-cluster-state: new\ninitial-cluster-token: other')
      await startAll(c)
    },
  },
  {
    finding: 'config/member-not-listed starting',
    fault: 'the list of one member of a new cluster lacks another one',
    break: (c) => beforeFirstStart(c, ['m2', /,m3=\S+/, '']),
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Add "m3" with its peer URLs to \S*initial-cluster\S* of all members\./)
      c.edit('m2', /(initial-cluster: .*)/, `$1,m3=${c.member('m3').peerUrl}`)
      await startAll(c)
    },
  },
  {
    finding: 'config/member-not-listed itself',
    fault: 'the list of one member of a new cluster lacks the member itself',
    break: (c) => beforeFirstStart(c, ['m2', /m2=[^,]+,/, '']),
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Add "m2=URL" for each URL that this member advertises to its peers\./)
      c.edit('m2', /(initial-cluster: .*)/, `$1,m2=${c.member('m2').peerUrl}`)
      await startAll(c)
    },
  },
  {
    finding: 'config/members-differ access',
    fault: 'only two members restrict the names of clients',
    async break(c) {
      for (const name of ['m1', 'm2']) c.edit(name, '/ca.crt\n', '/ca.crt\n  allowed-cn: [root]\n')
      await c.restart('m1', 'm2')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Set \S*allowed-cn for \S+ as well\./)
      c.edit('m3', '/ca.crt\n', '/ca.crt\n  allowed-cn: [root]\n')
      await c.restart('m3')
    },
  },
  {
    finding: 'config/members-differ restriction',
    fault: 'one member does not require the certificates of members',
    async break(c) {
      c.edit('m1', /(peer-ca.crt\n {2}client-cert-auth: )true/, '$1false')
      c.edit('m1', / {2}trusted-ca-file: \S*peer-ca.crt\n/, '')
      await c.restart('m1')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(
        /^Check that all peer certificates are for clientAuth as well\. Then set \S+ to true for all members\./,
      )
      c.edit(
        'm1',
        /client-cert-auth: false/,
        `trusted-ca-file: ${c.file('m1', 'peer-ca.crt')}\n  client-cert-auth: true`,
      )
      await c.restart('m1')
    },
  },
  {
    finding: 'config/members-differ CAs',
    fault: 'the CA file of clients of one member has one CA more',
    async break(c) {
      c.writeCas('m1', 'ca.crt', c.ca, OTHER)
      await c.restart('m1')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(
        /^Write the CAs of all these files into one, and give it to all members for \S+\. Then restart them, one after the other\.$/,
      )
      each(c, (name) => {
        c.writeCas(name, 'ca.crt', c.ca, OTHER)
      })
      await c.restartAll()
    },
  },
  {
    finding: 'config/members-differ scheme',
    fault: 'one member speaks plaintext with members',
    async break(c) {
      const { peerUrl } = c.member('m1')
      const plain = peerUrl.replace('https', 'http')
      await c.follow(`"etcdctl member update ${c.idOf('m1')} --peer-urls=${plain}"`)
      c.edit('m1', peerUrl, plain)
      await c.restart('m1')
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(
        /^Write https in \S+, and in all other peer URLs\. If the cluster runs, first change its list: "etcdctl member update ID --peer-urls=https:\/\/HOST:PORT"/,
      )
      const { peerUrl } = c.member('m1')
      await c.follow(
        remedy
          .replace('update ID', `update ${c.idOf('m1')}`)
          .replace('https://HOST:PORT', peerUrl)
          .replace('an ID of "etcdctl member list"', ''),
      )
      c.edit('m1', peerUrl.replace('https', 'http'), peerUrl)
      await c.restart('m1')
    },
  },
  {
    finding: 'config/members-differ tokens',
    fault: 'one member signs its tokens in another way',
    break(c) {
      const { cert, key } = pemsOf(memberOf(c.ca, 'token'))
      c.write('m1', 'token.crt', cert)
      c.write('m1', 'token.key', key)
      const [pub, priv] = [c.file('m1', 'token.crt'), c.file('m1', 'token.key')]
      c.edit('m1', 'logger: zap', `logger: zap\nauth-token: jwt,pub-key=${pub},priv-key=${priv},sign-method=ES256`)
    },
    remedy(c, remedy) {
      expect(remedy).toMatch(/^Give all members the same \S*auth-token, with the same keys in its files\./)
      const [, option = ''] = /^(auth-token: .*)$/m.exec(readFileSync(c.member('m1').config, 'utf8')) ?? []
      for (const name of ['m2', 'm3']) c.edit(name, 'logger: zap', `logger: zap\n${option}`)
    },
  },
  {
    finding: 'config/member-not-trusted',
    fault: 'the CA file of a stopped member is wrong',
    async break(c) {
      await Promise.all(c.cluster.members.map((member) => member.stop()))
      c.writeCas('m1', 'peer-ca.crt', OTHER)
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Write the CAs of all members into one bundle, and give it to all of them in \S+\./)
      each(c, (name) => {
        c.writeCas(name, 'peer-ca.crt', c.ca, OTHER)
      })
      await startAll(c)
    },
  },
  {
    finding: 'config/member-not-allowed itself',
    fault: 'a member does not allow its own name',
    async break(c) {
      each(c, (name) => {
        c.edit(name, PEER_CA, name === 'm2' ? ALLOWED('m1', 'm3') : ALLOWED('m1', 'm2', 'm3'))
      })
      await c.restartAll()
      // Next to the others, the lint compares it with them.
      c.options = { configs: [{ file: c.member('m2').config }] }
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Add the name to \S+ of all members, or reissue/)
      c.edit('m2', 'm3 peer]', 'm3 peer, m2 peer]')
      await c.restart('m2')
    },
  },
  {
    finding: 'config/member-not-allowed by others',
    fault: 'a member that was stopped does not allow another name',
    async break(c) {
      await Promise.all(c.cluster.members.map((member) => member.stop()))
      each(c, (name) => {
        c.edit(name, PEER_CA, name === 'm2' ? ALLOWED('m1', 'm2') : ALLOWED('m1', 'm2', 'm3'))
      })
    },
    async remedy(c, remedy) {
      expect(remedy).toMatch(/^Add the name to \S+, or reissue the certificate with an allowed name\./)
      c.edit('m2', 'm2 peer]', 'm2 peer, m3 peer]')
      await startAll(c)
    },
  },
]

/** Without a row: infos, which ask for nothing, and what is tested elsewhere or cannot be. */
const WITHOUT_ROW: Readonly<Record<string, string>> = {
  'cluster/quorum-expires later': 'an info',
  'config/members-differ state': 'an info, which is not reported of a cluster that runs',
  'config/member-not-listed joined later': 'an info, which is not reported of a cluster that runs',
  'config/member-not-listed joining': 'not reported of a cluster that runs, and a member joins no other',
  'cluster/served-differs-from-file mount': 'its remedy is another mount of a container',
  'cluster/data-of-other-cluster answers': 'its remedy looks for the process on another machine',
  'cluster/data-used-twice processes': 'its remedy is an option of one stopped process',
  'cluster/member-not-joined': 'its remedy names the lines of the log to look for',
  'cluster/not-running manifest': 'its remedy starts etcd by the kubelet',
  'cluster/not-running unit': 'its remedy starts etcd by systemd',
  'cluster/peer-port-closed': 'its remedy compares a firewall with an option',
  'cluster/release-outdated': 'its remedy is another release of etcd',
  'cluster/several-clusters': 'its remedy is another call',
  'cluster/two-leaders': 'its remedy compares data',
  'cluster/clock-differs this machine': 'its remedy sets the clock; clock.test.ts has the cluster with the right clock',
  'cluster/clock-differs member': 'its remedy sets the clock of another machine',
  'cluster/clock-differs unclear': 'its remedy compares clocks',
  'cluster/clock-differs would refuse': 'a consequence of a clock that is wrong',
  'cluster/data-of-other-cluster wrong directory': 'its remedy is an option of one stopped member',
}

/** A server that ends TLS, and connects to m1 with the certificate of a client. It ends with the test file. */
async function startProxy(c: RemediedCluster): Promise<string> {
  const { ca, cert, key } = pemsOf(c.client)
  const { port } = new URL(c.member('m1').clientUrl)
  const own = pemsOf(memberOf(c.ca, 'proxy'))
  const proxy = createServer({ ...own, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    const ALPNProtocols = [socket.alpnProtocol === false ? 'http/1.1' : (socket.alpnProtocol ?? 'h2')]
    const upstream = connect({ host: '127.0.0.1', port: Number(port), ca, cert, key, ALPNProtocols })
    socket.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => socket.destroy()).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  proxies.push(proxy)
  return `https://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`
}
const proxies: Server[] = []

const clusters = new Map<number, RemediedCluster>()

async function clusterOf(size: number): Promise<RemediedCluster> {
  const pki = onePki()
  const names = ['m1', 'm2', 'm3'].slice(0, size)
  const known =
    clusters.get(size) ?? new RemediedCluster(await startDoctorCluster({ ...pki, names, before: startScript }), pki)
  clusters.set(size, known)
  return known
}

afterAll(async () => {
  for (const proxy of proxies) proxy.close()
  await Promise.all([...clusters.values()].map(({ cluster }) => cluster[Symbol.asyncDispose]()))
})

it.each(drawn(ROWS, 3).map((row) => [row.finding, row.fault, row] as const))(
  'The remedy of %s works and does no harm if %s',
  async (finding, _, { size = 3, remedy, ...row }) => {
    const c = await clusterOf(size)
    try {
      await c.reset()
      await row.break(c)
      const before = await c.examine()
      const found = row.found?.(c) ?? findingNamed(before, finding)
      expect(found, JSON.stringify(before.findings.map(({ message }) => message))).toBeDefined()
      await (remedy === undefined ? c.follow(found?.remedy ?? '') : remedy(c, found?.remedy ?? ''))
      await expectRemedied(c, finding, before)
    } catch (error) {
      clusters.delete(size)
      await c.cluster[Symbol.asyncDispose]()
      throw error
    }
  },
  120_000,
)

it('Each finding about a cluster and its members has a row, or a reason why not', () => {
  const all = Object.entries({ ...clusterRows, ...configCluster })
    .filter(([code]) => /^(?:cluster\/|config\/member)/.test(code))
    .flatMap(([code, rows]) =>
      rows instanceof CatalogueRow ? [code] : Object.keys(rows).map((kind) => `${code} ${kind}`),
    )
  const tried = new Set(ROWS.map(({ finding }) => finding))
  expect(all.filter((name) => !tried.has(name)).sort()).toEqual(Object.keys(WITHOUT_ROW).sort())
})
