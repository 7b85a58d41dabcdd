/** An example of docs/examples as a project of its own, which has the package installed under its name. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Compiles the package and the examples into a new folder under .cache. There the examples find the package by its own
 * name, as a user's project does; `dist` is neither needed nor touched.
 */
export async function makeStory(root) {
  // The compilers are among the packages that may just have been fetched.
  const { bundle } = await import('./bundle.mjs')
  const { emitJavaScript, readConfig } = await import('./compile.mjs')
  const { options } = readConfig(join(root, '.config', 'tsconfig.build.json'))
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'quickstart-'))
  const home = join(folder, 'node_modules', 'etcd-mtls')
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await bundle(root, join(home, 'dist'))
    copyFileSync(join(root, 'package.json'), join(home, 'package.json'))
    emitJavaScript(join(root, 'docs', 'examples'), '.', folder, options)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'quickstart', private: true, type: 'module' }))
  } catch (error) {
    remove()
    throw error
  }
  return { file: join(folder, 'quickstart.js'), remove }
}
