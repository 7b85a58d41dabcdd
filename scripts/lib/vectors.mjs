/** Where the public path validation vectors are, which `npm run conformance` reads. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The vectors of a folder: `ETCD_MTLS_VECTORS`, else `../shared/vectors`. `limbo` is null if they are not there. */
export function findVectors(root, env = process.env) {
  const folder = resolve(root, env.ETCD_MTLS_VECTORS || '../shared/vectors')
  const file = (name) => (existsSync(join(folder, name)) ? join(folder, name) : null)
  return { folder, limbo: file('limbo.json'), bettertls: file('bettertls-sample.json.gz') }
}

/** One line for a folder without vectors. */
export function howToGetVectors(folder) {
  return (
    `The conformance vectors are not in ${folder}. Put limbo.json of https://github.com/C2SP/x509-limbo there,` +
    ' or name its folder in ETCD_MTLS_VECTORS, and run "npm run conformance".'
  )
}
