/** How fast the configurations of a cluster of seven are checked, with all files that they name. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { lintCluster } from '../../src/config/index.js'
import { chainPem, dns, ip, mintCa, mintLeaf } from '../support/mint.js'
import type { Bench } from './harness.js'

const MEMBERS = 7
const FLOOR = 'reading the files, parsing the YAML'
const OURS = 'lintCluster'
const WITHOUT_FILES = 'lintCluster, readFiles: false'

export const bench: Bench = {
  title: 'Linting the configurations of seven members',
  about:
    'Seven files of YAML, each with a server and a peer certificate below an intermediate, their keys and the CA: ' +
    'read, parsed, checked one by one and together. The floor reads the same files, and only parses the YAML.',
  unit: 'cluster',
  base: FLOOR,
  promises: [{ says: 'etcd-mtls takes at most 150 ms', holds: (measured) => measured(OURS).time <= 150 }],
  prepare() {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    const { configs, others } = write(folder)
    return {
      contenders: [
        {
          name: FLOOR,
          run() {
            for (const file of others) readFileSync(file)
            for (const file of configs) parseAllDocuments(readFileSync(file, 'utf8'), { uniqueKeys: false })
          },
        },
        { name: OURS, run: () => lint(configs, true) },
        { name: WITHOUT_FILES, run: () => lint(configs, false) },
      ],
      dispose: () => {
        rmSync(folder, { recursive: true })
      },
    }
  },
}

async function lint(configs: readonly string[], readFiles: boolean): Promise<void> {
  const report = await lintCluster(
    configs.map((file) => ({ file })),
    { readFiles, version: '3.5.33' },
  )
  // A cluster that is found wanting would be checked for the wrong reason.
  if (report.findings.some(({ severity }) => severity !== 'info')) throw new Error(JSON.stringify(report.findings))
}

function write(folder: string): { configs: string[]; others: string[] } {
  const root = mintCa({ subject: 'Bench root' })
  const intermediate = mintCa({ subject: 'Bench issuer', issuer: root, pathLength: 0 })
  const others: string[] = []
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    others.push(path)
    return path
  }
  const ca = file('ca.crt', root.pem)
  const address = (i: number): string => `10.0.0.${String(i + 1)}`
  const cluster = Array.from({ length: MEMBERS }, (_, i) => `etcd-${String(i)}=https://${address(i)}:2380`).join(',')
  const configs = Array.from({ length: MEMBERS }, (_, i) => {
    const name = `etcd-${String(i)}`
    const block = (side: string): string => {
      const leaf = mintLeaf({ subject: name, issuer: intermediate, names: [dns(name), ip(address(i))] })
      const cert = file(`${name}-${side}.crt`, chainPem(leaf, intermediate))
      const key = file(`${name}-${side}.key`, leaf.keyPem)
      return `  cert-file: ${cert}\n  key-file: ${key}\n  trusted-ca-file: ${ca}\n  client-cert-auth: true\n`
    }
    const config = join(folder, `${name}.yml`)
    writeFileSync(
      config,
      `name: ${name}
data-dir: /var/lib/etcd
listen-client-urls: https://${address(i)}:2379
advertise-client-urls: https://${name}:2379
listen-peer-urls: https://${address(i)}:2380
initial-advertise-peer-urls: https://${address(i)}:2380
initial-cluster: ${cluster}
initial-cluster-token: bench
tls-min-version: TLS1.2
client-transport-security:
${block('server')}peer-transport-security:
${block('peer')}`,
    )
    return config
  })
  return { configs, others }
}
