/** What later rooms may use, next to the public names of `index.ts`. */
export { localUser } from './accounts.js'
export { nodeFileSystem, readPlainFile, readRange, replaceFiles, useFile } from './file-system.js'
export { guardedFileSystem } from './guarded-file-system.js'
export { below, hostFolder, type HostPath, hostPathText, isHostFile, useHostFile } from './in-root.js'
export { withDirectoryLock } from './lock.js'
export { replacedMounts } from './procfs.js'
export { type FileUser, OTHERS_MAY_WRITE, refusalOf } from './readable-by.js'
export { writeFailed } from './write-failed.js'
