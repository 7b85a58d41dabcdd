/** Which of several clusters a client uses, and what it reports about the endpoints of the others. */
import { expect, it } from 'vitest'
import { ClusterVote } from '../../../src/client/base/cluster-vote.js'
import { parseEndpoints } from '../../../src/client/base/endpoints.js'

/** Voters by the letters of their clusters; "-" has not reported one. */
function voters(clusters: string) {
  return Array.from(clusters, (letter, index) => {
    const [endpoint] = parseEndpoints([`https://m${String(index)}:2379`])
    return { endpoint, clusterId: letter === '-' ? null : letter }
  })
}

it.each([
  ['b', 'b'],
  ['ba', 'b'],
  ['baa', 'a'],
  ['b-', 'b'],
  ['-', null],
])(
  'a vote over the clusters "%s" chooses %s, and the first one that was reported of equally many',
  (clusters, chosen) => {
    const vote = new ClusterVote()
    vote.count(voters(clusters))
    expect(vote.chosen).toBe(chosen)
  },
)

it('a vote stays with the cluster that was chosen before if another one has equally many endpoints', () => {
  const vote = new ClusterVote()
  expect([vote.count(voters('a-')), vote.count(voters('ba')), vote.chosen]).toEqual([true, false, 'a'])
})

it('a vote reports each change of the cluster, and the finding names the last one, unless the first attempts go on', () => {
  const vote = new ClusterVote()
  const changes: unknown[] = []
  const remove = vote.onChange(({ details }) => changes.push(details))
  vote.count(voters('c'))
  vote.count(voters('a'), true)
  const findingsOf = (clusters: string) => voters(clusters).flatMap((each, _index, all) => vote.findingsFor(each, all))
  expect(findingsOf('a')).toEqual([])
  vote.count(voters('b'))
  remove()
  expect(changes).toEqual([
    { cluster: 'a', before: 'c' },
    { cluster: 'b', before: 'a' },
  ])
  expect(findingsOf('b').map(({ code, details }) => ({ code, details }))).toEqual([
    { code: 'endpoint/cluster-changed', details: { endpoints: ['https://m0:2379'], cluster: 'b', before: 'a' } },
  ])
})

it.each([
  ['abaa', true],
  ['ab-a', false],
  ['ab', false],
])('a finding about the clusters "%s" blames the endpoint of b: %s', (clusters, hasMajority) => {
  const vote = new ClusterVote()
  const all = voters(clusters)
  vote.count(all)
  const found = all.flatMap((each) => vote.findingsFor(each, all))
  expect(found.map(({ details }) => details)).toMatchObject([{ endpoint: 'https://m1:2379', hasMajority }])
  expect(found[0]?.remedy.includes('etcdctl member remove')).toBe(hasMajority)
})
