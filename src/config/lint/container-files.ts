/** Files that a pod names: those that no volume brings, and those of volumes that are not of this machine. */
import { resolve } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { isOfficialImage } from '../read/image.js'
import type { ReadMember } from '../read/input.js'
import type { Setting, SideField } from '../read/settings.js'
import { finding } from './finding.js'
import type { LintMember } from './member.js'

const FILES: readonly SideField[] = [
  'certFile',
  'keyFile',
  'trustedCaFile',
  'crlFile',
  'clientCertFile',
  'clientKeyFile',
]

/** One finding for all files of each kind. */
export function containerFiles(member: LintMember, read: ReadMember, isRead: boolean): Finding[] {
  const { mounts, directory, version, image = '' } = read.surroundings
  // Only the tag of an image of etcd has a version.
  const isOfficial = version !== null || isOfficialImage(image)
  if (mounts === null) return []
  const away = [member.client, member.peer]
    .filter(({ isAutoTls }) => !isAutoTls)
    .flatMap((side) => FILES.map((field) => side.get(field)))
    .filter(({ isSet, isUnresolved, text }) => isSet && !isUnresolved && read.hostPath(text) === null)
  const isBrought = ({ text }: Setting): boolean => {
    const inside = resolve(directory ?? '/', text)
    return mounts.some((mount) => inside.startsWith(`${mount.inside.replace(/\/$/, '')}/`) || inside === mount.inside)
  }
  const missing = away.filter((each) => !isBrought(each))
  const brought = away.filter(isBrought)
  const [firstMissing] = missing
  const [firstBrought] = brought
  const folders = [...new Set(mounts.map(({ inside }) => inside))].sort()
  return [
    ...(firstMissing === undefined
      ? []
      : [
          finding('config/volume-missing', {
            ...firstMissing.place,
            paths: pathsOf(missing),
            mounts: folders,
            isOfficial,
          }),
        ]),
    ...(firstBrought === undefined || !isRead
      ? []
      : [finding('config/file-elsewhere', { ...firstBrought.place, paths: pathsOf(brought) })]),
  ]
}

function pathsOf(settings: readonly Setting[]): string[] {
  return [...new Set(settings.map(({ text }) => text))]
}
