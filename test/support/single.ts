/** The command as one file, as `npm run build -- --single` makes it. All test files share it. */
import { join } from 'node:path'
import { bundleSingle } from '../../scripts/lib/single.mjs'
import { root } from './compiled.js'
import { madeOnce } from './made-once.js'

export async function singleFile(): Promise<string> {
  const inputs = ['src', 'scripts/lib', 'package.json', 'package-lock.json']
  const place = await madeOnce('single', inputs, async (folder) => {
    await bundleSingle(root, join(folder, 'etcd-mtls.mjs'))
  })
  return join(place, 'etcd-mtls.mjs')
}
