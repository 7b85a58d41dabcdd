/** What the doctor uses of /proc: all of it. */
export * from './procfs.js'
