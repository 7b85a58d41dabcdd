/** Where the package is. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file of the package: of its folder that has package.json, above this file. */
export function packageFile(path: string): URL {
  let folder = new URL('./', import.meta.url)
  while (!existsSync(fileURLToPath(new URL('package.json', folder))) && folder.pathname !== '/')
    folder = new URL('../', folder)
  return new URL(path, folder)
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }
  return version
}
