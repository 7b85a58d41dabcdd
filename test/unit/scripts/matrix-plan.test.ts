import { describe, expect, it } from 'vitest'
import { planMatrix } from '../../../scripts/lib/matrix-plan.mjs'

const NODES = ['20.19', '22', '24', '26']
const FAULTY = ['22.23.3', '24.21.0', '26.0.0']
const TOOLS = ['jest', 'ncc', 'next', 'rollup', 'vite', 'yarn']
const ALL = [...NODES, ...FAULTY, '12', 'bun', 'deno', ...TOOLS]

describe('planMatrix', () => {
  it.each([
    [[], undefined, ALL, []],
    [[], '/a/etcd, debian:sid,', [...ALL, '/a/etcd', 'debian:sid'], []],
    [['node'], '/a/etcd', [...NODES, ...FAULTY], []],
    [['node', 'test/unit'], '/a/etcd', NODES, ['test/unit']],
    [['node24keys', 'bun'], undefined, ['24.21.0', 'bun'], []],
    [['tools'], '/a/etcd', TOOLS, []],
    [['next', 'node24'], undefined, ['24', 'next'], []],
    [['tools', 'test/unit'], undefined, TOOLS, ['test/unit']],
    [['etcd'], '/a/etcd,/b/etcd', ['/a/etcd', '/b/etcd'], []],
    [['node24', 'node20'], undefined, ['20.19', '24'], []],
    [['node24', 'test/unit/x509', 'etcd'], undefined, ['24'], ['test/unit/x509', 'etcd']],
    [['--unit'], undefined, NODES, ['--unit']],
    [['testcontainers12'], '/a/etcd', ['12'], []],
  ])('reads the arguments %j with ETCD_MTLS_ETCD=%s', (args, etcds, versions, filters) => {
    const plan = planMatrix(args, etcds)
    expect(
      plan.cells.map(
        ({ testcontainers, node, runtime, tool, etcd }) => testcontainers ?? node ?? runtime ?? tool ?? etcd,
      ),
    ).toEqual(versions)
    expect(plan.filters).toEqual(filters)
  })

  it.each([
    [
      'node18',
      'There is no cell "node18"; there are node, node20, node22, node24, node26, node22ipv6, node24keys, node26keys, testcontainers12, bun, deno, jest, ncc, next, rollup, vite, yarn, tools, etcd.',
    ],
    ['etcd', 'The cell "etcd" needs ETCD_MTLS_ETCD'],
  ])('refuses the cell %s', (name, message) => {
    expect(() => planMatrix([name])).toThrow(message)
  })
})
