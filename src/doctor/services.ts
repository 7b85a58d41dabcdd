/** Whether a process belongs to a service: the user of a unit or of a container, and not somebody who has logged in. */
import { basename } from 'node:path'
import { UNIT_FOLDERS } from '../config/read/drop-ins.js'
import { onDisk, readConfigFile } from '../config/read/text.js'
import { localUser } from '../files/accounts.js'
import { hostFolder } from '../files/in-root.js'

/** Control groups of containerd, CRI-O, Docker, Podman, LXC and the kubelet, with their names of 64 hexadecimal digits. */
const CONTAINER = /(?:^|[/-])[0-9a-f]{64}(?:\.scope)?(?:\/|$)|\/(?:kubepods|docker|lxc)[./]|\/machine\.slice\//
const SYSTEM_SERVICE = /\/system\.slice\/(?:[^/]+\.slice\/)?([^/\n]+\.service)(?:\/|$)/m
/** The accounts of the system, and those of DynamicUser= (https://systemd.io/UIDS-GIDS). */
const isSystemUser = (uid: number): boolean => uid < 1000 || (uid >= 61_184 && uid <= 65_519)

/**
 * Decides by the control groups of the process (cgroups(7)), which only root can choose outside of `user.slice`. A container in there is
 * one of that user. A service such as cron also runs programs of others, so the process must belong to the user of the unit.
 *
 * @param folder The folder of the process in procfs.
 */
export async function isOfService(folder: string, uid: number): Promise<boolean> {
  const content = await readConfigFile(`${folder}/cgroup`, 'cgroup')
  const groups = 'code' in content ? '' : content.text
  if (groups.includes('/user.slice/')) return false
  if (groups.split('\n').some((line) => CONTAINER.test(line))) return true
  const [, unit] = SYSTEM_SERVICE.exec(groups) ?? []
  return unit !== undefined && (isSystemUser(uid) || (await isUserOf(basename(unit), uid)))
}

/** Whether `User=` of the unit, or of a drop-in, names the user. */
async function isUserOf(unit: string, uid: number): Promise<boolean> {
  const name = (await localUser(uid))?.name
  for (const folder of ['/run/systemd/transient', ...UNIT_FOLDERS]) {
    const file = `${folder}/${unit.replace(/@.*(?=\.service$)/, '@')}`
    const dropIns = (await hostFolder(onDisk(`${folder}/${unit}.d`, null))) ?? []
    for (const each of [file, ...dropIns.map((one) => `${folder}/${unit}.d/${one}`)]) {
      const content = await readConfigFile(each, each)
      const users = 'code' in content ? [] : [...content.text.matchAll(/^[ \t]*User[ \t]*=[ \t]*(\S+)/gm)]
      if (users.some(([, user]) => user === name || user === String(uid))) return true
    }
  }
  return false
}
