/** Finds the drop-ins of a systemd unit (systemd.unit(5)). */
import { basename, dirname, join } from 'node:path'
import { below, hostFolder, type HostPath, hostPathText, isHostFile } from '../../files/in-root.js'
import type { Finding } from '../../report/finding.js'
import { withoutTemplates } from './template.js'
import type { Reading } from './read-option.js'
import { type ConfigText, onDisk, pathOfCaller, readConfigFile, type ReadOptions } from './text.js'

/** The folders of units of systemd, the most important first. A file replaces one of the same name in a later folder. */
const UNIT_FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]
/** More drop-ins are not read. A unit seldom has more than three. */
const MAX_DROP_INS = 50

/** Whether the file of a unit is where systemd reads it, on this machine or below the root. */
export function isInstalled(file: string, root: string | null): boolean {
  const units = UNIT_FOLDERS.map((folder) => hostPathText(onDisk(folder, root)))
  return units.includes(dirname(hostPathText(pathOfCaller(file, root))))
}

/** The file of a unit, if it is enabled: `systemctl enable` links it in `multi-user.target.wants` (systemd.unit(5), [Install]). */
export async function enabledUnit(unit: string, root: string | null): Promise<HostPath | null> {
  const folder = onDisk('/etc/systemd/system', root)
  const wanting = ((await hostFolder(folder)) ?? []).filter((name) => /\.(?:wants|requires)$/.test(name))
  const names = await Promise.all(wanting.map((name) => hostFolder(below(folder, name))))
  if (!names.some((each) => each?.includes(unit) === true)) return null
  for (const each of UNIT_FOLDERS) {
    const path = onDisk(`${each}/${unit}`, root)
    if ((await isHostFile(path)) === true) return path
  }
  return null
}

/** Reads the drop-ins of the unit in a file, in the order in which systemd reads them. */
export async function readDropIns(
  file: string,
  { root, readFiles, texts }: ReadOptions,
  into: Reading,
): Promise<ConfigText[]> {
  const name = basename(file)
  const [, template] = /^([^@]+@)[^@]*\.service$/.exec(name) ?? []
  if (!readFiles || !name.endsWith('.service')) return []
  const place = { option: null, file, line: null, column: null }
  const leave = (path: string): void => {
    into.addUnchecked('drop-ins', place, `The drop-in ${path} was not read, and may change the options of etcd.`)
  }
  const names = [`${name}.d`, ...(template === undefined ? [] : [`${template}.service.d`]), ...prefixesOf(name)]
  const own = isInstalled(file, root) ? [] : names.map((each) => pathOfCaller(join(dirname(file), each), root))
  const byFolder = UNIT_FOLDERS.flatMap((folder) => names.map((each) => onDisk(`${folder}/${each}`, root)))
  const found = new Map<string, HostPath>()
  for (const folder of [...own, ...byFolder, ...UNIT_FOLDERS.map((each) => onDisk(`${each}/service.d`, root))]) {
    const files = await hostFolder(folder)
    if (files === null) leave(hostPathText(folder))
    for (const each of files ?? []) {
      if (each.endsWith('.conf') && !found.has(each)) found.set(each, inFolder(folder, each))
    }
  }
  if (found.size > MAX_DROP_INS) into.addLimit(place, MAX_DROP_INS, 'drop-ins of the unit were read')
  const dropIns: ConfigText[] = []
  for (const [, path] of [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_DROP_INS)) {
    const content = await readConfigFile(path, hostPathText(path))
    if ('code' in content && isMasked(content)) continue
    if ('code' in content) {
      into.add(content)
      leave(hostPathText(path))
    } else {
      texts.push(content)
      dropIns.push(withoutTemplates(content, into))
    }
  }
  return dropIns
}

/** A link to /dev/null masks a drop-in. Below a root, there may be no /dev/null. systemd would read a FIFO. */
function isMasked({ code, details }: Finding): boolean {
  return code === 'file/missing' || (code === 'file/not-regular' && details.kind === 'device')
}

/** `etcd-.service.d` of `etcd-main.service`, the longest first. */
function prefixesOf(name: string): string[] {
  const parts = name.replace(/@.*|\.service$/s, '').split('-')
  return parts.slice(1).map((_, i) => `${parts.slice(0, parts.length - 1 - i).join('-')}-.service.d`)
}

function inFolder(folder: HostPath, name: string): HostPath {
  return typeof folder === 'string' ? join(folder, name) : { ...folder, path: `${folder.path}/${name}` }
}
