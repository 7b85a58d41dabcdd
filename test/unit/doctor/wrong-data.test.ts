/** Of which cluster the data of a member is. */
import { describe, expect, it } from 'vitest'
import { type DataEvidence, dataState, wrongData } from '../../../src/doctor/wrong-data.js'

const OWN = { clusterId: 'aa', memberIds: ['1', '2', '3'], hasLeader: true }
const OTHER = { clusterId: 'bb', memberIds: ['7'], hasLeader: true }
const EVIDENCE: DataEvidence = {
  ...{ wal: { clusterId: 'cc', memberId: '9' }, clusters: [OWN, OTHER], hasDataDirectory: true, expected: 'aa' },
}

describe('the data of a member', () => {
  it.each([
    ['A member without data starts for the first time', { hasDataDirectory: false, wal: null }, 'first start'],
    ['A WAL that cannot be read says nothing', { wal: null }, 'unknown'],
    ['The data is the own data of a member that its cluster lists', { wal: { clusterId: 'aa', memberId: '3' } }, 'own'],
    [
      'The data is the own data of a member of another cluster',
      { wal: { clusterId: 'bb', memberId: '7' }, expected: 'bb' },
      'own',
    ],
    [
      'The data is the own data of a member whose URL no cluster lists, if its ID is listed',
      { wal: { clusterId: 'bb', memberId: '7' }, expected: null },
      'own',
    ],
    ['The data of a member that was removed is left alone', { wal: { clusterId: 'aa', memberId: '9' } }, 'unknown'],
    [
      'The data of another cluster that was seen is in a wrong directory',
      { wal: { clusterId: 'bb', memberId: '7' } },
      'wrong directory',
    ],
    ['The data of no cluster is moved aside if the others have a leader', {}, 'no cluster'],
    ['The data stays if the others have no leader', { clusters: [{ ...OWN, hasLeader: false }, OTHER] }, 'unknown'],
    ['The data stays if only another cluster has a leader', { clusters: [OTHER] }, 'unknown'],
    [
      'The data stays if the member ID is in a list, as after a restored snapshot',
      { wal: { clusterId: 'cc', memberId: '3' } },
      'unknown',
    ],
    ['The data stays if no cluster lists the URL of the member', { expected: null }, 'unknown'],
  ] as [string, Partial<DataEvidence>, string][])('%s', (_, given, state) => {
    expect(dataState({ ...EVIDENCE, ...given })).toBe(state)
  })

  it('The remedy moves the data and never removes it, and quotes a path with a space', () => {
    const details = {
      member: 'm3',
      walDirectory: '/wal',
      token: 'etcd',
      joined: null,
      initialCluster: 'm3=https://10.0.0.3:2380',
    }
    const [found] = wrongData(EVIDENCE, { ...details, directory: '/var/lib/my etcd/' })
    expect(found?.remedy).toContain(
      `"mv '/var/lib/my etcd' '/var/lib/my etcd'.$(date +%F)" and "mv /wal /wal.$(date +%F)"`,
    )
    expect(found?.remedy).not.toMatch(/\brm\b|remove|delete|empty/)
    expect(wrongData({ ...EVIDENCE, wal: null }, { ...details, directory: '/d' })).toEqual([])
  })
})
