/** Where a run of the tests keeps its temporary folders. */
import { accessSync, constants, readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const MEMORY = '/dev/shm'

/** Containers often have 64 MiB there, which is not enough for the data folders of a few etcds. */
const ENOUGH = 4 * 2 ** 30

/**
 * The memory file system if there is one with enough room: what is tested waits for the disk after each write, so that
 * the tests wait more than they work. The long form runs on the disk, and so does everything if `TMPDIR` is set.
 */
export function temporaryHome({ long = false, env = process.env, memory = MEMORY } = {}) {
  return !long && !env.TMPDIR && isSuitable(memory) ? memory : tmpdir()
}

function isSuitable(folder) {
  try {
    accessSync(folder, constants.W_OK)
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize >= ENOUGH && runsPrograms(folder)
  } catch {
    return false
  }
}

/** Some tests write a program and start it. */
function runsPrograms(folder) {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  return mounts.some((line) => line.split(' ')[1] === folder && !line.split(' ')[3]?.split(',').includes('noexec'))
}
