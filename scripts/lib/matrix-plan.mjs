/** The cells of a run of the matrix, from the arguments of scripts/matrix.mjs. */
import { Stop } from './lifecycle.mjs'
import { NODES } from './supported.mjs'

/**
 * The other major of testcontainers that package.json accepts: the tests use version 11. It requires Node 22.22, and only
 * the tests of `etcd-mtls/testing` depend on it.
 */
const TESTCONTAINERS = { name: 'testcontainers12', node: '22', testcontainers: '12' }

/** Releases of Node with a fault that the client works around, and the tests that meet it. */
const FAULTY = [
  // `checkServerIdentity` refuses every IPv6 address.
  { name: 'node22ipv6', node: '22.23.3', files: ['test/unit/client/dial.test.ts'] },
  // SIGSEGV by `getPeerCertificate` of some EC keys.
  { name: 'node24keys', node: '24.21.0', files: ['test/unit/client/unusual-keys.test.ts'] },
  { name: 'node26keys', node: '26.0.0', files: ['test/unit/client/unusual-keys.test.ts'] },
]

/** Vitest does not run there: `runtime-story.mjs` does. */
const RUNTIMES = ['bun', 'deno'].map((runtime) => ({ name: runtime, runtime }))

/** The tools of docs/tool-chains.md that are not among the packages for development: `tool-chain-story.mjs` runs them. */
const TOOLS = ['jest', 'ncc', 'next', 'rollup', 'vite', 'yarn'].map((tool) => ({ name: tool, tool }))

/**
 * Names of cells come first: `node24`, `node` for all versions of Node, `tools` for all tools, `etcd` for all etcds. The rest are test files
 * and flags for `npm test`. Without names, every cell runs; with test files, only those that run the whole suite.
 *
 * @param {string[]} args
 * @param {string | undefined} etcds the variable ETCD_MTLS_ETCD: paths of etcds, separated by commas
 * @returns {{ cells: Cell[], filters: string[] }}
 *
 * @typedef {{ name: string, node?: string, files?: string[], testcontainers?: string, runtime?: string, tool?: string, etcd?: string }} Cell
 */
export function planMatrix(args, etcds = '') {
  const cells = [
    ...NODES.map(({ tested }) => ({ name: `node${parseInt(tested, 10)}`, node: tested })),
    ...FAULTY,
    TESTCONTAINERS,
    ...RUNTIMES,
    ...TOOLS,
    ...etcds
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '')
      .map((etcd) => ({ name: 'etcd', etcd })),
  ]
  const isName = (arg) => /^\w+$/.test(arg)
  const end = args.findIndex((arg) => !isName(arg))
  const names = end === -1 ? args : args.slice(0, end)
  for (const name of names) checkName(name, cells)
  const filters = end === -1 ? [] : args.slice(end)
  const isChosen = (cell) => {
    const isPart = (cell.files ?? cell.testcontainers ?? cell.runtime ?? cell.tool) !== undefined
    if (names.includes(cell.name) || (cell.tool !== undefined && names.includes('tools'))) return true
    if (isPart && filters.length > 0) return false
    return names.length === 0 || (names.includes('node') && cell.name.startsWith('node'))
  }
  return { cells: cells.filter(isChosen), filters }
}

function checkName(name, cells) {
  if (name === 'node' || name === 'tools' || cells.some((cell) => cell.name === name)) return
  if (name === 'etcd') {
    throw new Stop(
      'The cell "etcd" needs ETCD_MTLS_ETCD: the paths of etcds, separated by commas; debian:sid stands for the etcd of that suite.',
    )
  }
  const known = ['node', ...new Set(cells.map((cell) => cell.name)), 'tools', 'etcd']
  throw new Stop(`There is no cell "${name}"; there are ${[...new Set(known)].join(', ')}.`)
}
