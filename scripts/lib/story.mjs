/** An example of docs/examples as a project of its own, which has the package installed under its name. */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Bundles the package and the examples into a new folder under .cache. There the examples find the package by its own
 * name, as a user's project does; `dist` is neither needed nor touched.
 */
export async function makeStory(root) {
  // The bundler is among the packages that may just have been fetched.
  const { bundleForRun } = await import('./bundle-run.mjs')
  let remove = () => undefined
  try {
    const files = readdirSync(join(root, 'docs/examples')).filter((name) => name.endsWith('.ts'))
    const folder = await bundleForRun(root, {
      name: `quickstart-${process.pid}`,
      files: files.map((name) => `docs/examples/${name}`),
      defer: (work) => (remove = work),
    })
    await installBundle(root, folder)
    return { file: join(folder, 'quickstart.js'), remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** Bundles the package into `node_modules` of a folder, which becomes a project of its own. */
export async function installBundle(root, folder) {
  const { bundle } = await import('./bundle.mjs')
  const home = join(folder, 'node_modules', 'etcd-mtls')
  await bundle(root, join(home, 'dist'))
  copyFileSync(join(root, 'package.json'), join(home, 'package.json'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'story', private: true, type: 'module' }))
}
