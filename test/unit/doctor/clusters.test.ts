/** Which process and which endpoint belongs to which cluster, from made-up evidence. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupClusters } from '../../../src/doctor/clusters.js'
import type { AskedPort, ClusterParts, PlannedMember } from '../../../src/doctor/evidence.js'
import { identityIn } from '../../../src/doctor/plan.js'
import { askedPort, plannedMember } from '../../support/doctor-evidence.js'

/** The members of each cluster, as text. */
function shape(clusters: readonly ClusterParts[]): string[] {
  return clusters.map(({ clusterId, planned, asked }) => {
    const names = [...planned.map(({ config }) => config.name), ...asked.map(({ url }) => url.slice(8))]
    return `${clusterId ?? 'unknown'}: ${names.sort().join(' ')}`
  })
}

function inEachOrder(planned: readonly PlannedMember[], asked: readonly AskedPort[]): string[] {
  const expected = shape(groupClusters(planned, asked))
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...planned], { minLength: planned.length }),
      fc.shuffledSubarray([...asked], { minLength: asked.length }),
      (some, ports) => {
        expect(shape(groupClusters(some, ports))).toEqual(expected)
      },
    ),
    { numRuns: 30 },
  )
  return expected
}

describe('groupClusters', () => {
  it('tells clusters with the same names, tokens and initial-cluster apart by the IDs that they answer', () => {
    const one = plannedMember('main', { port: 1, wal: ['a', '1'] })
    const two = plannedMember('main', { port: 2, wal: ['b', '2'] })
    const asked = [askedPort(1, { clusterId: 'a', memberId: '1' }), askedPort(2, { clusterId: 'b', memberId: '2' })]
    expect(inEachOrder([one, two], asked)).toEqual(['a: a:1 main', 'b: a:2 main'])
  })

  it('takes the ID of the data if the address answers for another member', () => {
    const moved = plannedMember('moved', { port: 1, wal: ['b', '2'] })
    const asked = [askedPort(1, { clusterId: 'a', memberId: '1' })]
    expect(inEachOrder([moved], asked)).toEqual(['a: a:1', 'b: moved'])
  })

  it('gives a process whose data has an unknown cluster ID to the cluster that lists its peer URL', () => {
    const stray = plannedMember('stray', { port: 3, wal: ['c', '9'] })
    const asked = [askedPort(1, { clusterId: 'a', memberId: '1', lists: [1, 3] })]
    expect(inEachOrder([stray], asked)).toEqual(['a: a:1 stray'])
  })

  it('joins members without data and without answers by the peer URLs of their configurations', () => {
    const members = [1, 2, 3].map((port) => plannedMember(`m${String(port)}`, { port, initial: [1, 2, 3] }))
    const other = plannedMember('other', { port: 7, initial: [7] })
    expect(inEachOrder([...members, other], [])).toEqual(['unknown: m1 m2 m3', 'unknown: other'])
  })

  it('does not join by a loopback URL of another network namespace', () => {
    const host = plannedMember('host', { port: 1, initial: [1], host: '127.0.0.1' })
    const pod = plannedMember('pod', { port: 1, initial: [1], host: '127.0.0.1', network: 'net:[1]' })
    expect(inEachOrder([host, pod], [])).toEqual(['unknown: host', 'unknown: pod'])
  })

  it('tells clusters in other network namespaces apart, also if their loopback addresses give them the same IDs', () => {
    const host = plannedMember('host', { port: 1, wal: ['a', '1'], host: '127.0.0.1' })
    const pods = ['net:[1]', 'net:[2]'].map((network, i) =>
      plannedMember(`pod${String(i)}`, { port: 1, wal: ['a', '1'], host: '127.0.0.1', network }),
    )
    const routed = plannedMember('routed', { port: 2, wal: ['a', '2'], network: 'net:[3]' })
    const asked = [askedPort(1, { clusterId: 'a', memberId: '1' })]
    expect(inEachOrder([host, ...pods, routed], asked)).toEqual(['a: a:1 host routed', 'a: pod0', 'a: pod1'])
  })

  it('gives an endpoint that does not answer to the process or the list that has its URL, else to the only cluster', () => {
    const member = plannedMember('m1', { port: 1, wal: ['a', '1'] })
    const asked = [
      askedPort(1, null),
      askedPort(2, { clusterId: 'b', memberId: '2', lists: [2, 3] }),
      askedPort(3, null),
    ]
    expect(inEachOrder([member], asked)).toEqual(['a: a:1 m1', 'b: a:2 a:3'])
    expect(shape(groupClusters([], [askedPort(2, { clusterId: 'b', memberId: '2' }), askedPort(9, null)]))).toEqual([
      'b: a:2 a:9',
    ])
  })
})

describe('identityIn', () => {
  it('returns within the input for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        identityIn(Buffer.from(bytes))
      }),
    )
  })

  it('reads no identity from a record that ends early or has a length of 0', () => {
    expect(identityIn(Buffer.alloc(64))).toBeNull()
    expect(identityIn(Buffer.from('ff00000000000000', 'hex'))).toBeNull()
  })
})
